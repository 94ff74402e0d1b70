"""A log that knows devices at a centre, and a line that reports them."""

import random
import uuid
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import date
from typing import Any, Final

import grpc
from google.protobuf.message import Message

from cli.demo.on_the_bench import accuracy_class, reports
from kernel.grpc_messages import message_of
from kernel.wire.sorting.v1 import sorting_pb2
from ledger.open import open_ledger
from ledger.port import NO_STREAM, Append, Draft
from services.registry.app import CODEC as REGISTRY
from services.registry.meter.identity import Description, TemporaryIdentityAssigned
from services.registry.vocabulary import Movement
from services.sorting.defaults import default_scheme
from services.sorting.inspection.at_once import InspectAtOnce
from services.sorting.reporting import RunReport

SITE: Final = "centre"
UNIT: Final = "99401"
CLASS: Final = "01"
GROUP: Final = "single_phase"
DAY: Final = date(2026, 3, 5)
RUN_POSITIONS: Final = 2_000
APPENDED: Final = 1_000
SERVICE: Final = "meterloop.sorting.v1.Sorting"
REPORT: Final = f"/{SERVICE}/ReportRun"


def numbers(count: int, prefix: str = "B") -> list[str]:
    """Temporary identities of so many devices."""
    return [f"T{UNIT}{prefix}{serial:07d}" for serial in range(count)]


async def at_the_centre(ledger_url: str, asset_nos: Sequence[str]) -> None:
    """Put these devices on record as lying at the centre, as the registry would."""
    ledger = await open_ledger(ledger_url)
    described = Description(maker="M01", model="DDZY-示例1", arrival_batch="A1", made_on=date(2019, 4, 1))
    moved = Movement(device_class=CLASS, to_site=SITE)
    try:
        for start in range(0, len(asset_nos), APPENDED):
            await ledger.append([_assigned(one, described, moved) for one in asset_nos[start : start + APPENDED]])
    finally:
        await ledger.close()


def _assigned(asset_no: str, described: Description, moved: Movement) -> Append:
    event = TemporaryIdentityAssigned(
        occurred_on=DAY,
        asset_no=asset_no,
        device_class=CLASS,
        unit=UNIT,
        owner="company",
        moved=moved,
        description=described,
    )
    event_id = uuid.uuid5(uuid.NAMESPACE_OID, asset_no).bytes
    draft = Draft(event_id, REGISTRY.type_of(event), REGISTRY.encode(event), b"{}")
    return Append(f"meter-{asset_no}", NO_STREAM, [draft])


def line_reports(asset_nos: Sequence[str], run: str) -> Iterator[RunReport]:
    """What a line finds of each, some with a fault, as the demonstration's benches do."""
    scheme = default_scheme(GROUP)
    chance, plate = random.Random(5), accuracy_class(scheme)
    for index, asset_no in enumerate(asset_nos):
        found: Any = reports(scheme, chance, plate)
        yield RunReport(
            run_id=f"{run}-{index // RUN_POSITIONS}",
            position=index % RUN_POSITIONS + 1,
            found=InspectAtOnce(
                occurred_on=DAY,
                asset_no=asset_no,
                bench="L1",
                site=SITE,
                accuracy_class=plate,
                barcode=asset_no,
                **found,
            ),
        )


def written(given: Iterator[RunReport]) -> list[bytes]:
    """The reports as they go over the wire."""
    return [message_of(sorting_pb2.RunReport.DESCRIPTOR, one).SerializeToString() for one in given]


async def reported(address: str, token: str, bodies: Sequence[bytes]) -> list[Message]:
    """Report all of them on one call, and the answers."""
    async with grpc.aio.insecure_channel(address) as channel:

        async def sent() -> AsyncIterator[bytes]:
            for body in bodies:
                yield body

        call: Any = channel.stream_stream(REPORT, response_deserializer=sorting_pb2.RunAnswer.FromString)
        answered = call(sent(), metadata=(("authorization", f"Bearer {token}"),), timeout=600)
        return [answer async for answer in answered]
