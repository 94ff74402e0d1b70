"""`fsck` finds nothing in a log that is whole, and names the file and the entry of whatever is not as it must be."""

import asyncio
import shutil

import apsw
import pytest

from ledger.memory import MemoryLedger
from ledger.sqlite import SqliteLedger
from ledger.transparency.fsck import check_log
from ledger.transparency.layout import notes_in
from tests.ledger.transparency.logs import Clock, record, sequencer_of

SIZES = (3, 250, 10, 700)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A ledger and its log, on disk, to be copied."""
    folder = tmp_path_factory.mktemp("whole")
    asyncio.run(made(folder))
    return folder


async def made(folder):
    ledger = await SqliteLedger.open(folder / "ledger.sqlite")
    clock = Clock()
    sequencer = await sequencer_of(ledger, folder, clock=clock)
    await sequencer.round()
    for size in SIZES:
        await record(ledger, size)
        clock.pass_s(13 * 3_600)
        await sequencer.round()
    await sequencer.close()
    await ledger.close()


@pytest.fixture
def folder(whole, tmp_path):
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    return tmp_path


async def checked(folder):
    ledger = await SqliteLedger.open(folder / "ledger.sqlite")
    report = await check_log(ledger, folder / "proof")
    await ledger.close()
    return report


def flip(file, at):
    data = bytearray(file.read_bytes())
    data[at] ^= 1
    file.write_bytes(data)


async def test_a_whole_log(folder):
    told = []
    ledger = await SqliteLedger.open(folder / "ledger.sqlite")
    report = await check_log(ledger, folder / "proof", lambda here, of: told.append((here, of)))
    await ledger.close()
    assert report.findings == []
    assert (report.size, report.files, report.checkpoints) == (963, 10, 5)
    assert told == [(963, 963)]


async def test_a_whole_log_of_many_runs_beside_its_sequencer(tmp_path):
    ledger = MemoryLedger(position_stride=3)
    sequencer = await sequencer_of(ledger, tmp_path)
    for size in (0, 100, 20_000, 17_000):
        await record(ledger, size)
        await sequencer.round()
    await sequencer.round()
    assert (await check_log(ledger, tmp_path / "proof")).findings == []
    await sequencer.close()


@pytest.mark.parametrize("name", ["0/000", "0/001", "entries/002", "entries/003.p/195", "0/003.p/195", "1/000.p/3"])
async def test_every_file_is_missed(folder, name):
    (folder / "proof/log/tile" / name).unlink()
    (found,) = (await checked(folder)).findings
    assert (found.path, found.en) == (f"log/tile/{name}", "is not there")


@pytest.mark.parametrize(
    ("name", "at", "index"),
    [
        ("0/001", 10 * 32 + 5, 266),
        ("entries/002", 34 * 7 + 2, 519),
        ("entries/003.p/195", 34 * 194 + 33, 962),
        ("1/000.p/3", 64, 512),
    ],
)
async def test_a_flipped_bit_is_found_with_its_entry(folder, name, at, index):
    flip(folder / "proof/log/tile" / name, at)
    (found,) = (await checked(folder)).findings
    assert (found.path, found.index) == (f"log/tile/{name}", index)


async def test_an_event_that_was_changed_is_found(folder):
    connection = apsw.Connection(str(folder / "ledger.sqlite"))
    connection.execute("DROP TRIGGER event_is_never_updated")
    connection.execute("UPDATE event SET data = x'00' WHERE position = 300")
    connection.close()
    found = (await checked(folder)).findings
    assert {("log/tile/entries/001", 299), ("log/tile/0/001", 299)} <= {(one.path, one.index) for one in found}
    assert any(one.path.startswith("log/checkpoints/") for one in found)


async def test_an_event_that_is_gone_is_found(folder):
    connection = apsw.Connection(str(folder / "ledger.sqlite"))
    connection.execute("DROP TRIGGER event_is_never_deleted")
    connection.execute("DELETE FROM event WHERE position = 963")
    connection.close()
    found = (await checked(folder)).findings
    assert found[-1].path == "ledger"
    assert found[-1].index == 962


async def test_a_mark_that_is_wrong_is_found(folder):
    flip(folder / "proof/private/marks", 2 * 8 + 7)
    (found,) = (await checked(folder)).findings
    assert (found.path, found.index) == ("private/marks", 512)


def days(folder):
    return sorted((folder / "proof/log/checkpoints").glob("2*"))


async def test_a_checkpoint_of_another_tree_is_found(folder, tmp_path_factory):
    """Signed by the log's own key, over other events."""
    other = tmp_path_factory.mktemp("other")
    shutil.copytree(folder / "keys", other / "keys")
    ledger = MemoryLedger()
    sequencer = await sequencer_of(ledger, other)
    await record(ledger, 253)
    await sequencer.round()
    await sequencer.round()
    await sequencer.close()
    forged = notes_in(days(other)[0].read_bytes())[-1]
    day = next(day for day in days(folder) if b"\n253\n" in day.read_bytes())
    notes = [forged if b"\n253\n" in note else note for note in notes_in(day.read_bytes())]
    day.write_bytes(b"\n".join(notes))
    (found,) = (await checked(folder)).findings
    assert (found.path, found.index) == (f"log/checkpoints/{day.name}", 253)
    assert found.en == "has a checkpoint that the ledger does not lead to"


async def test_a_checkpoint_that_nobody_signed_is_found(folder):
    day = next(day for day in days(folder) if b"\n3\n" in day.read_bytes())
    flip(day, day.read_bytes().index(b"\n3\n") + 5)
    found = (await checked(folder)).findings
    assert [one.path for one in found] == [f"log/checkpoints/{day.name}"]
    assert "has no valid checkpoint at 0" in found[0].en


async def test_checkpoints_that_are_out_of_order_are_found(folder):
    day = next(day for day in days(folder) if len(notes_in(day.read_bytes())) > 1)
    day.write_bytes(b"\n".join(reversed(notes_in(day.read_bytes()))))
    assert any("smaller than one before" in one.en for one in (await checked(folder)).findings)


async def test_a_newest_checkpoint_that_is_in_no_day_is_found(folder):
    last = days(folder)[-1].name
    days(folder)[-1].unlink()
    listed = folder / "proof/log/checkpoints/days"
    newest, gone = (await checked(folder)).findings
    assert (newest.path, newest.en) == ("log/checkpoint", "is not the last of the last day")
    assert (gone.path, gone.en) == (f"log/checkpoints/{last}", "is listed among the days and not there")
    listed.write_text("".join(f"{day.name}\n" for day in days(folder)))
    (found,) = (await checked(folder)).findings
    assert (found.path, found.en) == ("log/checkpoint", "is not the last of the last day")


async def test_another_ledger_is_said(folder):
    ledger = MemoryLedger()
    report = await check_log(ledger, folder / "proof")
    assert report.findings[0].en == f"is of ledger {report_ledger(folder)}, not {ledger.ledger_id}"


def report_ledger(folder):
    connection = apsw.Connection(str(folder / "proof/private/sequencer.sqlite"))
    found = connection.execute("SELECT ledger_id FROM signed").get
    connection.close()
    return found


async def test_keys_that_are_not_the_logs_are_found(folder):
    (folder / "proof/log/keys").write_text("")
    (found,) = (await checked(folder)).findings
    assert found.path == "log/keys"
