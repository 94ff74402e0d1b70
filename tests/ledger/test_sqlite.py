"""What holds of the embedded ledger beyond the contract: its file, its settings, its threads."""

import asyncio
import os
import threading
import time

import apsw
import pytest

from ledger.open import open_ledger
from ledger.port import (
    ANY,
    EVENT_BYTES_MAX,
    NO_STREAM,
    OWN_STREAM,
    Append,
    Conflict,
    Rejected,
    Sealed,
    Unavailable,
    WrongLedger,
)
from ledger.sqlite import SqliteLedger
from ledger.sqlite_file import WAL_BYTES_KEPT, connect
from ledger.sqlite_lock import WriterTurn
from ledger.sqlite_read import PAGE_BYTES_MAX
from ledger.sqlite_schema import APPLICATION_ID
from ledger.sqlite_writer import WAITING_MAX
from tests.ledger.making import draft, everything, first_events, one

WAIT_S = 20


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.db"


@pytest.fixture
async def log(path):
    ledger = await SqliteLedger.open(path)
    yield ledger
    await ledger.close()


def integrity(path):
    connection = apsw.Connection(str(path))
    checked = connection.pragma("integrity_check")
    connection.close()
    return checked


async def test_the_writing_connection_makes_every_commit_durable(log):
    await log.append(one("s"))
    writer = log._writer._connection
    assert writer.pragma("synchronous") == 2, "FULL"
    assert writer.pragma("journal_mode") == "wal"
    assert writer.pragma("mmap_size") == 0
    assert writer.pragma("fullfsync") in {0, 1}


async def test_readers_cannot_write(log):
    await log.read("s")
    (reader,) = log._idle
    assert reader.pragma("mmap_size") == 0
    with pytest.raises(apsw.ReadOnlyError):
        reader.execute("INSERT INTO ledger VALUES ('another')")


TAMPERING = [
    "UPDATE event SET data = x'00' WHERE position = 1",
    "UPDATE event SET position = 99 WHERE position = 1",
    "DELETE FROM event WHERE position = 1",
    "DELETE FROM event",
    "INSERT OR REPLACE INTO event SELECT * FROM event WHERE position = 1",
    "REPLACE INTO event SELECT 99, stream, version, type, content_type, 0, id, salt, metadata, data FROM event",
    "INSERT INTO event SELECT * FROM event WHERE position = 1 ON CONFLICT (position) DO UPDATE SET data = x'00'",
    "UPDATE ledger SET ledger_id = 'another'",
    "DELETE FROM ledger",
    "UPDATE beside SET data = x'00' WHERE version = 0",
    "DELETE FROM beside",
    "INSERT OR REPLACE INTO beside SELECT * FROM beside",
    "INSERT INTO beside SELECT * FROM beside WHERE true ON CONFLICT (stream, version) DO UPDATE SET data = x'00'",
]


@pytest.mark.parametrize("statement", TAMPERING)
async def test_nothing_is_updated_or_deleted(log, path, statement):
    await log.append(one("s", count=2))
    before = await everything(log)
    connection = connect(path, writes=True)
    with pytest.raises(apsw.ConstraintError, match="never"):
        connection.execute(statement)
    connection.close()
    assert await everything(log) == before
    assert len((await log.read_beside(OWN_STREAM)).events) == 1


SALT = "x'" + "00" * 32 + "'"


@pytest.mark.parametrize(
    "statement",
    [
        f"INSERT INTO event VALUES (9, 's', 9, 'a.B', 'x', 1, x'00', {SALT}, x'', x'')",
        "INSERT INTO beside VALUES ('$$s', 0, 0, 'a.B', 'x', 1, x'00', x'', x'')",
    ],
)
async def test_the_file_itself_refuses_more_once_it_is_sealed(log, path, statement):
    """As a program does that has it open since before there were seals."""
    connection = connect(path, writes=True)
    connection.execute("SAVEPOINT tried")
    connection.execute(statement)
    connection.execute("ROLLBACK TO tried")
    connection.execute("RELEASE tried")
    await log.seal(b"{}")
    with pytest.raises(apsw.ConstraintError, match="sealed"):
        connection.execute(statement)
    connection.close()


