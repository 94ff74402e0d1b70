"""What a witness remembers: of each log the largest tree it has cosigned. One SQLite file, and a mark beside it.

The promise of a witness is its memory. A change is one transaction, durable when it is committed (`synchronous=FULL`),
and triggers refuse whatever would forget or shorten. The mark counts the changes outside the database, so that a
database which was put back to an earlier day is found when the witness starts, as long as the mark was not put back
with it. Where both were, nobody here can know.
"""

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import apsw
import msgspec

from ledger.transparency.faults import Fault

DATABASE: Final = "witness.sqlite"
MARK: Final = "changes"

APPLICATION_ID: Final = 0x4D4C5731
"""`MLW1` in the file's header."""

SCHEMA_VERSION: Final = 1
OWNER_ONLY: Final = 0o600
OWNERS_FOLDER: Final = 0o700
BUSY_TIMEOUT_MS: Final = 2_000
"""Less than a log waits for its answer."""

MARK_BYTES: Final = 8

EVIDENCE_MAX: Final = 16
"""Of each log: that it contradicted itself needs no more proofs than one."""

ROLLED_BACK: Final = Fault(
    "witness.rolled_back",
    "见证人的数据库 {file} 只有 {found} 次变更，而曾有 {known} 次：它被换成了较早的一份。继续会为同一日志的两棵不同的树"
    "签名，因此停止。请恢复最新的一份；若已丢失，须换用新的目录、新的密钥，并告知信任它的各方。",
    "the witness's database {file} has seen {found} changes and had seen {known}: it was replaced by an earlier one. To"
    " go on could be to cosign two trees of one log, so it stops. Put the newest back; where that is lost, begin with a"
    " new folder and a new key, and tell those who trust the old one",
)
OTHER_FILE: Final = Fault(
    "witness.other_file",
    "{file} 不是本版本见证人的数据库，或已损坏。",
    "{file} is not the database of a witness of this version, or is damaged",
)

_SCHEMA: Final = """
CREATE TABLE cosigned (
    origin TEXT PRIMARY KEY,
    size INTEGER NOT NULL,
    root BLOB NOT NULL,
    note BLOB NOT NULL,
    cosigned_at_s INTEGER NOT NULL
) STRICT;
CREATE TABLE change (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    count INTEGER NOT NULL
) STRICT;
INSERT INTO change VALUES (1, 0);
CREATE TABLE evidence (
    origin TEXT NOT NULL,
    size INTEGER NOT NULL,
    root BLOB NOT NULL,
    note BLOB NOT NULL,
    against BLOB NOT NULL,
    seen_at_s INTEGER NOT NULL,
    PRIMARY KEY (origin, size, root)
) STRICT;
CREATE TRIGGER cosigned_is_never_forgotten BEFORE DELETE ON cosigned
BEGIN SELECT RAISE(ABORT, 'what was cosigned is never forgotten'); END;
CREATE TRIGGER cosigned_never_goes_back BEFORE UPDATE ON cosigned
WHEN NEW.origin <> OLD.origin OR NEW.size < OLD.size OR (NEW.size = OLD.size AND NEW.root <> OLD.root)
    OR NEW.cosigned_at_s < OLD.cosigned_at_s
BEGIN SELECT RAISE(ABORT, 'what was cosigned is never contradicted'); END;
CREATE TRIGGER changes_are_never_fewer BEFORE UPDATE ON change WHEN NEW.count <= OLD.count
BEGIN SELECT RAISE(ABORT, 'changes are never fewer'); END;
CREATE TRIGGER evidence_is_kept BEFORE DELETE ON evidence
BEGIN SELECT RAISE(ABORT, 'evidence is kept'); END;
CREATE TRIGGER evidence_is_not_changed BEFORE UPDATE ON evidence
BEGIN SELECT RAISE(ABORT, 'evidence is not changed'); END;
"""


class Cosigned(msgspec.Struct, frozen=True):
    """The largest tree of a log that was cosigned: `note` has the log's own signatures and the cosignature."""

    origin: str
    size: int
    root: bytes
    note: bytes
    cosigned_at_s: int


class Evidence(msgspec.Struct, frozen=True):
    """A log signed two roots for one size: `note` says one of them, `against`, which was cosigned, the other."""

    origin: str
    size: int
    root: bytes
    note: bytes
    against: bytes
    seen_at_s: int


