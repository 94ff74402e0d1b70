"""What the benches of the demonstration report: made up, by the schemes, the same for the same seed.

Most devices are sound. Some show one fault, drawn among those that their scheme knows; a burnt one, or one whose case
is broken, must not be powered, and its function and accuracy are not possible to test.
"""

import random
from collections.abc import Iterator
from typing import Final

from services.sorting.evaluation import Measured
from services.sorting.inspection.steps import StepReport
from services.sorting.norms import Item, Norm, Scheme
from services.sorting.vocabulary import INSPECTED

FAULTY_SHARE: Final = 0.45
PHOTO: Final = "5ca1ab1e" * 8
"""A digest of no picture: those of the demonstration are not there."""

NOT_POWERED: Final = "合成：前面的检查发现不得通电的故障 synthetic: it shows a fault with which it must not be powered"


def reports(scheme: Scheme, chance: random.Random, accuracy_class: str | None) -> dict[str, StepReport]:
    """The three inspections of one device, with at most one fault."""
    faulty = _faulty(scheme, chance) if chance.random() < FAULTY_SHARE else None
    unsafe = {fault.code for fault in scheme.faults if fault.unsafe_to_power}
    found: dict[str, StepReport] = {}
    burnt = False
    for step in INSPECTED:
        norm = scheme.norm(step)
        if not norm.applicable:
            found[step] = StepReport(ended="not_applicable")
        elif burnt:
            found[step] = StepReport(ended="not_possible", why=NOT_POWERED)
        else:
            chosen = faulty[1] if faulty is not None and faulty[0] == step else None
            found[step] = _performed(norm, chosen, accuracy_class)
            burnt = chosen is not None and _shown(norm, chosen) in unsafe
    return found


def sound(scheme: Scheme, accuracy_class: str | None) -> dict[str, StepReport]:
    """The three inspections of a device that shows no fault."""
    norms = {step: scheme.norm(step) for step in INSPECTED}
    return {
        step: _performed(norm, None, accuracy_class) if norm.applicable else StepReport(ended="not_applicable")
        for step, norm in norms.items()
    }


def accuracy_class(scheme: Scheme) -> str | None:
    """A class for which the scheme has its limits, where it asks for one."""
    named = [
        one for norm in scheme.norms for item in norm.items for limit in item.limits for one in limit.accuracy_classes
    ]
    return named[0] if named else None


def _faulty(scheme: Scheme, chance: random.Random) -> tuple[str, Measured] | None:
    possible = [(norm.step, one) for norm in scheme.norms if norm.step in INSPECTED for one in _faults_of(norm)]
    return chance.choice(possible) if possible else None


def _faults_of(norm: Norm) -> Iterator[Measured]:
    for item in norm.items:
        for choice in item.choices:
            if choice.fault is not None:
                yield Measured(item=item.code, choice=choice.code, photos=(PHOTO,))
        if item.unit is not None and (value := _outside(item)) is not None:
            yield Measured(item=item.code, value=value, photos=(PHOTO,))


def _shown(norm: Norm, measured: Measured) -> str | None:
    item = norm.item(measured.item)
    assert item is not None
    return next((choice.fault for choice in item.choices if choice.code == measured.choice), item.fault)


def _performed(norm: Norm, chosen: Measured | None, wanted: str | None) -> StepReport:
    measured = tuple(
        chosen if chosen is not None and chosen.item == item.code else _sound(item, wanted) for item in norm.items
    )
    return StepReport(
        measured=measured,
        photos=(PHOTO,) * norm.photos_min,
        second="demo-second" if norm.dual_control else None,
    )


def _sound(item: Item, wanted: str | None) -> Measured:
    """An answer that shows no fault."""
    if item.unit is None:
        return Measured(item=item.code, choice=next(one.code for one in item.choices if one.fault is None))
    limit = item.limit(wanted)
    assert limit is not None
    assert item.range_least is not None
    assert item.range_most is not None
    least = item.range_least if limit.least is None else max(limit.least, item.range_least)
    most = item.range_most if limit.most is None else min(limit.most, item.range_most)
    return Measured(item=item.code, value=(least + most) // 2)


def _outside(item: Item) -> int | None:
    """A value that the instrument can show and no limit allows."""
    assert item.range_least is not None
    assert item.range_most is not None
    most = [limit.most for limit in item.limits]
    if all(one is not None and one < item.range_most for one in most):
        return item.range_most
    least = [limit.least for limit in item.limits]
    return item.range_least if all(one is not None and one > item.range_least for one in least) else None
