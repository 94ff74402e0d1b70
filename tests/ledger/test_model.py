"""The embedded ledger against the one in memory, step by step, over calls that nobody would think of; and so the ledger
behind a server, by whoever believes what the server says of itself and whoever does not.
"""

import asyncio
import tempfile
from pathlib import Path

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ledger.carrying import OCTETS
from ledger.embedded import Check
from ledger.kurrent import KurrentLedger
from ledger.memory import MemoryLedger
from ledger.port import ANY, NO_STREAM, OWN_STREAM, STREAM_EXISTS, Append, Carried, Conflict, Direction, Draft
from ledger.server.access import admit_everybody
from ledger.server.running import serve
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
            st.builds(Draft, id=ids, type=st.sampled_from(TYPES), data=st.binary(max_size=8))
            | st.builds(
                Carried,
                id=ids,
                type=st.sampled_from(TYPES),
                data=st.binary(max_size=8),
                salt=st.binary(min_size=32, max_size=32),
                recorded_at_us=st.none() | st.integers(-10, 20).map(lambda seconds: seconds * 1_000_000),
            ),
            min_size=1,
            max_size=3,
            unique_by=lambda draft: draft.id,
        ),
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda append: append.stream,
)


def _as_octets(append):
    """As one may write beside a log that is served, where what is called JSON must be."""
    drafts = [msgspec.structs.replace(draft, content_type=OCTETS) for draft in append.drafts]
    return msgspec.structs.replace(append, drafts=drafts)


beside = calls.map(lambda call: _as_octets(call[0]))
checks = st.lists(st.builds(Check, streams, expectations), max_size=2, unique_by=lambda check: check.stream)


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
        self.doors = [self.runner.run(self._door(number)) for number in range(2)]

    async def _door(self, _number):
        return await SqliteLedger.open(self.path, clock=self._clock)

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

    @rule(door=st.integers(0, 1), call=calls, checked=checks)
    def append(self, door, call, checked):
        written = {append.stream for append in call}
        checked = [check for check in checked if check.stream not in written]
        assert self._outcome(self.doors[door], call, checked) == self._outcome(self.model, call, checked)

    @rule(door=st.integers(0, 1), append=beside)
    def append_beside(self, door, append):
        append = Append("$$" + append.stream, append.expected, append.drafts)
        doors = (self.doors[door], self.model)
        outcomes = [self.runner.run(_gathered(log.append_beside(append))) for log in doors]
        assert outcomes[0] == outcomes[1]

    @rule(door=st.integers(0, 1))
    def read_beside(self, door):
        beside = [self.runner.run(log.streams_beside()) for log in (self.doors[door], self.model)]
        assert beside[0] == beside[1]
        for stream in beside[0]:
            if stream != OWN_STREAM:
                pages = [self.runner.run(log.read_beside(stream)) for log in (self.doors[door], self.model)]
                assert _events(pages[0].events) == _events(pages[1].events)

    @rule(door=st.integers(0, 1), before=st.none() | st.integers(0, 40), limit=st.integers(1, 9))
    def read_back(self, door, before, limit):
        pages = [self.runner.run(log.read_back(before, limit)) for log in (self.doors[door], self.model)]
        assert _events(pages[0]) == _events(pages[1])

    @rule(door=st.integers(0, 1), group=st.lists(calls, min_size=2, max_size=4))
    def append_at_once(self, door, group):
        outcomes = [self.runner.run(self._at_once(log, group)) for log in (self.doors[door], self.model)]
        assert outcomes[0] == outcomes[1]

    async def _at_once(self, log, group):
        tasks = [asyncio.create_task(log.append(call)) for call in group]
        return [_plain(done) for done in await asyncio.gather(*tasks, return_exceptions=True)]

    def _outcome(self, log, call, checked):
        async def outcome():
            try:
                return await log.append(call, checked)
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
        self.doors[door] = self.runner.run(self._door(door))

    @invariant()
    def heads_agree(self):
        if self.doors:
            heads = {self.runner.run(log.head()) for log in (*self.doors, self.model)}
            assert len(heads) == 1


async def _gathered(call):
    (outcome,) = await asyncio.gather(call, return_exceptions=True)
    return _plain(outcome)


class TogetherServed(Together):
    """The doors go through a server, to a ledger that keeps time by the same clock. They check no streams that they do
    not write, and do not read the log backwards: that is for ledgers that keep their events themselves.
    """

    TRUSTING = (True, True)
    read_back = None

    def __init__(self):
        super().__init__()
        self.behind = self.runner.run(SqliteLedger.open(self.path, clock=self._clock))
        self.server = self.runner.run(serve(self.behind, "127.0.0.1:0", admit=admit_everybody))

    async def _door(self, number):
        url = f"kurrentdb://127.0.0.1:{self.server.port}?tls=false"
        return await KurrentLedger.open(url, trusting=self.TRUSTING[number])

    def _outcome(self, log, call, _checked):
        return self.runner.run(_gathered(log.append(call)))

    async def _at_once(self, log, group):
        """One after the other: which of several calls comes first over a network is nobody's promise."""
        return [outcome for call in group for outcome in await super(TogetherServed, self)._at_once(log, [call])]

    def teardown(self):
        for door in self.doors:
            self.runner.run(door.close())
        self.doors = []
        self.runner.run(self.server.stop(grace_s=0))
        self.runner.run(self.behind.close())
        super().teardown()


class TogetherDoubted(TogetherServed):
    """One of the doors takes the server for a KurrentDB, which dates what is beside the log itself."""

    append_beside = None
    TRUSTING = (False, True)


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

SERVED = settings(max_examples=15, stateful_step_count=20, deadline=None)

TestTogetherServed = TogetherServed.TestCase
TestTogetherServed.settings = SERVED

TestTogetherDoubted = TogetherDoubted.TestCase
TestTogetherDoubted.settings = SERVED
