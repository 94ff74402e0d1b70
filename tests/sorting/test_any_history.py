"""Whatever a log says, it can be read: evolve refuses nothing and fails at nothing, in any order of any events."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.sorting.app import DECIDERS
from tests.strategies import messages


@pytest.mark.parametrize("decider", DECIDERS, ids=lambda decider: decider.category)
def test_evolve_takes_any_history(decider):
    """Each event once, in any order: every one of them comes where nothing has led to it."""

    @settings(deadline=None, max_examples=12)
    @given(st.tuples(*map(messages, decider.events)).flatmap(st.permutations), st.integers(0, len(decider.events)))
    def takes(events, cut):
        state = decider.fold(events)
        assert decider.fold(events[cut:], decider.fold(events[:cut])) == state

    takes()
