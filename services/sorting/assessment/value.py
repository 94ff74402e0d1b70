"""处置经济价值: what each disposition brings and saves. What is not known stays unknown."""

from collections.abc import Sequence
from typing import Final, Literal

from kernel.quantity import AmountFen
from services.sorting.assessment.history import HistoryFindings
from services.sorting.assessment.indicators import IndicatorFindings
from services.sorting.assessment.sentences import Sentence, say
from services.sorting.norms import Fault, Part
from services.sorting.prices import ClassValue
from services.sorting.vocabulary import MassCo2G

_MILLION: Final = 1_000_000


class ValueFindings(Part, frozen=True, kw_only=True):
    """处置经济价值 What each disposition brings, net, in fen, and saves, in grams of CO2. None where the way is closed
    or the amount is not known; a way that is closed saves 0. `pays` is the way that brings most, of equal ones the
    first of the staircase.
    """

    reuse_fen: AmountFen | None = None
    claim_fen: AmountFen | None = None
    scrap_fen: AmountFen | None = None
    reuse_co2_g: MassCo2G = 0
    claim_co2_g: MassCo2G = 0
    scrap_co2_g: MassCo2G = 0
    pays: Literal["reuse", "claim", "scrap", "unknown"] = "unknown"
    said: tuple[Sentence, ...] = ()


def assess_value(
    faults: Sequence[Fault], history: HistoryFindings, indicators: IndicatorFindings, value: ClassValue | None
) -> ValueFindings:
    """What each disposition brings. Worth is rounded down to the fen."""
    if value is None:
        return ValueFindings(said=(say("value.no_prices"),))
    reuse, reuse_said = _reuse(faults, history, indicators, value)
    claim, claim_said = _claim(history, indicators, value)
    scrap = value.material_fen - value.scrap_handling_fen
    scrap_said = say("value.scrap", worth_fen=value.material_fen, cost_fen=value.scrap_handling_fen, net_fen=scrap)
    saved = {
        "reuse_co2_g": 0 if reuse_said.code in _CLOSED else value.reuse_co2_g,
        "claim_co2_g": 0 if claim_said.code in _CLOSED else value.claim_co2_g,
        "scrap_co2_g": value.scrap_co2_g,
    }
    known = any((value.reuse_co2_g, value.claim_co2_g, value.scrap_co2_g))
    carbon_said = say("value.carbon", **saved) if known else say("value.carbon_unknown")
    said = (reuse_said, claim_said, scrap_said, carbon_said)
    # A way that is open and of unknown worth may be the best one: what is worth most cannot be said.
    unknown = (reuse is None and reuse_said.code not in _CLOSED) or (claim is None and claim_said.code not in _CLOSED)
    return ValueFindings(
        reuse_fen=reuse,
        claim_fen=claim,
        scrap_fen=scrap,
        **saved,
        pays="unknown" if unknown else _most(reuse, claim, scrap),
        said=said if value.confirmed else (*said, say("value.unconfirmed")),
    )


def _reuse(
    faults: Sequence[Fault], history: HistoryFindings, indicators: IndicatorFindings, value: ClassValue
) -> tuple[int | None, Sentence]:
    if indicators.condition == "beyond_repair":
        return None, say("value.reuse_none")
    if indicators.condition == "unknown":
        return None, say("value.reuse_untested")
    if history.left_months is None or not history.life_months:
        return None, say("value.reuse_unknown")
    worth = value.new_fen * history.left_months // history.life_months
    cost = value.clean_fen + value.re_verify_fen + sum(fault.remedy_cost_fen for fault in faults)
    return worth - cost, say("value.reuse", worth_fen=worth, cost_fen=cost, net_fen=worth - cost)


def _claim(history: HistoryFindings, indicators: IndicatorFindings, value: ClassValue) -> tuple[int | None, Sentence]:
    if indicators.defect == "unknown":
        return None, say("value.claim_untested")
    if indicators.defect != "original":
        return None, say("value.claim_none")
    if history.warranty != "inside":
        return None, say("value.claim_outside" if history.warranty == "outside" else "value.claim_unknown")
    worth = value.new_fen * value.claim_share_ppm // _MILLION
    # Both shares at once, so that only one fraction of a fen is dropped.
    expected = value.new_fen * value.claim_share_ppm * value.claim_odds_ppm // _MILLION**2
    net = expected - value.claim_handling_fen
    return net, say(
        "value.claim",
        worth_fen=worth,
        odds_ppm=value.claim_odds_ppm,
        cost_fen=value.claim_handling_fen,
        net_fen=net,
    )


def _most(reuse: int | None, claim: int | None, scrap: int) -> Literal["reuse", "claim", "scrap"]:
    best: tuple[int, Literal["reuse", "claim", "scrap"]] = (scrap, "scrap")
    if claim is not None and claim >= best[0]:
        best = (claim, "claim")
    return "reuse" if reuse is not None and reuse >= best[0] else best[1]


_CLOSED: Final = frozenset({"value.reuse_none", "value.claim_none", "value.claim_outside"})
"""Sentences of ways that a device cannot go."""
