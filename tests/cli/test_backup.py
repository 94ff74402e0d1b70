"""Backups of a platform at work, put back: nothing acknowledged is missing, and what is damaged or half is refused."""

import asyncio
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from cli.__main__ import app
from cli.backup_set import DAMAGED, NOT_A_BACKUP, OF_ANOTHER_FORMAT
from cli.failures import told
from cli.platform import make_ready, running
from cli.reference import ROOT
from cli.settings import CliSettings
from client import Client
from client.types import ListBalances, ListRecovery, ListShipments, ListSites
from kernel.codec import Reader
from kernel.database import Database
from kernel.identity_issuer import issue
from kernel.people import People, Person
from kernel.principal import EVERY_UNIT, Principal, Role
from kernel.projection import Projector
from kernel.refusal import Refusal
from ledger.open import open_ledger
from ledger.port import Sealed
from services.registry.app import CODEC, STREAMS
from services.registry.meter.identity import Register
from services.registry.views import VIEWS
from tests.registry.imports.importing import KEEPER, UNIT, devices_csv, importing, number
from tests.registry.imports.sheets import TODAY

pytestmark = pytest.mark.timeout(300)
ADMIN = Principal(subject="local", roles=frozenset({Role.ADMIN}), units=frozenset({EVERY_UNIT}))
KEPT = {"ledger.sqlite", "registry.sqlite", "manifest.json", "manifest.sha256", "settings/settings.env"}


def environ(folder):
    ours = {name: value for name, value in os.environ.items() if not name.startswith("METERLOOP_")}
    return ours | {"METERLOOP_DATA_DIR": str(folder), "COLUMNS": "300"}


