"""Contract of the ledgers that keep their events themselves: checks of streams that are not written, and the log read
backwards.
"""

import pytest

from ledger.embedded import Check
from ledger.port import ANY, APPEND_EVENTS_MAX, NO_STREAM, STREAM_EXISTS, Append, Conflict, Rejected
from tests.ledger.making import drafts, everything, one


@pytest.mark.parametrize(
    ("check", "actual"),
    [
        (Check("there", 1), None),
        (Check("there", ANY), None),
        (Check("there", STREAM_EXISTS), None),
        (Check("absent", NO_STREAM), None),
        (Check("absent", ANY), None),
        (Check("there", 0), 1),
        (Check("there", 2), 1),
        (Check("there", NO_STREAM), 1),
        (Check("absent", 0), NO_STREAM),
        (Check("absent", STREAM_EXISTS), NO_STREAM),
    ],
    ids=str,
)
async def test_a_stream_that_is_not_written_can_be_checked(own_doors, check, actual):
    await own_doors.log.append(one("there", NO_STREAM, 2))
    checks = [Check("there", STREAM_EXISTS), check] if check.stream != "there" else [check]
    if actual is None:
        assert (await own_doors.other.append(one("s", NO_STREAM), checks)).versions == (0,)
    else:
        with pytest.raises(Conflict) as conflict:
            await own_doors.other.append(one("s", NO_STREAM), checks)
        assert (conflict.value.stream, conflict.value.expected) == (check.stream, check.expected)
        assert conflict.value.actual == actual
        assert not (await own_doors.log.read("s")).events


async def test_what_had_been_recorded_is_success_whatever_has_become_of_its_checks(own_doors):
    call = [Append("s", NO_STREAM, drafts(2))]
    first = await own_doors.log.append(call, [Check("t", NO_STREAM)])
    await own_doors.log.append(one("t", NO_STREAM))
    again = await own_doors.other.append(call, [Check("t", NO_STREAM)])
    assert again.repeated
    assert again.positions == first.positions
    with pytest.raises(Conflict):
        await own_doors.other.append(one("s", 1), [Check("t", NO_STREAM)])


async def test_events_stand_in_the_log_in_the_order_that_is_asked_for(own_doors):
    await own_doors.log.append(one("s", NO_STREAM))
    appends = [Append("s", 0, drafts(3)), Append("t", NO_STREAM, drafts(2))]
    receipt = await own_doors.log.append(appends, order=[0, 1, 0, 1, 0])
    events = (await everything(own_doors.other))[1:]
    assert [(event.stream, event.version) for event in events] == [("s", 1), ("t", 0), ("s", 2), ("t", 1), ("s", 3)]
    assert [event.id for event in events if event.stream == "s"] == [draft.id for draft in appends[0].drafts]
    assert (receipt.versions, receipt.position) == ((3, 1), events[-1].position)
    assert receipt.positions == tuple(events[at].position for at in (0, 2, 4, 1, 3))
    again = await own_doors.other.append(appends, order=[0, 1, 0, 1, 0])
    assert (again.positions, again.repeated) == (receipt.positions, True)
    assert (await own_doors.log.append([Append("s", 3, drafts(1)), Append("t", 1, drafts(1))])).versions == (4, 2)


@pytest.mark.parametrize("order", [[0], [0, 0, 1, 1], [0, 1, 2], [0, 1, 1], [0, 0, -1]])
async def test_an_order_names_the_append_of_each_event(own_doors, order):
    with pytest.raises(Rejected):
        await own_doors.log.append([Append("s", ANY, drafts(2)), Append("t", ANY, drafts(1))], order=order)
    assert await own_doors.log.head() == 0


REJECTED = {
    "a stream to check that is written": [Check("s", ANY)],
    "a stream to check twice": [Check("t", ANY), Check("t", ANY)],
    "a negative version": [Check("t", -1)],
    "a stream beside the log": [Check("$$t", ANY)],
    "too many": [Check(f"t{index}", ANY) for index in range(APPEND_EVENTS_MAX + 1)],
}


@pytest.mark.parametrize("why", REJECTED)
async def test_checks_that_break_a_rule_are_rejected(own_doors, why):
    with pytest.raises(Rejected):
        await own_doors.log.append(one("s"), REJECTED[why])
    assert await own_doors.log.head() == 0


async def test_the_log_is_read_backwards(own_doors):
    log, other, _ = own_doors
    assert not await log.read_back()
    for index in range(10):
        await log.append(one(f"s{index % 3}", count=1 + index % 2))
    await log.append_beside(*one("$$s", count=2))
    backwards = (await everything(log))[::-1]
    assert await other.read_back() == backwards
    assert await other.read_back(limit=4) == backwards[:4]
    for at, event in enumerate(backwards):
        assert await other.read_back(event.position, 3) == backwards[at + 1 : at + 4]
        assert await other.read_back(event.position + 1, 3) == backwards[at : at + 3]
    assert not await other.read_back(0)
    assert await other.read_back((1 << 63) - 1) == backwards
    for before, limit in ((-1, 1), (1 << 63, 1), (None, 0), (None, 5_000)):
        with pytest.raises(Rejected):
            await log.read_back(before, limit)
