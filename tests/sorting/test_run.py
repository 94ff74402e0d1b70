"""Stories of a run of an automated line, and that whatever is told of it, a position holds one device and a device lies
at one position.
"""

from hypothesis import given as drawn
from hypothesis import strategies as st

from kernel.refusal import Refusal
from services.sorting import run as runs
from services.sorting.run import (
    ANOTHER,
    DEVICE_TWICE,
    ENDED,
    POSITION_TAKEN,
    POSITIONS_MAX,
    RUN,
    TOO_LONG,
    UNKNOWN,
    EndRun,
    FreePositions,
    PositionsFreed,
    PositionsTaken,
    RunEnded,
    RunStarted,
    StartRun,
    Taken,
    TakePositions,
)
from tests.given import given
from tests.sorting.examples import BENCH, DAY, SITE
from tests.sorting.hall import NUMBERS

OF = {"occurred_on": DAY, "run_id": "R1"}
STARTED = RunStarted(**OF, bench=BENCH, site=SITE)


def pairs(*numbers, first=1):
    """These devices at positions one after the other."""
    return tuple(Taken(position=at, asset_no=number) for at, number in enumerate(numbers, first))


def take(*numbers, first=1, bench=BENCH, site=SITE):
    return TakePositions(**OF, bench=bench, site=site, taken=pairs(*numbers, first=first))


def taken(*numbers, first=1):
    return PositionsTaken(**OF, taken=pairs(*numbers, first=first))


def test_a_run_goes_from_its_start_to_its_end():
    story = given(RUN).when(StartRun(**OF, bench=BENCH, site=SITE)).then([STARTED])
    story = story.when(take(*NUMBERS[:3])).then([taken(*NUMBERS[:3])])
    story = story.when(FreePositions(**OF, positions=(2, 9))).then([PositionsFreed(**OF, positions=(2,))])
    story = story.when(take(NUMBERS[1], first=2)).then([taken(NUMBERS[1], first=2)])
    story.when(EndRun(**OF)).then([RunEnded(**OF, positions=3)])


def test_what_was_told_before_is_no_news():
    story = given(RUN, [STARTED, taken(NUMBERS[0])])
    story.when(StartRun(**OF, bench=BENCH, site=SITE)).then([])
    story.when(take(NUMBERS[0])).then([])
    story.when(take(*NUMBERS[:2])).then([taken(NUMBERS[1], first=2)])
    given(RUN, [STARTED, taken(NUMBERS[0]), RunEnded(**OF, positions=1)]).when(EndRun(**OF)).then([])


def test_what_was_not_started_takes_nothing():
    for command in (take(NUMBERS[0]), FreePositions(**OF, positions=(1,)), EndRun(**OF)):
        given(RUN).when(command).refused(UNKNOWN)


def test_a_run_is_of_one_bench_at_one_site():
    story = given(RUN, [STARTED])
    story.when(StartRun(**OF, bench="B-OTHER", site=SITE)).refused(ANOTHER)
    story.when(take(NUMBERS[0], bench="B-OTHER")).refused(ANOTHER)
    story.when(take(NUMBERS[0], site="S-OTHER")).refused(ANOTHER)


def test_a_position_holds_one_device_and_a_device_lies_at_one():
    story = given(RUN, [STARTED, taken(NUMBERS[0])])
    story.when(take(NUMBERS[1])).refused(POSITION_TAKEN)
    story.when(take(NUMBERS[0], first=2)).refused(DEVICE_TWICE)
    story.when(take(NUMBERS[1], NUMBERS[1], first=2)).refused(DEVICE_TWICE)
    twice = TakePositions(**OF, bench=BENCH, site=SITE, taken=pairs(NUMBERS[1], first=2) + pairs(NUMBERS[2], first=2))
    story.when(twice).refused(POSITION_TAKEN)


def test_after_its_end_nothing_is_taken_and_what_it_counted_stays_true():
    story = given(RUN, [STARTED, taken(NUMBERS[0]), RunEnded(**OF, positions=1)])
    story.when(take(NUMBERS[1], first=2)).refused(ENDED)
    story.when(take(NUMBERS[0])).then([])
    story.when(FreePositions(**OF, positions=(1,))).then([])


def test_a_run_has_an_end():
    full = PositionsTaken(
        **OF, taken=tuple(Taken(position=at, asset_no=f"{at:022d}") for at in range(1, POSITIONS_MAX + 1))
    )
    story = given(RUN, [STARTED, full])
    story.when(take(NUMBERS[0], first=POSITIONS_MAX + 1)).refused(TOO_LONG)
    story.when(FreePositions(**OF, positions=(1,))).then([PositionsFreed(**OF, positions=(1,))])


COMMANDS = st.lists(
    st.one_of(
        st.builds(
            lambda said: TakePositions(**OF, bench=BENCH, site=SITE, taken=said),
            st.lists(
                st.builds(Taken, position=st.integers(1, 4), asset_no=st.sampled_from(NUMBERS[:4])),
                min_size=1,
                max_size=3,
            ).map(tuple),
        ),
        st.lists(st.integers(1, 5), min_size=1, max_size=3).map(lambda at: FreePositions(**OF, positions=tuple(at))),
        st.just(EndRun(**OF)),
    ),
    max_size=12,
)


@drawn(COMMANDS)
def test_whatever_is_told_a_position_and_a_device_are_of_one_another(commands):
    run = RUN.fold([STARTED])
    for command in commands:
        try:
            events = runs.decide(command, run)
        except Refusal:
            continue
        for event in events:
            run = runs.evolve(run, event)
        assert len({one.position for one in run.taken}) == len({one.asset_no for one in run.taken}) == len(run.taken)


@drawn(st.lists(st.one_of(
    st.builds(taken, st.sampled_from(NUMBERS[:3]), first=st.integers(1, 3)),
    st.builds(lambda at: PositionsFreed(**OF, positions=(at,)), st.integers(1, 3)),
    st.just(STARTED), st.just(RunEnded(**OF, positions=1)),
), max_size=8))  # fmt: skip
def test_no_history_is_too_strange_to_read(events):
    RUN.fold(events)
