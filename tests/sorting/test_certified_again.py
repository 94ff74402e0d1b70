"""What is judged sound and measured the same again gets its certificate, by every scheme that comes along."""

from itertools import chain

import msgspec
import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from kernel.device import DATA_BEARING
from services.sorting.assessment import Population, assess_indicators
from services.sorting.defaults import default_groups, default_scheme
from services.sorting.evaluation import Measured, shown_faults
from services.sorting.inspection.departure import CloseInspection
from services.sorting.inspection.steps import StepReport
from services.sorting.norms import SchemeRef, digest
from services.sorting.policies import when_re_verified_close_repair
from services.sorting.repair import ReVerificationFailed, ReVerified
from services.sorting.vocabulary import INSPECTED
from tests.sorting.stories import BEGIN, BEGIN_REPAIR, KEYS, ORDER_REPAIR, device, judging, on, repair, verify
from tests.sorting.test_repair import BACK, SEND

SCHEMES = {group: default_scheme(group) for group in default_groups()}
GROUPS = tuple(SCHEMES)
PHOTO = ("0" * 64,)
BIG = 10**6


def class_of(scheme):
    """An accuracy class for which it has every limit."""
    limits = [limit for norm in scheme.norms for item in norm.items for limit in item.limits]
    named = chain.from_iterable(limit.accuracy_classes for limit in limits)
    return next(named, None)


def answers(item, accuracy_class):
    """All that it may be answered: every choice, or values within its limit and just outside."""
    if item.unit is None:
        return [Measured(item=item.code, choice=choice.code) for choice in item.choices]
    if (limit := item.limit(accuracy_class)) is None:
        return []
    ends = [end for end in (limit.least, limit.most) if end is not None]
    values = {item.range_least, item.range_most, *chain.from_iterable((end - 1, end, end + 1) for end in ends)}
    allowed = sorted(value for value in values if item.range_least <= value <= item.range_most)
    return [Measured(item=item.code, value=value) for value in allowed]


def shows(norm, answer, accuracy_class):
    items = tuple(item for item in norm.items if item.code == answer.item)
    return shown_faults(msgspec.structs.replace(norm, items=items), [answer], accuracy_class, PHOTO)


def condition(scheme, given):
    """How the device is judged that gave these answers."""
    faults = {fault.code: fault for fault in scheme.faults}
    found = [faults[code] for step in INSPECTED for code in _found(scheme, step, given)]
    return assess_indicators(found, 0, Population(batch_known=False)).condition


def _found(scheme, step, given):
    norm = scheme.norm(step)
    return shown_faults(norm, given[step], class_of(scheme), PHOTO) if norm.applicable else ()


def verified(scheme, given, *before):
    """What comes of its re-verification."""
    meter = msgspec.structs.replace(
        BEGIN.device, device_class=scheme.device_classes[0], accuracy_class=class_of(scheme)
    )
    begin, *between = before or (BEGIN,)
    begin = msgspec.structs.replace(begin, device=meter)
    keys = (KEYS,) if meter.device_class in DATA_BEARING else ()
    reports = {
        step: StepReport(measured=tuple(given[step]), photos=PHOTO, second="u-2")
        if scheme.norm(step).applicable
        else StepReport(ended="not_applicable")
        for step in INSPECTED
    }
    ref = SchemeRef(group=scheme.group, version=1, sha256=digest(scheme))
    story = repair(begin, *between, *keys).when(verify(scheme=scheme, ref=ref, **reports))
    assert isinstance(story.outcome, list), story.outcome
    return story.outcome[0]


def sound(scheme):
    """What a device without any fault gives."""
    accuracy_class = class_of(scheme)
    return {
        step: [
            next(one for one in answers(item, accuracy_class) if not shows(scheme.norm(step), one, accuracy_class))
            for item in scheme.norm(step).items
        ]
        for step in INSPECTED
    }


def but(given, answer):
    """The same with another answer to one item."""
    return {step: [answer if one.item == answer.item else one for one in measured] for step, measured in given.items()}


@pytest.mark.parametrize("group", GROUPS)
def test_no_single_answer_lets_a_sound_device_fail_its_re_verification(group):
    scheme = SCHEMES[group]
    given, accuracy_class = sound(scheme), class_of(scheme)
    assert condition(scheme, given) == "sound"
    for step in INSPECTED:
        for item in scheme.norm(step).items:
            for answer in answers(item, accuracy_class):
                changed = but(given, answer)
                if condition(scheme, changed) == "sound":
                    assert isinstance(verified(scheme, changed), ReVerified), answer