async def test_appends_and_a_seal_that_wait_together_are_decided_in_their_order(log, path):
    turn = WriterTurn(path.with_name("ledger.db-lock"))
    with turn:
        calls = [
            log.append(one("a")),
            log.append_beside(*one("$$a", NO_STREAM)),
            log.append(one("b")),
            log.append_beside(*one("$$a", NO_STREAM)),
            log.append(one("c", 5)),
            log.seal(b"{}"),
            log.append(one("d")),
            log.append_beside(*one("$$a")),
            log.seal(b"[]"),
        ]
        tasks = [asyncio.ensure_future(call) for call in calls]
        await asyncio.sleep(0.05)
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [
        getattr(outcome, "position", outcome if isinstance(outcome, int) else type(outcome)) for outcome in outcomes
    ] == [
        1,
        1,
        2,
        Conflict,
        Conflict,
        2,
        Sealed,
        Sealed,
        2,
    ]
    assert [e.stream for e in await everything(log)] == ["a", "b"]
    assert [e.data for e in (await log.read_beside(OWN_STREAM)).events][1:] == [b"{}"]
    turn.close()


async def test_a_ledger_keeps_its_name_and_its_events(path):
    first = await SqliteLedger.open(path)
    await first.append(one("s", count=3))
    events = await everything(first)
    await first.close()
    again = await SqliteLedger.open(path)
    assert again.ledger_id == first.ledger_id
    assert await everything(again) == events
    await again.append(one("s", 2))
    assert [e.position for e in await everything(again)] == [1, 2, 3, 4]
    await again.close()


async def test_many_open_a_new_ledger_at_once_and_it_is_one_ledger(path):
    ledgers = await asyncio.gather(*(SqliteLedger.open(path) for _ in range(8)))
    assert len({ledger.ledger_id for ledger in ledgers}) == 1
    await asyncio.gather(*(ledger.append(one(f"s{index}")) for index, ledger in enumerate(ledgers)))
    assert await ledgers[0].head() == 8
    for ledger in ledgers:
        await ledger.close()


async def test_what_is_not_a_ledger_is_refused_and_left_alone(tmp_path):
    text = tmp_path / "notes.txt"
    text.write_bytes(b"not a database at all, but long enough to be looked at " * 100)
    other = tmp_path / "other.db"
    connection = apsw.Connection(str(other))
    connection.execute("CREATE TABLE invoice (id INTEGER)")
    connection.close()
    claimed = tmp_path / "claimed.db"
    connection = apsw.Connection(str(claimed))
    connection.pragma("application_id", 42)
    connection.close()
    for path in (text, other, claimed):
        before = path.read_bytes()
        with pytest.raises(WrongLedger, match=path.name):
            await SqliteLedger.open(path)
        assert path.read_bytes() == before


async def test_a_newer_ledger_is_refused(log, path):
    await log.close()
    connection = apsw.Connection(str(path))
    assert connection.pragma("application_id") == APPLICATION_ID
    connection.pragma("user_version", 3)
    connection.close()
    with pytest.raises(WrongLedger, match="schema version 3"):
        await SqliteLedger.open(path)


async def test_what_cannot_be_opened_is_unavailable(tmp_path):
    with pytest.raises(Unavailable):
        await SqliteLedger.open(tmp_path / "missing" / "ledger.db")
    (tmp_path / "folder").mkdir()
    with pytest.raises(Unavailable):
        await SqliteLedger.open(tmp_path / "folder")


async def test_urls(tmp_path, monkeypatch):
    memory = await open_ledger("memory:")
    assert await memory.head() == 0
    absolute = await open_ledger(f"sqlite:///{tmp_path}/ledger.db")
    monkeypatch.chdir(tmp_path)
    relative = await open_ledger("sqlite:///ledger.db")
    assert relative.ledger_id == absolute.ledger_id
    for ledger in (memory, absolute, relative):
        await ledger.close()
    for url in (
        "kurrentdb:localhost:2113",
        "sqlite://",
        "sqlite:///",
        "sqlite:///a?mode=ro",
        "postgresql://x",
        "",
        "x",
    ):
        with pytest.raises(Rejected, match="memory:, sqlite:///path, kurrentdb://"):
            await open_ledger(url)


