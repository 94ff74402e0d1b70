"""Contract: what append does and refuses, in every ledger."""

import asyncio
from dataclasses import dataclass
from itertools import count, pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.port import (
    ANY,
    APPEND_BYTES_MAX,
    APPEND_EVENTS_MAX,
    EVENT_BYTES_MAX,
    NAME_BYTES_MAX,
    NO_STREAM,
    STREAM_EXISTS,
    Append,
    Conflict,
    Draft,
    Rejected,
)
from tests.ledger.making import draft, drafts, everything, one

SHARED_LEDGER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)


async def test_what_is_appended_is_read_as_it_was_written(doors, named):
    written = [draft(b'{"a":1}', type="test.A", metadata=b'{"m":2}'), draft(b"", type="test.B")]
    receipt = await doors.log.append([Append(named("s"), NO_STREAM, written)])
    page = await doors.other.read(named("s"))
    assert receipt.versions == (1,)
    assert not receipt.repeated
    assert receipt.position == page.events[-1].position == await doors.other.head()
    assert [Draft(e.id, e.type, e.data, e.metadata, e.content_type) for e in page.events] == written
    assert [e.version for e in page.events] == [0, 1]
    assert {e.stream for e in page.events} == {named("s")}
    assert doors.start < page.events[0].position < page.events[1].position


async def test_salts_are_long_and_differ(log, named):
    await log.append([*one(named("a"), count=40), *one(named("b"), count=40)])
    salts = [e.salt for e in (*(await log.read(named("a"))).events, *(await log.read(named("b"))).events)]
    assert {len(salt) for salt in salts} == {32}
    assert len({salt[:16] for salt in salts} | {salt[16:] for salt in salts}) == 160


async def test_one_call_writes_several_streams_next_to_each_other(doors, named):
    await doors.log.append(one(named("b"), NO_STREAM, 2))
    receipt = await doors.log.append([*one(named("a"), NO_STREAM, 2), *one(named("b"), 1), *one(named("c"), ANY, 3)])
    assert receipt.versions == (1, 2, 2)
    events = await everything(doors.other, doors.start)
    assert [e.stream for e in events[2:]] == [named(name) for name in "aabccc"]
    assert receipt.position == events[-1].position
    assert receipt.positions == tuple(event.position for event in events[2:])


async def test_one_conflict_among_several_streams_leaves_nothing(doors, named):
    await doors.log.append(one(named("taken")))
    before = await doors.log.head()
    with pytest.raises(Conflict) as conflict:
        await doors.log.append([*one(named("new"), NO_STREAM), *one(named("taken"), NO_STREAM), *one(named("more"))])
    assert (conflict.value.stream, conflict.value.expected, conflict.value.actual) == (named("taken"), NO_STREAM, 0)
    assert await doors.other.head() == before
    assert not (await doors.other.read(named("new"))).events


@dataclass
class Expectation:
    """Against a stream whose last version is `last`: None where there is no stream."""

    expected: object
    last: int | None
    stands: bool


EXPECTATIONS = [
    Expectation(NO_STREAM, None, stands=True),
    Expectation(NO_STREAM, 0, stands=False),
    Expectation(STREAM_EXISTS, None, stands=False),
    Expectation(STREAM_EXISTS, 2, stands=True),
    Expectation(ANY, None, stands=True),
    Expectation(ANY, 2, stands=True),
    Expectation(0, None, stands=False),
    Expectation(0, 0, stands=True),
    Expectation(2, 2, stands=True),
    Expectation(1, 2, stands=False),
    Expectation(3, 2, stands=False),
    Expectation(1 << 62, 2, stands=False),
]


@pytest.mark.parametrize("case", EXPECTATIONS, ids=str)
async def test_expectations(log, named, case):
    if case.last is not None:
        await log.append(one(named("s"), NO_STREAM, case.last + 1))
    if case.stands:
        receipt = await log.append(one(named("s"), case.expected))
        assert receipt.versions == (0 if case.last is None else case.last + 1,)
    else:
        with pytest.raises(Conflict) as conflict:
            await log.append(one(named("s"), case.expected))
        assert conflict.value.expected == case.expected
        assert conflict.value.actual == (NO_STREAM if case.last is None else case.last)


