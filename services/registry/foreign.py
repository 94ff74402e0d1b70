"""What the registry reads of sorting's public events: what a device was judged to be, and whether it was made fit for
use again. The members that it does not need are passed over; a test holds these structs against
proto/sorting/v1/sorting.proto.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final, Literal

import msgspec

from kernel.codec import Upcaster


class OfDevice(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Something that happened to a device in sorting, and when."""

    asset_no: str
    occurred_at: datetime | None = None
    occurred_on: date | None = None

    @property
    def moment(self) -> dict[str, Any]:
        """When, as the members of whatever follows from it at the same time."""
        return {"occurred_at": self.occurred_at, "occurred_on": self.occurred_on}


class InspectionOpened(OfDevice, frozen=True, kw_only=True, gc=False):
    """It is being inspected, for the first time or anew."""

    round: int


class InspectionAbandoned(OfDevice, frozen=True, kw_only=True, gc=False):
    """The inspection was given up; the verdict before it stands again, where there was one."""

    round: int
    disposition: Literal["reuse", "claim", "scrap", "hold"] | None = None


class VerdictReached(OfDevice, frozen=True, kw_only=True, gc=False):
    """What it was judged to be."""

    round: int
    disposition: Literal["reuse", "claim", "scrap", "hold"]


class VerdictOverridden(VerdictReached, frozen=True, kw_only=True, gc=False):
    """What two persons say it is."""


class RepairOrdered(OfDevice, frozen=True, kw_only=True, gc=False):
    """It is to be made fit for use again, by this order."""

    repair: str


class RepairReturned(OfDevice, frozen=True, kw_only=True, gc=False):
    """It is back from its repairer."""

    repair: str
    outcome: Literal["repaired", "beyond_repair"]


class ReVerified(OfDevice, frozen=True, kw_only=True, gc=False):
    """It may be installed again, by this certificate and until the day on which that runs out. `seals` were put on."""

    certificate: str
    valid_until: date
    seals: tuple[str, ...] = ()


class ReVerificationFailed(OfDevice, frozen=True, kw_only=True, gc=False):
    """It gets no certificate, and will be judged again."""

    repair: str


class RepairCancelled(OfDevice, frozen=True, kw_only=True, gc=False):
    """The order is not carried out, or not to its end. The verdict stays."""

    repair: str


class PopulationJoined(OfDevice, frozen=True, kw_only=True, gc=False):
    """It stays as it is until this review has ended."""

    review: str


class PopulationLeft(PopulationJoined, frozen=True, kw_only=True, gc=False):
    """The review has ended. `resort`: its verdict stands no more. `sampled`: it was drawn for the review."""

    resort: bool = False
    sampled: bool = False


class DrawnStratum(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Who was drawn of a stratum."""

    sample: tuple[str, ...] = ()
    spares: tuple[str, ...] = ()


class SampleDrawn(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """These devices are re-tested, or may have to be in place of others."""

    review: str
    drawn: tuple[DrawnStratum, ...] = ()
    occurred_at: datetime | None = None
    occurred_on: date | None = None


FOLLOWED: Final = ("inspection-", "repair-", "review-")
"""The streams in which sorting says it, by their prefixes."""

EVENTS: Final = (
    InspectionOpened,
    InspectionAbandoned,
    VerdictReached,
    VerdictOverridden,
    RepairOrdered,
    RepairReturned,
    ReVerified,
    ReVerificationFailed,
    RepairCancelled,
    PopulationJoined,
    PopulationLeft,
    SampleDrawn,
)
READERS: Final[Mapping[str, Upcaster]] = {
    f"sorting.{event.__name__}": msgspec.json.Decoder(event).decode for event in EVENTS
}
