"""What happens in the demonstration: who the devices are, and what becomes of each. The same seed, the same story.

All of it is made up and says so. Units 994pp and 990pp belong to no managing unit, county codes 99ppcc to no province,
serial numbers begin with 9999, makers, prefectures and orders are called 示例 (an example) or carry no name at all.
"""

import random
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final, Literal, TypeAlias, TypeVar

import msgspec

from services.registry import asset_number

Fate: TypeAlias = Literal["in_service", "owed", "received", "missing", "turned_up", "turned_up_in_service"]
"""What becomes of a registered device: it stays in service; it is dismantled and still owed; it is shipped and
received, or lost on the way; it turns up in a shipment that does not list it, dismantled or even still in service.
"""
T = TypeVar("T")

PREFECTURES: Final = (*"一二三四五六七八九十", "十一", "十二", "十三", "十四")
CENTRE: Final = "centre"
CENTRE_NAME: Final = "省级拆回分拣中心（示例）"
MAKERS: Final = {f"M{i:02d}": f"示例电气{letter}公司" for i, letter in enumerate("甲乙丙丁戊己庚", 1)}
MODELS: Final = {
    "01": ("DDZY-示例1", "DDZY-示例2", "DDZY-示例3"),
    "02": ("DTZY-示例1", "DTZY-示例2"),
    "03": ("FKGA-示例",),
    "04": ("JZQ-示例",),
    "06": ("HGQ-示例",),
    "11": ("MK-示例1", "MK-示例2"),
}
CLASS_WEIGHTS: Final = {"01": 70, "02": 17, "03": 2, "04": 4, "06": 3, "11": 4}
REASON_WEIGHTS: Final = {
    "rotation_at_term": 30,
    "status": 34,
    "failed_accuracy": 5,
    "fault": 14,
    "burnt": 5,
    "account_change": 4,
    "renovation": 7,
    "other": 1,
}
FATE_SHARES: Final[dict[Fate, tuple[float, int]]] = {
    "in_service": (0.07, 8),
    "owed": (0.04, 6),
    "missing": (0.008, 4),
    "turned_up": (0.006, 4),
    "turned_up_in_service": (0.002, 2),
}
"""The share of each fate, and how many at least. The others are received."""
CUSTOMER_OWNED_SHARE: Final = 0.03
DAMAGED_SHARE: Final = 0.01
STRANGERS_OF_THE_COMPANY: Final = 5
STRANGERS_OF_CUSTOMERS: Final = 3

FIRST_DAY: Final = date(2025, 3, 1)
LATE: Final = date(2025, 5, 1)
LAST_DAY: Final = date(2025, 5, 31)
SHIPMENT_DEVICES_MAX: Final = 60
CONTAINER_DEVICES: Final = 20
_CONSUMERS: Final = frozenset({"01", "02"})
_SERIAL: Final = 99_990_000_000_000
_STRANGERS: Final = 99_991_000_000_000


class Device(msgspec.Struct, frozen=True, kw_only=True):
    """A device on record."""

    asset_no: str
    device_class: str
    unit: str
    owner: Literal["company", "customer"]
    county: str
    maker: str
    model: str
    arrival_batch: str
    made_on: date
    installed_on: date
    comm_address: str | None
    fate: Fate


class Dismantling(msgspec.Struct, frozen=True, kw_only=True):
    """Taken out of service. `tariffs_wh` are sharp, peak, flat and valley; their sum is the total. What has no
    registers has none, and no signature for them.
    """

    device: Device
    work_order: str
    day: date
    reason: str
    signature: Literal["signed", "refused", "absent"] | None
    tariffs_wh: tuple[int, int, int, int] | None
    ratio: int | None


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """A device found in a shipment. `listed`: its manifest says so."""

    asset_no: str
    device_class: str
    listed: bool
    damaged: bool


