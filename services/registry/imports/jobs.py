"""Imports as a resource: asked for, uploaded in pieces, run, looked at.

    uploading -> waiting -> running -> done | failed
         '---------'-> cancelled

A piece says where it begins, so an upload that was cut off goes on where it was; an import that was killed goes on from
the last batch that was dealt with. Uploads go after SPOOL_DAYS.
"""

import asyncio
import os
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, TypeVar

import msgspec
from sqlalchemy import Connection, and_, func, or_, select, update
from sqlmodel import Session, col

from kernel.clock import Clock, system_clock_us
from kernel.commands import command_id
from kernel.database import Database, DatabaseUnavailable
from kernel.door import BadRequest, TooLarge
from kernel.handling import ID_REUSED
from kernel.http_uploads import UploadId
from kernel.principal import Principal
from kernel.quantity import instant_of_us
from kernel.refusal import Reason, against_rules, not_found
from kernel.spreadsheet.error_file import fsync_folder
from services.registry.imports.asked import NewImport
from services.registry.imports.mapping import parse
from services.registry.imports.rows import Heading
from services.registry.imports.spool import DEFAULT, SpoolLimits, require_own_room, require_room
from services.registry.records import ImportRecord

SPOOL_DAYS: Final = 7
SPOOL_US: Final = SPOOL_DAYS * 86_400_000_000
PIECE_BYTES_MAX: Final = 3 << 20
"""Of one piece of an upload, well within a gRPC message."""
UNUSED_TOLD_MAX: Final = 100
"""Columns that were not read, of one import."""
OPEN_IMPORTS_MAX: Final = 20
"""Imports of one caller that are not over."""

T = TypeVar("T")

State: TypeAlias = Literal["uploading", "waiting", "running", "done", "failed", "cancelled"]
ImportId: TypeAlias = UploadId
Place: TypeAlias = tuple[int, str]
"""Of an import in the list: when it was announced, and its id."""
OPEN: Final = ("uploading", "waiting", "running")

UNKNOWN = not_found("import.unknown", "没有导入任务 {import_id}。", "there is no import {import_id}")
WRONG_OFFSET = against_rules(
    "import.wrong_offset",
    "此段应从第 {expected} 字节开始，而不是 {got}。",
    "this piece should begin at byte {expected}, not {got}",
)
NOT_UPLOADING = against_rules(
    "import.not_uploading", "导入任务为 {state}，不再接收内容。", "the import is {state} and takes no more content"
)
NOT_OPEN = against_rules("import.not_open", "导入任务已结束（{state}）。", "the import is over ({state})")
TOO_MUCH = Reason(
    TooLarge, "import.too_much", "内容超过所申报的 {bytes} 字节。", "more content than the {bytes} bytes announced"
)
PIECE_TOO_LARGE = Reason(
    TooLarge, "import.piece_too_large", "每段最多 {most} 字节。", "a piece holds at most {most} bytes"
)
TOO_MANY = Reason(
    BadRequest,
    "import.too_many",
    "您已有 {most} 个未结束的导入任务。",
    "{most} imports of yours are not over yet",
)


class UnusedColumn(msgspec.Struct, frozen=True, kw_only=True):
    """A column that was not read: its letter, where the format has letters, its header, its sheet."""

    letter: str
    header: str
    sheet: str | None = None


class Import(msgspec.Struct, frozen=True, kw_only=True):
    """How an import stands. `done` of `total` says how far the reading is, `position` which of its events is the last.

    Rows: `accepted` were recorded, `unchanged` had been recorded before, `refused` stand in the error file.
    `unused_columns` are the first of those that were not read; `also_kind` is another kind whose required columns are
    all in the file, some of them not read: `kind` may be wrong. `ahead` imports come before one that is waiting.
    """

    import_id: str
    kind: str
    name: str
    dry_run: bool
    state: str
    created_at: datetime
    bytes: int
    bytes_received: int
    done: int
    total: int
    accepted: int
    unchanged: int
    refused: int
    warned: int
    skipped: int
    position: int
    finished_at: datetime | None = None
    code: str | None = None
    zh: str | None = None
    en: str | None = None
    unused_columns: tuple[UnusedColumn, ...] = ()
    also_kind: str | None = None
    ahead: int = 0


class Failure(msgspec.Struct, frozen=True):
    """Why an import failed as a whole."""

    code: str
    zh: str
    en: str


