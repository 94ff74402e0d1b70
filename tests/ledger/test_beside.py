"""Contract: what stands beside the log, in every ledger that keeps it."""

import asyncio
import json
import os
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.beside import identity_append, ledger_id_in
from ledger.carrying import OCTETS
from ledger.port import (
    ANY,
    EVENT_BYTES_MAX,
    IDENTITY_TYPE,
    JSON,
    NAME_BYTES_MAX,
    NO_STREAM,
    OWN_STREAM,
    STREAM_EXISTS,
    Append,
    Conflict,
    Direction,
    Draft,
    Rejected,
)
from tests.ledger.making import draft, drafts, everything, one
from tests.ledger.test_append import SHARED_LEDGER


@pytest.fixture
def beside(named):
    return lambda name: "$$" + named(name)


async def test_the_log_names_itself(doors):
    page = await doors.other.read_beside(OWN_STREAM)
    event = page.events[0]
    assert (event.version, event.type, event.content_type, event.metadata) == (0, IDENTITY_TYPE, JSON, b"")
    assert msgspec.json.decode(event.data) == {"ledger_id": doors.log.ledger_id}
    assert (event.stream, event.salt, event.id) == (OWN_STREAM, b"", UUID(doors.log.ledger_id).bytes)
    assert ledger_id_in(event) == doors.log.ledger_id
    assert OWN_STREAM in await doors.log.streams_beside()


async def test_a_log_that_has_a_name_gets_no_other(log):
    with pytest.raises(Conflict):
        await log.append_beside(identity_append(str(UUID(int=1 << 100))))
    assert (await log.append_beside(identity_append(log.ledger_id))).repeated


async def test_what_is_appended_beside_is_read_as_it_was_written(doors, beside):
    await doors.log.append(one("meter-1", count=3))
    head = await doors.log.head()
    written = [
        draft(b'{"$cacheControl":1}', type="$metadata", metadata=b'{"m":2}'),
        Draft(b"p" * 16, "plain", b"\0", b"", OCTETS),
    ]
    receipt = await doors.log.append_beside(Append(beside("s"), NO_STREAM, written))
    assert (receipt.position, receipt.versions, receipt.positions, receipt.repeated) == (
        head,
        (1,),
        (head, head),
        False,
    )
    page = await doors.other.read_beside(beside("s"))
    assert [Draft(e.id, e.type, e.data, e.metadata, e.content_type) for e in page.events] == written
    assert [(e.stream, e.version, e.position, e.salt) for e in page.events] == [
        (beside("s"), version, head, b"") for version in (0, 1)
    ]
    await doors.other.append(one("meter-1"))
    again = await doors.other.append_beside(Append(beside("s"), 1, drafts(1)))
    assert again.position == await doors.log.head() > head


async def test_what_stands_beside_is_no_part_of_the_log(doors, beside, named):
    await doors.log.append(one(named("s")))
    before = await doors.log.head()
    for version in range(3):
        await doors.log.append_beside(Append(beside("s"), ANY if version else NO_STREAM, [draft(type="$metadata")]))
    assert await doors.other.head() == before
    assert {e.stream for e in await everything(doors.other, doors.start)} == {named("s")}
    assert (await doors.other.append(one(named("s"), 0))).versions == (1,)
    for read in (doors.log.read(beside("s")), doors.log.read_many([beside("s")]), doors.log.append(one(beside("s")))):
        with pytest.raises(Rejected):
            await read


async def test_streams_beside_are_named_in_order(doors, beside):
    known = await doors.log.streams_beside()
    for name in ("b", "a", "é"):
        await doors.log.append_beside(*one(beside(name), NO_STREAM))
    found = await doors.other.streams_beside()
    assert found == sorted({*known, beside("a"), beside("b"), beside("é")})


@pytest.mark.parametrize("expected", [NO_STREAM, STREAM_EXISTS, 0, 1, 2], ids=str)
@pytest.mark.parametrize("last", [None, 0, 1])
async def test_expectations_hold_beside_as_in_the_log(log, beside, named, expected, last):
    if last is not None:
        await log.append_beside(*one(beside("s"), NO_STREAM, last + 1))
        await log.append(one(named("s"), NO_STREAM, last + 1))
    outcomes = []
    for append in (
        lambda: log.append_beside(*one(beside("s"), expected)),
        lambda: log.append(one(named("s"), expected)),
    ):
        try:
            outcomes.append((await append()).versions)
        except Conflict as conflict:
            outcomes.append((conflict.expected, conflict.actual))
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("expected", [NO_STREAM, 1, ANY, STREAM_EXISTS], ids=str)
async def test_the_same_ids_beside_are_the_same_append(doors, beside, expected):
    if expected is not NO_STREAM:
        await doors.log.append_beside(*one(beside("s"), NO_STREAM, 2))
    append = Append(beside("s"), expected, drafts(3))
    first = await doors.log.append_beside(append)
    await doors.log.append(one("meter-1"))
    await doors.log.append_beside(*one(beside("s")))
    again = await doors.other.append_beside(append)
    assert again.repeated
    assert (again.versions, again.positions) == (first.versions, first.positions)
    with pytest.raises(Conflict):
        await doors.other.append_beside(Append(beside("s"), expected, [*append.drafts, draft()]))


