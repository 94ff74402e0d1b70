"""What the rules of a device need to remember, and no more."""

from typing import TypeAlias, assert_never

import msgspec

from kernel.refusal import against_rules, not_found
from services.registry.vocabulary import DeviceClass, HoldKind, Movement, Owner, PreconditionKind, Purpose

UNKNOWN = not_found(
    "meter.unknown",
    "没有资产编号 {asset_no} 的记录。请先登记该器具。",
    "there is no record of {asset_no}; register the device first",
)
ENDED = against_rules(
    "meter.ended",
    "器具 {asset_no} 的生命周期已结束（{how}），不能再作此操作。",
    "the life of {asset_no} has ended ({how}); nothing more can be done to it",
)
ON_HOLD = against_rules(
    "meter.on_hold",
    "器具 {asset_no} 处于留存（{holds}），不得销毁、拆封或清除数据。请先解除留存。",
    "{asset_no} is on hold ({holds}): no destruction, seal-breaking or data reset; lift the hold first",
)


class InService(msgspec.Struct, frozen=True, tag=True):
    """Installed at a customer's."""


class AtSite(msgspec.Struct, frozen=True, tag=True):
    """Held at a site. `unexpected`: nobody had announced it, and it is kept apart until that is resolved."""

    site: str
    unexpected: bool = False


class InTransit(msgspec.Struct, frozen=True, tag=True):
    """On its way in a shipment."""

    shipment: str
    last_site: str


class MissingFrom(msgspec.Struct, frozen=True, tag=True):
    """Where it should be it is not. `last_site` held it last."""

    last_site: str
    shipment: str | None = None


class LostFrom(msgspec.Struct, frozen=True, tag=True):
    """The loss is confirmed and not yet written off."""

    last_site: str


class Out(msgspec.Struct, frozen=True, tag=True):
    """Released from a site for a purpose."""

    purpose: Purpose
    reference: str
    last_site: str


class WithRecycler(msgspec.Struct, frozen=True, tag=True):
    """Sold, and not yet certified as destroyed."""

    recycler: str
    lot: str


class Ended(msgspec.Struct, frozen=True, tag=True):
    """Nothing follows. `last_holder` answers for it if it turns up again."""

    how: str
    last_holder: str


Place: TypeAlias = InService | AtSite | InTransit | MissingFrom | LostFrom | Out | WithRecycler | Ended


class Meter(msgspec.Struct, frozen=True, kw_only=True):
    """A device of any class. `place` is None before the first event; `version` is that of the last."""

    version: int = -1
    asset_no: str = ""
    place: Place | None = None
    device_class: DeviceClass = "01"
    unit: str = ""
    owner: Owner = "company"
    consented: bool = False
    dismantled_version: int | None = None
    holds: dict[str, HoldKind] = {}
    disputed: bool = False
    has_final_reading: bool = False
    preconditions: dict[PreconditionKind, str] = {}
    data_cleared: bool = False
    chip_destroyed: bool = False
    battery_removed: bool = False
    defaced: bool = False

    @property
    def held(self) -> list[str]:
        """What stands against destroying evidence, in words of the log."""
        return sorted({*self.holds.values(), *(["dispute"] if self.disputed else [])})

    @property
    def site(self) -> str | None:
        """The site whose balance counts it now."""
        return self.place.site if isinstance(self.place, AtSite) else None

    @property
    def dismantlement(self) -> dict[str, int | None]:
        """Which dismantling an event of today belongs to."""
        return {"dismantled_version": self.dismantled_version}

    def moves(self, to_site: str | None) -> Movement:
        """The movement from where it is counted now to `to_site`, or out of all sites."""
        return Movement(device_class=self.device_class, from_site=self.site, to_site=to_site)


NOTHING = Meter()


def known(asset_no: str, meter: Meter) -> Place:
    """Where it is, or a refusal where there is no such device or its life has ended."""
    if meter.place is None:
        raise UNKNOWN(asset_no=asset_no)
    if isinstance(meter.place, Ended):
        raise ENDED(asset_no=asset_no, how=meter.place.how)
    return meter.place


def unheld(asset_no: str, meter: Meter) -> None:
    """Refuse what would destroy evidence while a hold stands."""
    if meter.held:
        raise ON_HOLD(asset_no=asset_no, holds=", ".join(meter.held))


def spoken(place: Place) -> str:
    """Where a device is, for a message."""
    match place:
        case InService():
            return "in_service"
        case AtSite(site=site):
            return f"at_site {site}"
        case InTransit(shipment=shipment):
            return f"in_transit {shipment}"
        case MissingFrom(last_site=site):
            return f"missing from {site}"
        case LostFrom(last_site=site):
            return f"lost from {site}"
        case Out(purpose=purpose, reference=reference):
            return f"out for {purpose} {reference}"
        case WithRecycler(recycler=recycler):
            return f"with_recycler {recycler}"
        case Ended(how=how):
            return f"ended {how}"
        case _:
            assert_never(place)
