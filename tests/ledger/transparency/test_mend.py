"""`fsck` names every kind of file that is damaged, with what to do, and `--mend` makes again what the ledger and the
store say, byte for byte; where the ledger is not the one that was signed it writes nothing.
"""

import asyncio
import shutil

import apsw
import pytest

from ledger.sqlite import SqliteLedger
from ledger.transparency.disclosed import METADATA, PUBLIC, RANGE_ENTRIES, SUPERVISOR, head_name, range_name
from ledger.transparency.faults import LogFault
from ledger.transparency.findings import COPY, LEDGER_BACK, MEND, REWRITTEN, STORE_BACK
from ledger.transparency.fsck import check_log, mend_log
from ledger.transparency.layout import CHECKPOINT, DAYS, KEYS, MARKS, POLICY, STORE
from tests.ledger.transparency.disclosures import LABELS, disclose, discloser_of, record
from tests.ledger.transparency.logs import Clock, check, sequencer_of

SIZES = (3, 250, RANGE_ENTRIES, 700, 5)
SIZE = sum(SIZES)
EDGE = f"{SIZE // 256:03d}.p/{SIZE % 256}"
EARLIER = f"{SIZE // 256:03d}.p/{(SIZE - 5) % 256}"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A ledger, its log and what is disclosed of it, to be copied."""
    folder = tmp_path_factory.mktemp("whole")
    asyncio.run(make(folder, SIZES))
    return folder


async def make(folder, sizes, *, disclosed=True):
    ledger = await SqliteLedger.open(folder / "ledger.sqlite")
    clock = Clock()
    sequencer = await sequencer_of(ledger, folder, clock=clock)
    await sequencer.round()
    for size in sizes:
        await record(ledger, size)
        clock.pass_s(13 * 3_600)
        while not (await sequencer.round(refresh=True)).at_head:
            pass
    await sequencer.close()
    if disclosed:
        await disclose(discloser_of(ledger, folder))
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


async def mended(folder):
    ledger = await SqliteLedger.open(folder / "ledger.sqlite")
    before, after = await mend_log(ledger, folder / "proof", LABELS)
    await ledger.close()
    return before, after


def flip(file):
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def flip_at_the_end(file):
    data = bytearray(file.read_bytes())
    data[-9] ^= 1
    file.write_bytes(data)


def cut(file):
    file.write_bytes(file.read_bytes()[:-1])


def lengthen(file):
    file.write_bytes(file.read_bytes() + b"\n")


def remove(file):
    file.unlink()


def files_of(folder):
    """Everything but the store, which is opened, and what is left behind of writing."""
    names = [path.relative_to(folder) for path in sorted((folder / "proof").rglob("*")) if path.is_file()]
    return {name: (folder / name).read_bytes() for name in names if not {"staging", "disclosing"} & {*name.parts}
            and "sequencer.sqlite" not in name.name and name.suffix != ".lock"}  # fmt: skip


MENDED = (
    *[f"log/tile/{name}" for name in ("0/001", f"0/{EDGE}", "1/000.p/19", "entries/002", f"entries/{EDGE}")],
    CHECKPOINT, DAYS, KEYS, MARKS,
    *[range_name(of, number) for of in (PUBLIC, SUPERVISOR, METADATA) for number in (0, 1)],
    head_name(PUBLIC), head_name(SUPERVISOR),
)  # fmt: skip


@pytest.mark.parametrize("damage", [flip, remove])
@pytest.mark.parametrize("name", MENDED)
async def test_every_kind_of_file_is_found_and_made_again(folder, name, damage):
    right = files_of(folder)
    damage(folder / "proof" / name)
    before, after = await mended(folder)
    assert {one.path for one in before.findings} == {name}
    assert all(one.remedy == MEND for one in before.findings)
    assert after.findings == []
    assert files_of(folder) == right


@pytest.mark.parametrize("name", [f"0/{EARLIER}", f"entries/{EARLIER}"])
async def test_a_narrower_tile_of_an_earlier_checkpoint(folder, name):
    flip(folder / "proof/log/tile" / name)
    before, after = await mended(folder)
    assert [one.path for one in before.findings] == [f"log/tile/{name}"]
    assert after.findings == []


@pytest.mark.parametrize("damage", [flip_at_the_end, cut, lengthen])
async def test_the_last_checkpoint_of_the_last_day(folder, damage):
    right = files_of(folder)
    last = max((folder / "proof/log/checkpoints").glob("2*"))
    damage(last)
    before, after = await mended(folder)
    assert before.findings
    assert all(one.remedy == MEND for one in before.findings)
    assert after.findings == []
    assert files_of(folder) == right


async def test_all_of_it_at_once_and_the_log_goes_on(folder):
    for place, name in enumerate(MENDED):
        if name != head_name(PUBLIC):
            (flip, cut, remove)[place % 3](folder / "proof" / name)
    checkpoints = (folder / "proof/log/checkpoints").glob("2*")
    kept = b"".join(day.read_bytes() for day in sorted(checkpoints))
    _, after = await mended(folder)
    assert after.findings == []
    ledger = await SqliteLedger.open(folder / "ledger.sqlite")
    await record(ledger, 300)
    sequencer = await sequencer_of(ledger, folder)
    await sequencer.round()
    await sequencer.close()
    assert (await check(ledger, folder))[-1].size == SIZE + 300
    await disclose(discloser_of(ledger, folder))
    assert (await check_log(ledger, folder / "proof")).findings == []
    await ledger.close()
    now = b"".join(day.read_bytes() for day in sorted((folder / "proof/log/checkpoints").glob("2*")))
    assert now.startswith(kept), "no checkpoint was lost or signed again"


async def test_tiles_of_every_level(tmp_path):
    await make(tmp_path, (66_000,), disclosed=False)
    right = files_of(tmp_path)
    for name in ("0/100", "1/000", "1/001.p/1", "2/000.p/1", "entries/200"):
        flip(tmp_path / "proof/log/tile" / name)
    before, after = await mended(tmp_path)
    assert len(before.findings) == 5
    assert after.findings == []
    assert files_of(tmp_path) == right


async def test_a_lost_day_comes_from_a_copy_and_the_rest_is_mended(folder):
    earlier = min((folder / "proof/log/checkpoints").glob("2*"))
    flip(folder / "proof/log/tile/0/001")
    flip(earlier)
    (left,) = (await mended(folder))[1].findings
    assert (left.path, left.remedy) == (f"log/checkpoints/{earlier.name}", COPY)
    remove(earlier)
    (left,) = (await mended(folder))[1].findings
    assert (left.path, left.remedy) == (f"log/checkpoints/{earlier.name}", COPY)


async def test_a_policy_is_written_anew_by_the_sequencer(folder):
    (folder / "proof" / POLICY).write_text("quorum\n")
    (left,) = (await mended(folder))[1].findings
    assert (left.path, left.remedy) == (POLICY, REWRITTEN)
    ledger = await SqliteLedger.open(folder / "ledger.sqlite")
    sequencer = await sequencer_of(ledger, folder)
    await sequencer.round(refresh=True)
    await sequencer.close()
    await ledger.close()
    assert (await checked(folder)).findings == []


def overwrite(file):
    file.write_bytes(b"no database" * 1_000)


def forge(file):
    """The store of another key's signature."""
    connection = apsw.Connection(str(file))
    connection.execute(
        "UPDATE signed SET note = CAST(replace(CAST(note AS TEXT), 'log.example', 'log.elsewhere') AS BLOB)"
    )
    connection.close()