class WitnessStore:
    """One connection, which threads take in turn; other processes may have the same file open."""

    def __init__(self, folder: Path) -> None:
        """Open the files, made where there are none. Raises LogFault, OSError, apsw.Error."""
        folder.mkdir(parents=True, exist_ok=True, mode=OWNERS_FOLDER)
        self._file: Final = folder / DATABASE
        with suppress(FileExistsError):
            os.close(os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, OWNER_ONLY))
        self._turn: Final = threading.Lock()
        self._connection: Final = apsw.Connection(str(self._file), flags=apsw.SQLITE_OPEN_READWRITE)
        self._mark: Final = os.open(folder / MARK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, OWNER_ONLY)
        try:
            self._begin()
            self._known = self._marked()
            with self.changing():
                pass
        except (apsw.NotADBError, apsw.CorruptError) as error:
            self.close()
            raise OTHER_FILE(file=self._file) from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Wait for the change under way, and let go of the files."""
        with self._turn:
            self._connection.close()
            os.close(self._mark)

    @contextmanager
    def changing(self) -> Iterator["Change"]:
        """A transaction of its own, the only one at that moment in any process. Durable when the block has ended; not
        made where it raises. Raises LogFault (witness.rolled_back), apsw.Error.
        """
        with self._turn:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                change = Change(self._connection)
                self._must_not_have_gone_back(change)
                yield change
                found = change.count()
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            # At this point it stands, and the mark does not count it yet: a kill here leaves a mark that is lower.
            self._known = found
            self._mark_at_least(found)

    def cosigned(self, origin: str) -> Cosigned | None:
        """The largest tree of this log that was cosigned; None where there is none."""
        with self._turn:
            return Change(self._connection).cosigned(origin)

    def evidence(self) -> list[Evidence]:
        """Every contradiction that was kept, the oldest first."""
        with self._turn:
            rows = self._connection.execute(
                "SELECT origin, size, root, note, against, seen_at_s FROM evidence ORDER BY seen_at_s"
            )
            return [Evidence(*row) for row in rows]

    def _must_not_have_gone_back(self, change: "Change") -> None:
        if (found := change.count()) < self._known:
            raise ROLLED_BACK(file=self._file, found=found, known=self._known)

    def _begin(self) -> None:
        self._connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        self._connection.pragma("synchronous", "FULL")
        self._connection.pragma("journal_mode", "wal")
        self._connection.pragma("mmap_size", 0)
        self._connection.execute("BEGIN IMMEDIATE")
        with self._connection:
            found, version = self._connection.pragma("application_id"), self._connection.pragma("user_version")
            tables = self._connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()[0][0]
            if not tables:
                self._connection.execute(_SCHEMA)
                self._connection.pragma("application_id", APPLICATION_ID)
                self._connection.pragma("user_version", SCHEMA_VERSION)
            elif (found, version) != (APPLICATION_ID, SCHEMA_VERSION):
                raise OTHER_FILE(file=self._file)
        self._connection.execute("COMMIT")

    def _marked(self) -> int:
        return int.from_bytes(os.pread(self._mark, MARK_BYTES, 0), "big")

    def _mark_at_least(self, count: int) -> None:
        fcntl.flock(self._mark, fcntl.LOCK_EX)
        try:
            if self._marked() < count:
                os.pwrite(self._mark, count.to_bytes(MARK_BYTES, "big"), 0)
        finally:
            fcntl.flock(self._mark, fcntl.LOCK_UN)


class Change:
    """What may be read and written within one transaction."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection: Final = connection

    def count(self) -> int:
        """How many changes there ever were."""
        ((count,),) = self._connection.execute("SELECT count FROM change")
        assert isinstance(count, int)
        return count

    def cosigned(self, origin: str) -> Cosigned | None:
        """As WitnessStore.cosigned."""
        row = self._connection.execute(
            "SELECT origin, size, root, note, cosigned_at_s FROM cosigned WHERE origin = ?", (origin,)
        ).fetchone()
        return None if row is None else Cosigned(*row)

    def cosign(self, cosigned: Cosigned) -> None:
        """Let this be the largest tree of its log from now on."""
        self._connection.execute(
            "INSERT INTO cosigned VALUES (?, ?, ?, ?, ?) ON CONFLICT (origin) DO UPDATE SET size = excluded.size,"
            " root = excluded.root, note = excluded.note, cosigned_at_s = excluded.cosigned_at_s",
            msgspec.structs.astuple(cosigned),
        )
        self._counted()

    def keep(self, evidence: Evidence) -> bool:
        """Keep a contradiction, once and within EVIDENCE_MAX; whether it is new."""
        self._connection.execute(
            "INSERT INTO evidence SELECT ?, ?, ?, ?, ?, ? WHERE (SELECT count(*) FROM evidence WHERE origin = ?) < ?"
            " ON CONFLICT DO NOTHING",
            (*msgspec.structs.astuple(evidence), evidence.origin, EVIDENCE_MAX),
        )
        if new := bool(self._connection.changes()):
            self._counted()
        return new

    def _counted(self) -> None:
        self._connection.execute("UPDATE change SET count = count + 1")
