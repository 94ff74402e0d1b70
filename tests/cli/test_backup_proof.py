"""The proof log of a platform that is backed up and put back: every checkpoint up to then; and the commands for it."""

import asyncio
import shutil

import msgspec
import pytest
from typer.testing import CliRunner

from cli.__main__ import app
from cli.platform import make_ready
from cli.settings import CliSettings
from ledger.proof.keys import VerifierKey
from ledger.sqlite import SqliteLedger
from ledger.transparency.sequencer import Sequencer
from tests.ledger.transparency.logs import ORIGIN, Clock, check, published, record


@pytest.fixture
def settings(tmp_path):
    return msgspec.structs.replace(CliSettings(), data_dir=tmp_path / "var")


def meterloop(settings, *words):
    told = CliRunner().invoke(app, list(map(str, words)), env={"METERLOOP_DATA_DIR": str(settings.data_dir)})
    assert told.exit_code == 0, told.output + str(told.exception)
    return told.stdout


async def grow(settings, clock, *counts):
    """Record so many events, round by round, and sequence them."""
    ledger = await SqliteLedger.open(settings.data_dir / "ledger.sqlite")
    sequencer = await Sequencer.open(ledger, settings.proof, settings.keys_dir, origin=ORIGIN, clock=clock)
    await sequencer.round()
    for count in counts:
        await record(ledger, count)
        clock.pass_s(9 * 3_600)
        await sequencer.round()
    await sequencer.close()
    checkpoints = await check(ledger, settings.data_dir)
    await ledger.close()
    return checkpoints


@pytest.mark.parametrize("keys", [True, False])
def test_put_back_it_goes_on_with_every_checkpoint_it_had(settings, tmp_path, keys):
    clock = Clock()
    asyncio.run(make_ready(settings))
    before = asyncio.run(grow(settings, clock, 100, 200, 300, 400))
    kept = msgspec.structs.replace(settings, data_dir=tmp_path / "kept")
    meterloop(settings, "backup", tmp_path / "backup", *(["--keys"] if keys else []))
    asyncio.run(grow(settings, clock, 50))
    restored = msgspec.structs.replace(settings, data_dir=tmp_path / "restored")
    meterloop(restored, "restore", tmp_path / "backup")
    assert not (restored.proof / "log" / "tile").exists()
    assert published(restored.data_dir) == before

    asyncio.run(make_ready(restored))
    after = asyncio.run(grow(restored, clock, 7))
    assert after[: len(before)] == before
    assert [one.size for one in after[len(before) :]] == [1_007]
    found = (restored.proof / "log" / "keys").read_text().splitlines()
    assert len(found) == (1 if keys else 2)
    assert VerifierKey.parse(found[0]) == VerifierKey.parse((settings.proof / "log" / "keys").read_text().strip())
    assert not kept.data_dir.exists()


def test_a_checkpoint_published_while_it_is_copied_is_in_it_whole_or_not(settings, tmp_path):
    """The file of the day goes on after what the store of the backup knows."""
    clock = Clock()
    asyncio.run(make_ready(settings))
    before = asyncio.run(grow(settings, clock, 10))
    store = settings.proof / "private"
    shutil.copytree(store, tmp_path / "then")
    asyncio.run(grow(settings, clock, 0, 5, 20, 30))
    shutil.rmtree(store)
    shutil.copytree(tmp_path / "then", store)
    meterloop(settings, "backup", tmp_path / "backup", "--keys")
    restored = msgspec.structs.replace(settings, data_dir=tmp_path / "restored")
    meterloop(restored, "restore", tmp_path / "backup")
    assert published(restored.data_dir) == before
    assert [one.size for one in asyncio.run(grow(restored, clock))] == [0, 10, 65]


def test_the_log_is_checked_and_its_key_changed_from_the_command_line(settings):
    clock = Clock()
    asyncio.run(make_ready(settings))
    asyncio.run(grow(settings, clock, 300))
    assert meterloop(settings, "ledger", "fsck") == ""
    vkey = VerifierKey.parse(meterloop(settings, "ledger", "rotate-key").strip())
    assert vkey.name == ORIGIN
    asyncio.run(grow(settings, clock, 1))
    assert (settings.proof / "log" / "keys").read_text().splitlines()[1] == str(vkey)
    assert (settings.keys_dir / "log-2.pem").stat().st_mode & 0o077 == 0

    (settings.proof / "log/tile/entries/000").unlink()
    told = CliRunner().invoke(
        app, ["ledger", "fsck"], env={"METERLOOP_DATA_DIR": str(settings.data_dir), "COLUMNS": "200"}
    )
    assert told.exit_code == 1
    assert "log/tile/entries/000" in told.stdout
    assert "fsck --mend" in told.stdout
    assert meterloop(settings, "ledger", "fsck", "--mend") == ""
    assert meterloop(settings, "ledger", "fsck") == ""
    (settings.proof / "private/sequencer.sqlite").unlink()
    told = CliRunner().invoke(
        app, ["ledger", "fsck", "--mend"], env={"METERLOOP_DATA_DIR": str(settings.data_dir), "COLUMNS": "200"}
    )
    assert told.exit_code == 1
    assert "newest backup" in told.stdout


def test_without_a_log_it_says_so(settings):
    for command in ("fsck", "rotate-key"):
        told = CliRunner().invoke(app, ["ledger", command], env={"METERLOOP_DATA_DIR": str(settings.data_dir)})
        assert told.exit_code == 1