@pytest.mark.parametrize("expected", [NO_STREAM, 1, ANY, STREAM_EXISTS], ids=str)
async def test_the_same_ids_at_the_same_place_are_the_same_append(doors, named, expected):
    if expected is not NO_STREAM:
        await doors.log.append(one(named("s"), NO_STREAM, 2))
    call = [Append(named("s"), expected, drafts(3)), *one(named("t"), ANY, 2)]
    first = await doors.log.append(call)
    again = await doors.other.append(call)
    assert again.repeated
    assert (again.position, again.versions) == (first.position, first.versions)
    assert again.positions == first.positions
    await doors.log.append([*one(named("s"), ANY), *one(named("t"), ANY)])
    much_later = await doors.other.append(call)
    assert (much_later.position, much_later.versions) == (first.position, first.versions)
    assert len((await doors.log.read(named("s"))).events) == (4 if expected is NO_STREAM else 6)


async def test_the_receipt_of_a_repetition_names_the_position_of_its_last_event(log, named):
    a, b = one(named("a")), one(named("b"))
    await log.append(a)
    last = await log.append(b)
    again = await log.append([*b, *a])
    assert again.repeated
    assert again.position == last.position


async def test_a_repetition_elsewhere_than_expected_is_a_conflict(log, named):
    written = drafts(2)
    await log.append([Append(named("s"), NO_STREAM, written)])
    await log.append(one(named("s"), 1))
    for expected in (0, 1, 2):
        with pytest.raises(Conflict) as conflict:
            await log.append([Append(named("s"), expected, written)])
        assert conflict.value.actual == 2


async def test_a_call_that_is_partly_a_repetition_is_a_conflict(log, named):
    written = one(named("a"), NO_STREAM, 2)
    await log.append(written)
    before = await log.head()
    with pytest.raises(Conflict) as conflict:
        await log.append([*one(named("new"), NO_STREAM), *written])
    assert conflict.value.stream == named("a")
    (old,) = written
    for expected in (ANY, STREAM_EXISTS, NO_STREAM, 1):
        for mixed in (
            [*old.drafts, draft()],
            [draft(), *old.drafts],
            [old.drafts[0], draft()],
            [old.drafts[1], draft()],
            [draft(), old.drafts[0]],
            [old.drafts[1], old.drafts[0]],
        ):
            with pytest.raises(Conflict):
                await log.append([Append(named("a"), expected, mixed)])
    assert await log.head() == before


async def test_part_of_a_run_again_is_a_repetition_of_that_part(log, named):
    written = drafts(3)
    await log.append([Append(named("a"), NO_STREAM, written)])
    assert (await log.append([Append(named("a"), ANY, written[1:])])).versions == (2,)
    assert (await log.append([Append(named("a"), 0, written[1:2])])).versions == (1,)
    with pytest.raises(Conflict):
        await log.append([Append(named("a"), ANY, [written[0], written[2]])])


async def test_an_id_is_unique_in_its_stream_and_not_beyond(log, named):
    same = drafts(2)
    await log.append([Append(named("a"), NO_STREAM, same), Append(named("b"), NO_STREAM, same)])
    await log.append([Append(named("c"), ANY, same)])
    with pytest.raises(Conflict) as conflict:
        await log.append([Append(named("a"), 1, same[1:])])
    assert conflict.value.actual == 1
    assert [e.id for e in (await log.read(named("c"))).events] == [d.id for d in same]


async def test_a_call_of_the_largest_size(doors, named):
    receipt = await doors.log.append(
        [
            *one(named("one"), NO_STREAM, APPEND_EVENTS_MAX - 1_000),
            *(Append(named(f"s{index}"), NO_STREAM, drafts(1)) for index in range(1_000)),
        ]
    )
    assert receipt.versions == (APPEND_EVENTS_MAX - 1_001, *[0] * 1_000)
    assert len(await everything(doors.other, doors.start)) == APPEND_EVENTS_MAX


LARGEST_IN_A_CALL = APPEND_BYTES_MAX // EVENT_BYTES_MAX

