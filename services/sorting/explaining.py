"""A verdict whole, from the device's own stream: what was found, what it was judged by, and what overruled it.

Sentences are rendered here from their codes, so that whoever asks need not know them.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec

from kernel.device import AssetNo
from kernel.quantity import CivilDate, Remark
from services.sorting.assessment import Sentence
from services.sorting.inspection.opening import InspectionAbandoned, InspectionOpened
from services.sorting.inspection.override import VerdictOverridden
from services.sorting.inspection.verdict import (
    HistoryAssessed,
    IndicatorsAssessed,
    ValueAssessed,
    VerdictReached,
)
from services.sorting.norms import SchemeRef
from services.sorting.vocabulary import Disposition, Round, Words


class Overruled(msgspec.Struct, frozen=True, kw_only=True):
    """What two persons set in place of the table's disposition. `why` is for whoever may read remarks."""

    disposition: Disposition
    overruled: Disposition
    on: CivilDate
    why: Remark | None = None


class VerdictShown(msgspec.Struct, frozen=True, kw_only=True):
    """The last verdict on a device. `disposition` is what stands now; `newer_round` the inspection that was begun
    since, if any. What was said of history, indicators and value is there in words beside the numbers, each where the
    labels show its event to whoever asks.
    """

    asset_no: AssetNo
    round: Round
    disposition: Disposition
    scheme: SchemeRef
    verdict: VerdictReached
    history: HistoryAssessed | None
    indicators: IndicatorsAssessed | None
    value: ValueAssessed | None
    history_said: tuple[Words, ...]
    indicators_said: tuple[Words, ...]
    value_said: tuple[Words, ...]
    overruled: Overruled | None = None
    newer_round: Round | None = None


def last_verdict(events: Iterable[Any]) -> VerdictShown | None:
    """The last verdict in a device's stream; None where there is none."""
    opened: dict[int, InspectionOpened] = {}
    found: dict[int, dict[type, Any]] = {}
    shown: VerdictShown | None = None
    for event in events:
        match event:
            case InspectionOpened():
                opened[event.round], found[event.round] = event, {}
                if shown is not None:
                    shown = msgspec.structs.replace(shown, newer_round=event.round)
            case InspectionAbandoned() if shown is not None:
                shown = msgspec.structs.replace(shown, newer_round=None)
            case HistoryAssessed() | IndicatorsAssessed() | ValueAssessed():
                found[event.round][type(event)] = event
            case VerdictReached():
                shown = _shown(opened[event.round], found[event.round], event)
            case VerdictOverridden() if shown is not None:
                overruled = Overruled(
                    disposition=event.disposition, overruled=event.overruled, on=event.day, why=event.why
                )
                shown = msgspec.structs.replace(shown, disposition=event.disposition, overruled=overruled)
            case _:
                pass
    return shown


def as_read(shown: VerdictShown, types: Collection[str]) -> VerdictShown:
    """The same for whoever reads only events of these types whole."""
    kept = {
        "history": "sorting.HistoryAssessed",
        "indicators": "sorting.IndicatorsAssessed",
        "value": "sorting.ValueAssessed",
    }
    left_out: dict[str, Any] = {}
    for name, label in kept.items():
        if label not in types:
            left_out |= {name: None, f"{name}_said": ()}
    overruled = shown.overruled and msgspec.structs.replace(shown.overruled, why=None)
    return msgspec.structs.replace(shown, overruled=overruled, **left_out)


def _shown(opened: InspectionOpened, found: dict[type, Any], verdict: VerdictReached) -> VerdictShown:
    history: HistoryAssessed = found[HistoryAssessed]
    indicators: IndicatorsAssessed = found[IndicatorsAssessed]
    value: ValueAssessed = found[ValueAssessed]
    return VerdictShown(
        asset_no=verdict.asset_no,
        round=verdict.round,
        disposition=verdict.disposition,
        scheme=opened.scheme,
        verdict=verdict,
        history=history,
        indicators=indicators,
        value=value,
        history_said=_words(history.findings.said),
        indicators_said=_words(indicators.findings.said),
        value_said=_words(value.findings.said),
    )


def _words(said: Sequence[Sentence]) -> tuple[Words, ...]:
    return tuple(Words(zh=zh, en=en) for zh, en in (sentence.words() for sentence in said))