def set_back(file):
    connection = apsw.Connection(str(file))
    connection.execute("DROP TRIGGER signed_is_never_shortened")
    connection.execute("UPDATE signed SET size = 3")
    connection.close()


@pytest.mark.parametrize("damage", [remove, overwrite, forge, set_back])
async def test_without_its_store_nothing_is_written(folder, damage):
    flip(folder / "proof/log/tile/0/001")
    left = files_of(folder)
    for beside in ("-wal", "-shm"):
        (folder / "proof" / f"{STORE}{beside}").unlink(missing_ok=True)
    damage(folder / "proof" / STORE)
    before, after = await mended(folder)
    assert before.findings == after.findings
    assert STORE_BACK in [one.remedy for one in after.findings if one.path == STORE]
    assert files_of(folder) == left


async def test_checkpoints_that_an_earlier_store_does_not_know_are_not_written_over(folder):
    """Nor where the newest is gone, by which an earlier store is known otherwise."""
    ledger = await SqliteLedger.open(folder / "ledger.sqlite")
    shutil.copytree(folder / "proof/private", folder / "then")
    clock = Clock()
    clock.pass_s(13 * 3_600 * (len(SIZES) + 1))
    sequencer = await sequencer_of(ledger, folder, clock=clock)
    await record(ledger, 5)
    await sequencer.round()
    await sequencer.close()
    await ledger.close()
    shutil.rmtree(folder / "proof/private")
    shutil.copytree(folder / "then", folder / "proof/private")
    remove(folder / "proof" / CHECKPOINT)
    left = files_of(folder)
    _, after = await mended(folder)
    assert STORE_BACK in [one.remedy for one in after.findings if one.path == STORE]
    assert files_of(folder) == left


@pytest.mark.parametrize(
    ("trigger", "change"),
    [
        ("event_is_never_deleted", f"DELETE FROM event WHERE position = {SIZE}"),
        ("event_is_never_updated", "UPDATE event SET data = x'00' WHERE position = 300"),
    ],
    ids=["shorter", "different"],
)
async def test_from_another_ledger_nothing_is_written(folder, trigger, change):
    flip(folder / "proof/log/tile/0/001")
    left = files_of(folder)
    connection = apsw.Connection(str(folder / "ledger.sqlite"))
    connection.execute(f"DROP TRIGGER {trigger}")
    connection.execute(change)
    connection.close()
    before, after = await mended(folder)
    assert before.findings == after.findings
    assert LEDGER_BACK in [one.remedy for one in after.findings]
    assert MEND not in [one.remedy for one in after.findings]
    assert files_of(folder) == left


async def test_two_heads_that_are_lost(folder):
    for of in (PUBLIC, SUPERVISOR):
        cut(folder / "proof" / head_name(of))
    (left,) = (await mended(folder))[1].findings
    assert left.path == head_name(SUPERVISOR)
    assert "move log/disclosed and supervisor away" in left.remedy.en


async def test_beside_the_sequencer_nothing_is_mended(folder):
    ledger = await SqliteLedger.open(folder / "ledger.sqlite")
    sequencer = await sequencer_of(ledger, folder)
    with pytest.raises(LogFault) as refused:
        await mend_log(ledger, folder / "proof", LABELS)
    assert refused.value.code == "log.locked"
    await sequencer.close()
    await ledger.close()