@for_all(st.data())
def test_whatever_is_judged_sound_and_measures_the_same_again_is_certified(data):
    scheme = SCHEMES[data.draw(st.sampled_from(GROUPS))]
    accuracy_class, clean = class_of(scheme), {one.code for one in scheme.faults if one.remedy == "clean"}
    given = {
        step: [
            data.draw(
                st.sampled_from(
                    [
                        one
                        for one in answers(item, accuracy_class)
                        if clean.issuperset(shows(scheme.norm(step), one, accuracy_class))
                    ]
                )
            )
            for item in scheme.norm(step).items
        ]
        for step in INSPECTED
    }
    assert condition(scheme, given) == "sound"
    assert isinstance(verified(scheme, given), ReVerified)


@pytest.mark.parametrize("group", ["single_phase", "three_phase"])
def test_counters_and_what_a_repair_leaves_do_not_fail_a_certificate_and_are_on_record(group):
    scheme = SCHEMES[group]
    given = sound(scheme)
    for counter in ("cover_opened", "cleared", "programmed", "overcurrent", "power_down"):
        given = but(given, Measured(item=counter, value=3_000))
    event = verified(scheme, given, BEGIN_REPAIR, SEND, BACK)
    assert isinstance(event, ReVerified)
    assert Measured(item="cover_opened", value=3_000) in event.function.measured
    assert condition(scheme, given) == "beyond_repair"


@pytest.mark.parametrize("group", ["single_phase", "three_phase"])
def test_what_is_wrong_with_it_still_fails_it(group):
    scheme = SCHEMES[group]
    flat = but(sound(scheme), Measured(item="clock_battery", value=100))
    assert verified(scheme, flat).faults == ("clock.battery_low",)
    drilled = but(sound(scheme), Measured(item="tampering_trace", choice="drilled"))
    assert isinstance(verified(scheme, drilled), ReVerificationFailed)


def test_a_counter_may_be_left_out_at_the_re_verification_and_not_when_sorting():
    scheme = SCHEMES["single_phase"]
    given = sound(scheme)
    norm = scheme.norm("function")
    fewer = [one for one in given["function"] if one.item != "cover_opened"]
    assert isinstance(verified(scheme, given | {"function": fewer}), ReVerified)
    assert shown_faults(norm, fewer, "2", PHOTO, "re_verification") == ()
    with pytest.raises(Exception, match="cover_opened"):
        shown_faults(norm, fewer, "2", PHOTO)
    beyond = [*fewer, Measured(item="cover_opened", value=BIG)]
    with pytest.raises(Exception, match="range"):
        shown_faults(norm, beyond, "2", PHOTO, "re_verification")


def test_what_the_repair_counted_is_not_held_against_the_device_when_it_is_sorted_again():
    scheme = SCHEMES["single_phase"]
    opened = Measured(item="cover_opened", value=3)
    event = verified(scheme, but(sound(scheme), opened), BEGIN_REPAIR, SEND, BACK)
    assert opened in event.counters
    assert {one.item for one in event.counters} <= {
        item.code for norm in scheme.norms for item in norm.items if item.at == ("sorting",)
    }
    (closing,) = when_re_verified_close_repair(event, None)
    assert closing.counters == event.counters
    (closed,) = device(judging(), ORDER_REPAIR).when(closing).outcome
    assert closed.counters == event.counters
    story = device(judging(), ORDER_REPAIR, closing, on(CloseInspection), judging())
    assert story.state.since["cover_opened"] == 3


@pytest.mark.parametrize(
    ("value", "faults"),
    [(3, ()), (4, ("appearance.cover_opened",)), (2, ("appearance.cover_opened",)), (0, ("appearance.cover_opened",))],
)
def test_a_counter_is_held_against_what_it_said_when_the_device_was_certified(value, faults):
    scheme = SCHEMES["single_phase"]
    norm = scheme.norm("function")
    given = but(sound(scheme), Measured(item="cover_opened", value=value))["function"]
    assert shown_faults(norm, given, class_of(scheme), PHOTO, since={"cover_opened": 3}) == faults
    beyond = but(sound(scheme), Measured(item="cover_opened", value=BIG))["function"]
    with pytest.raises(Exception, match="range"):
        shown_faults(norm, beyond, class_of(scheme), PHOTO, since={"cover_opened": BIG})
