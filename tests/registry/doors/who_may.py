"""Who may do what in the registry, found out by asking at every entrance, and written down for people.

python -m tests.registry.doors.who_may     writes who_may.txt anew
"""

import asyncio
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from services.registry.access import INSIDE
from services.registry.app import DECIDERS
from services.registry.asset_number import compose
from services.registry.meter.hold import PlaceHold
from services.registry.meter.identity import Description, Register
from services.registry.meter.unexpected import ReceiveUnexpected
from services.registry.plan import SetPlan
from services.registry.shipment import PrepareShipment
from services.registry.site import OpenSite
from tests.doors.who_may import MAKER, OTHER_MAKER, OWN, STALE, THEIR, Asked, Asking
from tests.gateway.behind import behind
from tests.gateway.season import tell
from tests.registry.doors.entrances import PAPER_ASKED_FOR, Entrances, workshop
from tests.registry.doors.season import BOXES, CUT_OFF, EXAMPLES, MANIFEST
from tests.registry.stories import DAY, DISMANTLE, on

WHO_MAY_IS_TOLD = frozenset({STALE, "shipment.signed_by_another"})
"""What only those are told who may give a command. The example's signature is nobody's who asks here."""

OF_UNIT, OF_MAKER, OF_OTHERS = (
    compose(unit, "01", f"{serial:014d}") for unit, serial in ((OWN, 21), (THEIR, 22), (THEIR, 23))
)
DEVICES = {OF_UNIT: (OWN, OTHER_MAKER), OF_MAKER: (THEIR, MAKER), OF_OTHERS: (THEIR, OTHER_MAKER)}
"""Each device's unit and maker. Whoever asks acts for OWN and belongs to MAKER."""

OFFERED = [kind for decider in DECIDERS for kind in decider.commands if kind not in INSIDE]

SIGNS = {OF_UNIT: "unit", OF_MAKER: "maker", OF_OTHERS: "all", OWN: "unit", THEIR: "all"}
"""What being let at a row means: it is of one's unit, of one's make, or anybody's."""


async def set_up(entrances: Entrances) -> None:
    """A device, a site, a shipment and a plan of one's own unit and of another; devices of two makers."""
    told: list[Any] = [
        on(OpenSite, site_id=f"S-{unit}", kind="unit_store", name="合成", unit=unit) for unit in (OWN, THEIR)
    ]
    for number, (unit, maker) in DEVICES.items():
        described = Description(maker=maker)
        told += [
            on(Register, asset_no=number, device_class="01", unit=unit, description=described),
            on(PlaceHold, asset_no=number, hold="H", kind="court", reference="R", until=DAY),
            msgspec.structs.replace(DISMANTLE, asset_no=number, unit=unit, site=f"S-{unit}"),
            # Seen in the other unit's store: an alarm, and held apart there.
            on(ReceiveUnexpected, asset_no=number, site=f"S-{THEIR if unit == OWN else OWN}", device_class="01"),
        ]
    for unit, other in ((OWN, THEIR), (THEIR, OWN)):
        sites = {"from_site": f"S-{unit}", "to_site": f"S-{other}"}
        told.append(on(PrepareShipment, shipment_id=f"SH-{unit}", unit=unit, manifest=MANIFEST, **sites))
        told.append(on(SetPlan, plan_id=f"{unit}-2026-03", expected=1, target_ppm=1, cut_off=CUT_OFF))
        told.append(msgspec.structs.replace(BOXES[0], container_id=f"BOX-{unit}", site=f"S-{unit}"))
    position = await tell(entrances.platform.registry, told)
    await entrances.platform.registry.ask(lambda _connection: None, seen=position)


