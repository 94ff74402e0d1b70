"""From places in a log to those in its copy: each after the same events as before, whatever a position counts."""

import os

import pytest

from ledger.copying import NotCopied, copy_log
from ledger.mapping import Signed, map_positions
from ledger.memory import MemoryLedger
from ledger.port import ANY, Append
from ledger.proof.commitment import entry_of
from ledger.proof.merkle import leaf_hashes, root_of
from tests.ledger.making import draft, everything, one

MARK_ENTRIES = 256


def silent(*_):
    pass


async def moved(events, stride=7, source_stride=5):
    """A log of so many events and its copy, in which they have other positions."""
    source, target = MemoryLedger(position_stride=source_stride), MemoryLedger(position_stride=stride)
    for _ in range(0, events, 100):
        await source.append([Append(os.urandom(4).hex(), ANY, [draft(os.urandom(8)) for _ in range(100)])])
    await copy_log(source, target, told=silent)
    return source, target


async def found(source, target, wanted=(), signed=None):
    return await map_positions(source, target, wanted, signed, MARK_ENTRIES, silent)


async def test_a_place_is_after_the_same_events():
    source, target = await moved(10_000)
    theirs, ours = await everything(source), await everything(target)
    # Places in a KurrentDB may lie between two events, before the first and behind the last.
    wanted = [0, 1, 4, *(event.position + more for event in theirs[::97] for more in (0, 1, 4)), 5 * 10_000 + 3]
    mapped = await found(source, target, wanted)
    for place in wanted:
        before = sum(event.position <= place for event in theirs)
        assert mapped.position_of(place) == (ours[before - 1].position if before else 0)
    assert not mapped.same
    assert mapped.size == 10_000
    with pytest.raises(KeyError):
        mapped.position_of(theirs[50].position)


async def test_places_between_two_pages_are_after_the_first_of_them():
    source, target = await moved(8_192)
    theirs, ours = await everything(source), await everything(target)
    edge = theirs[4_095].position
    mapped = await found(source, target, [edge, edge + 1, edge + 4])
    assert {mapped.position_of(edge + more) for more in (0, 1, 4)} == {ours[4_095].position}


async def test_marks_and_the_tree_are_those_of_what_was_signed():
    source, target = await moved(6_000)
    theirs, ours = await everything(source), await everything(target)
    for size in (0, 1, 255, 256, 257, 4_096, 5_000, 6_000):
        root = root_of(leaf_hashes([entry_of(event) for event in theirs[:size]]))
        position = theirs[size - 1].position if size else 0
        mapped = await found(source, target, [position], Signed(size, position, root))
        assert list(mapped.marks) == [event.position for event in ours[:size:MARK_ENTRIES]]
        assert mapped.position_of(position) == (ours[size - 1].position if size else 0)


@pytest.mark.parametrize("wrong", ["root", "position", "size"])
async def test_another_signed_tree_is_refused(wrong):
    source, target = await moved(300)
    theirs = await everything(source)
    root = root_of(leaf_hashes([entry_of(event) for event in theirs[:200]]))
    signed = {"size": 200, "position": theirs[199].position, "root": root}
    signed |= {"size": {"size": 301}, "position": {"position": 5}, "root": {"root": bytes(32)}}[wrong]
    with pytest.raises(NotCopied) as refused:
        await found(source, target, [], Signed(**signed))
    assert refused.value.code == "map.other_tree"


async def test_positions_that_stay_the_same_are_known_to():
    source, target = await moved(5_000, stride=3, source_stride=3)
    assert (await found(source, target)).same


async def test_what_was_written_to_the_copy_since_does_not_matter():
    source, target = await moved(300)
    await target.append(one("a-stream"))
    theirs, ours = await everything(source), await everything(target)
    assert (await found(source, target, [theirs[-1].position])).position_of(theirs[-1].position) == ours[299].position


async def test_a_source_that_goes_on_and_a_copy_that_is_not_whole_are_refused():
    source, target = MemoryLedger(), MemoryLedger()
    await source.append(one("a-stream"))
    for code in ("map.not_sealed", "map.not_a_copy"):
        with pytest.raises(NotCopied) as refused:
            await found(source, target, [1])
        assert refused.value.code == code
        await source.seal(b"{}")
