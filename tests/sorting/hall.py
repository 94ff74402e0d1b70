"""A sorting hall for tests: a log that knows some synthetic meters at a centre, and the rules published."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any

from kernel.handling import Context, Outcome
from kernel.http_page import Cursors
from kernel.identity_issuer import built_in_verifier, write_keys
from ledger.memory import MemoryLedger
from ledger.port import Ledger
from services.registry.app import CODEC as REGISTRY_CODEC
from services.registry.asset_number import compose
from services.registry.meter.custody import Received
from services.registry.meter.identity import Description, Registered
from services.registry.site import SiteOpened
from services.registry.vocabulary import Movement
from services.sorting.app import Sorting
from services.sorting.inspection.opening import CheckIdentity, OpenInspection
from services.sorting.scheme import PublishScheme
from services.sorting.table import PublishTable
from tests.given import fresh_id
from tests.sorting.behind import SortingBehind, sorting_behind
from tests.sorting.examples import BENCH, DAY, PRICES, SCHEME, SITE, TABLE, UNIT
from tests.sorting.written import written

NUMBERS = [compose(UNIT, "01", f"9999000000{serial:04d}") for serial in range(20)]


@asynccontextmanager
async def hall(folder: Path, *, published: bool = True) -> AsyncIterator[SortingBehind]:
    """Twenty meters at the centre, and the rules unless they are not `published` yet, until the block ends."""
    write_keys(folder / "keys")
    verifier = built_in_verifier(folder / "keys", ["127.0.0.1"])
    ledger = MemoryLedger()
    await arrived(ledger, NUMBERS)
    async with sorting_behind(folder, ledger, verifier, Cursors(b"c" * 32)) as behind:
        if published:
            await rules(behind.sorting)
        yield behind
    await ledger.close()


async def arrived(ledger: Ledger, numbers: list[str], **described: Any) -> int:
    """Have these registered, so described, and received at the centre; the position of the last event."""
    opened = SiteOpened(occurred_on=DAY, site_id=SITE, kind="centre", name="合成分拣中心", unit=UNIT)
    at = await written(ledger, REGISTRY_CODEC, f"site-{SITE}", opened)
    about = {"maker": "M01", "arrival_batch": "A1", "made_on": date(2020, 1, 5), "installed_on": date(2020, 6, 1)}
    said = Description(**(about | described))
    for number in numbers:
        at = await written(
            ledger,
            REGISTRY_CODEC,
            f"meter-{number}",
            Registered(
                occurred_on=DAY, asset_no=number, device_class="01", unit=UNIT, owner="company", origin="in_service",
                description=said,
            ),
            Received(
                occurred_on=DAY, asset_no=number, shipment="S1", moved=Movement(device_class="01", to_site=SITE)
            ),
        )  # fmt: skip
    return at


async def rules(sorting: Sorting) -> None:
    """Publish the examples' scheme, table and prices."""
    about = {"occurred_on": DAY, "version": 1, "why": "first"}
    await told(
        sorting,
        PublishScheme(**about, group=SCHEME.group, scheme=SCHEME),
        PublishTable(**about, name="verdict", verdict=TABLE),
        PublishTable(**about, name="prices", prices=PRICES),
    )


async def opened(sorting: Sorting, number: str, *, bench: str = BENCH, accuracy_class: str | None = "1") -> None:
    """Open its inspection there, its barcode read."""
    about = {"occurred_on": DAY, "asset_no": number}
    await told(
        sorting,
        OpenInspection(**about, bench=bench, site=SITE, accuracy_class=accuracy_class),
        CheckIdentity(**about, barcode=number),
    )


async def told(sorting: Sorting, *commands: Any, actor: str = "u-1") -> int:
    """Have every command done by this one; the position of the last event."""
    position = 0
    for command in commands:
        done = await sorting.do(command, Context(command_id=fresh_id(), actor=actor))
        assert isinstance(done, Outcome)
        position = done.position
    return position
