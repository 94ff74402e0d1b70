"""`meterloop ledger copy` and `map`: a log moves, whatever breaks in between, and the platform goes on with it."""

import asyncio
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import date

import pytest
from typer.testing import CliRunner

from cli.__main__ import app
from cli.platform import NotReady, alone, running
from cli.reference import ROOT
from cli.settings import cli_settings
from client import Client
from client.types import ListBalances, ListRecovery, ListShipments, ListSites
from kernel.identity_issuer import issue
from kernel.principal import EVERY_UNIT, Principal, Role
from ledger.open import open_ledger
from ledger.port import ANY, NO_STREAM, Append, Draft, Sealed
from ledger.proof.checkpoint import Checkpoint
from ledger.proof.note import Note
from ledger.sqlite import SqliteLedger
from tests.ledger.making import draft, everything, one

pytestmark = pytest.mark.timeout(300)
ADMIN = Principal(subject="local", roles=frozenset({Role.ADMIN}), units=frozenset({EVERY_UNIT}))
EVENTS = 40_000


def url(file):
    return f"sqlite:///{file}"


def environ(**more):
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("METERLOOP_", "LEDGER_"))}
    return ours | {"COLUMNS": "300"} | more


def started(*words, **more):
    command = [sys.executable, "-m", "cli", *map(str, words)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(command, cwd=ROOT, env=environ(**more), preexec_fn=_heeding_ctrl_c, **pipes)  # noqa: PLW1509 - one call, before anything else


def _heeding_ctrl_c():
    """What is started in the background has it ignored, and hands that on."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def meterloop(*words, status=0, **more):
    process = started(*words, **more)
    said, _ = process.communicate()
    assert process.returncode == status, said
    return said


def events_in(file):
    async def read():
        ledger = await open_ledger(url(file))
        try:
            return await everything(ledger)
        finally:
            await ledger.close()

    return asyncio.run(read())


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A log of many small appends' worth of events, in one file."""
    file = tmp_path_factory.mktemp("written") / "log.sqlite"

    async def fill():
        ledger = await SqliteLedger.open(file)
        for begin in range(0, EVENTS, 2_000):
            streams = [f"meter-{number % 3_000}" for number in range(begin, begin + 2_000)]
            drafts = [Draft(os.urandom(16), "test.Happened", os.urandom(200), os.urandom(20)) for _ in streams]
            await ledger.append([Append(stream, ANY, [one]) for stream, one in zip(streams, drafts, strict=True)])
        await ledger.append_beside(Append("$$meter-1", NO_STREAM, [draft(b'{"owner": "a"}', type="$metadata")]))
        await ledger.close()

    asyncio.run(fill())
    return file


@pytest.fixture
def log(written, tmp_path):
    """A log of one's own."""
    return shutil.copy(written, tmp_path / "from.sqlite")


def test_a_copy_says_what_it_did_in_both_languages(log, tmp_path):
    target = tmp_path / "to.sqlite"
    said = meterloop("ledger", "copy", url(log), url(target))
    assert f"{EVENTS:,} 个事件 events" in said
    assert "源台账已封存" in said
    assert "the source is sealed" in said
    assert "meterloop ledger map" in said
    assert events_in(target) == events_in(log)
    same = meterloop("ledger", "copy", url(log), url(target), "--check")
    assert "both logs are the same" in same
    root = next(line for line in same.splitlines() if "树根" in line)
    assert root in said

    async def append():
        ledger = await open_ledger(url(log))
        try:
            with pytest.raises(Sealed):
                await ledger.append(one("meter-1"))
        finally:
            await ledger.close()

    asyncio.run(append())


def test_a_check_names_what_is_missing_beside_the_log(tmp_path):
    log, target = tmp_path / "from.sqlite", tmp_path / "to.sqlite"

    async def write(file, streams):
        ledger = await SqliteLedger.open(file)
        for stream in streams:
            await ledger.append_beside(Append(stream, NO_STREAM, [draft(b"{}", type="$metadata")]))
        await ledger.close()

    asyncio.run(write(log, [f"$$meter-{number}" for number in range(30, 60)]))
    asyncio.run(write(target, []))
    said = meterloop("ledger", "copy", url(log), url(target), "--check", status=1)
    assert "$$meter-30, $$meter-31" in said.replace("\n", " ")
    assert "旁有 30 个流尚未复制完" in said
    assert "30 streams beside are not there whole" in said
    assert "both logs are the same" not in said
    meterloop("ledger", "copy", url(log), url(target))
    assert "both logs are the same" in meterloop("ledger", "copy", url(log), url(target), "--check")


def test_a_copy_that_is_killed_again_and_again_gets_there(log, tmp_path):
    target, killed, made = tmp_path / "to.sqlite", 0, random.Random(11)
    while True:
        process = started("ledger", "copy", url(log), url(target))
        try:
            said, _ = process.communicate(timeout=made.uniform(0.4, 1.6) + killed / 10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            killed += 1
            continue
        break
    assert process.returncode == 0, said
    assert killed
    assert events_in(target) == events_in(log)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_copy_that_is_broken_off_says_that_it_goes_on(log, tmp_path, how):
    target, written = tmp_path / "to.sqlite", tmp_path / "to.sqlite-wal"
    process = started("ledger", "copy", url(log), url(target))
    # What is written is in the write-ahead log first: the file itself grows by 16 MiB and more at a time.
    while not (written.exists() and written.stat().st_size > 1 << 20):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(how)
    said, _ = process.communicate()
    assert process.returncode == 130, said
    assert "再次执行同一命令即可继续" in said
    assert "goes on where it was" in said
    half = meterloop("ledger", "copy", url(log), url(target), "--check", status=1)
    assert "is a beginning of the source" in half
    assert "of them copied before" in meterloop("ledger", "copy", url(log), url(target))


def test_what_cannot_be_copied_is_refused_by_name(log, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    other = tmp_path / "other.sqlite"

    async def fill():
        ledger = await SqliteLedger.open(other)
        await ledger.append(one("meter-1"))
        await ledger.close()

    asyncio.run(fill())

    def refused(*words):
        outcome = CliRunner().invoke(app, ["ledger", "copy", *words])
        return outcome.exit_code, outcome.output

    status, said = refused(url(log), url(other))
    assert status == 1
    assert "copy.target_other" in said
    assert "没有写入任何内容" in said
    status, said = refused(url(log), url(log))
    assert (status, "copy.same_log" in said) == (1, True)
    assert refused("memory:", url(other))[0] == 2
    assert refused(url(tmp_path / "nowhere.sqlite"), url(other))[0] == 2
    assert refused(url(log), url(tmp_path / "nowhere.sqlite"), "--check")[0] == 2
    assert not (tmp_path / "nowhere.sqlite").exists()
    assert len(events_in(other)) == 1
    status, said = refused(url(log), url(tmp_path))
    assert status == 3, said
    assert "the same command again goes on" in said


def test_a_folder_in_which_nothing_follows_a_log_is_refused_and_left(log, tmp_path):
    meterloop("ledger", "copy", url(log), url(tmp_path / "to.sqlite"))
    words = "ledger", "map", url(log), url(tmp_path / "to.sqlite")
    said = meterloop(*words, status=1, METERLOOP_DATA_DIR=str(tmp_path / "elsewhere"))
    assert "nothing in the data folder" in said
    assert not (tmp_path / "elsewhere").exists()


@contextmanager
def platform(monkeypatch, folder, ledger=None):
    monkeypatch.setenv("METERLOOP_DATA_DIR", str(folder))
    monkeypatch.delenv("LEDGER_URL", raising=False)
    if ledger is not None:
        monkeypatch.setenv("LEDGER_URL", url(ledger))
    with running(cli_settings(), 0) as started:
        yield started


def answers(gateway):
    days = {"first": date(2026, 3, 1), "last": date(2026, 3, 31)}
    with Client(gateway, issue(cli_settings().keys_dir, ADMIN)) as platform:
        questions = ListSites(), ListShipments(), ListBalances(**days), ListRecovery(first="2026-03", last="2026-03")
        return [list(platform.rows(question)) for question in questions]


def imported(folder, kind, ledger=None):
    table, mapping = ROOT / "examples" / f"{kind}.csv", ROOT / "examples" / "mapping.yaml"
    more = {} if ledger is None else {"LEDGER_URL": url(ledger)}
    words = "import", table, "--as", kind, "--site", "store-1", "--mapping", mapping
    return meterloop(*words, METERLOOP_DATA_DIR=str(folder), **more)


def sequenced(folder, size):
    """Wait until so many entries are published; the name of the log."""
    checkpoint = folder / "proof" / "log" / "checkpoint"
    while (said := Checkpoint.parse(Note.parse(checkpoint.read_bytes()).text)).size < size:
        time.sleep(0.1)
    return said.origin


def audited(folder, state):
    process = started("audit", folder / "proof", "--state", state, "--jobs", "1")
    said, _ = process.communicate()
    return process.returncode, said


def test_a_platform_goes_on_in_the_log_that_it_was_moved_to(tmp_path_factory, monkeypatch):
    place = tmp_path_factory.mktemp("m")
    folder, target = place / "var", place / "moved.sqlite"
    with platform(monkeypatch, folder) as up:
        meterloop("site", "open", "store-1", "--unit", "99401", "--on", "2026-01-01", METERLOOP_DATA_DIR=str(folder))
        imported(folder, "devices")
        before = answers(up.endpoints.gateway)
        written = events_in(folder / "ledger.sqlite")
        origin = sequenced(folder, len(written))
        mapped = ["ledger", "map", url(folder / "ledger.sqlite"), url(target)]
        assert "already on" in meterloop(*mapped, status=1, METERLOOP_DATA_DIR=str(folder))
    assert before[0]
    assert audited(folder, place / "state")[0] == 3
    with alone(folder):
        meterloop("ledger", "copy", url(folder / "ledger.sqlite"), url(target))
    with pytest.raises(NotReady, match="rebuild"), platform(monkeypatch, folder, target):
        pass
    said = meterloop(*mapped, METERLOOP_DATA_DIR=str(folder))
    assert "策略 policies" in said
    assert f"存证日志的 {len(written):,} 项不变" in said
    assert "nothing was changed" in meterloop(*mapped, METERLOOP_DATA_DIR=str(folder))
    with platform(monkeypatch, folder, target) as up:
        assert answers(up.endpoints.gateway) == before
        assert events_in(target) == written
        imported(folder, "dismantled", target)
        more = len(events_in(target))
        assert more > len(written)
        assert sequenced(folder, more) == origin
        time.sleep(1.5)
    status, said = audited(folder, place / "state")
    assert status == 0, said
    meterloop("ledger", "fsck", METERLOOP_DATA_DIR=str(folder), LEDGER_URL=url(target))