class Jobs:
    """The imports of this registry, their files in `spool`."""

    def __init__(
        self, database: Database, spool: Path, *, limits: SpoolLimits = DEFAULT, clock: Clock = system_clock_us
    ) -> None:
        self._database: Final = database
        self._spool: Final = spool
        self._limits: Final = limits
        self._clock: Final = clock
        self._more = asyncio.Event()

    async def create(self, caller: Principal, ask: NewImport, idempotency_key: str) -> Import:
        """Announce an import. The same key again is the same import. Raises Refusal."""
        if ask.mapping is not None:
            await asyncio.to_thread(parse, ask.mapping.encode())
        import_id = command_id("registry", caller.subject, "/v1/imports", idempotency_key).hex
        record = ImportRecord(
            id=import_id,
            actor=caller.subject,
            caller=msgspec.json.encode(caller).decode(),
            ask=msgspec.json.encode(ask).decode(),
            state="uploading",
            created_at_us=self._clock(),
            total=ask.bytes,
        )

        def create(session: Session) -> Import:
            there = session.get(ImportRecord, import_id)
            if there is not None:
                if there.ask != record.ask:
                    raise ID_REUSED(command_id=import_id)
                return shown(there)
            own = select(ImportRecord).where(
                col(ImportRecord.actor) == caller.subject, col(ImportRecord.state).in_(OPEN)
            )
            open_now = session.scalars(own).all()
            if len(open_now) >= OPEN_IMPORTS_MAX:
                raise TOO_MANY(most=OPEN_IMPORTS_MAX)
            require_own_room(self._limits, sum(ask_of(one).bytes for one in open_now), ask.bytes)
            require_room(self._limits, self._spool, _held(session), ask.bytes)
            session.add(record)
            return shown(record)

        return await self._database.write(_in_session(create))

    async def append(self, caller: Principal, import_id: str, offset: int, content: bytes) -> Import:
        """A piece of the file, durable when this returns. The last one sets the import waiting. One that was kept
        before, byte for byte, is answered as the import stands now: its sender never heard that it came.
        Raises Refusal.
        """
        if len(content) > PIECE_BYTES_MAX:
            raise PIECE_TOO_LARGE(most=PIECE_BYTES_MAX)

        def append(session: Session) -> Import:
            record = self._own(session, caller, import_id)
            if self._holds(record, offset, content):
                return shown(record)
            if record.state != "uploading":
                raise NOT_UPLOADING(state=record.state)
            if offset != record.bytes_received:
                raise WRONG_OFFSET(expected=record.bytes_received, got=offset)
            size = ask_of(record).bytes
            if offset + len(content) > size:
                raise TOO_MUCH(bytes=size)
            if content:
                require_room(self._limits, self._spool, _held(session), len(content))
                self._write(import_id, offset, content)
            record.bytes_received = offset + len(content)
            if record.bytes_received == size:
                record.state = "waiting"
            return shown(record)

        appended = await self._database.write(_in_session(append))
        if appended.state == "waiting":
            self._more.set()
        return appended

    async def get(self, caller: Principal, import_id: str) -> Import:
        """How an import stands. Raises NotFound for those of others too."""

        def get(session: Session) -> Import:
            record = self._own(session, caller, import_id)
            return msgspec.structs.replace(shown(record), ahead=_ahead(session, record))

        return await self._database.read(_in_session(get))

    async def page(self, caller: Principal, after: Place | None, limit: int) -> tuple[list[Import], Place | None]:
        """The caller's imports, the newest first, those after a place, at most so many; and the place of the last one
        where there are more.
        """
        at_us, import_id = col(ImportRecord.created_at_us), col(ImportRecord.id)
        query = select(ImportRecord).where(col(ImportRecord.actor) == caller.subject)
        if after is not None:
            query = query.where(or_(at_us < after[0], and_(at_us == after[0], import_id > after[1])))
        query = query.order_by(at_us.desc(), import_id).limit(limit + 1)

        def page(session: Session) -> tuple[list[Import], Place | None]:
            found = session.scalars(query).all()
            kept = found[:limit]
            last = (kept[-1].created_at_us, kept[-1].id) if len(found) > limit else None
            return [shown(one) for one in kept], last

        return await self._database.read(_in_session(page))

    async def cancel(self, caller: Principal, import_id: str) -> Import:
        """End an import; what it has recorded stays recorded. One that was cancelled is answered as it stands. Raises
        Refusal.
        """

        def cancel(session: Session) -> Import:
            record = self._own(session, caller, import_id)
            if record.state == "cancelled":
                return shown(record)
            if record.state not in OPEN:
                raise NOT_OPEN(state=record.state)
            record.state, record.finished_at_us = "cancelled", self._clock()
            return shown(record)

        cancelled = await self._database.write(_in_session(cancel))
        # At this point a crash leaves the file to be swept away.
        self.file_path(import_id).unlink(missing_ok=True)
        return cancelled

    async def errors(self, caller: Principal, import_id: str, offset: int) -> bytes:
        """The error file (CSV) from this byte on, at most PIECE_BYTES_MAX of it; nothing at its end."""
        path = self.errors_path(import_id)

        def read(session: Session) -> bytes:
            end = self._own(session, caller, import_id).errors_bytes
            if offset >= end or not path.exists():
                return b""
            with path.open("rb") as file:
                file.seek(offset)
                return file.read(min(PIECE_BYTES_MAX, end - offset))

        return await self._database.read(_in_session(read))

    async def next(self) -> ImportRecord | None:
        """The import to go on with: one that was running, else the one that has waited longest. One at a time, in the
        order in which they came: each already reads, decides and records at once, so two would end no sooner, and a
        caller has at most OPEN_IMPORTS_MAX of them. Who waits is told how many come before.
        """

        def take(session: Session) -> ImportRecord | None:
            waiting = select(ImportRecord).where(col(ImportRecord.state).in_(("running", "waiting")))
            return session.scalars(waiting.order_by(col(ImportRecord.state), col(ImportRecord.created_at_us))).first()

        return await self._database.read(_in_session(take))

    async def wait(self, seconds: float) -> None:
        """Until there may be something to do, at most so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._more.wait()
        self._more.clear()

    async def begin(self, import_id: str, head: int) -> bool:
        """An import that waited runs, the log ending at `head`. False where it has been cancelled meanwhile."""
        return await self._leave(import_id, "waiting", state="running", begun_at=head)

    async def unused(self, record: ImportRecord, heading: Heading) -> None:
        """Note which columns of a table are not read, and what other kind it seems to be of."""
        more = (UnusedColumn(letter=one.letter, header=one.header, sheet=heading.sheet) for one in heading.dropped)
        told = tuple(dict.fromkeys((*unused_of(record), *more)))[:UNUSED_TOLD_MAX]
        record.unused, record.also = msgspec.json.encode(told).decode(), record.also or heading.also
        await self.advance(record.id, unused=record.unused, also=record.also)

    async def advance(self, import_id: str, **values: Any) -> bool:
        """Note what an import has recorded. False where it has been cancelled meanwhile: what it did is noted all the
        same, and it is not to go on.
        """
        this = update(ImportRecord).where(col(ImportRecord.id) == import_id)

        def advance(connection: Connection) -> bool:
            return connection.scalar(this.values(**values).returning(col(ImportRecord.state))) == "running"

        return await self._database.write(advance)

    async def finish(self, import_id: str, state: State, failure: Failure | None = None) -> None:
        """The end of an import."""
        said = msgspec.json.encode(failure).decode() if failure else None
        await self._leave(import_id, "waiting", "running", state=state, finished_at_us=self._clock(), failure=said)
        # At this point a crash leaves the file to be swept away.
        self.file_path(import_id).unlink(missing_ok=True)

    async def sweep(self) -> None:
        """Remove what has lain for longer than SPOOL_DAYS; uploads that never ended are cancelled."""
        at_us = self._clock()
        before_us = at_us - SPOOL_US
        old = update(ImportRecord).where(
            col(ImportRecord.created_at_us) < before_us, col(ImportRecord.state) == "uploading"
        )
        await self._database.write(
            lambda connection: connection.execute(old.values(state="cancelled", finished_at_us=at_us))
        )
        open_now = select(col(ImportRecord.id)).where(col(ImportRecord.state).in_(OPEN))
        kept = set(await self._database.read(lambda connection: connection.scalars(open_now).all()))
        await asyncio.to_thread(self._remove, before_us, kept)

    def _remove(self, before_us: int, kept: Collection[str]) -> None:
        """Remove the files last written before that, but for those of imports that are not over."""
        self._spool.mkdir(parents=True, exist_ok=True)
        for path in self._spool.iterdir():
            if path.name.partition(".")[0] not in kept and path.stat().st_mtime_ns // 1_000 < before_us:
                path.unlink(missing_ok=True)

    async def _leave(self, import_id: str, *states: State, **values: Any) -> bool:
        """Change an import that is in one of these states; whether it was."""
        this = update(ImportRecord).where(col(ImportRecord.id) == import_id, col(ImportRecord.state).in_(states))

        def leave(connection: Connection) -> bool:
            return connection.scalar(this.values(**values).returning(col(ImportRecord.id))) is not None

        return await self._database.write(leave)

    def file_path(self, import_id: str) -> Path:
        return self._spool / f"{import_id}.upload"

    def errors_path(self, import_id: str) -> Path:
        return self._spool / f"{import_id}.errors.csv"

    def scratch_path(self, import_id: str) -> Path:
        """Where an import keeps what it gathers while it runs."""
        return self._spool / f"{import_id}.gathered"

    def _own(self, session: Session, caller: Principal, import_id: str) -> ImportRecord:
        record = session.get(ImportRecord, import_id)
        if record is None or record.actor != caller.subject:
            raise UNKNOWN(import_id=import_id)
        return record

    def _holds(self, record: ImportRecord, offset: int, content: bytes) -> bool:
        """Whether this very piece has been kept."""
        if not offset < record.bytes_received >= offset + len(content) or record.state not in OPEN:
            return False
        try:
            with self.file_path(record.id).open("rb") as file:
                file.seek(offset)
                return file.read(len(content)) == content
        except OSError as error:
            raise DatabaseUnavailable(f"{self._spool}: {error}") from error

    def _write(self, import_id: str, offset: int, content: bytes) -> None:
        try:
            self._spool.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(self.file_path(import_id), os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
                # A piece that was written and not noted is written over here.
                file.truncate(offset)
                file.seek(offset)
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            if offset == 0:
                fsync_folder(self._spool)
        except OSError as error:
            raise DatabaseUnavailable(f"{self._spool}: {error}") from error


def _ahead(session: Session, record: ImportRecord) -> int:
    """How many imports come before one that waits: those that run or have waited longer."""
    if record.state != "waiting":
        return 0
    state, at_us = col(ImportRecord.state), col(ImportRecord.created_at_us)
    before = or_(state == "running", and_(state == "waiting", at_us < record.created_at_us))
    return int(session.scalar(select(func.count()).where(before)) or 0)


def _held(session: Session) -> int:
    """Bytes that uploads hold which are not over."""
    held = select(func.sum(col(ImportRecord.bytes_received))).where(col(ImportRecord.state).in_(OPEN))
    return int(session.scalar(held) or 0)


def ask_of(record: ImportRecord) -> NewImport:
    """What was asked for."""
    return msgspec.json.decode(record.ask, type=NewImport)


def unused_of(record: ImportRecord) -> tuple[UnusedColumn, ...]:
    """The columns that were not read, as far as they are told."""
    return msgspec.json.decode(record.unused, type=tuple[UnusedColumn, ...]) if record.unused else ()


def caller_of(record: ImportRecord) -> Principal:
    """Who asked for it, with the rights of then."""
    return msgspec.json.decode(record.caller, type=Principal)


def shown(record: ImportRecord) -> Import:
    """How it stands, as its caller sees it."""
    ask = ask_of(record)
    failure = msgspec.json.decode(record.failure, type=Failure) if record.failure else None
    return Import(
        import_id=record.id,
        kind=ask.kind,
        name=ask.name,
        dry_run=ask.dry_run,
        bytes=ask.bytes,
        code=failure.code if failure else None,
        zh=failure.zh if failure else None,
        en=failure.en if failure else None,
        unused_columns=unused_of(record),
        also_kind=record.also,
        created_at=instant_of_us(record.created_at_us),
        finished_at=None if record.finished_at_us is None else instant_of_us(record.finished_at_us),
        **{name: getattr(record, name) for name in _SHOWN},
    )


_SHOWN: Final = (
    "state",
    "bytes_received",
    "done",
    "total",
    "accepted",
    "unchanged",
    "refused",
    "warned",
    "skipped",
    "position",
)


def _in_session(work: Callable[[Session], T]) -> Callable[[Connection], T]:
    """Work on records as objects, whose changes are written when it is done."""

    def within(connection: Connection) -> T:
        with Session(connection, expire_on_commit=False) as session:
            result = work(session)
            session.flush()
            return result

    return within
