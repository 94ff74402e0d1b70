"""Sites, plans, shipments and containers: one row each."""

from collections.abc import Iterable
from datetime import date
from typing import Any, Final

import msgspec
from sqlmodel import Field

from kernel.quantity import business_day_of_us
from kernel.view import View
from ledger.port import Recorded
from services.registry import container, plan, shipment, site
from services.registry.container import CONTAINER
from services.registry.plan import PLAN
from services.registry.shipment import SHIPMENT
from services.registry.site import SITE
from services.registry.views.tables import Tables


class SiteRow(msgspec.Struct, frozen=True):
    """A place. `recorded_on` is the business day on which its record began."""

    site: str
    kind: str
    name: str
    unit: str
    county: str | None
    opened_on: date
    recorded_on: date
    open: bool
    stocktaken_on: date | None
    short: int
    over: int
    version: int


class SiteTable(Tables, table=True):
    """The rows of SiteRow."""

    __tablename__ = "site_v1"

    site: str = Field(primary_key=True)
    kind: str = Field(index=True)
    name: str
    unit: str = Field(index=True)
    county: str | None
    opened_on: date
    recorded_on: date
    open: bool
    stocktaken_on: date | None
    short: int
    over: int
    version: int


class PlanRow(msgspec.Struct, frozen=True):
    """A recovery plan: the cohort of a unit in a month `YYYY-MM`."""

    unit: str
    cohort: str
    expected: int
    target_ppm: int
    cut_off: date
    revisions: int
    version: int


class PlanTable(Tables, table=True):
    """The rows of PlanRow."""

    __tablename__ = "plan_v1"

    unit: str = Field(primary_key=True)
    cohort: str = Field(primary_key=True)
    expected: int
    target_ppm: int
    cut_off: date
    revisions: int
    version: int


class ShipmentRow(msgspec.Struct, frozen=True):
    """A transfer note. `signed` holds the parties who have signed, `from` before `to`, with a comma between."""

    shipment: str
    phase: str
    from_site: str
    to_site: str
    unit: str
    devices: int
    manifest_sha256: str
    prepared_on: date
    dispatched_on: date | None
    received_on: date | None
    received: int
    missing: int
    unexpected: int
    damaged: int
    exceptions: int
    signed: str
    version: int


class ShipmentTable(Tables, table=True):
    """The rows of ShipmentRow."""

    __tablename__ = "shipment_v1"

    shipment: str = Field(primary_key=True)
    phase: str = Field(index=True)
    from_site: str = Field(index=True)
    to_site: str = Field(index=True)
    unit: str = Field(index=True)
    devices: int
    manifest_sha256: str
    prepared_on: date
    dispatched_on: date | None
    received_on: date | None
    received: int
    missing: int
    unexpected: int
    damaged: int
    exceptions: int
    signed: str
    version: int


class ContainerStand(msgspec.Struct, frozen=True):
    """How a container or pallet stands, but for what is in it: that the devices say."""

    container: str
    device_class: str
    site: str
    shipment: str | None
    seal_no: str | None
    exceptions: int
    version: int


class ContainerTable(Tables, table=True):
    """The rows of ContainerStand."""

    __tablename__ = "container_v2"

    container: str = Field(primary_key=True)
    device_class: str
    site: str = Field(index=True)
    shipment: str | None = Field(index=True)
    seal_no: str | None
    exceptions: int
    version: int


def evolve_site(row: SiteRow | None, event: Any, recorded: Recorded, _key: tuple[str]) -> SiteRow | None:
    match event:
        case site.SiteOpened():
            began = row.recorded_on if row else business_day_of_us(recorded.recorded_at_us)
            who = (event.site_id, event.kind, event.name, event.unit, event.county)
            return SiteRow(*who, event.day, began, True, None, 0, 0, recorded.version)  # noqa: FBT003  by position
        case site.SiteClosed() if row:
            return msgspec.structs.replace(row, open=False, version=recorded.version)
        case site.StocktakeRecorded() if row:
            taken = {"stocktaken_on": event.day, "short": len(event.short), "over": len(event.over)}
            return msgspec.structs.replace(row, **taken, version=recorded.version)
    return row


