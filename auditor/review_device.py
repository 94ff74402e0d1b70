"""A device as a review sees it, from its own disclosed events: the verdict that stands, and what keeps it out."""

from datetime import date, datetime
from enum import StrEnum
from sys import intern
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from auditor.balance import BUSINESS_ZONE


class Reason(StrEnum):
    """Why a verdict is no member of a population that is about it, by the name under which it is counted."""

    INSPECTED_ANEW = "inspected_anew"
    REPAIRED = "repaired"
    IN_REVIEW = "in_review"


class Opened(NamedTuple):
    """An inspection: its round, the maker on record when it was opened, whether a step of it was waived, and whether
    one was skipped, be it waived or not possible.
    """

    round: int
    maker: str | None
    waived: bool = False
    skipped: bool = False


Verdict: TypeAlias = tuple[int, str, str | None, bool]
"""Its round, the disposition, the maker, whether a step was skipped. Before a device joins a population that says so
it is whether one was waived, by which older logs drew.
"""


class Said(msgspec.Struct, frozen=True, gc=False):
    """As much of a device's event as a review asks for."""

    round: int = 0
    site: str | None = None
    device: dict[str, Any] = {}
    scheme: dict[str, Any] = {}
    report: dict[str, Any] = {}
    disposition: str = ""
    maker: str | None = None
    waived: bool = False
    skipped: bool | None = None
    stands: int | None = None
    certificate: str | None = None
    review: str = ""
    resort: bool = False
    sampled: bool = False
    occurred_at: datetime | None = None
    occurred_on: date | None = None


read_said: Final = msgspec.json.Decoder(Said).decode


JUDGED_BY: Final = frozenset(
    {"VerdictReached", "OverrideProposed", "VerdictOverridden", "RepairOrdered", "PopulationJoined"}
)
"""What rests on a verdict or makes one: of a device whose batch is sorted again, not before it is inspected anew."""


class Device:
    """What a device's own events make of it: the verdict that stands, and the inspection that was opened last."""

    __slots__ = (
        "gone",
        "group",
        "is_open",
        "judged_on",
        "opened",
        "repaired",
        "resort",
        "review",
        "site",
        "skipped",
        "verdict",
    )

    def __init__(self) -> None:
        self.verdict: Verdict | None = None
        self.judged_on = date.min
        self.opened = Opened(0, None)
        self.is_open = self.gone = self.skipped = False
        self.site: str | None = None
        self.group = ""
        self.repaired = False
        self.review: str | None = None
        self.resort: str | None = None

    def kept_out(self, review: str) -> Reason | None:
        """What keeps its verdict out of this review."""
        if self.is_open:
            return Reason.INSPECTED_ANEW
        if self.repaired:
            return Reason.REPAIRED
        return Reason.IN_REVIEW if self.review is not None and self.review != review else None

    def take(self, name: str, said: Said) -> None:
        match name:
            case "InspectionOpened":
                maker = said.device.get("maker")
                self.opened, self.is_open = Opened(said.round, maker and intern(maker)), True
                self.site, self.group = said.site and intern(said.site), intern(said.scheme.get("group", ""))
                self.gone, self.resort = False, None
            case "AppearanceInspected" | "FunctionInspected" | "AccuracyInspected":
                ended, opened = said.report.get("ended"), self.opened
                if ended in {"waived", "not_possible"}:
                    waived = opened.waived or ended == "waived"
                    self.opened = Opened(opened.round, opened.maker, waived=waived, skipped=True)
            case "VerdictReached":
                self._judged(said)
            case "VerdictOverridden" if self.verdict is not None:
                self.verdict = (self.verdict[0], intern(said.disposition), *self.verdict[2:])
                self.judged_on = day_of(said)
            case "RepairOrdered" | "RepairClosed":
                self.repaired = name == "RepairOrdered"
            case "InspectionSuperseded" | "InspectionClosed":
                # It goes on under its number, or is in service again: this verdict is nobody's any more.
                self.gone, self.is_open = True, False
            case "InspectionAbandoned":
                # The verdict before it stands again, where there is one.
                self.is_open = False
                self.verdict = self.verdict if said.stands else None
            case "PopulationJoined":
                self.review, self.verdict = intern(said.review), self.as_joined(said)
            case "PopulationLeft":
                self.review = None
                if said.resort:
                    self.verdict, self.resort = None, intern(said.review)
            case _:
                pass

    def as_joined(self, said: Said) -> Verdict | None:
        """The verdict with which it joins a population by this event."""
        if self.verdict is None or said.skipped is None:
            return self.verdict
        return (*self.verdict[:3], self.skipped)

    def _judged(self, said: Said) -> None:
        if self.verdict is not None and self.verdict[0] == said.round:
            # Judged again by the same inspection, as when a repair failed.
            self.verdict = (said.round, intern(said.disposition), *self.verdict[2:])
        else:
            self.verdict = (said.round, intern(said.disposition), self.opened.maker, self.opened.waived)
            self.skipped = self.opened.skipped
        self.judged_on, self.repaired, self.is_open = day_of(said), False, False


def day_of(said: Said) -> date:
    if said.occurred_on is not None:
        return said.occurred_on
    if said.occurred_at is None:
        raise ValueError("an event that does not say when it happened")
    return said.occurred_at.astimezone(BUSINESS_ZONE).date()
