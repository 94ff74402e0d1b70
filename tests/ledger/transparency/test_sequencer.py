"""Rounds of the sequencer, over ledgers in memory and on disk; what they leave is read with `ledger.proof` alone."""

import os
import shutil

import pytest

from ledger.memory import MemoryLedger
from ledger.proof.merkle import EMPTY_ROOT
from ledger.sqlite import SqliteLedger
from ledger.transparency.faults import LogFault
from ledger.transparency.layout import CHECKPOINTS, STORE
from ledger.transparency.publishing import Publisher
from ledger.transparency.storage import DirectoryStorage
from ledger.transparency.store import Published, SequencerStore
from tests.ledger.transparency.logs import Clock, check, make_key, published, record, sequencer_of


@pytest.fixture(params=["memory", "memory in strides", "sqlite"])
async def ledger(request, tmp_path):
    match request.param:
        case "memory":
            ledger = MemoryLedger()
        case "memory in strides":
            ledger = MemoryLedger(position_stride=7)
        case _:
            ledger = await SqliteLedger.open(tmp_path / "ledger.sqlite")
    yield ledger
    await ledger.close()


async def test_an_empty_ledger_has_a_checkpoint_of_nothing(ledger, tmp_path):
    sequencer = await sequencer_of(ledger, tmp_path)
    outcome = await sequencer.round()
    assert (outcome.added, outcome.published_size) == (0, 0)
    (only,) = published(tmp_path)
    assert (only.size, only.root) == (0, EMPTY_ROOT)
    await sequencer.close()


async def test_what_is_recorded_is_in_the_log(ledger, tmp_path):
    sequencer = await sequencer_of(ledger, tmp_path)
    sizes = [0]
    for count in (1, 254, 1, 1, 255, 256, 700, 3):
        await record(ledger, count)
        sizes.append(sizes[-1] + count)
        await sequencer.round()
        while (outcome := await sequencer.round()).added:
            assert outcome.signed_size == sizes[-1]
        assert [one.size for one in await check(ledger, tmp_path)] == sizes
    await sequencer.close()


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 131_072 + 300])
async def test_around_the_third_level_of_tiles(tmp_path, size):
    ledger = MemoryLedger(position_stride=2)
    await record(ledger, size)
    sequencer = await sequencer_of(ledger, tmp_path)
    while (await sequencer.round()).signed_size < size:
        pass
    assert (await check(ledger, tmp_path))[-1].size == size
    await sequencer.close()


async def test_started_anew_at_every_size_it_goes_on_where_it_was(tmp_path):
    ledger = MemoryLedger(position_stride=3)
    for size in range(0, 600, 7):
        sequencer = await sequencer_of(ledger, tmp_path)
        await sequencer.round()
        await record(ledger, 7)
        assert (await sequencer.round()).published_size == size + 7
        await sequencer.close()
    assert len(await check(ledger, tmp_path)) == 1 + len(range(0, 600, 7))


async def test_partial_tiles_go_when_the_full_one_is_published(tmp_path):
    ledger = MemoryLedger()
    sequencer = await sequencer_of(ledger, tmp_path)
    await sequencer.round()
    for _ in range(5):
        await record(ledger, 100)
        await sequencer.round()
    partial = sorted(path.relative_to(tmp_path / "proof/log/tile").as_posix() for path in tmp_path.rglob("*.p/*"))
    assert partial == ["0/001.p/144", "0/001.p/244", "0/001.p/44", "1/000.p/1"] + [
        f"entries/001.p/{width}" for width in (144, 244, 44)
    ]
    assert not (tmp_path / "proof/log/tile/0/000.p").exists()
    await sequencer.close()


async def test_one_writer_a_log(tmp_path):
    ledger = MemoryLedger()
    sequencer = await sequencer_of(ledger, tmp_path)
    with pytest.raises(LogFault, match=r"^log\.locked: .+ / another process"):
        await sequencer_of(ledger, tmp_path)
    await sequencer.close()
    await (await sequencer_of(ledger, tmp_path)).close()


async def sequenced(folder, count):
    """A ledger in a file, of which `count` events are in the log."""
    ledger = await SqliteLedger.open(folder / "ledger.sqlite")
    await record(ledger, count)
    sequencer = await sequencer_of(ledger, folder)
    await sequencer.round()
    await sequencer.round()
    await sequencer.close()
    return ledger


async def refused(ledger, folder, code):
    before = {path: path.read_bytes() for path in (folder / "proof" / "log").rglob("*") if path.is_file()}
    sequencer = await sequencer_of(ledger, folder)
    with pytest.raises(LogFault) as caught:
        await sequencer.load()
    assert caught.value.code == code
    with pytest.raises(LogFault):
        await sequencer.round()
    await sequencer.close()
    await ledger.close()
    after = {path: path.read_bytes() for path in (folder / "proof" / "log").rglob("*") if path.is_file()}
    assert after == before


