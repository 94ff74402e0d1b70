"""阶梯式处置: why a device did not go a better way, and what was forgone by that; and what is obsolete by policy."""

from typing import Final, Literal

from kernel.quantity import AmountFen
from services.sorting.assessment import ValueFindings
from services.sorting.decision import Obsolete, Rule
from services.sorting.inspection.state import Device
from services.sorting.norms import Part
from services.sorting.vocabulary import MassCo2G, Words

_STAIRS: Final[tuple[Literal["reuse", "claim", "scrap"], ...]] = ("reuse", "claim", "scrap")


class Stair(Part, frozen=True, kw_only=True):
    """One step of the staircase 阶梯式处置: whether the device went this way, why or why not, and what was forgone by
    not doing so, against the way it went: fen, and grams of CO2.
    """

    disposition: Literal["reuse", "claim", "scrap"]
    taken: bool
    why: Words
    forgone_fen: AmountFen | None = None
    forgone_co2_g: MassCo2G = 0


def stairs(rule: Rule, value: ValueFindings) -> tuple[Stair, ...]:
    """Down to where the device went; of a device on hold nothing is forgone yet, and there are none."""
    if rule.disposition == "hold":
        return ()
    worth = {"reuse": value.reuse_fen, "claim": value.claim_fen, "scrap": value.scrap_fen}
    saved = {"reuse": value.reuse_co2_g, "claim": value.claim_co2_g, "scrap": value.scrap_co2_g}
    why = {"reuse": rule.not_reuse, "claim": rule.not_claim}
    steps = []
    for disposition in _STAIRS:
        taken = disposition == rule.disposition
        reason = rule.because if taken else why[disposition]
        assert reason is not None
        own, better = worth[rule.disposition], worth[disposition]
        forgone = None if own is None or better is None or taken else better - own
        # A way that is closed has no worth and saves nothing: by not going it nothing is forgone.
        closed = better is None and saved[disposition] == 0
        steps.append(
            Stair(
                disposition=disposition,
                taken=taken,
                why=reason,
                forgone_fen=forgone,
                forgone_co2_g=0 if taken or closed else saved[disposition] - saved[rule.disposition],
            )
        )
        if taken:
            break
    return tuple(steps)


def asks_obsolete(rule: Rule) -> bool:
    """Whether this rule holds because a device is obsolete: the policy then says why better than the rule."""
    return any(condition.column == "obsolete" and condition.any_of == ("yes",) for condition in rule.when)


def is_obsolete(obsolete: Obsolete, device: Device) -> bool:
    if device.device_class not in obsolete.device_classes:
        return False
    made_before = (
        obsolete.made_before is not None and device.made_on is not None and device.made_on < obsolete.made_before
    )
    return device.model in obsolete.models or made_before
