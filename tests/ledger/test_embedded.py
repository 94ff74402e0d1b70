"""Contract of the ledgers that keep their events themselves: checks of streams that are not written, the log read
backwards, and a stream's events of some types.
"""

import pytest

from ledger.embedded import SCAN_EVENTS_MAX, Check
from ledger.port import ANY, APPEND_EVENTS_MAX, NO_STREAM, STREAM_EXISTS, Append, Conflict, Direction, Rejected
from tests.ledger.making import draft, drafts, everything, one


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


async def versions_of(log, direction, from_version, limit, types) -> list[int]:
    """All pages of a stream, of events of these types."""
    versions, at_end = [], False
    while not at_end:
        page = await log.read("s", direction=direction, from_version=from_version, limit=limit, types=types)
        assert len(page.events) <= limit
        assert {event.type for event in page.events} <= set(types)
        versions += [event.version for event in page.events]
        from_version, at_end = page.next_from, page.next_from is None
    return versions


@pytest.mark.parametrize("limit", [1, 3, 4_096])
async def test_a_stream_is_read_of_some_types(own_doors, limit):
    names = ["a", "b", "a", "c", "c", "a", "c"]
    await own_doors.log.append([Append("s", ANY, [draft(type=name) for name in names])])
    await own_doors.log.append([Append("t", ANY, [draft(type="a")])])
    for types in (["a"], ["b", "a"], ["c"], ["none"]):
        for start in (None, *range(9)):
            of_them = [version for version, name in enumerate(names) if name in types]
            onwards = [version for version in of_them if version >= (start or 0)]
            assert await versions_of(own_doors.other, Direction.FORWARDS, start, limit, types) == onwards
            back = [version for version in of_them[::-1] if start is None or version <= start]
            assert await versions_of(own_doors.other, Direction.BACKWARDS, start, limit, types) == back
    with pytest.raises(Rejected):
        await own_doors.log.read("s", types="a")


async def test_of_a_long_stream_so_much_is_looked_at_for_one_page(own_doors):
    """And the one event that is looked for is found from either end."""
    log = own_doors.log
    await log.append([Append("s", ANY, [draft(type="first"), *drafts(9_998), draft(type="last")])])
    await log.append([Append("s", ANY, drafts(SCAN_EVENTS_MAX - 10_000 + 1))])
    for direction, near, far in ((Direction.FORWARDS, "first", "none"), (Direction.BACKWARDS, "last", "first")):
        assert (await log.read("s", direction=direction, types=[near], limit=1)).events[0].type == near
        page = await log.read("s", direction=direction, types=[far])
        assert (page.events, page.next_from) == ([], SCAN_EVENTS_MAX if direction is Direction.FORWARDS else 0)
    assert await versions_of(log, Direction.BACKWARDS, None, 1, ["first"]) == [0]
