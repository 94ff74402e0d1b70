"""A proof log follows its ledger to where that was moved: the same log, of the same entries, that goes on."""

import apsw
import pytest

from ledger.copying import copy_log
from ledger.mapping import Signed, map_positions
from ledger.memory import MemoryLedger
from ledger.transparency.discloser import LOCK as DISCLOSER_LOCK
from ledger.transparency.faults import LogFault
from ledger.transparency.layout import LOCK, MARK_ENTRIES, MARKS, STORE
from ledger.transparency.lock import SingleWriter
from ledger.transparency.moving import kept_origin, moving
from ledger.transparency.store import SequencerStore
from tests.ledger.transparency.disclosures import check as check_disclosed
from tests.ledger.transparency.disclosures import disclose, discloser_of
from tests.ledger.transparency.logs import ORIGIN, check, published, record, sequencer_of


def silent(*_):
    pass


async def sequenced(ledger, folder):
    sequencer = await sequencer_of(ledger, folder)
    try:
        while not (await sequencer.round()).at_head:
            pass
    finally:
        await sequencer.close()


async def move(source, target, folder):
    with moving(folder / "proof") as log:
        if log.cursor.ledger_id == target.ledger_id:
            return
        log.require(source.ledger_id)
        signed = Signed(log.cursor.size, log.cursor.position, log.cursor.root)
        mapped = await map_positions(source, target, [signed.position], signed, MARK_ENTRIES, silent)
        log.move(target.ledger_id, mapped.position_of(signed.position), mapped.marks)


@pytest.fixture
async def moved(tmp_path):
    """A log with a proof log, the most of it sequenced, and its copy."""
    source, target = MemoryLedger(), MemoryLedger(position_stride=7)
    await record(source, 1_000)
    await sequenced(source, tmp_path)
    await disclose(discloser_of(source, tmp_path))
    await record(source, 300)
    await copy_log(source, target, told=silent)
    return source, target


async def test_the_log_goes_on_in_the_copy_with_every_checkpoint_consistent(moved, tmp_path):
    source, target = moved
    before = published(tmp_path)
    with pytest.raises(LogFault, match=r"log\.other_ledger"):
        await sequenced(target, tmp_path)
    await move(source, target, tmp_path)
    with pytest.raises(LogFault, match=r"log\.other_ledger"):
        await sequenced(source, tmp_path)
    await record(target, 500)
    await sequenced(target, tmp_path)
    checkpoints = await check(target, tmp_path)
    assert checkpoints[: len(before)] == before
    assert checkpoints[-1].size == 1_800
    assert await disclose(discloser_of(target, tmp_path)) == 1_800


async def test_moved_again_nothing_changes_and_broken_off_in_the_middle_it_is_done_again(moved, tmp_path):
    source, target = moved
    await move(source, target, tmp_path)
    marks = (tmp_path / "proof" / MARKS).read_bytes()
    await move(source, target, tmp_path)
    assert (tmp_path / "proof" / MARKS).read_bytes() == marks
    third = MemoryLedger(position_stride=3)
    await copy_log(target, third, told=silent)
    with moving(tmp_path / "proof") as log:
        cursor = log.cursor
    (tmp_path / "proof" / MARKS).write_bytes(b"half")
    await move(target, third, tmp_path)
    assert cursor.ledger_id == target.ledger_id
    await sequenced(third, tmp_path)
    await check(third, tmp_path)


async def test_what_was_signed_stays_guarded_and_the_name_is_kept(moved, tmp_path):
    source, target = moved
    assert kept_origin(tmp_path / "proof") == ORIGIN
    assert kept_origin(tmp_path / "elsewhere") is None
    await move(source, target, tmp_path)
    assert kept_origin(tmp_path / "proof") == ORIGIN
    connection = apsw.Connection(str(tmp_path / "proof" / STORE))
    with pytest.raises(apsw.ConstraintError):
        connection.execute("UPDATE signed SET ledger_id = 'another'")
    connection.close()


async def test_a_log_of_another_ledger_and_one_that_is_being_written_are_refused(moved, tmp_path):
    source, target = moved
    with pytest.raises(LogFault, match=r"log\.other_ledger"):
        await move(MemoryLedger(), target, tmp_path)
    for name in (LOCK, DISCLOSER_LOCK):
        lock = SingleWriter(tmp_path / "proof" / name)
        with pytest.raises(LogFault, match=r"log\.locked"):
            await move(source, target, tmp_path)
        lock.close()
    store = SequencerStore(tmp_path / "proof" / STORE)
    assert store.cursor().ledger_id == source.ledger_id
    old = store.cursor()
    store.move(old, target.ledger_id, 7_000)
    with pytest.raises(LogFault, match=r"log\.moved"):
        store.move(old, target.ledger_id, 7_000)
    store.close()
    with moving(tmp_path / "elsewhere") as none:
        assert none is None


async def test_what_is_disclosed_is_whole_after_a_move(moved, tmp_path):
    source, target = moved
    await move(source, target, tmp_path)
    await sequenced(target, tmp_path)
    await disclose(discloser_of(target, tmp_path))
    assert await check_disclosed(target, tmp_path) == 1_300