def evolve_plan(row: PlanRow | None, event: Any, recorded: Recorded, key: tuple[str, str]) -> PlanRow:
    revisions = row.revisions + 1 if row else 0
    return PlanRow(*key, event.expected, event.target_ppm, event.cut_off, revisions, recorded.version)


def plan_keys(event: plan.Event, _recorded: Recorded) -> Iterable[tuple[str, str]]:
    return ((event.plan_id[:5], event.plan_id[6:]),)


def evolve_shipment(row: ShipmentRow | None, event: Any, recorded: Recorded, _key: tuple[str]) -> ShipmentRow | None:
    if isinstance(event, shipment.ShipmentPrepared):
        return ShipmentRow(
            shipment=event.shipment_id,
            phase="prepared",
            from_site=event.from_site,
            to_site=event.to_site,
            unit=event.unit,
            devices=len(event.manifest),
            manifest_sha256=event.manifest_sha256,
            prepared_on=event.day,
            dispatched_on=None,
            received_on=None,
            received=0,
            missing=0,
            unexpected=0,
            damaged=0,
            exceptions=0,
            signed="",
            version=recorded.version,
        )
    if row is None:
        return None
    return msgspec.structs.replace(row, **_shipment_changes(row, event), version=recorded.version)


def _shipment_changes(row: ShipmentRow, event: shipment.Event) -> dict[str, Any]:
    match event:
        case shipment.ShipmentCancelled():
            return {"phase": "cancelled"}
        case shipment.ShipmentDispatched():
            return {"phase": "dispatched", "dispatched_on": event.day}
        case shipment.ShipmentReceived():
            counts = {name: len(getattr(event, name)) for name in ("received", "missing", "unexpected", "damaged")}
            return {"phase": "received", "received_on": event.day, **counts}
        case shipment.HandoverSigned(party=party):
            return {"signed": ",".join(sorted({*filter(None, row.signed.split(",")), party}))}
        case shipment.ShipmentExceptionRecorded():
            return {"exceptions": row.exceptions + 1}
        case shipment.ShipmentPrepared():
            return {}


def evolve_container(
    row: ContainerStand | None, event: Any, recorded: Recorded, _key: tuple[str]
) -> ContainerStand | None:
    if isinstance(event, container.ContainerRegistered):
        return ContainerStand(event.container_id, event.device_class, event.site, None, None, 0, recorded.version)
    if row is None:
        return None
    match event:
        case container.ContainerSealed(seal_no=seal_no):
            changes: dict[str, Any] = {"seal_no": seal_no}
        case container.ContainerSealBroken():
            changes = {"seal_no": None}
        case container.ContainerMoved(site=at):
            changes = {"site": at, "shipment": None}
        case container.ContainerDispatched(from_site=at, shipment=with_shipment):
            changes = {"site": at, "shipment": with_shipment}
        case container.ContainerExceptionRecorded():
            changes = {"exceptions": row.exceptions + 1}
        case _:
            changes = {}
    return msgspec.structs.replace(row, **changes, version=recorded.version)


SITES: Final = View(
    name="site",
    row=SiteRow,
    table=SiteTable,
    events=SITE.events,
    keys=lambda event, _recorded: ((event.site_id,),),
    evolve=evolve_site,
)
PLANS: Final = View(name="plan", row=PlanRow, table=PlanTable, events=PLAN.events, keys=plan_keys, evolve=evolve_plan)
SHIPMENTS: Final = View(
    name="shipment",
    row=ShipmentRow,
    table=ShipmentTable,
    events=SHIPMENT.events,
    keys=lambda event, _recorded: ((event.shipment_id,),),
    evolve=evolve_shipment,
)
CONTAINERS: Final = View(
    name="container",
    row=ContainerStand,
    table=ContainerTable,
    events=CONTAINER.events,
    keys=lambda event, _recorded: ((event.container_id,),),
    evolve=evolve_container,
)