async def test_another_ledger_is_refused(tmp_path):
    await (await sequenced(tmp_path, 10)).close()
    other = MemoryLedger()
    await record(other, 20)
    await refused(other, tmp_path, "log.other_ledger")


async def test_a_shorter_ledger_is_refused(tmp_path):
    ledger = await SqliteLedger.open(tmp_path / "ledger.sqlite")
    await record(ledger, 5)
    await ledger.backup(tmp_path / "earlier.sqlite")
    await ledger.close()
    await (await sequenced(tmp_path, 10)).close()
    await refused(await SqliteLedger.open(tmp_path / "earlier.sqlite"), tmp_path, "log.ledger_shorter")


async def test_a_ledger_with_another_event_there_is_refused(tmp_path):
    """An older backup that has grown past the log again, and differs from it."""
    ledger = await SqliteLedger.open(tmp_path / "ledger.sqlite")
    await record(ledger, 5)
    await ledger.backup(tmp_path / "earlier.sqlite")
    await ledger.close()
    await (await sequenced(tmp_path, 10)).close()
    earlier = await SqliteLedger.open(tmp_path / "earlier.sqlite")
    await record(earlier, 40)
    await refused(earlier, tmp_path, "log.ledger_differs")


async def test_a_ledger_put_in_place_of_another_between_two_rounds_is_noticed(tmp_path):
    ledger = await SqliteLedger.open(tmp_path / "ledger.sqlite")
    await record(ledger, 5)
    await ledger.backup(tmp_path / "earlier.sqlite")
    await record(ledger, 5)
    earlier = await SqliteLedger.open(tmp_path / "earlier.sqlite")
    await record(earlier, 40)

    sequencer = await sequencer_of(ledger, tmp_path)
    await sequencer.round()
    assert (await sequencer.round()).signed_size == 10
    sequencer._ledger = earlier
    with pytest.raises(LogFault, match=r"^log\.ledger_differs"):
        await sequencer.round()
    sequencer._ledger = ledger
    await record(ledger, 1)
    assert (await sequencer.round()).signed_size == 11
    await sequencer.close()
    for one in (ledger, earlier):
        await one.close()


async def test_another_name_is_refused(tmp_path, monkeypatch):
    ledger = await sequenced(tmp_path, 10)
    monkeypatch.setattr("tests.ledger.transparency.logs.ORIGIN", "log.example/renamed")
    await refused(ledger, tmp_path, "log.other_origin")


async def test_without_its_store_it_signs_nothing(tmp_path):
    ledger = await sequenced(tmp_path, 10)
    (tmp_path / "proof" / STORE).unlink()
    await refused(ledger, tmp_path, "log.store_missing")


async def test_what_a_day_s_file_holds_stays_though_the_store_does_not_know_it(tmp_path):
    clock = Clock()
    ledger = await sequenced(tmp_path, 10)
    shutil.copytree(tmp_path / "proof/private", tmp_path / "earlier")
    (day,) = (path for path in (tmp_path / "proof/log/checkpoints").iterdir() if path.name != "days")
    later = day.read_bytes() + b"\n" + published_note(tmp_path)
    day.write_bytes(later)
    shutil.rmtree(tmp_path / "proof/private")
    shutil.copytree(tmp_path / "earlier", tmp_path / "proof/private")
    await record(ledger, 10)
    clock.pass_s(2)
    await one_round(ledger, tmp_path, clock)
    assert day.read_bytes() == later + b"\n" + published_note(tmp_path)
    await ledger.close()


def test_a_day_that_goes_on_past_what_a_crash_broke_off_is_not_cut(tmp_path):
    storage, store = DirectoryStorage(tmp_path), SequencerStore(tmp_path / "store.sqlite")
    begun = Published(3, b"note\n", 1_700_000_000_000_000, "2023-11-14", 0, b"note\n", 0, settled=False)
    store.publish(begun)
    storage.extend(f"{CHECKPOINTS}/2023-11-14", 0, b"note\n\nanother\n")
    with pytest.raises(LogFault, match=r"^log\.file_longer: "):
        Publisher(storage, store).resume()
    assert storage.read(f"{CHECKPOINTS}/2023-11-14") == b"note\n\nanother\n"
    store.close()


async def one_round(ledger, folder, clock):
    sequencer = await sequencer_of(ledger, folder, clock=clock)
    await sequencer.round()
    await sequencer.close()