async def meterloop(folder, *words):
    """The command as a process of its own, beside whoever has the files open here."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cli", *map(str, words), cwd=ROOT, env=environ(folder),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    return process.returncode, said.decode()


def files_of(folder):
    return {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}


async def recorded(file):
    ledger = await open_ledger(f"sqlite:///{file}")
    try:
        pages = [page := await ledger.read_all(0)]
        while not page.at_head:
            pages.append(page := await ledger.read_all(page.scanned_to))
        return [event for page in pages for event in page.events]
    finally:
        await ledger.close()


async def rows_of(database):
    def all_of(session):
        return {view.name: sorted(map(repr, session.execute(select(view.columns)))) for view in VIEWS}

    return await database.read(all_of)


async def folded(log, file):
    """The rows of the views where nothing but the log is there."""
    ledger, database = await open_ledger(f"sqlite:///{log}"), Database(f"sqlite:///{file}")
    projector = Projector(database, ledger, Reader(CODEC), VIEWS, streams=STREAMS)
    await projector.open()
    task = asyncio.create_task(projector.run())
    head = await ledger.head()
    while (stands := await projector.progress()).position < head or not stands.ready:  # noqa: ASYNC110  nobody says so
        await asyncio.sleep(0.02)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    try:
        return await rows_of(database)
    finally:
        await database.close()
        await ledger.close()


async def test_a_backup_taken_while_commands_are_recorded_holds_all_that_was_acknowledged(tmp_path):
    origin, copy = tmp_path / "origin", tmp_path / "backup"
    origin.mkdir()
    async with importing(origin) as platform:
        people = People(Database(f"sqlite:///{origin / 'registry.sqlite'}"), "registry")
        await people.open()
        await people.remember(Person(subject="u-1", name="合成姓名"))
        done = await platform.imported("devices", devices_csv([number(serial) for serial in range(3_000)]))
        half = await platform.announced("devices", devices_csv([number(1)]))

        async def go_on():
            for serial in range(10_000, 99_999):
                await platform.done(Register(asset_no=number(serial), device_class="01", unit=UNIT, occurred_on=TODAY))

        task = asyncio.create_task(go_on())
        acknowledged = await platform.ledger.head()
        status, said = await meterloop(origin, "backup", copy)
        assert status == 0, said
        later = await platform.ledger.head()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await people._database.close()
    manifest = json.loads((copy / "manifest.json").read_text())
    assert acknowledged < manifest["position"] < later
    assert set(files_of(copy)) == KEPT
    assert manifest["files"].keys() == KEPT - {"manifest.json", "manifest.sha256"}
    assert {path.stat().st_mode & 0o777 for path in files_of(copy).values()} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in (copy, copy / "settings")} == {0o700}
    sealed, name = (copy / "manifest.sha256").read_text().split()
    assert hashlib.sha256((copy / name).read_bytes()).hexdigest() == sealed

    new = tmp_path / "new"
    status, said = await meterloop(new, "restore", copy)
    assert status == 0, said
    assert "1 unfinished imports were ended" in said
    assert await recorded(new / "ledger.sqlite") == (await recorded(origin / "ledger.sqlite"))[: manifest["position"]]
    async with importing(new) as platform:
        await platform.settled()
        assert (await platform.jobs.get(KEEPER, done.import_id)).accepted == 3_000
        ended = await platform.jobs.get(KEEPER, half.import_id)
        assert (ended.state, ended.code) == ("failed", "import.ended_by_restore")
        people = People(Database(f"sqlite:///{new / 'registry.sqlite'}"), "registry")
        assert (await people.named(["u-1"]))["u-1"].name == "合成姓名"
        await people._database.close()
    database = Database(f"sqlite:///{new / 'registry.sqlite'}")
    assert await rows_of(database) == await folded(new / "ledger.sqlite", tmp_path / "fold.sqlite")
    await database.close()


@pytest.fixture(scope="module")
def origin(tmp_path_factory):
    """A data folder with something in it, and a backup of it in each form."""
    folder = tmp_path_factory.mktemp("origin")

    async def fill():
        await make_ready(msgspec.structs.replace(CliSettings(), data_dir=folder / "var"))
        async with importing(folder / "var", running=False) as platform:
            await platform.done(
                *(
                    Register(asset_no=number(serial), device_class="01", unit=UNIT, occurred_on=TODAY)
                    for serial in range(20)
                )
            )
            await platform.settled()

    asyncio.run(fill())
    for name in ("whole", "whole.zip"):
        command = [sys.executable, "-m", "cli", "backup", str(folder / name), "--keys"]
        subprocess.run(command, cwd=ROOT, env=environ(folder / "var"), check=True, capture_output=True)
    return folder


@pytest.fixture
def restore(tmp_path, monkeypatch):
    """Restore into a new folder; the refusal there was, and the folder."""
    monkeypatch.setenv("METERLOOP_DATA_DIR", str(tmp_path / "new"))

    def restored(backup):
        shutil.rmtree(tmp_path / "new", ignore_errors=True)
        error = CliRunner().invoke(app, ["restore", str(backup)]).exception
        assert error is None or isinstance(error, Refusal), error
        assert list(tmp_path.glob(".new.*")) == []
        assert (error is None) == (tmp_path / "new").exists()
        return error

    return restored


@pytest.mark.parametrize("target", ["killed", "killed.zip"])
def test_a_backup_that_is_killed_never_looks_like_a_whole_one(origin, tmp_path, restore, target):
    driver = Path(__file__).with_name("cut_off_backups.py")
    command = [sys.executable, str(driver), str(tmp_path / target)]
    env = environ(origin / "var") | {"PYTHONPATH": str(ROOT)}
    killed = subprocess.run(command, cwd=tmp_path, env=env, check=False, capture_output=True, text=True)
    assert killed.returncode == 0, killed.stderr
    assert int(killed.stdout) >= 7
    left = list(tmp_path.glob(".killed*.partial"))
    assert len(left) == int(killed.stdout)
    unsealed = [folder for folder in left if not (folder / "set" / "manifest.json").exists()]
    assert unsealed
    for folder in left:
        shutil.move(folder, tmp_path / folder.name.strip("."))
    for folder in unsealed:
        error = restore(tmp_path / folder.name.strip(".") / "set")
        assert error.code == NOT_A_BACKUP.code
    assert restore(tmp_path / target) is None


def test_every_bit_of_a_backup_counts(origin, tmp_path, restore):
    names = sorted(files_of(origin / "whole"))
    assert set(names) == KEPT | {"keys/cursor.key", "keys/issuer.key", "keys/issuer.pub", "keys/log.pem"}
    for name in names:
        copy = shutil.copytree(origin / "whole", tmp_path / "copy", dirs_exist_ok=True)
        file = copy / name
        content = bytearray(file.read_bytes())
        if content:
            at = random.randrange(8 * len(content))
            content[at // 8] ^= 1 << at % 8
            file.write_bytes(content)
            assert restore(copy).code == DAMAGED.code, (name, at)
            file.write_bytes(content[: len(content) // 2])
            assert restore(copy).code == DAMAGED.code, name
        file.unlink()
        assert restore(copy).code == (NOT_A_BACKUP if name == "manifest.json" else DAMAGED).code
    shutil.copytree(origin / "whole", copy, dirs_exist_ok=True)
    assert restore(copy) is None


def test_one_file_that_is_damaged_restores_nothing_else_than_what_was_in_it(origin, tmp_path, restore):
    """A bit that says nothing, such as one of a time within the archive, may differ; what comes out may not."""
    whole = (origin / "whole.zip").read_bytes()
    assert restore(origin / "whole.zip") is None
    kept = {name: path.read_bytes() for name, path in files_of(tmp_path / "new").items() if name != "registry.sqlite"}
    places = [*random.sample(range(len(whole)), 30), *range(len(whole) - 40, len(whole), 4)]
    for at in places:
        damaged = bytearray(whole)
        damaged[at] ^= 1 << random.randrange(8)
        (tmp_path / "damaged.zip").write_bytes(damaged)
        error = restore(tmp_path / "damaged.zip")
        if error is None:
            there = files_of(tmp_path / "new")
            assert {name: there[name].read_bytes() for name in kept} == kept, at
        else:
            assert error.code in {DAMAGED.code, NOT_A_BACKUP.code}, at
    for length in (0, 1, len(whole) // 2, len(whole) - 1):
        (tmp_path / "cut.zip").write_bytes(whole[:length])
        assert restore(tmp_path / "cut.zip").code == DAMAGED.code


def test_what_is_there_is_not_replaced(origin, tmp_path, monkeypatch):
    monkeypatch.setenv("METERLOOP_DATA_DIR", str(origin / "var"))
    run = CliRunner().invoke
    assert run(app, ["backup", str(origin / "whole")]).exception.code == "backup.exists"
    assert run(app, ["restore", str(origin / "whole")]).exception.code == "restore.not_empty"
    monkeypatch.setenv("METERLOOP_DATA_DIR", str(tmp_path / "new"))
    assert run(app, ["backup", str(tmp_path / "backup")]).exception.code == "backup.nothing"
    (tmp_path / "new").mkdir()
    assert run(app, ["restore", str(origin / "whole")]).exception is None


def test_a_backup_that_cannot_be_all_of_it_is_refused(origin, tmp_path, monkeypatch):
    monkeypatch.setenv("METERLOOP_DATA_DIR", str(origin / "var"))
    monkeypatch.setenv("METERLOOP_REGISTRY__DATABASE_URL", "postgresql://localhost/x")
    run = CliRunner().invoke
    assert run(app, ["backup", str(tmp_path / "backup")]).exception.code == "backup.elsewhere"
    monkeypatch.setenv("METERLOOP_DATA_DIR", str(tmp_path / "new"))
    assert run(app, ["restore", str(origin / "whole")]).exception.code == "backup.elsewhere"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"format": 2}, OF_ANOTHER_FORMAT),
        ({"position": 7}, DAMAGED),
        ({"ledger_id": "another"}, DAMAGED),
        ({"files": {}}, DAMAGED),
        ({"files": {"ledger.sqlite": {"bytes": 0, "sha256": ""}, "../beside": {"bytes": 0, "sha256": ""}}}, DAMAGED),
    ],
)
def test_a_manifest_that_is_not_of_these_files_is_refused(origin, tmp_path, restore, change, reason):
    copy = shutil.copytree(origin / "whole", tmp_path / "copy")
    manifest = json.loads((copy / "manifest.json").read_text()) | change
    (copy / "manifest.json").write_text(json.dumps(manifest))
    sealed = subprocess.run(["sha256sum", "manifest.json"], cwd=copy, check=True, capture_output=True).stdout
    (copy / "manifest.sha256").write_bytes(sealed)
    assert restore(copy).code == reason.code
    assert not (tmp_path / "beside").exists()


def test_what_is_refused_is_said_in_both_languages(restore, tmp_path, capsys):
    assert told(restore(tmp_path / "nowhere")) == 1
    said = capsys.readouterr().err
    assert "不是完整的备份" in said
    assert "is no whole backup" in said
    assert "Traceback" not in said


def test_a_log_that_is_sealed_is_told_by_its_code(capsys):
    assert told(Sealed("no more")) == 1
    said = "".join(capsys.readouterr().err.split())  # however wide the terminal is
    assert all(part in said for part in ("ledger.sealed", "已封存", "goesonelsewhere"))


def answers(settings, url):
    days = {"first": date(2026, 3, 1), "last": date(2026, 3, 31)}
    with Client(url, issue(settings.keys_dir, ADMIN)) as platform:
        questions = ListSites(), ListShipments(), ListBalances(**days), ListRecovery(first="2026-03", last="2026-03")
        return [list(platform.rows(question)) for question in questions]


def test_a_restored_platform_starts_and_answers_the_same(tmp_path_factory):
    folder = tmp_path_factory.mktemp("b")
    before, after = (msgspec.structs.replace(CliSettings(), data_dir=folder / name) for name in ("var", "new"))

    def meterloop(settings, *words):
        command = [sys.executable, "-m", "cli", *map(str, words)]
        subprocess.run(command, cwd=ROOT, env=environ(settings.data_dir), check=True, capture_output=True)

    with running(before, 0) as platform:
        meterloop(before, "site", "open", "store-1", "--unit", "99401", "--on", "2026-01-01")
        for kind in ("devices", "dismantled"):
            table = shutil.copy(ROOT / "examples" / f"{kind}.csv", folder)
            mapping = ROOT / "examples" / "mapping.yaml"
            meterloop(before, "import", table, "--as", kind, "--site", "store-1", "--mapping", mapping)
        said = answers(before, platform.endpoints.gateway)
        meterloop(before, "backup", folder / "copy.zip", "--keys")
    assert said[0]
    assert said[2]
    meterloop(after, "restore", folder / "copy.zip")
    with running(after, 0) as platform:
        assert answers(after, platform.endpoints.gateway) == said
