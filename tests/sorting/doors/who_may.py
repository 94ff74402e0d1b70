"""Who may do what in sorting, found out by asking at every entrance, and written down for people.

python -m tests.sorting.doors.who_may     writes who_may.txt anew
"""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from services.registry.asset_number import compose
from services.sorting.access import INSIDE
from services.sorting.app import DECIDERS
from services.sorting.repair import RestoreKeys, ReVerify
from tests.doors.who_may import MAKER, OTHER_MAKER, OWN, STALE, THEIR, Asked, Asking
from tests.gateway.behind import behind
from tests.registry.doors.entrances import PAPER_ASKED_FOR
from tests.sorting.doors.entrances import Entrances, workshop
from tests.sorting.doors.season import EXAMPLES, REVIEW, REVIEWS, RULES, arrived, begun, tell
from tests.sorting.examples import DAY, SCHEME, inspected

OF_UNIT, OF_MAKER, OF_OTHERS = (
    compose(unit, "01", f"{serial:014d}") for unit, serial in ((OWN, 21), (THEIR, 22), (THEIR, 23))
)
DEVICES = {OF_UNIT: (OWN, OTHER_MAKER), OF_MAKER: (THEIR, MAKER), OF_OTHERS: (THEIR, OTHER_MAKER)}
"""Each device's unit and maker."""

OF_NOBODY = "rules, benches and reviews"
"""A row that is neither a unit's nor a maker's."""

SIGNS = {OF_UNIT: "unit", OF_MAKER: "maker", OF_OTHERS: "all", OF_NOBODY: "all"}
OFFERED = [kind for decider in DECIDERS for kind in decider.commands if kind not in INSIDE]
TOLD = frozenset({STALE, "verdict.by_another", "repair.verified_by_another"})
"""What only those are told who may give a command. Nobody who asks here is named in the examples."""


async def set_up(entrances: Entrances) -> None:
    """A judged device of one's own unit, one of one's own make, and one of others; a repair of each; a review."""
    for number, (unit, maker) in DEVICES.items():
        await arrived(entrances.ledger, [number], unit=unit, maker=maker)
    await tell(entrances.sorting, [(one,) for one in RULES])
    for number, (unit, maker) in DEVICES.items():
        told = [(inspected(number),), (begun(repair_of(number), number, unit=unit, maker=maker),)]
        told += [(RestoreKeys(occurred_on=DAY, repair=repair_of(number), reference="KEY-1"),), (verified(number),)]
        await tell(entrances.sorting, told)
    await tell(entrances.sorting, [(REVIEWS[0],)])


def repair_of(asset_no: str) -> str:
    return f"RP-{asset_no}"


def certificate_of(asset_no: str) -> str:
    return f"C-{asset_no}"


def verified(asset_no: str) -> ReVerify:
    """By which its repair issues a certificate."""
    example: ReVerify = EXAMPLES[ReVerify]
    return msgspec.structs.replace(example, repair=repair_of(asset_no), certificate=certificate_of(asset_no))


def about_each(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """The command about each row that there is of its noun."""
    example = EXAMPLES[kind]
    if "review" in kind.__struct_fields__:
        return {OF_NOBODY: example}
    if "repair" in kind.__struct_fields__:
        return {number: msgspec.structs.replace(example, repair=repair_of(number)) for number in DEVICES}
    if "asset_no" in kind.__struct_fields__:
        return {number: msgspec.structs.replace(example, asset_no=number) for number in DEVICES}
    return {OF_NOBODY: example}


def _devices() -> dict[str, dict[str, Any]]:
    return {number: {"asset_no": number} for number in DEVICES}


def _repairs() -> dict[str, dict[str, Any]]:
    return {number: {"repair": repair_of(number)} for number in DEVICES}


def _certificates() -> dict[str, dict[str, Any]]:
    return {number: {"certificate": certificate_of(number)} for number in DEVICES}


def _once(**plain: Any) -> dict[str, dict[str, Any]]:
    return {OF_NOBODY: plain}


def _numbers(page: Any) -> list[str]:
    return [row["asset_no"] for row in page["items"]]


DAYS = {"first_day": DAY.isoformat(), "last_day": DAY.isoformat()}
QUESTIONS = {
    "GetInspection": Asking(_devices()),
    "GetSortingLife": Asking(_devices()),
    "ListInspections": Asking(_once(), _numbers),
    "GetRepair": Asking(_repairs()),
    "ListRepairs": Asking(_once(), _numbers),
    "GetVerdict": Asking(_devices()),
    "GetReview": Asking(_once(review=REVIEW)),
    "ListReviews": Asking(_once()),
    "ListSamples": Asking(_once(review=REVIEW)),
    "GetSampleList": Asking(_once(review=REVIEW), allowed=frozenset({"review.not_now"})),
    "GetCertificate": Asking(_certificates(), allowed=frozenset({PAPER_ASKED_FOR})),
    "GetForm": Asking(_devices()),
    "ListQueues": Asking(_once()),
    "ListThroughput": Asking(_once(day=DAY.isoformat())),
    "ListYield": Asking(_once(by="maker", **DAYS)),
    "ListAgreement": Asking(_once(**DAYS)),
    "ListInspectorAgreement": Asking(_once(**DAYS)),
    "ListBacklog": Asking(_once(on=DAY.isoformat())),
    "ListSchemes": Asking(_once()),
    "GetScheme": Asking(_once(group=SCHEME.group)),
    "GetTable": Asking(_once(name="verdict")),
}
ASKED = Asked(
    service="sorting service",
    offered=OFFERED,
    inside=INSIDE,
    about_each=about_each,
    questions=QUESTIONS,
    signs=SIGNS,
    file=Path(__file__).with_name("who_may.txt"),
    written_by="tests.sorting.doors.who_may",
    public=frozenset({"GetScheme", "GetTable"}),
    told=TOLD,
    not_there=frozenset({"inspection.unknown", "repair.unknown", "certificate.unknown"}),
)


async def main() -> None:
    with TemporaryDirectory() as folder:
        async with behind(Path(folder), sorting_workshop=workshop()) as platform:
            entrances = Entrances(platform)
            await set_up(entrances)
            await ASKED.write(entrances)


if __name__ == "__main__":
    asyncio.run(main())