def published_note(folder):
    return (folder / "proof/log/checkpoint").read_bytes()


async def test_a_tile_of_the_edge_that_says_something_else_is_refused(tmp_path):
    ledger = await sequenced(tmp_path, 10)
    tile = tmp_path / "proof/log/tile/0/000.p/10"
    tile.write_bytes(os.urandom(320))
    (tmp_path / "proof/log/tile/entries/000.p/10").unlink()
    await refused(ledger, tmp_path, "log.file_differs")


async def test_a_tile_in_its_way_that_says_something_else_is_never_rewritten(tmp_path):
    ledger = await sequenced(tmp_path, 10)
    (tmp_path / "proof/log/tile/0/000").write_bytes(os.urandom(8_192))
    await record(ledger, 300)
    sequencer = await sequencer_of(ledger, tmp_path)
    with pytest.raises(LogFault, match=r"^log\.file_differs: log/tile/0/000 "):
        await sequencer.round()
    await sequencer.close()
    await ledger.close()
    assert published(tmp_path)[-1].size == 10


async def test_tiles_that_are_gone_are_made_again_from_the_ledger(tmp_path):
    ledger = await sequenced(tmp_path, 1_000)
    shutil.rmtree(tmp_path / "proof/log/tile")
    (tmp_path / "proof/private/marks").unlink()
    await record(ledger, 5)
    sequencer = await sequencer_of(ledger, tmp_path)
    assert (await sequencer.round()).signed_size == 1_005
    await check(ledger, tmp_path)
    await sequencer.close()
    await ledger.close()


@pytest.mark.parametrize("wrong", ["gone", "open to others", "another"])
async def test_a_key_that_is_not_the_one_it_knows_is_refused(tmp_path, wrong):
    ledger = await sequenced(tmp_path, 10)
    file = tmp_path / "keys" / "log.pem"
    match wrong:
        case "gone":
            file.rename(tmp_path / "elsewhere.pem")
            (tmp_path / "keys" / "log.pem").touch()
        case "open to others":
            file.chmod(0o640)
        case _:
            make_key(tmp_path / "keys")
    sequencer = await sequencer_of(ledger, tmp_path)
    with pytest.raises(LogFault, match=r"^log\.key_missing"):
        await sequencer.round(refresh=True)
    await sequencer.close()
    await ledger.close()
    assert published(tmp_path)[-1].size == 10


async def test_a_checkpoint_stands_in_the_file_of_its_day_once(tmp_path):
    clock, ledger = Clock(), MemoryLedger()
    sequencer = await sequencer_of(ledger, tmp_path, clock=clock)
    days = tmp_path / "proof/log/checkpoints"
    await sequencer.round()
    await record(ledger, 1)
    await sequencer.round()
    for _ in range(3):
        clock.pass_s(60)
        await sequencer.round(refresh=True)
    assert sorted(day.name for day in days.glob("2*")) == ["2023-11-14"]
    assert [one.size for one in published(tmp_path)] == [0, 1]
    clock.pass_s(24 * 3_600)
    await sequencer.round(refresh=True)
    # A day begins with the checkpoint that stands; a clock that is put back begins no day before it.
    assert [one.size for one in published(tmp_path)] == [0, 1, 1]
    clock.pass_s(-48 * 3_600)
    await record(ledger, 1)
    await sequencer.round()
    assert sorted(day.name for day in days.glob("2*")) == ["2023-11-14", "2023-11-15"]
    assert [one.size for one in await check(ledger, tmp_path)] == [0, 1, 1, 2]
    await sequencer.close()


async def test_a_store_of_an_earlier_day_is_refused(tmp_path):
    """It would publish over what was published since."""
    ledger, clock = MemoryLedger(), Clock()
    sequencer = await sequencer_of(ledger, tmp_path, clock=clock)
    await record(ledger, 3)
    await sequencer.round()
    await sequencer.close()
    shutil.copytree(tmp_path / "proof/private", tmp_path / "then")
    sequencer = await sequencer_of(ledger, tmp_path, clock=clock)
    await record(ledger, 3)
    await sequencer.round()
    await sequencer.close()
    files = {path: path.read_bytes() for path in (tmp_path / "proof/log").rglob("*") if path.is_file()}
    shutil.rmtree(tmp_path / "proof/private")
    shutil.copytree(tmp_path / "then", tmp_path / "proof/private")
    sequencer = await sequencer_of(ledger, tmp_path, clock=clock)
    with pytest.raises(LogFault) as refused:
        await sequencer.round()
    await sequencer.close()
    assert refused.value.code == "log.store_older"
    assert files == {path: path.read_bytes() for path in (tmp_path / "proof/log").rglob("*") if path.is_file()}
