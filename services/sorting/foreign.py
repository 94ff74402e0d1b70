"""What sorting reads of the registry's public events: who a device is, and where. The members that it does not need are
passed over; a test holds these structs against proto/registry/v1/registry.proto.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final

import msgspec

from kernel.codec import Upcaster


class Description(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is known of a device beside its number."""

    maker: str | None = None
    model: str | None = None
    arrival_batch: str | None = None
    made_on: date | None = None
    installed_on: date | None = None
    comm_address: str | None = None


NOTHING_SAID: Final = Description()


class Movement(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Out of one site, into another, or both."""

    device_class: str
    from_site: str | None = None
    to_site: str | None = None


class Departed(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Something by which a device is no longer where it was inspected, and when."""

    asset_no: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None

    @property
    def moment(self) -> dict[str, Any]:
        """When, as the members of whatever follows from it at the same time."""
        return {"occurred_at": self.occurred_at, "occurred_on": self.occurred_on}


class Registered(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A device is on record."""

    asset_no: str
    device_class: str
    unit: str
    owner: str
    description: Description = NOTHING_SAID


class TemporaryIdentityAssigned(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A device of unread number is on record and held at a site."""

    asset_no: str
    device_class: str
    unit: str
    owner: str
    moved: Movement
    description: Description = NOTHING_SAID


class IdentityAdopted(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The number has taken over what was kept under a temporary identity."""

    asset_no: str
    device_class: str
    unit: str
    owner: str
    moved: Movement


class IdentityBound(Departed, frozen=True, kw_only=True, gc=False):
    """A temporary identity has ended, and goes on under its number."""

    bound_to: str
    moved: Movement


class RecordCorrected(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the record should have said."""

    asset_no: str
    device_class: str | None = None
    unit: str | None = None
    owner: str | None = None
    dismantled_on: date | None = None
    description: Description | None = None
    moved_out: Movement | None = None
    moved_in: Movement | None = None


class Dismantled(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Out of service."""

    asset_no: str
    unit: str
    reason: str
    moved: Movement
    occurred_at: str | None = None
    occurred_on: date | None = None


class Moved(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Into a site, or out of it."""

    asset_no: str
    moved: Movement


class Received(Moved, frozen=True, kw_only=True, gc=False):
    """Into the stock of a site."""


class Unexpected(Departed, frozen=True, kw_only=True, gc=False):
    """Here though nobody announced it, and kept apart."""

    moved: Movement


class Dispatched(Departed, frozen=True, kw_only=True, gc=False):
    """On its way."""

    moved: Movement


class Missing(Departed, frozen=True, kw_only=True, gc=False):
    """Not there; what was on its way is in no site's stock already."""

    moved: Movement | None = None


class Found(Moved, frozen=True, kw_only=True, gc=False):
    """There again."""


class Released(Departed, frozen=True, kw_only=True, gc=False):
    """Out of a site for a purpose."""

    purpose: str
    moved: Movement


class Reinstalled(Departed, frozen=True, kw_only=True, gc=False):
    """In service again."""


class SampleReturned(Moved, frozen=True, kw_only=True, gc=False):
    """Back from a test, a show or a repair."""

    purpose: str


class ReceivedFromMaker(Moved, frozen=True, kw_only=True, gc=False):
    """In from the maker."""


class Stored(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Its place within the site that has it, and the container it is in, if any."""

    asset_no: str
    location: str
    container: str | None = None


class PlacedInContainer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """In a container, where it is."""

    asset_no: str
    container: str


class TakenOutOfContainer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Out of it again."""

    asset_no: str


class SiteOpened(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A place holds devices."""

    site_id: str
    kind: str
    unit: str
    name: str


MOVES: Final = (
    TemporaryIdentityAssigned,
    IdentityAdopted,
    IdentityBound,
    Dismantled,
    Received,
    Unexpected,
    Dispatched,
    Missing,
    Found,
    Released,
    SampleReturned,
    ReceivedFromMaker,
)
WITHIN: Final = (Stored, PlacedInContainer, TakenOutOfContainer)
"""By which a device has another place and stays at its site."""

EVENTS: Final = (Registered, *MOVES, *WITHIN, RecordCorrected, SiteOpened, Reinstalled)
READERS: Final[Mapping[str, Upcaster]] = {
    f"registry.{event.__name__}": msgspec.json.Decoder(event).decode for event in EVENTS
}
DEPARTURES: Final[Mapping[str, Upcaster]] = {
    name: READERS[name] for name, event in zip(READERS, EVENTS, strict=True) if issubclass(event, Departed)
}
"""Those that policies follow: every policy decodes all that any of them asks for."""