class Shipment(msgspec.Struct, frozen=True, kw_only=True):
    """From a unit's store to the centre. `listed` are the manifest's devices, each with its container."""

    shipment_id: str
    unit: str
    dispatched_on: date
    received_on: date
    listed: tuple[tuple[Device, str], ...]
    arrivals: tuple[Arrival, ...]


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. `strangers` arrive without ever having been registered."""

    seed: int
    devices: tuple[Device, ...]
    dismantlings: tuple[Dismantling, ...]
    shipments: tuple[Shipment, ...]
    strangers: tuple[Arrival, ...]


def tell(seed: int, devices: int) -> Story:
    """The story of so many registered devices."""
    chance = random.Random(seed)  # noqa: S311  a story that can be told again, no secret
    fates = _fates(chance, devices)
    registered = [device(chance, serial, fate) for serial, fate in enumerate(fates, 1)]
    scratched = fates.index("in_service")
    registered[scratched] = _misprinted(registered[scratched])
    dismantlings = tuple(_dismantlings(chance, registered))
    owners = [False] * STRANGERS_OF_THE_COMPANY + [True] * STRANGERS_OF_CUSTOMERS
    strangers = tuple(_stranger(chance, serial, customers) for serial, customers in enumerate(owners, 1))
    return Story(
        seed=seed,
        devices=tuple(registered),
        dismantlings=dismantlings,
        shipments=tuple(_shipments(chance, registered, dismantlings, strangers)),
        strangers=strangers,
    )


def unit_of(prefecture: int) -> str:
    """The managing unit of a prefecture, counted from 1."""
    return f"994{prefecture:02d}"


def store_of(unit: str) -> str:
    """The site at which a unit keeps what it has dismantled."""
    return f"store-{unit}"


def unit_name(unit: str) -> str:
    return f"示例{PREFECTURES[int(unit[3:]) - 1]}市供电公司"


def store_name(unit: str) -> str:
    return f"示例{PREFECTURES[int(unit[3:]) - 1]}市计量库房"


def in_service(seed: int, devices: int) -> Iterator[Device]:
    """Devices one by one, for those who need many and no story."""
    chance = random.Random(seed)  # noqa: S311  as in tell
    for serial in range(1, devices + 1):
        yield device(chance, serial, "in_service")


def _fates(chance: random.Random, devices: int) -> list[Fate]:
    fates: list[Fate] = []
    for fate, (share, least) in FATE_SHARES.items():
        fates += [fate] * max(least, round(share * devices))
    fates += ["received"] * (devices - len(fates))
    chance.shuffle(fates)
    return fates[:devices]


def device(chance: random.Random, serial: int, fate: Fate) -> Device:
    """One device by chance, of this serial number."""
    prefecture = chance.randrange(len(PREFECTURES)) + 1
    unit = unit_of(prefecture)
    device_class = _weighted(chance, CLASS_WEIGHTS)
    customers = chance.random() < CUSTOMER_OWNED_SHARE
    made_on = date(2012, 1, 1) + timedelta(days=chance.randrange(3650))
    maker = chance.choice(sorted(MAKERS))
    digits = f"{_SERIAL + serial:014d}"
    return Device(
        asset_no=asset_number.compose(f"990{prefecture:02d}" if customers else unit, device_class, digits),
        device_class=device_class,
        unit=unit,
        owner="customer" if customers else "company",
        county=f"99{prefecture:02d}{chance.randrange(1, 6):02d}",
        maker=maker,
        model=chance.choice(MODELS[device_class]),
        arrival_batch=f"{made_on.year}{maker}{chance.randrange(1, 5):02d}",
        made_on=made_on,
        installed_on=made_on + timedelta(days=chance.randrange(60, 400)),
        comm_address=f"{serial:012d}" if device_class in _CONSUMERS else None,
        fate=fate,
    )


def _misprinted(one: Device) -> Device:
    """The device whose label bears a wrong check digit. Everybody knows it by that number."""
    digit = (int(one.asset_no[-1]) + 3) % 10
    return msgspec.structs.replace(one, asset_no=f"{one.asset_no[:-1]}{digit}")


def _dismantlings(chance: random.Random, devices: list[Device]) -> Iterator[Dismantling]:
    orders: dict[str, int] = defaultdict(int)
    for one in devices:
        if one.fate in ("in_service", "turned_up_in_service"):
            continue
        # What turns up in a late shipment was taken down well before it.
        last = LATE if one.fate == "turned_up" else LAST_DAY
        day = FIRST_DAY + timedelta(days=chance.randrange((last - FIRST_DAY).days + 1))
        orders[one.unit] += 1
        consumer = one.device_class in _CONSUMERS
        yield Dismantling(
            device=one,
            work_order=f"GD{day:%Y%m}{one.unit}{orders[one.unit]:05d}",
            day=day,
            reason=_weighted(chance, REASON_WEIGHTS),
            signature=_weighted(chance, {"signed": 90, "absent": 8, "refused": 2}) if consumer else None,
            tariffs_wh=_tariffs(chance) if consumer else None,
            ratio=chance.choice((1, 20, 40, 80)) if one.device_class == "02" else 1 if consumer else None,
        )


def _tariffs(chance: random.Random) -> tuple[int, int, int, int]:
    """Registers to a hundredth of a kWh, as a display shows them."""
    sharp, peak, flat, valley = (chance.randrange(1_000_000) * 10 for _ in range(4))
    return sharp, peak, flat, valley


def _stranger(chance: random.Random, serial: int, customers: bool) -> Arrival:  # noqa: FBT001  it is zipped
    device_class = _weighted(chance, CLASS_WEIGHTS)
    prefecture = chance.randrange(len(PREFECTURES)) + 1
    unit = f"990{prefecture:02d}" if customers else unit_of(prefecture)
    number = asset_number.compose(unit, device_class, f"{_STRANGERS + serial:014d}")
    return Arrival(asset_no=number, device_class=device_class, listed=False, damaged=False)


def _shipments(
    chance: random.Random,
    devices: list[Device],
    dismantlings: tuple[Dismantling, ...],
    strangers: tuple[Arrival, ...],
) -> Iterator[Shipment]:
    by_unit: dict[str, list[Dismantling]] = defaultdict(list)
    for one in dismantlings:
        if one.device.fate in ("received", "missing"):
            by_unit[one.device.unit].append(one)
    loads = [
        (
            unit,
            sorted(ones, key=lambda one: one.day)[start : start + SHIPMENT_DEVICES_MAX],
            start // SHIPMENT_DEVICES_MAX + 1,
        )
        for unit, ones in sorted(by_unit.items())
        for start in range(0, len(ones), SHIPMENT_DEVICES_MAX)
    ]
    astray: dict[int, list[Arrival]] = defaultdict(list)
    for lost in devices:
        if lost.fate in ("turned_up", "turned_up_in_service"):
            astray[_late(chance, loads)].append(_arrival(lost, listed=False, damaged=False))
    for stranger in strangers:
        astray[_late(chance, loads)].append(stranger)
    for number, (unit, load, sequence) in enumerate(loads):
        dispatched_on = load[-1].day + timedelta(days=chance.randrange(2, 9))
        arrivals = [
            _arrival(one.device, listed=True, damaged=chance.random() < DAMAGED_SHARE)
            for one in load
            if one.device.fate == "received"
        ]
        arrivals += astray[number]
        chance.shuffle(arrivals)
        yield Shipment(
            shipment_id=f"YJ-{unit}-{sequence:03d}",
            unit=unit,
            dispatched_on=dispatched_on,
            received_on=dispatched_on + timedelta(days=chance.randrange(1, 4)),
            listed=tuple(
                (one.device, f"ZX{unit}{sequence:03d}{place // CONTAINER_DEVICES + 1:02d}")
                for place, one in enumerate(load)
            ),
            arrivals=tuple(arrivals),
        )


def _late(chance: random.Random, loads: list[tuple[str, list[Dismantling], int]]) -> int:
    """A shipment that leaves after every dismantling, so that nothing turns up before it was taken down."""
    return chance.choice([number for number, (_, load, _) in enumerate(loads) if load[-1].day >= LATE])


def _arrival(one: Device, *, listed: bool, damaged: bool) -> Arrival:
    return Arrival(asset_no=one.asset_no, device_class=one.device_class, listed=listed, damaged=damaged)


def _weighted(chance: random.Random, weights: dict[T, int]) -> T:
    return chance.choices(list(weights), list(weights.values()))[0]
