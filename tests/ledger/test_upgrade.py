"""Files of schema version 1 become files of this version where they are, while others have them open."""

import asyncio
import shutil

import apsw
import pytest

from ledger.port import OWN_STREAM, Sealed
from ledger.sqlite import SqliteLedger
from ledger.sqlite_file import back_up, examine
from tests.ledger import version_1
from tests.ledger.making import everything, one


@pytest.fixture
def path(tmp_path):
    made = tmp_path / "ledger.db"
    version_1.make(made, events=5)
    return made


def rows(path):
    connection = apsw.Connection(str(path))
    found = connection.execute("SELECT * FROM event ORDER BY position").fetchall()
    connection.close()
    return found


async def test_a_file_of_version_1_is_upgraded_where_it_is(path):
    before = rows(path)
    log = await SqliteLedger.open(path, clock=lambda: 1_800_000_000_000_000)
    assert log.ledger_id == version_1.LEDGER_ID
    assert rows(path) == before
    assert [e.position for e in await everything(log)] == [1, 2, 3, 4, 5]
    (named,) = (await log.read_beside(OWN_STREAM)).events
    assert (named.position, named.recorded_at_us) == (5, 1_800_000_000_000_000)
    assert (await log.append(one("s", 4))).position == 6
    await log.append_beside(*one("$$s"))
    await log.close()
    again = await SqliteLedger.open(path)
    assert await again.streams_beside() == [OWN_STREAM, "$$s"]
    assert (await again.read_beside(OWN_STREAM)).events == [named]
    await again.close()


async def test_an_upgraded_file_has_what_a_new_one_has(path, tmp_path):
    new = tmp_path / "new.db"
    for one_of in (path, new):
        await (await SqliteLedger.open(one_of)).close()
    schemas = []
    for one_of in (path, new):
        connection = apsw.Connection(str(one_of))
        schemas.append(
            connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name").fetchall()
        )
        schemas[-1].append((connection.pragma("user_version"), connection.pragma("application_id")))
        connection.close()
    assert schemas[0] == schemas[1]


async def test_an_older_program_that_has_it_open_goes_on_until_the_log_is_sealed(path):
    older = apsw.Connection(str(path))
    version_1.append(older)
    reading = older.execute("SELECT position FROM event ORDER BY position")
    next(reading)
    log = await SqliteLedger.open(path)
    assert [position for (position,) in reading] == [2, 3, 4, 5, 6]
    version_1.append(older)
    await log.append(one("t"))
    version_1.append(older)
    assert await log.seal(b"{}") == await log.head() == 9
    with pytest.raises(apsw.ConstraintError, match="sealed"):
        version_1.append(older)
    with pytest.raises(Sealed):
        await log.append(one("t"))
    assert version_1.is_refused(older)
    assert len(await everything(log)) == 9
    older.close()
    await log.close()


async def test_many_open_a_file_of_version_1_at_once(path):
    ledgers = await asyncio.gather(*(SqliteLedger.open(path) for _ in range(8)))
    await asyncio.gather(*(ledger.append(one(f"t{index}")) for index, ledger in enumerate(ledgers)))
    assert await ledgers[0].head() == 13
    for ledger in ledgers:
        assert len((await ledger.read_beside(OWN_STREAM)).events) == 1
        await ledger.close()


async def test_backups_of_either_version_are_examined_and_opened(path, tmp_path):
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    back_up(path, old)
    log = await SqliteLedger.open(path)
    await log.append(one("t"))
    await log.backup(new)
    await log.close()
    assert examine(old) == (version_1.LEDGER_ID, 5)
    assert examine(new) == (version_1.LEDGER_ID, 6)
    connection = apsw.Connection(f"{old.as_uri()}?immutable=1", flags=apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    assert connection.pragma("user_version") == 1, "to examine is not to upgrade"
    connection.close()
    for backup, head in ((old, 5), (new, 6)):
        restored = shutil.copy(backup, tmp_path / f"restored-{backup.name}")
        opened = await SqliteLedger.open(restored)
        assert await opened.head() == head
        assert [e.position for e in (await opened.read_beside(OWN_STREAM)).events] == [5]
        await opened.close()
