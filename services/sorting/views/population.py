"""What was found until now of devices of the same maker and batch, and of the same class: a row for each, and for each
fault.
"""

from collections.abc import Collection, Iterable
from typing import Any, Final, TypeAlias

import msgspec
from sqlalchemy import Connection, select, tuple_
from sqlmodel import Field

from kernel.view import View
from ledger.port import Recorded
from services.sorting.inspection.state import Device
from services.sorting.inspection.verdict import Counts, FaultCount, IndicatorsAssessed
from services.sorting.views.device import DeviceRow
from services.sorting.views.tables import Tables

NONE: Final = ""
"""In place of a maker and batch: the whole class. In place of a fault: all that were inspected; `any`: all faulty."""

ANY: Final = "any"
Family: TypeAlias = tuple[str, str, str]
"""Device class, maker, batch."""


class PopulationRow(msgspec.Struct, frozen=True):
    """How many of a class, or of a maker's batch of it, were inspected and showed a fault."""

    device_class: str
    maker: str
    batch: str
    fault: str
    devices: int = 0


class PopulationTable(Tables, table=True):
    """The rows of PopulationRow."""

    __tablename__ = "population_v2"

    device_class: str = Field(primary_key=True)
    maker: str = Field(primary_key=True)
    batch: str = Field(primary_key=True)
    fault: str = Field(primary_key=True)
    devices: int


def family_of(device: Device | DeviceRow) -> Family:
    """Those like it: of the same class, maker and batch. One whose batch is not known is like the whole class."""
    if device.maker is None or device.batch is None:
        return (device.device_class, NONE, NONE)
    return (device.device_class, device.maker, device.batch)


def keys(event: IndicatorsAssessed, _recorded: Recorded) -> Iterable[tuple[str, str, str, str]]:
    """A device counts once, as it first came in: what a later inspection finds is not another device. One of which a
    step was left out and no fault was found is neither sound nor faulty.
    """
    undecided = event.findings.condition == "unknown" and not event.findings.faults
    if event.again or undecided:
        return []
    shown = (NONE, *([ANY] if event.findings.faults else []), *event.findings.faults)
    families = {family_of(event.device), (event.device.device_class, NONE, NONE)}
    return [(*family, fault) for family in sorted(families) for fault in shown]


def evolve(
    row: PopulationRow | None, _event: Any, _recorded: Recorded, key: tuple[str, str, str, str]
) -> PopulationRow:
    return PopulationRow(*key, devices=(row.devices if row else 0) + 1)


POPULATIONS: Final = View[Any](
    name="population",
    row=PopulationRow,
    table=PopulationTable,
    events=(IndicatorsAssessed,),
    keys=keys,
    evolve=evolve,
)


def counted(connection: Connection, families: Collection[Family]) -> dict[Family, Counts]:
    """What was found until now of these, and of the classes that they are of."""
    of = POPULATIONS.columns.c
    wholes = {(family[0], NONE, NONE) for family in families}
    key = tuple_(of.device_class, of.maker, of.batch)
    rows = connection.execute(select(POPULATIONS.columns).where(key.in_(sorted({*families, *wholes}))))
    found: dict[Family, dict[str, int]] = {}
    for row in rows:
        found.setdefault((row.device_class, row.maker, row.batch), {})[row.fault] = row.devices
    return {family: _counts(found.get(family, {}), found.get((family[0], NONE, NONE), {})) for family in families}


def _counts(batch: dict[str, int], whole: dict[str, int]) -> Counts:
    return Counts(
        inspected=batch.get(NONE, 0),
        faulty=batch.get(ANY, 0),
        class_inspected=whole.get(NONE, 0),
        class_faulty=whole.get(ANY, 0),
        by_fault=tuple(
            FaultCount(fault=fault, batch=batch.get(fault, 0), whole=whole.get(fault, 0))
            for fault in sorted({*batch, *whole} - {NONE, ANY})
        ),
    )
