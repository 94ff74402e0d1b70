"""The embedded ledger against the one in memory, step by step, over calls that nobody would think of."""

import asyncio
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ledger.memory import MemoryLedger
from ledger.port import ANY, NO_STREAM, STREAM_EXISTS, Append, Conflict, Direction, Draft
from ledger.sqlite import SqliteLedger

STREAMS = ["a", "a-1", "a-2", "b"]
TYPES = ["t.One", "t.Two"]

streams = st.sampled_from(STREAMS)
expectations = st.sampled_from([NO_STREAM, ANY, ANY, STREAM_EXISTS, 0, 1, 2, 3, 5])
ids = st.integers(0, 8).map(lambda number: bytes([number]) * 16)
calls = st.lists(
    st.builds(
        Append,
        stream=streams,
        expected=expectations,
        drafts=st.lists(
            st.builds(Draft, id=ids, type=st.sampled_from(TYPES), data=st.binary(max_size=8)),
            min_size=1,
            max_size=3,
            unique_by=lambda draft: draft.id,
        ),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda append: append.stream,
)


class Together(RuleBasedStateMachine):
    """Two doors to one file, a model beside them, and one clock for all, which also goes backwards."""

    def __init__(self):
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "ledger.db"
        self.time_us = 1_000_000
        self.doors = []

    @initialize()
    def open(self):
        self.model = self.runner.run(self._memory())
        self.doors = [self.runner.run(SqliteLedger.open(self.path, clock=self._clock)) for _ in range(2)]

    async def _memory(self):
        return MemoryLedger(clock=self._clock)

    def _clock(self):
        return self.time_us

    def teardown(self):
        for door in self.doors:
            self.runner.run(door.close())
        self.runner.close()
        self.folder.cleanup()

    @rule(seconds=st.integers(-5, 5))
    def time_goes_on_or_back(self, seconds):
        self.time_us += seconds * 1_000_000

    @rule(door=st.integers(0, 1), call=calls)
    def append(self, door, call):
        assert self._outcome(self.doors[door], call) == self._outcome(self.model, call)

    @rule(door=st.integers(0, 1), group=st.lists(calls, min_size=2, max_size=4))
    def append_at_once(self, door, group):
        async def outcomes(log):
            tasks = [asyncio.create_task(log.append(call)) for call in group]
            return [_plain(done) for done in await asyncio.gather(*tasks, return_exceptions=True)]

        assert self.runner.run(outcomes(self.doors[door])) == self.runner.run(outcomes(self.model))

    def _outcome(self, log, call):
        async def outcome():
            try:
                return await log.append(call)
            except Conflict as conflict:
                return _plain(conflict)

        return self.runner.run(outcome())

    @rule(
        door=st.integers(0, 1),
        stream=streams,
        direction=st.sampled_from(Direction),
        start=st.none() | st.integers(0, 12),
        limit=st.integers(1, 5),
    )
    def read(self, door, stream, direction, start, limit):
        pages = [
            self.runner.run(log.read(stream, direction=direction, from_version=start, limit=limit))
            for log in (self.doors[door], self.model)
        ]
        assert [_events(page.events) for page in pages[:1]] == [_events(page.events) for page in pages[1:]]
        assert pages[0].next_from == pages[1].next_from

    @rule(
        door=st.integers(0, 1),
        after=st.integers(0, 40),
        limit=st.integers(1, 9),
        types=st.lists(st.sampled_from(TYPES), max_size=2),
        prefixes=st.lists(st.sampled_from(["a", "a-", "b", "c", ""]), max_size=2),
    )
    def read_all(self, door, after, limit, types, prefixes):
        pages = [
            self.runner.run(log.read_all(after, limit=limit, types=types, stream_prefixes=prefixes))
            for log in (self.doors[door], self.model)
        ]
        assert [_events(page.events) for page in pages[:1]] == [_events(page.events) for page in pages[1:]]
        assert pages[0].at_head == pages[1].at_head
        assert pages[0].scanned_to == pages[1].scanned_to

    @rule(door=st.integers(0, 1))
    def read_many(self, door):
        many, model = (self.runner.run(log.read_many([*STREAMS, "none"])) for log in (self.doors[door], self.model))
        assert {s: _events(page.events) for s, page in many.items()} == {
            s: _events(page.events) for s, page in model.items()
        }

    @rule(door=st.integers(0, 1))
    def reopen(self, door):
        self.runner.run(self.doors[door].close())
        self.doors[door] = self.runner.run(SqliteLedger.open(self.path, clock=self._clock))

    @invariant()
    def heads_agree(self):
        if self.doors:
            heads = {self.runner.run(log.head()) for log in (*self.doors, self.model)}
            assert len(heads) == 1


def _plain(outcome):
    if isinstance(outcome, Conflict):
        return ("conflict", outcome.stream, outcome.expected, outcome.actual)
    return outcome


def _events(events):
    """All but the salts, which are random in each."""
    return [
        (e.id, e.stream, e.version, e.position, e.type, e.content_type, e.data, e.metadata, e.recorded_at_us)
        for e in events
    ]


TestTogether = Together.TestCase
TestTogether.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
