"""No, and why: the few kinds of refusal, each with a stable code and a message in both languages.

    Refusal
    |-- NotFound       what the command is about does not exist
    |-- AgainstRules   a rule of the business forbids it
    |-- Stale          the caller decided on an older state; read again and decide anew
    |-- NotAllowed     this caller may not
    '-- Unreadable     the input cannot be understood

A reason is declared once, next to the rule it belongs to, and called to refuse:

    ALREADY_RECEIVED = against_rules("meter.already_received", "器具已在 {site} 接收", "received at {site} already")
    ...
    raise ALREADY_RECEIVED(site=state.site)

A value given as a pair of texts is said in Chinese by its first, in English by its second.
"""

import re
from collections.abc import Iterator
from types import ModuleType
from typing import Final

import msgspec

UNKNOWN: Final = "—"
_UNKNOWN_ASIDE: Final = re.compile(rf"（[^（）]*{UNKNOWN}[^（）]*）| \([^()]*{UNKNOWN}[^()]*\)")
_CODE: Final = re.compile(r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$")


class Refusal(Exception):
    """A command was understood or not, and is not done. Nothing was recorded."""

    def __init__(self, reason: "Reason", details: dict[str, object]) -> None:
        super().__init__(reason.code)
        self.code = reason.code
        self.zh = reason.zh.format_map(_said(details, 0))
        self.en = reason.en.format_map(_said(details, 1))
        self.details = details

    def __str__(self) -> str:
        return f"{self.code}: {self.zh} / {self.en}"


def _said(details: dict[str, object], language: int) -> dict[str, object]:
    return {name: value[language] if isinstance(value, tuple) else value for name, value in details.items()}


class Contradiction(ValueError):
    """Members of a struct that cannot be so together, in both languages. For `__post_init__`: no type can say it, and
    whoever reads the struct names the place.
    """

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(f"{zh} / {en}")
        self.zh, self.en = zh, en


class CommandWarning(msgspec.Struct, frozen=True, gc=False):
    """What is amiss with a command that was done all the same: a refusal's code and messages, and no refusal."""

    code: str
    zh: str
    en: str


class NotFound(Refusal):
    """What the command is about does not exist."""


class AgainstRules(Refusal):
    """A rule of the business forbids it."""


class Stale(Refusal):
    """The caller decided on an older state."""


class NotAllowed(Refusal):
    """The caller may not."""


class Unreadable(Refusal):
    """The input cannot be understood."""


class _Known(dict[str, str]):
    """Values by name, and a dash for the others."""

    def __missing__(self, _name: str) -> str:
        return UNKNOWN


class Reason(msgspec.Struct, frozen=True):
    """A declared refusal. Calling it with the values its messages name makes the exception to raise."""

    kind: type[Refusal]
    code: str
    zh: str
    en: str

    def __post_init__(self) -> None:
        if not _CODE.match(self.code):
            raise ValueError(f"a refusal code is noun.reason in lower case, not {self.code!r}")

    def __call__(self, **details: object) -> Refusal:
        return self.kind(self, details)

    def words(self, **known: str) -> tuple[str, str]:
        """Its messages where only these values are known any more: brackets that name another are left out, and
        elsewhere a dash stands for it.
        """
        zh, en = (_UNKNOWN_ASIDE.sub("", text.format_map(_Known(known))) for text in (self.zh, self.en))
        return zh, en


def not_found(code: str, zh: str, en: str) -> Reason:
    return Reason(NotFound, code, zh, en)


def against_rules(code: str, zh: str, en: str) -> Reason:
    return Reason(AgainstRules, code, zh, en)


def stale(code: str, zh: str, en: str) -> Reason:
    return Reason(Stale, code, zh, en)


def not_allowed(code: str, zh: str, en: str) -> Reason:
    return Reason(NotAllowed, code, zh, en)


def unreadable(code: str, zh: str, en: str) -> Reason:
    return Reason(Unreadable, code, zh, en)


def warning_of(refusal: Refusal) -> CommandWarning:
    """The same, said without refusing."""
    return CommandWarning(refusal.code, refusal.zh, refusal.en)


def reasons_in(module: ModuleType) -> Iterator[Reason]:
    """Every reason a module declares, for documentation and its test."""
    return (value for value in vars(module).values() if isinstance(value, Reason))
