"""Contract: drafts that bring what they got elsewhere."""

import os
from itertools import pairwise

import pytest

from ledger.port import ANY, NO_STREAM, Append, Carried, Rejected
from tests.ledger.making import draft, drafts, everything, one


def carried(recorded_at_us=None, salt=None):
    return Carried(
        id=os.urandom(16), type="test.Carried", data=b"{}", salt=salt or os.urandom(32), recorded_at_us=recorded_at_us
    )


async def test_salts_are_kept(doors, named):
    written = [carried(), carried()]
    await doors.log.append([Append(named("s"), NO_STREAM, [written[0], draft(), written[1]])])
    events = (await doors.other.read(named("s"))).events
    assert [events[0].salt, events[2].salt] == [draft.salt for draft in written]
    assert len(events[1].salt) == 32


async def test_a_time_is_kept_where_it_keeps_the_order_of_the_log(doors, named):
    await doors.log.append(one(named("before")))
    (before,) = (await doors.log.read(named("before"))).events
    now_us = before.recorded_at_us
    given = [now_us - 1, now_us, now_us, now_us - 5_000_000, None, 1 << 62]
    await doors.log.append([Append(named("s"), NO_STREAM, [carried(time_us) for time_us in given])])
    times_us = [event.recorded_at_us for event in (await doors.other.read(named("s"))).events]
    assert times_us[:4] == [now_us] * 4
    assert times_us[4] == times_us[5] < 1 << 62
    events = await everything(doors.other, doors.start)
    assert all(left.recorded_at_us <= right.recorded_at_us for left, right in pairwise(events))


@pytest.mark.parametrize("salt_bytes", [1, 16, 31, 33])
async def test_a_salt_of_another_length_is_rejected(log, named, salt_bytes):
    with pytest.raises(Rejected, match="32 bytes"):
        await log.append([Append(named("s"), ANY, [draft(), carried(salt=b"s" * salt_bytes)])])


async def test_the_same_ids_are_the_same_append_carried_or_not(doors, named):
    plain = drafts(2)
    await doors.log.append([Append(named("s"), NO_STREAM, plain)])
    again = [Carried(id=d.id, type=d.type, data=d.data, salt=b"s" * 32, recorded_at_us=1) for d in plain]
    assert (await doors.other.append([Append(named("s"), NO_STREAM, again)])).repeated
    assert b"s" * 32 not in {event.salt for event in (await doors.log.read(named("s"))).events}


async def test_beside_the_log_a_time_is_kept_and_there_are_no_salts(doors, named):
    stream = "$$" + named("s")
    await doors.log.append_beside(Append(stream, NO_STREAM, [carried(5), carried(7), carried(6), carried(1 << 62)]))
    events = (await doors.other.read_beside(stream)).events
    assert [event.recorded_at_us for event in events[:3]] == [5, 7, 7]
    assert 7 < events[3].recorded_at_us < 1 << 62
    assert {event.salt for event in events} == {b""}