REJECTED = {
    "no append": [],
    "no draft": [Append("s", ANY, [])],
    "a stream twice": [*one("s"), *one("t"), *one("s")],
    "too many events": one("s", ANY, APPEND_EVENTS_MAX + 1),
    "too large an event": [Append("s", ANY, [draft(b"x" * EVENT_BYTES_MAX, metadata=b"y")])],
    "too large a call": [Append("s", ANY, [draft(b"x" * EVENT_BYTES_MAX) for _ in range(LARGEST_IN_A_CALL + 1)])],
    "an id twice": [Append("s", ANY, [draft(id=b"i" * 16), draft(id=b"i" * 16)])],
    "a short id": [Append("s", ANY, [draft(id=b"i" * 15)])],
    "a long id": [Append("s", ANY, [draft(id=b"i" * 17)])],
    "a stream beside the log": one("$s"),
    "metadata of a stream": one("$$s"),
    "a type beside the log": [Append("s", ANY, [draft(type="$metadata")])],
    "no name": one(""),
    "no type": [Append("s", ANY, [draft(type="")])],
    "too long a name": one("s" * (NAME_BYTES_MAX + 1)),
    "too long a name in UTF-8": one("表" * (NAME_BYTES_MAX // 3 + 1)),
    "too long a type": [Append("s", ANY, [draft(type="t" * (NAME_BYTES_MAX + 1))])],
    "no content type": [Append("s", ANY, [Draft(id=b"i" * 16, type="t", data=b"", content_type="")])],
    "half a surrogate pair": one("s\ud800"),
    "a NUL": one("s\0"),
    "a negative version": one("s", -1),
}


@pytest.mark.parametrize("why", REJECTED)
async def test_what_breaks_a_limit_or_a_rule_is_rejected(log, why):
    before = await log.head()
    with pytest.raises(Rejected):
        await log.append(REJECTED[why])
    assert await log.head() == before


async def test_what_just_keeps_the_limits_is_taken(log, named):
    longest = named("表" * 60)
    longest += "x" * (NAME_BYTES_MAX - len(longest.encode()))
    assert len(longest.encode()) == NAME_BYTES_MAX
    largest = draft(b"x" * (EVENT_BYTES_MAX - 1), metadata=b"y", type="t" * NAME_BYTES_MAX)
    await log.append([Append(longest, NO_STREAM, [largest])])
    (event,) = (await log.read(longest)).events
    assert (event.data, event.metadata, event.type) == (largest.data, largest.metadata, largest.type)


numbered = count()
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=40).filter(
    lambda name: not name.startswith("$")
)


@SHARED_LEDGER
@given(
    events=st.lists(st.tuples(st.binary(max_size=300), st.binary(max_size=300), names), min_size=1, max_size=5),
    suffix=names,
)
async def test_bytes_and_names_come_back_as_they_were(doors, named, events, suffix):
    stream = named(f"{next(numbered)}-{suffix}")
    written = [draft(data, metadata=metadata, type=name) for data, metadata, name in events]
    await doors.log.append([Append(stream, NO_STREAM, written)])
    for read in ((await doors.other.read(stream)).events, (await doors.other.read_many([stream]))[stream].events):
        assert [Draft(e.id, e.type, e.data, e.metadata, e.content_type) for e in read] == written
        assert {e.stream for e in read} == {stream}


async def test_names_that_differ_only_in_case_or_composition_are_different(log, named):
    streams = [named(name) for name in ("a", "A", "é", "e\u0301", "a ", "a%", "a_")]
    await log.append([Append(stream, NO_STREAM, drafts(1)) for stream in streams])
    assert list(await log.read_many(streams)) == streams


async def test_writers_who_expect_the_same_version_cannot_both_succeed(doors, named):
    async def write(log):
        try:
            await log.append(one(named("s"), NO_STREAM))
        except Conflict:
            return 0
        return 1

    assert sum(await asyncio.gather(*(write(log) for log in (doors.log, doors.other) * 20))) == 1


async def test_concurrent_writers_leave_no_gap(doors, named):
    async def write(log, own):
        for _ in range(8):
            await log.append([*one(named("shared"), ANY, 2), *one(named(own))])

    tasks = [write((doors.log, doors.other)[index % 2], f"own{index}") for index in range(16)]
    await asyncio.gather(*tasks)
    events = await everything(doors.log, doors.start)
    assert [e.version for e in events if e.stream == named("shared")] == list(range(256))
    for index in range(16):
        assert [e.version for e in events if e.stream == named(f"own{index}")] == list(range(8))
    assert all(left.position < right.position for left, right in pairwise(events))
    assert all(left.recorded_at_us <= right.recorded_at_us for left, right in pairwise(events))


async def test_an_append_that_was_cancelled_is_whole_or_absent_and_harms_no_other(log, named):
    tasks = [asyncio.create_task(log.append(one(named(f"s{index}"), NO_STREAM, 3))) for index in range(20)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    lengths = [len((await log.read(named(f"s{index}"))).events) for index in range(20)]
    assert set(lengths[1::2]) == {3}
    assert set(lengths[::2]) <= {0, 3}