def about_each(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """The command about each row that there is of its noun."""
    example = EXAMPLES[kind]
    if "asset_no" in kind.__struct_fields__ and "shipment_id" not in kind.__struct_fields__:
        begins = kind in {begin for decider in DECIDERS for begin in decider.begins}
        asked = {}
        for number, (unit, _) in DEVICES.items():
            # Once a device is on record, whose it is does not depend on what a command says.
            own = {"unit": unit if begins else OWN} if "unit" in kind.__struct_fields__ else {}
            asked[number] = msgspec.structs.replace(example, asset_no=number, **own)
        return asked
    key = {"container_id": "BOX-{}", "shipment_id": "SH-{}", "site_id": "S-{}", "plan_id": "{}-2026-03"}
    (name,) = key.keys() & {*kind.__struct_fields__}
    rows = {}
    for unit in (OWN, THEIR):
        more = {"unit": unit} if "unit" in kind.__struct_fields__ else {}
        more |= {name: f"S-{unit}" for name in ("from_site", "site") if name in kind.__struct_fields__}
        rows[unit] = msgspec.structs.replace(example, **{name: key[name].format(unit)}, **more)
    return rows


def _devices(**more: Any) -> dict[str, dict[str, Any]]:
    return {number: {"asset_no": number, **more} for number in DEVICES}


def _shipments(**more: Any) -> dict[str, dict[str, Any]]:
    return {unit: {"shipment_id": f"SH-{unit}", **more} for unit in (OWN, THEIR)}


def _once(**plain: Any) -> dict[str, dict[str, Any]]:
    return {THEIR: plain}


def _numbers(page: Any) -> list[str]:
    return [row["asset_no"] for row in page["items"]]


def _sites(page: Any) -> list[str]:
    return [row["site"].removeprefix("S-") for row in page["items"]]


def _units(page: Any) -> list[str]:
    return [row["unit"] for row in page["items"]]


PAPER = frozenset({PAPER_ASKED_FOR})
AS_IF_NOT_THERE = frozenset({"meter.unknown", "shipment.unknown", "container.unknown"})
"""What those are told of a row who may not read it: every row that is asked about is there."""

BY, MONTHS = {"by": DAY.isoformat()}, {"first": "2026-03", "last": "2026-03"}
QUESTIONS = {
    "GetDevice": Asking(_devices()),
    "GetLife": Asking(_devices()),
    "ListDevices": Asking(_once(), _numbers),
    "ListBalances": Asking(
        _once(first="2026-03-01", last="2026-03-31"),
        _sites,
    ),
    "ListRecovery": Asking(_once(**MONTHS)),
    "ListOwed": Asking({unit: {"unit": unit} for unit in (OWN, THEIR)}),
    "ListBurnt": Asking(_once()),
    "ListHoldsDue": Asking(_once(**BY), _numbers),
    "ListAlarms": Asking(_once(), _numbers),
    "ListCustodyGaps": Asking(_once(before=date(2026, 4, 1).isoformat()), _numbers),
    "ListDuplicates": Asking(_once()),
    "ListSites": Asking(_once(), _units),
    "ListStocktakes": Asking({unit: {"site_id": f"S-{unit}"} for unit in (OWN, THEIR)}),
    "ListShipments": Asking(_once(), _units),
    "GetShipment": Asking(_shipments()),
    "ListContainers": Asking(_once(), lambda page: [row["container"].removeprefix("BOX-") for row in page["items"]]),
    "GetContainer": Asking({unit: {"container_id": f"BOX-{unit}"} for unit in (OWN, THEIR)}),
    "ListPlans": Asking(_once(), _units),
    "GetTransferNote": Asking(_shipments(), allowed=PAPER),
    "GetRecoveryLedger": Asking(_once(**MONTHS), allowed=PAPER),
    "GetAssetPage": Asking(_devices(), allowed=PAPER),
    "GetProofs": Asking(_devices(), allowed=frozenset({"proof.no_checkpoint"})),
}


ASKED = Asked(
    service="registry",
    offered=OFFERED,
    inside=INSIDE,
    about_each=about_each,
    questions=QUESTIONS,
    signs=SIGNS,
    file=Path(__file__).with_name("who_may.txt"),
    written_by="tests.registry.doors.who_may",
    public=frozenset({"ListBurnt"}),
    told=WHO_MAY_IS_TOLD,
    not_there=AS_IF_NOT_THERE,
)


async def main() -> None:
    with TemporaryDirectory() as folder:
        async with behind(Path(folder), workshop()) as platform:
            entrances = Entrances(platform)
            await set_up(entrances)
            await ASKED.write(entrances)


if __name__ == "__main__":
    asyncio.run(main())