async def test_pages_of_a_stream_beside(log, beside):
    await log.append_beside(*one(beside("s"), NO_STREAM, 5))
    forwards = await log.read_beside(beside("s"), limit=2)
    assert ([e.version for e in forwards.events], forwards.next_from) == ([0, 1], 2)
    end = await log.read_beside(beside("s"), from_version=4, limit=2)
    assert ([e.version for e in end.events], end.next_from) == ([4], None)
    back = await log.read_beside(beside("s"), direction=Direction.BACKWARDS, limit=2)
    assert ([e.version for e in back.events], back.next_from) == ([4, 3], 2)
    rest = await log.read_beside(beside("s"), direction=Direction.BACKWARDS, from_version=2, limit=3)
    assert ([e.version for e in rest.events], rest.next_from) == ([2, 1, 0], None)
    assert not (await log.read_beside(beside("none"))).events
    assert not (await log.read_beside(beside("none"), direction=Direction.BACKWARDS)).events


NO_NAMES = ["s", "$s", "$$", "", "$$" + "s" * (NAME_BYTES_MAX + 1), "$$s\0", "$$\ud800"]


@pytest.mark.parametrize("name", NO_NAMES, ids=ascii)
async def test_what_is_no_name_of_a_stream_beside_is_rejected(log, name):
    for call in (log.append_beside(*one(name)), log.read_beside(name)):
        with pytest.raises(Rejected):
            await call


REJECTED_DRAFTS = {
    "no draft": [],
    "an id twice": [draft(id=b"i" * 16), draft(id=b"i" * 16)],
    "a short id": [draft(id=b"i" * 15)],
    "too large an event": [draft(b"x" * EVENT_BYTES_MAX, metadata=b"y")],
    "no type": [draft(type="")],
    "no content type": [Draft(id=b"i" * 16, type="t", data=b"", content_type="")],
}


@pytest.mark.parametrize("why", REJECTED_DRAFTS)
async def test_limits_hold_beside_too(log, beside, why):
    with pytest.raises(Rejected):
        await log.append_beside(Append(beside("s"), ANY, REJECTED_DRAFTS[why]))
    assert not (await log.read_beside(beside("s"))).events


async def test_the_stream_of_the_longest_name_has_one_beside(log):
    name = "$$" + "s" * NAME_BYTES_MAX
    await log.append_beside(*one(name))
    assert [e.stream for e in (await log.read_beside(name)).events] == [name]


strict = st.dictionaries(st.text(max_size=9), st.text(max_size=9), max_size=3).map(lambda it: json.dumps(it).encode())
contents = st.one_of(
    st.tuples(st.sampled_from(["$metadata", "$>", "x"]), strict, st.just(JSON)),
    st.tuples(st.sampled_from(["$>", "x"]), st.binary(max_size=300), st.just(OCTETS)),
)


@SHARED_LEDGER
@given(content=contents, metadata=st.binary(max_size=300))
async def test_bytes_beside_come_back_as_they_were(doors, beside, content, metadata):
    """A log that is served takes no other than JSON as JSON there, for a KurrentDB would read more into it."""
    kind, data, content_type = content
    written = Draft(os.urandom(16), kind, data, metadata, content_type)
    await doors.log.append_beside(Append(beside("s"), ANY, [written]))
    page = await doors.other.read_beside(beside("s"), direction=Direction.BACKWARDS, limit=1)
    assert (page.events[0].data, page.events[0].metadata, page.events[0].type) == (data, metadata, kind)


async def test_writers_beside_who_expect_the_same_version_cannot_both_succeed(doors, beside):
    async def write(log):
        try:
            await log.append_beside(*one(beside("s"), NO_STREAM))
        except Conflict:
            return 0
        return 1

    assert sum(await asyncio.gather(*(write(log) for log in (doors.log, doors.other) * 20))) == 1
