"""Runs imports, one at a time: reads in a child process, records in short transactions, notes how far it is.

A batch of rows is recorded first and noted after. A kill between the two is made good by the commands' ids: the batch
is asked again and repeats nothing; what of it was recorded since the import began counts as accepted all the same.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

import structlog

from kernel.clock import Clock, system_clock_us
from kernel.handling import ID_REUSED, Ask, Context, Outcome
from kernel.quantity import business_day
from kernel.refusal import Refusal
from services.registry.access import Access
from services.registry.app import Registry
from services.registry.imports.child import Request
from services.registry.imports.error_file import ErrorFile
from services.registry.imports.jobs import Failure, Jobs, ask_of, caller_of
from services.registry.imports.mapping import load, parse
from services.registry.imports.planning import Planned, Shipments, refusals, single
from services.registry.imports.process import reading
from services.registry.imports.reading import Options
from services.registry.imports.rows import Batch, Finding
from services.registry.records import ImportRecord

IDLE_S: Final = 0.5
SWEEP_S: Final = 3_600.0
CPU_S_MAX: Final = 3_600
COMMANDS_A_CALL: Final = 1_000
"""Commands recorded in one append: some milliseconds, so that those who wait for an answer are not kept waiting."""

_LOG: Final = structlog.get_logger("import")


class Runner:
    """Runs the imports of one registry."""

    def __init__(self, jobs: Jobs, registry: Registry, access: Access, *, clock: Clock = system_clock_us) -> None:
        self._jobs: Final = jobs
        self._registry: Final = registry
        self._access: Final = access
        self._clock: Final = clock

    async def run(self) -> None:
        """Run imports until cancelled."""
        swept_us = -SWEEP_S * 1e6
        while True:
            if self._clock() - swept_us > SWEEP_S * 1e6:
                await self._jobs.sweep()
                swept_us = self._clock()
            record = await self._jobs.next()
            if record is None:
                await self._jobs.wait(IDLE_S)
                continue
            run = _Run(self._jobs, self._registry, self._access, record)
            try:
                await run.go()
            except Refusal as refusal:
                notes = getattr(refusal, "__notes__", ())
                _LOG.warning("import failed", import_id=record.id, code=refusal.code, notes=notes)
                await self._jobs.finish(record.id, "failed", Failure(refusal.code, refusal.zh, refusal.en))


class _Run:
    """One import, from where it was."""

    def __init__(self, jobs: Jobs, registry: Registry, access: Access, record: ImportRecord) -> None:
        self._jobs: Final = jobs
        self._registry: Final = registry
        self._access: Final = access
        self._record: Final = record
        self._ask: Final = ask_of(record)
        self._caller: Final = caller_of(record)
        self._today: Final = business_day(record.created_at)
        self._counts: Final = Counter(
            {name: getattr(record, name) for name in ("accepted", "unchanged", "refused", "warned", "skipped")}
        )
        self._position = record.position
        self._begun_at = record.begun_at or 0
        self._in_doubt = record.state == "running"

    async def go(self) -> None:
        """Read to the end, and say so. Raises what refuses the file as a whole."""
        record = self._record
        if record.state == "waiting":
            self._begun_at = await self._registry.head()
            await self._jobs.advance(record.id, state="running", begun_at=self._begun_at)
        alone = self._ask.kind in {"devices", "dismantled"}
        shipments = None if alone else Shipments(self._ask)
        if shipments is not None:
            # A shipment is known by its last row, so the reading begins anew; what was recorded is found again.
            self._counts.clear()
            record.after, record.errors_bytes = None, 0
        mapping = load() if self._ask.mapping is None else parse(self._ask.mapping.encode())
        options = Options(today=self._today, check_digit=self._ask.check_digit, after=record.after)
        request = Request(
            path=str(self._jobs.file_path(record.id)),
            kind=self._ask.kind,
            mapping=mapping,
            options=options,
            cpu_s_max=CPU_S_MAX,
        )
        errors = ErrorFile(self._jobs.errors_path(record.id), keep_bytes=record.errors_bytes)
        try:
            async with reading(request) as parts:
                async for part in parts:
                    if isinstance(part, Batch) and not await self._batch(part, errors, shipments):
                        return
            if shipments is not None and not await self._shipments(shipments, errors):
                return
        finally:
            errors.close()
        await self._jobs.finish(record.id, "done")

    async def _batch(self, batch: Batch, errors: ErrorFile, shipments: Shipments | None) -> bool:
        """Deal with a batch of rows. False where the import has been cancelled."""
        found = [*batch.errors, *batch.warnings]
        planned: list[Planned] = []
        for row in batch.rows:
            try:
                if shipments is None:
                    planned.append(single(self._ask, row, self._today))
                elif not shipments.add(row):
                    self._counts["unchanged"] += 1
            except Refusal as refusal:
                found += refusals(refusal, (row.number,))
                self._counts["refused"] += 1
        found += await self._record_all(planned)
        self._counts.update(refused=batch.refused, warned=len(batch.warnings), skipped=batch.skipped)
        self._in_doubt = False
        return await self._note(errors, found, after=batch.after, done=batch.done, total=batch.total)

    async def _shipments(self, shipments: Shipments, errors: ErrorFile) -> bool:
        for commands, found in shipments.planned():
            self._counts["refused"] += len({finding.row for finding in found})
            refused = list(found)
            for planned in commands:
                refused += await self._record_all([planned])
                if refused:
                    break
            if not await self._note(errors, refused):
                return False
        return True

    async def _record_all(self, planned: Sequence[Planned]) -> list[Finding]:
        """Have these done where the caller may; the refusals as findings."""
        found: list[Finding] = []
        for start in range(0, len(planned), COMMANDS_A_CALL):
            some = planned[start : start + COMMANDS_A_CALL]
            allowed = await self._access.refusals(self._caller, [one.command for one in some])
            asks = [
                Ask(one.command, Context(command_id=one.command_id, actor=self._caller.subject))
                for one, refusal in zip(some, allowed, strict=True)
                if refusal is None
            ]
            do = self._registry.preview if self._ask.dry_run else self._registry.do_many
            done = iter(await do(asks))
            for one, refusal in zip(some, allowed, strict=True):
                found += self._count(one, refusal or next(done))
            # Between two appends others have their turn.
            await asyncio.sleep(0)
        return found

    def _count(self, planned: Planned, answer: Outcome | Refusal) -> Iterable[Finding]:
        rows = len(planned.rows)
        if isinstance(answer, Refusal):
            if answer.code == ID_REUSED.code:
                # The same row with another day of import in place of a date of its own.
                self._counts["unchanged"] += rows
                return ()
            self._counts["refused"] += rows
            return refusals(answer, planned.rows or (0,))
        mine = not answer.repeated or (self._in_doubt and answer.position > self._begun_at)
        self._counts["accepted" if mine else "unchanged"] += rows
        self._position = max(self._position, answer.position)
        return ()

    async def _note(self, errors: ErrorFile, found: Sequence[Finding], **where: object) -> bool:
        length = await asyncio.to_thread(errors.add, found)
        return await self._jobs.advance(
            self._record.id, errors_bytes=length, position=self._position, **self._counts, **where
        )