async def test_a_closed_ledger_says_so(path):
    log = await SqliteLedger.open(path)
    follower = asyncio.create_task(first_events(log.follow(), 1))
    await asyncio.sleep(0.05)
    appends = [asyncio.create_task(log.append(one(f"s{index}"))) for index in range(50)]
    await asyncio.sleep(0)
    await asyncio.gather(log.close(), log.close())
    await log.close()
    receipts = await asyncio.gather(*appends)
    assert sorted(receipt.position for receipt in receipts) == list(range(1, 51))
    await asyncio.wait({follower}, timeout=WAIT_S)
    assert follower.done()
    for call in (
        log.append(one("s")),
        log.read("s"),
        log.read_all(),
        log.head(),
        log.read_many(["s"]),
        log.read_back(),
        log.read_beside("$$s"),
        log.streams_beside(),
        log.append_beside(*one("$$s")),
        log.seal(b"{}"),
    ):
        with pytest.raises(Unavailable, match="closed"):
            await call
    with pytest.raises(Unavailable, match="closed"):
        await first_events(log.follow(), 1)


async def test_closing_wakes_those_who_wait_for_more(path):
    log = await SqliteLedger.open(path)
    follower = asyncio.create_task(first_events(log.follow(), 1))
    await asyncio.sleep(0.05)
    await log.close()
    with pytest.raises(Unavailable, match="closed"):
        await asyncio.wait_for(follower, WAIT_S)


async def test_the_event_loop_runs_on_while_a_writer_waits_for_its_turn(log, path):
    turn = WriterTurn(path.with_name("ledger.db-lock"))
    with turn:
        append = asyncio.create_task(log.append(one("s")))
        longest_s = 0.0
        for _ in range(50):
            started = time.perf_counter()
            await asyncio.sleep(0.001)
            longest_s = max(longest_s, time.perf_counter() - started)
        assert not append.done()
        assert not (await log.read("s")).events
    assert (await asyncio.wait_for(append, WAIT_S)).position == 1
    assert longest_s < 0.5
    turn.close()


@pytest.mark.parametrize("others", [0, 1])
async def test_an_append_cancelled_while_it_waits_is_not_written(log, path, others):
    turn = WriterTurn(path.with_name("ledger.db-lock"))
    with turn:
        waiting = [asyncio.create_task(log.append(one(f"s{index}"))) for index in range(others)]
        cancelled = asyncio.create_task(log.append(one("cancelled")))
        await asyncio.sleep(0.05)
        cancelled.cancel()
        await asyncio.sleep(0.05)
    await asyncio.wait_for(asyncio.gather(*waiting), WAIT_S)
    await asyncio.wait_for(log.append(one("last")), WAIT_S)
    assert [e.stream for e in await everything(log)] == [*["s0"][:others], "last"]
    turn.close()


async def test_waiting_appends_are_committed_together_and_none_suffers_for_another(log, path):
    await log.append(one("taken"))
    turn = WriterTurn(path.with_name("ledger.db-lock"))
    with turn:
        calls = [one("s", NO_STREAM), one("taken", NO_STREAM), one("s", 0), one("s", 0), one("s", 1), one("t", ANY, 2)]
        appends = [asyncio.create_task(log.append(call)) for call in calls]
        await asyncio.sleep(0.05)
    outcomes = await asyncio.gather(*appends, return_exceptions=True)
    assert [getattr(outcome, "position", type(outcome).__name__) for outcome in outcomes] == [
        2,
        "Conflict",
        3,
        "Conflict",
        4,
        6,
    ]
    assert [e.version for e in (await log.read("s")).events] == [0, 1, 2]
    turn.close()


async def test_a_page_has_a_bounded_number_of_bytes(log):
    for index in range(4):
        await log.append([Append(f"s{index % 2}", ANY, [draft(b"x" * EVENT_BYTES_MAX) for _ in range(32)])])
    page = await log.read_all()
    assert PAGE_BYTES_MAX // EVENT_BYTES_MAX <= len(page.events) < 128
    assert not page.at_head
    assert page.scanned_to == page.events[-1].position
    assert len(await everything(log)) == 128
    assert (await log.read("s0")).next_from is None
    await log.append([Append("s0", 63, [draft(b"x" * EVENT_BYTES_MAX) for _ in range(32)])])
    first = await log.read("s0")
    assert first.next_from == len(first.events) < 96
    assert (await log.read("s0", from_version=first.next_from)).next_from is None


