"""A small season of synthetic devices, told to a registry: dismantled, shipped, received, signed for."""

import itertools
import uuid
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from kernel.handling import Ask, Context, Outcome
from services.registry.app import Registry
from services.registry.asset_number import compose
from services.registry.meter.dismantling import Dismantle, Reading
from services.registry.meter.identity import Description, Register
from services.registry.shipment import (
    DispatchShipment,
    FoundLine,
    Line,
    PrepareShipment,
    ReceiveShipment,
    SignHandover,
)
from services.registry.site import OpenSite

UNIT = "99401"
STORE, CENTRE = "store-1", "centre"
SHIPMENT = "YJ-99401-202603-0001"
DAY = date(2026, 3, 5)

_numbers = itertools.count(1)


def number(serial: int, kind: str = "01") -> str:
    return compose(UNIT, kind, f"{serial:014d}")


async def tell(registry: Registry, commands: Iterable[Any]) -> int:
    """Have every command done, and the position of the last event."""
    asks = [Ask(command, Context(command_id=_fresh(), actor="u-1")) for command in commands]
    outcomes = await registry.do_many(asks)
    for outcome in outcomes:
        assert isinstance(outcome, Outcome), outcome
    return max(outcome.position for outcome in outcomes if isinstance(outcome, Outcome))


def sites() -> list[Any]:
    return [
        OpenSite(site_id=STORE, kind="unit_store", name="合成一局表库", unit=UNIT, occurred_on=DAY),
        OpenSite(site_id=CENTRE, kind="centre", name="合成省级分拣中心", unit="99000", occurred_on=DAY),
    ]


def dismantled(devices: Sequence[str], day: date = DAY, unit: str = UNIT) -> list[Any]:
    """Each registered, and out of service with a reading."""
    described = Description(maker="SYN-MAKER-A", model="DDZY-合成")
    told: list[Any] = [
        Register(asset_no=one, device_class="01", unit=unit, occurred_on=day, description=described) for one in devices
    ]
    told += [
        Dismantle(
            asset_no=one,
            work_order=f"WO-{one[-8:]}",
            unit=unit,
            site=STORE,
            reason="rotation_at_term",
            occurred_on=day,
            reading=Reading(total_wh=1_234_560 + at * 1_000, peak_wh=234_560, flat_wh=1_000_000),
        )
        for at, one in enumerate(devices)
    ]
    return told


def prepared(devices: Sequence[str], shipment_id: str = SHIPMENT, container: str | None = None) -> PrepareShipment:
    manifest = tuple(Line(asset_no=one, device_class="01", container=container) for one in devices)
    return PrepareShipment(
        shipment_id=shipment_id, from_site=STORE, to_site=CENTRE, unit=UNIT, manifest=manifest, occurred_on=DAY
    )


def dispatched(shipment_id: str = SHIPMENT) -> DispatchShipment:
    return DispatchShipment(shipment_id=shipment_id, seal_no="FY-000123", occurred_on=DAY)


def received(found: Sequence[FoundLine], shipment_id: str = SHIPMENT) -> ReceiveShipment:
    return ReceiveShipment(shipment_id=shipment_id, found=tuple(found), occurred_on=DAY)


def signed(party: Any, shipment_id: str = SHIPMENT) -> SignHandover:
    return SignHandover(shipment_id=shipment_id, party=party, signer=f"subject-{party}", occurred_on=DAY)


def _fresh() -> uuid.UUID:
    return uuid.UUID(int=next(_numbers))
