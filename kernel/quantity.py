"""Bounded values with their units. Every number that crosses a door or enters the log is one of these.

Integers only: an event must read the same in any language, and sums must be exact. msgspec checks the bounds wherever
a struct is decoded, so REST, gRPC, import and log refuse the same things.
"""

from datetime import UTC, date, datetime, timedelta, timezone
from functools import lru_cache
from typing import Annotated, Any, Final, TypeAlias

from msgspec import Meta, Struct

from kernel.refusal import Contradiction

INT64_MAX: Final = 2**63 - 1

_FORMS: Final[dict[str, tuple[str, str]]] = {}


def formed(pattern: str, zh: str, en: str) -> Meta:
    """The bounds of a text that has this form. The words, in both languages, are for whoever writes another."""
    # A `$` lets a final newline pass in Python; `(?!\n)` after it does not, in any dialect of regular expressions.
    whole = f"^{pattern}$(?!\\n)"
    _FORMS[whole] = (zh, en)
    return Meta(pattern=whole, description=f"{zh} {en}")


def form_in_words(pattern: str) -> tuple[str, str]:
    """What a text of this pattern looks like, in both languages; the pattern itself where nobody said."""
    return _FORMS.get(pattern, (pattern, pattern))


Count: TypeAlias = Annotated[int, Meta(ge=0, le=1_000_000_000, description="a number of things")]
MassG: TypeAlias = Annotated[int, Meta(ge=0, le=1_000_000_000_000, description="mass in grams")]
AmountFen: TypeAlias = Annotated[
    int, Meta(ge=-1_000_000_000_000_000, le=1_000_000_000_000_000, description="money in fen, a hundredth of a yuan")
]
ReadingWh: TypeAlias = Annotated[
    int, Meta(ge=0, le=1_000_000_000_000_000, description="an active energy register in watt-hours")
]
ReadingVarh: TypeAlias = Annotated[
    int, Meta(ge=0, le=1_000_000_000_000_000, description="a reactive energy register in var-hours")
]
DemandW: TypeAlias = Annotated[int, Meta(ge=0, le=1_000_000_000_000, description="a maximum demand in watts")]
RatioMicro: TypeAlias = Annotated[
    int, Meta(ge=1, le=1_000_000_000_000, description="a transformation ratio in millionths: 1000000 is 1:1")
]

Instant: TypeAlias = Annotated[datetime, Meta(tz=True, description="an instant, RFC 3339 with a zone")]
CivilDate: TypeAlias = Annotated[date, Meta(description="a calendar day in Asia/Shanghai")]

Code: TypeAlias = Annotated[
    str,
    formed(
        r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}",
        "代码：字母数字开头，可含 . _ : / -，最多 64 位",
        "an identifier from a list or another system: a letter or digit, then those and . _ : / -, 64 at most",
    ),
]
Key: TypeAlias = Annotated[
    str,
    formed(
        r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}",
        "编号：字母数字开头，可含 . _ -，最多 64 位",
        "an id that stands in a path: a letter or digit, then those and . _ -, 64 at most",
    ),
]
Subject: TypeAlias = Annotated[
    str,
    formed(r"[!-~]{1,255}", "令牌中的主体标识，不含空格", "an opaque subject id, as tokens carry it, without spaces"),
]
Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=200, description="a name or a short phrase")]
Remark: TypeAlias = Annotated[str, Meta(min_length=1, max_length=2000, description="free text, never about a person")]
PublicRemark: TypeAlias = Annotated[
    str, Meta(min_length=1, max_length=2000, description="free text that the public will read, never about a person")
]
Version: TypeAlias = Annotated[int, Meta(ge=0, le=1_000_000, description="the version of an event in its stream")]
Sha256: TypeAlias = Annotated[
    str, formed(r"[0-9a-f]{64}", "SHA-256：64 位小写十六进制", "a SHA-256: 64 lower-case hexadecimal digits")
]

BUSINESS_ZONE: Final = timezone(timedelta(hours=8), "Asia/Shanghai")
"""Asia/Shanghai has kept UTC+8 all year since 1991-09-15 (IANA tz database), before any device in the log."""

YEAR_MIN: Final = 1970
YEAR_MAX: Final = 2199
"""When something can have happened. At the ends of the calendar an instant has no day in Asia/Shanghai and no form in
proto3 JSON, and one such event would stop every view.
"""

DAY_MIN: Final = date(1901, 1, 1)
DAY_MAX: Final = date(YEAR_MAX, 12, 31)
"""What any other day lies between, such as that on which a device was made. Spreadsheets write their day zero, in 1899
or 1900, where nobody typed anything, no device on record is older, and 9999-12-31 is no day but a way to say never.
"""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = date(1970, 1, 1)
_DAY_US: Final = 86_400_000_000
_ZONE_US: Final = 8 * 3_600_000_000


class Happened(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Something that happened: at an instant or, where the source knows no more, on a day. Exactly one of the two.

    Frozen values hold no cycles: that the collector need not look at a page's thousands saves a third of decoding them.
    """

    occurred_at: Instant | None = None
    occurred_on: CivilDate | None = None

    def __post_init__(self) -> None:
        if (self.occurred_at is None) is (self.occurred_on is None):
            raise Contradiction(
                "发生时间须由 occurred_at 与 occurred_on 之一且仅由其一给出",
                "exactly one of occurred_at and occurred_on says when it happened",
            )
        if not YEAR_MIN <= (self.occurred_at or self.occurred_on or _EPOCH).year <= YEAR_MAX:
            raise Contradiction(
                f"发生时间须在 {YEAR_MIN} 年至 {YEAR_MAX} 年之间",
                f"what happened lies between the years {YEAR_MIN} and {YEAR_MAX}",
            )

    @property
    def moment(self) -> dict[str, Any]:
        """When, as the members of whatever follows from it at the same time."""
        return {"occurred_at": self.occurred_at, "occurred_on": self.occurred_on}

    @property
    def day(self) -> date:
        """The business day on which it happened."""
        return self.occurred_on or business_day(self.occurred_at or _EPOCH)


def refuse_far_days(**days: date | None) -> None:
    """Raises Contradiction for a day outside DAY_MIN to DAY_MAX. For `__post_init__`: no type can say it of a date."""
    for name, day in days.items():
        if day is not None and not DAY_MIN <= day <= DAY_MAX:
            raise Contradiction(
                f"{name} {day}：日期须在 {DAY_MIN} 至 {DAY_MAX} 之间",
                f"{name} {day}: a day is from {DAY_MIN} to {DAY_MAX}",
            )


def business_day(instant: datetime) -> date:
    """The calendar day in Asia/Shanghai on which an instant falls."""
    return instant.astimezone(BUSINESS_ZONE).date()


def business_day_of_us(instant_us: int) -> date:
    """The same for microseconds since 1970-01-01 UTC."""
    return _day((instant_us + _ZONE_US) // _DAY_US)


@lru_cache(maxsize=1_024)
def _day(number: int) -> date:
    """The log asks for the same few days again and again."""
    return _EPOCH_DAY + timedelta(days=number)


def instant_of_us(instant_us: int) -> datetime:
    """Microseconds since 1970-01-01 UTC as an instant."""
    return _EPOCH + timedelta(microseconds=instant_us)


def us_of_instant(instant: datetime) -> int:
    """An instant as microseconds since 1970-01-01 UTC, exactly."""
    passed = instant - _EPOCH
    return (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds
