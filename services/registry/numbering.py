"""Numbers that a command brings onto the record: what is done where one has a wrong check digit.

It is said with the outcome, or the command is refused; which of them, or neither, is a setting. A device that is on
record is never refused for its number: it is where it is, and what becomes of it is told. Where policies give commands
nothing is asked any more: the command that they follow from was judged by the numbers that it named. Rows of an import
that registers devices were judged when they were read; those of its other kinds are judged here.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, TypeAlias

import msgspec

from kernel.handling import Ask, Outcome
from kernel.refusal import Refusal, warning_of
from services.registry.asset_number import CheckDigit, wrong_check_digit
from services.registry.meter.binding import BindIdentity
from services.registry.meter.identity import Register
from services.registry.meter.state import Meter
from services.registry.meter.unexpected import ReceiveUnexpected
from services.registry.shipment import PrepareShipment, ReceiveShipment
from services.registry.site import RecordStocktake

BRINGS: Final[Mapping[type[msgspec.Struct], str]] = {
    Register: "asset_no",
    ReceiveUnexpected: "asset_no",
    BindIdentity: "bound_to",
}
"""The commands that bring a number onto the record, and where they name it."""

BRINGS_MANY: Final[Mapping[type[msgspec.Struct], str]] = {
    PrepareShipment: "manifest",
    ReceiveShipment: "found",
    RecordStocktake: "over",
}
"""Those that name many of which policies may bring some onto the record, and the list in which they stand."""

WARNINGS_MAX: Final = 100
"""Of one command: the first of them. A list with more of them was read from the wrong column."""

_CONCERNED: Final = frozenset({*BRINGS, *BRINGS_MANY})

Wrong: TypeAlias = Mapping[int, Sequence[Refusal]]
"""What there is to say of the numbers of some commands, by the commands' places. Mostly there is nothing."""


class Numbering:
    """Judges the numbers that commands name, as it is set."""

    def __init__(
        self, check_digit: CheckDigit, meters_now: Callable[[Sequence[str]], Awaitable[Mapping[str, Meter]]]
    ) -> None:
        self.check_digit: Final = check_digit
        self._meters_now: Final = meters_now

    def wrong_in(self, asks: Sequence[Ask], check_digit: CheckDigit | None) -> Wrong:
        """What there is to say of the numbers that these name. `check_digit` goes before what is set."""
        if (check_digit or self.check_digit) == "ignore" or _CONCERNED.isdisjoint({type(ask.command) for ask in asks}):
            return {}
        return {i: found for i, ask in enumerate(asks) if (found := _wrong(ask.command))}

    async def held_against(self, asks: Sequence[Ask], wrong: Wrong, check_digit: CheckDigit | None) -> Sequence[Ask]:
        """The same, each with what its numbers have against it. Raises ledger.port.Unavailable."""
        if not wrong or (check_digit or self.check_digit) != "refuse":
            return asks
        on_record = await self._meters_now(sorted({_number(one) for found in wrong.values() for one in found}))
        judged = list(asks)
        for i, found in wrong.items():
            if (new := next((one for one in found if _number(one) not in on_record), None)) is not None:
                judged[i] = msgspec.structs.replace(asks[i], hindrance=new)
        return judged


def warned(answers: list[Outcome | Refusal], wrong: Wrong) -> list[Outcome | Refusal]:
    """The same, what was done all the same with its warnings beside those that it has."""
    for i, found in wrong.items():
        if isinstance(answer := answers[i], Outcome):
            said = tuple(warning_of(one) for one in islice(found, WARNINGS_MAX))
            answers[i] = msgspec.structs.replace(answer, warnings=(*answer.warnings, *said))
    return answers


def _wrong(command: Any) -> Sequence[Refusal]:
    if (field := BRINGS.get(type(command))) is not None:
        # Nothing is made for a number that is right: most commands of most calls have one.
        return () if (found := wrong_check_digit(getattr(command, field))) is None else (found,)
    if (field := BRINGS_MANY.get(type(command))) is not None:
        return tuple(_each_wrong(getattr(command, field)))
    return ()


def _each_wrong(lines: Iterable[Any]) -> Iterator[Refusal]:
    return (found for line in lines if (found := wrong_check_digit(line.asset_no)) is not None)


def _number(wrong: Refusal) -> str:
    return str(wrong.details["asset_no"])
