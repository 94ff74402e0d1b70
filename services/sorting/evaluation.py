"""What was measured, held against a norm: which faults it shows. Integers throughout, so that anybody gets the same."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Final

import msgspec

from kernel.quantity import Code, Sha256
from kernel.refusal import Contradiction, against_rules, unreadable
from services.sorting.norms import Item, Limit, Norm, Part
from services.sorting.vocabulary import STEPS, Measure, Occasion

NO_SUCH_ITEM = unreadable(
    "measurement.no_such_item",
    "{step}规范没有条目 {item}。",
    "the norm for {step} has no item {item}",
)
ITEM_TWICE = unreadable(
    "measurement.item_twice",
    "{step}的条目 {item} 出现两次。",
    "item {item} of {step} is there twice",
)
ITEM_MISSING = unreadable(
    "measurement.item_missing",
    "{step}缺少条目 {item}。不能执行时请注明“无法执行”及原因。",
    "{step} lacks item {item}; a step that cannot be performed is ended as not possible, with the reason",
)
WRONG_KIND = unreadable(
    "measurement.wrong_kind",
    "{step}的条目 {item} 须给出{needed}。",
    "item {item} of {step} takes {needed}",
)
NO_SUCH_CHOICE = unreadable(
    "measurement.no_such_choice",
    "{step}的条目 {item} 没有选项 {choice}；可选：{choices}。",
    "item {item} of {step} has no choice {choice}; there are {choices}",
)
OUT_OF_RANGE = unreadable(
    "measurement.out_of_range",
    "{step}的条目 {item} 测得 {value}，超出仪器量程 {least} 至 {most}。请检查接线与量程后重测。",
    "item {item} of {step} reads {value}, outside the instrument's range of {least} to {most}; check the wiring and "
    "the range, and measure again",
)
NO_LIMIT = against_rules(
    "measurement.no_limit",
    "{step}的条目 {item} 没有适用于准确度等级 {accuracy_class} 的限值。请核对铭牌等级，或由计量员补充方案。",
    "item {item} of {step} has no limit for accuracy class {accuracy_class}; check the name plate, or have the "
    "metrologist add one to the scheme",
)
PHOTO_MISSING = unreadable(
    "measurement.photo_missing",
    "{step}的条目 {item} 显示故障，须附照片。",
    "item {item} of {step} shows a fault, and needs a photo",
)
TOO_FEW_PHOTOS = unreadable(
    "measurement.too_few_photos",
    "{step}至少须附 {least} 张照片。",
    "{step} needs at least {least} photos",
)

_VALUE: Final = ("数值", "a value")
_CHOICE: Final = ("选项", "a choice")


NOTHING_BEFORE: Final[Mapping[str, int]] = MappingProxyType({})


class Measured(Part, frozen=True, kw_only=True):
    """What one item gave: a value in its unit, or a choice."""

    item: Code
    value: Measure | None = None
    choice: Code | None = None
    photos: tuple[Sha256, ...] = ()

    def __post_init__(self) -> None:
        if (self.value is None) is (self.choice is None):
            raise Contradiction("每个条目须给出数值与选项之一且仅给其一", "an item gives either a value or a choice")


class _Check(msgspec.Struct, frozen=True, gc=False):
    """An item with the limit that holds for one accuracy class, and what its choices show. A value from `sound_least`
    to `sound_most` is within the instrument's range and the limit; where there can be none the first is the greater.
    `sound` are the choices that show no fault and leave nothing out.
    """

    item: Item
    limit: Limit | None
    sound_least: int
    sound_most: int
    shows: Mapping[str, str | None]
    sound: frozenset[str | None]
    ending: frozenset[str]


class _Checklist(msgspec.Struct, frozen=True, gc=False):
    checks: Mapping[str, _Check]
    required: frozenset[str]


def shown_faults(
    norm: Norm,
    measured: Sequence[Measured],
    accuracy_class: str | None,
    photos: Sequence[str] = (),
    at: Occasion = "sorting",
    since: Mapping[str, int] = NOTHING_BEFORE,
) -> tuple[Code, ...]:
    """The faults that these measurements show, each once, in the order of the measurements; of the counters in `since`
    what they have counted more than that. Raises Refusal where they are not what the norm asks for on this occasion.
    """
    step, checklist = STEPS[norm.step], _checklist(norm, accuracy_class, at)
    if norm.photos_min > len(photos) and norm.photos_min > len(photos) + sum(len(one.photos) for one in measured):
        raise TOO_FEW_PHOTOS(step=step, least=norm.photos_min, field="photos")
    checks = checklist.checks
    faults: dict[str, None] = {}
    seen: set[str] = set()
    ended = False
    for one in measured:
        name = one.item
        check = checks.get(name)
        if check is None:
            raise NO_SUCH_ITEM(step=step, item=name, field="measured")
        if name in seen:
            raise ITEM_TWICE(step=step, item=name, field="measured")
        seen.add(name)
        value = one.value
        if value is None:
            if one.choice in check.sound:
                continue
            fault = _looked_at(step, check, one)
            ended = ended or one.choice in check.ending
        elif name in since:
            fault = _grown(step, check, value, since[name], accuracy_class)
        elif check.sound_least <= value <= check.sound_most:
            continue
        else:
            fault = _unsound(step, check, value, accuracy_class)
        if fault is not None:
            if check.item.photo and not (one.photos or photos):
                raise PHOTO_MISSING(step=step, item=name, field="measured")
            faults[fault] = None
    if not ended and (missing := checklist.required - seen):
        raise ITEM_MISSING(step=step, item=min(missing), field="measured")
    return tuple(faults)


def _unsound(step: tuple[str, str], check: _Check, value: int, accuracy_class: str | None) -> str | None:
    """The fault that a value shows which is not within both range and limit."""
    item = check.item
    if item.unit is None:
        raise WRONG_KIND(step=step, item=item.code, needed=_CHOICE, field="measured")
    assert item.range_least is not None
    assert item.range_most is not None
    if not item.range_least <= value <= item.range_most:
        raise OUT_OF_RANGE(
            step=step, item=item.code, value=value, least=item.range_least, most=item.range_most, field="measured"
        )
    if check.limit is None:
        raise NO_LIMIT(step=step, item=item.code, accuracy_class=accuracy_class or "—", field="measured")
    return item.fault


def _grown(step: tuple[str, str], check: _Check, value: int, since: int, accuracy_class: str | None) -> str | None:
    """The fault that a counter shows by what it has counted since. One that says less than then was tampered with, or
    is not the same.
    """
    item, limit = check.item, check.limit
    if item.unit is None or limit is None:
        return _unsound(step, check, value, accuracy_class)
    assert item.range_least is not None
    assert item.range_most is not None
    grown = value - since
    sound = grown >= 0 and (limit.least is None or limit.least <= grown) and (limit.most is None or grown <= limit.most)
    if sound and item.range_least <= value <= item.range_most:
        return None
    return _unsound(step, check, value, accuracy_class)


def _looked_at(step: tuple[str, str], check: _Check, one: Measured) -> str | None:
    if check.item.unit is not None:
        raise WRONG_KIND(step=step, item=one.item, needed=_VALUE, field="measured")
    if one.choice is None or one.choice not in check.shows:
        raise NO_SUCH_CHOICE(
            step=step, item=one.item, choice=one.choice, choices=", ".join(check.shows), field="measured"
        )
    return check.shows[one.choice]


def counters(norm: Norm, measured: Sequence[Measured]) -> tuple[Measured, ...]:
    """Those of these measurements that are held against a limit when a device is sorted and not when it is re-verified:
    from what they say then, they are counted when it is sorted again.
    """
    counted = {item.code for item in norm.items if item.unit is not None and not item.counts("re_verification")}
    return tuple(Measured(item=one.item, value=one.value) for one in measured if one.item in counted)


@lru_cache(maxsize=1_024)
def _checklist(norm: Norm, accuracy_class: str | None, at: Occasion) -> _Checklist:
    """Made once for a norm and a class: thousands of devices a minute are held against it."""
    checks = {
        item.code: _check(item, item.limit(accuracy_class)) if item.counts(at) else _noted(item) for item in norm.items
    }
    return _Checklist(checks, frozenset(item.code for item in norm.items if item.required and item.counts(at)))


def _noted(item: Item) -> _Check:
    """One that does not count: whatever the instrument can read, and every choice, shows nothing."""
    return _Check(
        item=item,
        limit=None,
        sound_least=1 if item.range_least is None else item.range_least,
        sound_most=0 if item.range_most is None else item.range_most,
        shows={choice.code: None for choice in item.choices},
        sound=frozenset(choice.code for choice in item.choices),
        ending=frozenset(),
    )


def _check(item: Item, limit: Limit | None) -> _Check:
    bounds = [(item.range_least, item.range_most)]
    if limit is not None:
        bounds.append((limit.least, limit.most))
    measured = item.unit is not None and limit is not None
    return _Check(
        item=item,
        limit=limit,
        sound_least=max(least for least, _ in bounds if least is not None) if measured else 1,
        sound_most=min(most for _, most in bounds if most is not None) if measured else 0,
        shows={choice.code: choice.fault for choice in item.choices},
        sound=frozenset(one.code for one in item.choices if one.fault is None and not one.ends_step),
        ending=frozenset(choice.code for choice in item.choices if choice.ends_step),
    )
