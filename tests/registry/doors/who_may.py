"""Who may do what in the registry, found out by asking at every entrance, and written down for people.

    python -m tests.registry.doors.who_may     writes who_may.txt anew

A command is asked with a version that no stream has: who may give it is told that it is stale, and nothing happens.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeAlias

import msgspec

from kernel.principal import Role
from services.registry.access import INSIDE
from services.registry.app import DECIDERS
from services.registry.asset_number import compose
from services.registry.meter.hold import PlaceHold
from services.registry.meter.identity import Description, Register
from services.registry.meter.unexpected import ReceiveUnexpected
from services.registry.plan import SetPlan
from services.registry.shipment import PrepareShipment
from services.registry.site import OpenSite
from tests.gateway.behind import behind
from tests.gateway.season import tell
from tests.registry.doors.entrances import HERE, PAPER_ASKED_FOR, Answer, Entrance, Entrances, workshop
from tests.registry.doors.season import BOXES, CUT_OFF, EXAMPLES, MANIFEST
from tests.registry.stories import DAY, DISMANTLE, on

TABLE = HERE / "who_may.txt"
OWN, THEIR = "99401", "99402"
MAKER, OTHER_MAKER = "MK-1", "MK-2"
NEVER = 999_999
"""A version that no stream has."""

WHO_MAY_IS_TOLD = frozenset({"command.stale_version", "shipment.signed_by_another"})
"""What only those are told who may give a command. The example's signature is nobody's who asks here."""

OF_UNIT, OF_MAKER, OF_OTHERS = (
    compose(unit, "01", f"{serial:014d}") for unit, serial in ((OWN, 21), (THEIR, 22), (THEIR, 23))
)
DEVICES = {OF_UNIT: (OWN, OTHER_MAKER), OF_MAKER: (THEIR, MAKER), OF_OTHERS: (THEIR, OTHER_MAKER)}
"""Each device's unit and maker. Whoever asks acts for OWN and belongs to MAKER."""

OFFERED = [kind for decider in DECIDERS for kind in decider.commands if kind not in INSIDE]

SIGNS = {OF_UNIT: "unit", OF_MAKER: "maker", OF_OTHERS: "all", OWN: "unit", THEIR: "all"}
"""What being let at a row means: it is of one's unit, of one's make, or anybody's."""

WORDS = {"all": "", "unit": "(unit)", "maker": "(maker)"}


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


class Asking(msgspec.Struct, frozen=True):
    """How to ask a question: about each row, or once, `seen` then telling which rows were shown."""

    about: Mapping[str, Mapping[str, Any]]
    seen: Callable[[Any], Iterable[str]] | None = None
    allowed: frozenset[str] = frozenset()
    """Codes that only those are told who may ask."""


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


Table: TypeAlias = Mapping[str, Mapping[Role, str]]
"""For each action the roles that may, and over what rows."""

GATEWAY = "    through the gateway: "

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


ACTIONS = (*(kind.__name__ for kind in OFFERED), *QUESTIONS)


def verdict(answer: Answer, allowed: frozenset[str] = frozenset()) -> bool:
    """Whether who asked may; anything but yes and the one code of no is a fault of the test or of the door."""
    if answer.code == "access.denied":
        assert answer.status in {None, 403}
        assert answer.zh
        assert answer.en
        return False
    if answer.code in AS_IF_NOT_THERE:
        assert answer.status in {None, 404}
        return False
    assert answer.code in (allowed or {None}), answer
    return True


async def commands_let(entrance: Entrance, token: str) -> dict[str, list[str]]:
    """Each command, and the rows about which this token may give it."""
    let: dict[str, list[str]] = {}
    for kind in OFFERED:
        let[kind.__name__] = [
            row
            for row, command in about_each(kind).items()
            if verdict(await entrance.give(command, token, version=NEVER), WHO_MAY_IS_TOLD)
        ]
    return let


async def questions_let(entrance: Entrance, token: str) -> dict[str, list[str]]:
    """Each question, and the rows about which this token may ask it."""
    let: dict[str, list[str]] = {}
    for name, asking in QUESTIONS.items():
        let[name] = []
        for row, plain in asking.about.items():
            answer = await entrance.ask(name, dict(plain), token)
            if verdict(answer, asking.allowed):
                let[name] += [row] if asking.seen is None else sorted({*asking.seen(answer.value)})
    return let


async def table(entrances: Entrances, entrance: Entrance) -> Table:
    """What the entrance lets each role do."""
    found: dict[str, dict[Role, str]] = {name: {} for name in ACTIONS}
    for role in Role:
        token = asker(entrances, role)
        let = {**await commands_let(entrance, token), **await questions_let(entrance, token)}
        for action, rows in let.items():
            if rows:
                found[action][role] = over(rows)
    return found


def asker(entrances: Entrances, role: Role) -> str:
    """A token of somebody in this role, who acts for OWN and belongs to MAKER."""
    return entrances.token(role, units=(OWN,), organisation=MAKER, subject=f"u-{role}")


def over(rows: Sequence[str]) -> str:
    """All rows, or those by which sign."""
    signs = {SIGNS[row] for row in rows}
    return "all" if "all" in signs else "+".join(sorted(signs))


def written(own: Table, outer: Table) -> str:
    """What the registry's own doors let, an action a line, and a second line where the gateway differs."""
    lines = [_HEAD]
    for title, names in (("Commands", [kind.__name__ for kind in OFFERED]), ("Questions", QUESTIONS)):
        lines.append(f"\n{title}\n")
        for name in names:
            lines.append(f"{name}: {_roles(own[name])}")
            if own[name] != outer[name]:
                lines.append(f"{GATEWAY}{_roles(outer[name])}")
    inside = ", ".join(sorted(kind.__name__ for kind in INSIDE))
    lines.append(f"\nGiven by policies alone, at no door: {inside}\n")
    return "\n".join(lines)


def _roles(over_what: Mapping[Role, str]) -> str:
    if len(over_what) == len(Role) and set(over_what.values()) == {"all"}:
        return "everybody"
    said = [f"{role.value}{WORDS.get(what, f'({what})')}" for role, what in sorted(over_what.items())]
    return " ".join(said) or "nobody"


def expected() -> tuple[Table, Table]:
    """What the file says: the registry's own doors, and the gateway."""
    own: dict[str, dict[Role, str]] = {}
    outer: dict[str, dict[Role, str]] = {}
    for line in TABLE.read_text("utf-8").splitlines():
        name, separator, roles = line.partition(": ")
        if line.startswith(GATEWAY):
            outer[next(reversed(own))] = _read(line.removeprefix(GATEWAY))
        elif separator and name in ACTIONS:
            own[name] = outer[name] = _read(roles)
    return own, outer


def _read(roles: str) -> dict[Role, str]:
    if roles == "everybody":
        return dict.fromkeys(Role, "all")
    found = {}
    for word in roles.split() if roles != "nobody" else ():
        name, _, what = word.rstrip(")").partition("(")
        found[Role(name)] = what or "all"
    return found


_HEAD = """Who may do what in the registry, as its doors answer. Made by asking: python -m tests.registry.doors.who_may
Roles are those of kernel.identity. (unit): rows of one's own managing units; (maker): of one's own make."""


async def main() -> None:
    with TemporaryDirectory() as folder:
        async with behind(Path(folder), workshop()) as platform:
            entrances = Entrances(platform)
            await set_up(entrances)
            own, outer = await table(entrances, entrances.rest), await table(entrances, entrances.gateway)
            TABLE.write_text(written(own, outer), "utf-8")


if __name__ == "__main__":
    asyncio.run(main())