async def test_the_write_ahead_log_does_not_grow_without_bound(log, path):
    """Readers come and go so that there is always one: a checkpoint in passing never finds the log unused."""
    wal = path.with_name("ledger.db-wal")
    stop = threading.Event()

    def read_on_and_on():
        reader = connect(path, writes=False)
        while not stop.is_set():
            reading = reader.execute("SELECT 1 FROM event UNION ALL VALUES (1), (2)")
            next(reading)
            time.sleep(0.03)
            reading.close(force=True)
        reader.close()

    readers = [threading.Thread(target=read_on_and_on) for _ in range(4)]
    for reader in readers:
        reader.start()
    wal_bytes = []
    for index in range(14):
        log._writer._tend_at_s = 0
        await log.append([Append(f"s{index}", ANY, [draft(b"x" * EVENT_BYTES_MAX) for _ in range(12)])])
        wal_bytes.append(wal.stat().st_size)
    stop.set()
    for reader in readers:
        reader.join()
    assert max(wal_bytes) > WAL_BYTES_KEPT, "the readers kept the log from beginning anew"
    assert max(wal_bytes) < WAL_BYTES_KEPT + 40 * EVENT_BYTES_MAX


async def test_own_commits_wake_followers_without_a_poll(log):
    log._watch.close()
    follower = asyncio.create_task(first_events(log.follow(), 1))
    await asyncio.sleep(0.05)
    await log.append(one("s"))
    assert len(await asyncio.wait_for(follower, WAIT_S)) == 1


async def test_more_appends_than_may_wait_are_told_at_once(log, path):
    turn = WriterTurn(path.with_name("ledger.db-lock"))
    with turn:
        tasks = [asyncio.create_task(log.append(one(f"s{index}"))) for index in range(WAITING_MAX + 10)]
        await asyncio.sleep(0.1)
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    refused = sum(isinstance(outcome, Unavailable) for outcome in outcomes)
    assert 0 < refused <= 10
    assert await log.head() == len(outcomes) - refused
    turn.close()


async def test_a_file_that_was_moved_away_is_noticed(log, path):
    await log.append(one("s"))
    path.rename(path.with_name("elsewhere.db"))
    with pytest.raises(Unavailable):
        await _append_until_cancelled(log)


async def test_a_backup_is_a_ledger(log, tmp_path):
    await log.append([*one("a", NO_STREAM, 50), *one("b", NO_STREAM, 50)])
    writing = asyncio.create_task(_append_until_cancelled(log))
    await asyncio.sleep(0.02)
    await log.backup(tmp_path / "backup.db")
    writing.cancel()
    assert integrity(tmp_path / "backup.db") == "ok"
    copy = await SqliteLedger.open(tmp_path / "backup.db")
    assert copy.ledger_id == log.ledger_id
    events = await everything(copy)
    assert len(events) >= 100
    assert events == (await everything(log))[: len(events)]
    await copy.append(one("a", 49))
    await copy.close()
    assert sorted(file.name for file in tmp_path.glob("backup*")) == ["backup.db", "backup.db-lock"]


async def _append_until_cancelled(log):
    while True:
        await log.append(one("busy"))


async def test_a_backup_replaces_nothing(log, tmp_path):
    (tmp_path / "precious").write_text("kept")
    with pytest.raises(Rejected):
        await log.backup(tmp_path / "precious")
    assert (tmp_path / "precious").read_text() == "kept"
    with pytest.raises(Unavailable):
        await log.backup(tmp_path / "missing" / "backup.db")


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
async def test_a_ledger_carried_across_a_fork_says_so(log):
    await log.append(one("s"))
    child = os.fork()
    if child == 0:
        os._exit(_used_in_child(log))
    _, status = await asyncio.to_thread(os.waitpid, child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert (await log.append(one("s"))).position == 2


def _used_in_child(log):
    for call in (log.append(one("s")), log.read("s"), log.head()):
        try:
            call.send(None)
        except Rejected as refused:
            if "fork" not in str(refused):
                return 1
        else:
            return 2
    return 0
