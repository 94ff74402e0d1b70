"""Contract: a log that has ended. Each test seals a log of its own, so no foreign ledger takes part."""

import asyncio

import msgspec
import pytest

from ledger.beside import seal_draft, seal_in
from ledger.port import ANY, JSON, NO_STREAM, OWN_STREAM, SEALED_TYPE, Append, Rejected, Sealed
from tests.ledger.making import everything, first_events, one

NOTE = b'{"goes_on": "another-log"}'


async def test_a_sealed_log_takes_nothing_more(fresh_doors):
    log, other, _ = fresh_doors
    written = one("s", NO_STREAM, 3)
    await log.append(written)
    await log.append_beside(*one("$$s", NO_STREAM))
    events, head = await everything(log), await log.head()
    assert await log.seal(NOTE) == head
    for door in (log, other):
        for refused in (
            door.append(one("s")),
            door.append(one("s", NO_STREAM)),
            door.append(written),
            door.append(one("new", NO_STREAM)),
            door.append_beside(*one("$$s")),
            door.append_beside(*one("$$new")),
            door.append_beside(Append(OWN_STREAM, ANY, [seal_draft(log.ledger_id, NOTE)])),
        ):
            with pytest.raises(Sealed):
                await refused
        assert (await everything(door), await door.head()) == (events, head)
        assert await door.streams_beside() == [OWN_STREAM, "$$s"]


async def test_an_empty_log_can_be_sealed(fresh_doors):
    assert await fresh_doors.log.seal(NOTE) == 0
    with pytest.raises(Sealed):
        await fresh_doors.other.append(one("s"))


async def test_the_seal_says_where_the_log_goes_on_and_sealing_again_changes_nothing(fresh_doors):
    await fresh_doors.log.append(one("s"))
    head = await fresh_doors.log.seal(NOTE)
    assert await fresh_doors.other.seal(b'{"goes_on": "a third"}') == head
    page = await fresh_doors.other.read_beside(OWN_STREAM)
    seal = seal_in(page.events)
    assert seal is page.events[-1]
    assert len(page.events) == 2
    assert (seal.type, seal.version, seal.position, seal.content_type) == (SEALED_TYPE, 1, head, JSON)
    assert msgspec.json.decode(seal.data) == {"goes_on": "another-log"}


async def test_sealing_by_an_append_beside_is_sealing(fresh_doors):
    """So a client of the protocol seals, too."""
    await fresh_doors.log.append_beside(Append(OWN_STREAM, 0, [seal_draft(fresh_doors.log.ledger_id, NOTE)]))
    with pytest.raises(Sealed):
        await fresh_doors.other.append(one("s"))
    assert await fresh_doors.other.seal(NOTE) == 0


@pytest.mark.parametrize("note", [b"", b"{", b"\xff", b"{} {}"])
async def test_a_note_that_is_no_json_seals_nothing(fresh_doors, note):
    with pytest.raises(Rejected):
        await fresh_doors.log.seal(note)
    assert (await fresh_doors.other.append(one("s"))).versions == (0,)


async def test_what_breaks_a_rule_is_told_so_even_of_a_sealed_log(fresh_doors):
    await fresh_doors.log.seal(NOTE)
    with pytest.raises(Rejected):
        await fresh_doors.log.append([])


async def test_followers_of_a_sealed_log_wait_on(fresh_doors):
    await fresh_doors.log.append(one("s"))
    following = asyncio.create_task(first_events(fresh_doors.other.follow(), 2))
    await fresh_doors.log.seal(NOTE)
    await asyncio.sleep(0.05)
    assert not following.done()
    following.cancel()
    await asyncio.wait({following})


async def test_nothing_is_acknowledged_beyond_where_the_log_was_sealed(fresh_doors):
    log, other, _ = fresh_doors
    acknowledged = []
    enough = asyncio.Event()

    async def append_until_sealed(own):
        while True:
            try:
                acknowledged.append((await other.append(one(own))).position)
            except Sealed:
                return
            if len(acknowledged) >= 100:
                enough.set()
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(append_until_sealed(f"s{index}")) for index in range(8)]
    await enough.wait()
    head = await log.seal(NOTE)
    await asyncio.wait_for(asyncio.gather(*tasks), 20)
    assert sorted(acknowledged) == [event.position for event in await everything(log)]
    assert max(acknowledged) == head == await other.head()
