"""Runs imports, one at a time: reads in a child process, records in short transactions, notes how far it is.

A batch of rows is recorded first and noted after; while one is being written the next is decided: see order.py. A kill
between the two is made good by the commands' ids: what was not noted is asked again and repeats nothing, and what of it
had been recorded since the last note counts as accepted all the same.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec
import structlog

from kernel.clock import Clock, system_clock_us
from kernel.database import DatabaseUnavailable
from kernel.handling import ID_REUSED, Ask, Context, Outcome
from kernel.quantity import business_day_of_us
from kernel.refusal import Refusal, Stale, unreadable
from kernel.spreadsheet.error_file import ErrorFile
from kernel.spreadsheet.findings import Finding
from ledger.port import Sealed, Unavailable
from services.registry.access import Access
from services.registry.app import Registry
from services.registry.asset_number import CheckDigit, strictest
from services.registry.imports.asked import NUMBERS_JUDGED_AS_READ, ROW_IS_COMMAND
from services.registry.imports.child import Request, cpu_s_max
from services.registry.imports.following import Following, Shipped
from services.registry.imports.jobs import Failure, Jobs, ask_of, caller_of
from services.registry.imports.locating import Sourced, located
from services.registry.imports.mapping import load, parse
from services.registry.imports.order import Turn
from services.registry.imports.planning import Planned, planned_in
from services.registry.imports.process import reading
from services.registry.imports.reading import Options
from services.registry.imports.rows import Batch, Heading, Row
from services.registry.imports.shipping import PlannedShipment, Shipments
from services.registry.records import ImportRecord

IDLE_S: Final = 0.5
SWEEP_S: Final = 3_600.0
AWAY_S: Final = (0.5, 30.0)
"""The first pause while a store is away, and the longest; each is twice the one before."""

UNDER_WAY_MAX: Final = 3
"""Batches of one import: see order.py."""

LET_PASS_S: Final = 0.002
LET_PASS_LOOKS: Final = 25
"""How often a batch looks whether requests are still being answered, and how long apart, before it goes on."""

TRIES_MAX: Final = 3
"""How often an import is taken up that was cut off for a reason that may pass, such as its reader being killed."""

STALE_RETRIES_MAX: Final = 5
STALE_S: Final = 0.2

COUNTED: Final = ("accepted", "unchanged", "refused", "warned", "skipped")

BROKEN = unreadable(
    "import.broken",
    "导入因内部错误中止（{error}）。已入账的行保持有效；请联系维护人员。",
    "the import was ended by an error of the platform ({error}); what it recorded stands; tell those who run it",
)

_AWAY: Final = (Unavailable, Sealed, DatabaseUnavailable, TimeoutError, OSError)

_LOG: Final = structlog.get_logger("import")


class Runner:
    """Runs the imports of one registry."""

    def __init__(
        self,
        jobs: Jobs,
        registry: Registry,
        access: Access,
        *,
        busy: Callable[[], bool] = lambda: False,
        clock: Clock = system_clock_us,
    ) -> None:
        """`busy` says whether somebody waits for an answer of this process."""
        self._jobs: Final = jobs
        self._busy: Final = busy
        self._registry: Final = registry
        self._access: Final = access
        self._clock: Final = clock
        self._tries: Final = Counter[str]()

    async def run(self) -> None:
        """Run imports until cancelled. A store that is away is waited for; the import goes on where it was."""
        swept_us = -SWEEP_S * 1e6
        pause_s, longest_s = AWAY_S
        while True:
            try:
                if self._clock() - swept_us > SWEEP_S * 1e6:
                    await self._jobs.sweep()
                    swept_us = self._clock()
                if (record := await self._jobs.next()) is None:
                    await self._jobs.wait(IDLE_S)
                else:
                    await self._run(record)
                pause_s = AWAY_S[0]
            except _AWAY as error:
                _LOG.warning("import_waits", error=f"{type(error).__name__}: {error}", pause_s=pause_s)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, longest_s)

    async def _run(self, record: ImportRecord) -> None:
        """Run one import to its end. Raises what says that a store is away."""
        try:
            with self._registry.views_give_way():
                await _Run(self._jobs, self._registry, self._access, record, self._busy).go()
        except _AWAY:
            raise
        except Refusal as refusal:
            self._tries[record.id] += 1
            if isinstance(refusal, Stale) and self._tries[record.id] < TRIES_MAX:
                _LOG.warning("import_tried_again", import_id=record.id, code=refusal.code)
                await asyncio.sleep(AWAY_S[0])
                return
            notes = getattr(refusal, "__notes__", ())
            _LOG.warning("import_failed", import_id=record.id, code=refusal.code, notes=notes)
            await self._jobs.finish(record.id, "failed", Failure(refusal.code, refusal.zh, refusal.en))
        except Exception as error:  # noqa: BLE001  whatever it is, its owner hears of it and other imports go on
            # Trying again would end the same way, and keep all other imports waiting.
            _LOG.exception("import_broken", import_id=record.id)
            broken = BROKEN(error=type(error).__name__)
            await self._jobs.finish(record.id, "failed", Failure(broken.code, broken.zh, broken.en))


class _Recorded(msgspec.Struct):
    """A batch, and what is to be noted of it."""

    batch: Batch
    found: list[Finding]
    counts: Counter[str]
    position: int = 0


class _Run:
    """One import, from where it was."""

    def __init__(
        self, jobs: Jobs, registry: Registry, access: Access, record: ImportRecord, busy: Callable[[], bool]
    ) -> None:
        self._jobs: Final = jobs
        self._busy: Final = busy
        self._access: Final = access
        self._registry: Final = registry
        self._record: Final = record
        self._ask: Final = ask_of(record)
        self._caller: Final = caller_of(record)
        self._today: Final = business_day_of_us(record.created_at_us)
        self._alone: Final = self._ask.kind in ROW_IS_COMMAND
        self._shipments: Final = Shipments(self._ask, jobs.scratch_path(record.id))
        self._following: Final = Following(registry, self._shipments)
        self._counts = Counter({name: getattr(record, name) for name in COUNTED})
        self._position = record.position
        # Where in the log this import, before it was cut off, may have recorded what it had not noted; and which of the
        # commands of single rows that are found there have been counted since. Those are no more than were under way.
        self._doubtful = range(0)
        self._claimed: Final = set[UUID]()
        # Whether the last batch told nothing new, as all of a file do that is imported again.
        self._repeats = False
        # What the registry does about numbers: nothing where they are judged, or only told, as they are read.
        self._check_digit: CheckDigit = "ignore"

    async def go(self) -> None:
        """Read to the end, and say so. Raises what refuses the file as a whole."""
        record = self._record
        if record.state == "waiting":
            record.begun_at = await self._registry.head()
            if not await self._jobs.begin(record.id, record.begun_at):
                return
        else:
            noted = max(record.position, record.begun_at or 0) if self._alone else record.begun_at or 0
            self._doubtful = range(noted + 1, await self._registry.head() + 1)
        if not self._alone:
            # A shipment is known by its last row, so the reading begins anew; what was recorded is found again.
            self._counts = Counter(dict.fromkeys(COUNTED, 0))
            record.after, record.errors_bytes = None, 0
        errors = ErrorFile(self._jobs.errors_path(record.id), keep_bytes=record.errors_bytes)
        try:
            if not await self._read(errors) or not await self._ship(errors):
                return
        finally:
            errors.close()
            await self._shipments.close()
        await self._jobs.finish(record.id, "done")

    async def _read(self, errors: ErrorFile) -> bool:
        """Deal with the file batch by batch. False where the import has been cancelled."""
        own = self._ask.mapping
        mapping = await (asyncio.to_thread(load) if own is None else asyncio.to_thread(parse, own.encode()))
        said = mapping.check_digit_of(self._ask.kind)
        check_digit = strictest(self._registry.check_digit, self._ask.check_digit, said)
        if check_digit == "refuse" and self._ask.kind not in NUMBERS_JUDGED_AS_READ:
            self._check_digit = "refuse"
        request = Request(
            path=str(self._jobs.file_path(self._record.id)),
            ask=msgspec.structs.replace(self._ask, mapping=None),
            mapping=mapping,
            options=Options(today=self._today, check_digit=check_digit, after=self._record.after),
            cpu_s_max=cpu_s_max(self._ask.bytes),
        )
        heading = Heading(None, 0, ())
        under_way = deque[asyncio.Task[_Recorded]]()
        turn: Turn | None = None
        goes_on = True
        try:
            async with reading(request) as parts:
                async for part in parts:
                    if isinstance(part, Heading):
                        heading = part
                        if heading.dropped:
                            await self._jobs.unused(self._record, heading)
                        continue
                    begun = await self._gathered(part, heading)
                    turn = Turn(turn)
                    under_way.append(asyncio.create_task(self._recorded(begun, heading, turn)))
                    if len(under_way) == UNDER_WAY_MAX and not await self._settle(errors, under_way):
                        goes_on = False
                        break
        finally:
            # At this point a batch may be in the log that is not noted, however the reading ended.
            while under_way:
                goes_on = await self._settle(errors, under_way) and goes_on
        return goes_on

    async def _settle(self, errors: ErrorFile, under_way: deque[asyncio.Task[_Recorded]]) -> bool:
        """Note the first of the batches under way. False where the import has been cancelled."""
        try:
            return await self._noted(errors, await under_way.popleft())
        except BaseException:
            # To note a later one would be to pass over this one.
            later = list(under_way)
            under_way.clear()
            await asyncio.gather(*later, return_exceptions=True)
            raise

    async def _gathered(self, batch: Batch, heading: Heading) -> _Recorded:
        """What is to be noted of a batch before its commands; rows of shipments are gathered."""
        found = [*batch.errors, *batch.warnings]
        counts = Counter(refused=batch.refused, warned=len(batch.warnings), skipped=batch.skipped)
        await self._shipments.lack(batch.lacking)
        if batch.rows:
            sources = [Sourced(row, heading) for row in batch.rows]
            for source, answer in zip(sources, await self._shipments.add(sources), strict=True):
                if isinstance(answer, Refusal):
                    counts["refused"] += 1
                    found += located(answer, [source])
                elif not answer:
                    counts["unchanged"] += 1
        return _Recorded(batch, found, counts)

    async def _recorded(self, begun: _Recorded, heading: Heading, turn: Turn) -> _Recorded:
        """Have the commands of a batch decided and recorded, in its turn."""
        recorded = False
        try:
            planned = planned_in(begun.batch, self._ask.kind)
            await turn.to_decide()
            answers = await self._asked(await self._asks(planned), turn)
            recorded = True
            self._count(begun, heading, planned, answers)
            if begun.counts["accepted"] and not self._ask.dry_run:
                await self._let_pass()
        finally:
            turn.over(recorded=recorded)
        return begun

    def _count(
        self, begun: _Recorded, heading: Heading, planned: Sequence[Planned[Any]], answers: Sequence[Outcome | Refusal]
    ) -> None:
        """Add what came of a batch's commands."""
        counts = begun.counts
        for one, answer in zip(planned, answers, strict=True):
            if isinstance(answer, Outcome):
                begun.position = max(begun.position, answer.position)
                counts["accepted" if self._is_new(one.command_id, answer) else "unchanged"] += 1
            elif answer.code == ID_REUSED.code:
                # The same row with another day of import in place of a date of its own.
                counts["unchanged"] += 1
            else:
                counts["refused"] += 1
                row = Row(one.row, msgspec.to_builtins(one.command))
                begun.found += located(answer, [Sourced(row, heading)])
        self._repeats = counts["unchanged"] > 0 == counts["accepted"]

    async def _noted(self, errors: ErrorFile, recorded: _Recorded) -> bool:
        """Note a batch. False where the import has been cancelled."""
        self._counts.update(recorded.counts)
        self._position = max(self._position, recorded.position)
        batch = recorded.batch
        return await self._note(errors, recorded.found, after=batch.after, done=batch.done, total=batch.total)

    async def _ship(self, errors: ErrorFile) -> bool:
        """Record the shipments gathered. False where the import has been cancelled."""
        shipped: list[Shipped] = []
        async for planned in self._shipments.planned():
            refusal, is_new, position = planned.refusal, False, 0
            if refusal is None:
                dealt_with = self._shipped if planned.lacking is None else self._shipped_before
                refusal, is_new, position = await dealt_with(planned)
            found = [] if refusal is None else located(refusal, planned.sources, about="shipment")
            outcome = "refused" if found else "accepted" if is_new else "unchanged"
            self._counts[outcome] += len(planned.sources)
            if not await self._note(errors, found):
                return False
            if not found and not self._ask.dry_run:
                shipped.append(Shipped(planned.shipment, position, outcome))
        return await self._followed(errors, shipped)

    async def _followed(self, errors: ErrorFile, shipped: Sequence[Shipped]) -> bool:
        """Hand back the rows whose devices did not follow their shipment. False where the import was cancelled."""
        if not shipped:
            return True
        await self._following.wait(max(one.position for one in shipped))
        for one in shipped:
            came = await self._following.look(one)
            self._counts.update({"refused": came.refused, "warned": came.warned, one.counted: -came.refused})
            if came.found and not await self._note(errors, came.found):
                return False
        return True

    async def _shipped(self, planned: PlannedShipment) -> tuple[Refusal | None, bool, int]:
        """Have the commands of a shipment done. Why not, if so, whether any was new, and where the last one is."""
        asks = await self._asks(planned.commands)
        is_new, position = False, 0
        # Each only when the one before it is done; where none is recorded the next must see it all the same.
        for some in [asks] if self._ask.dry_run else [[ask] for ask in asks]:
            for answer in await self._asked(some):
                if isinstance(answer, Refusal):
                    return answer, is_new, position
                is_new = not answer.repeated or answer.position in self._doubtful or is_new
                position = answer.position
                self._position = max(self._position, position)
        return None, is_new, position

    async def _shipped_before(self, planned: PlannedShipment) -> tuple[Refusal | None, bool, int]:
        """The same of a shipment that has refused rows: it stands as an earlier import recorded it, or not at all."""
        answers = await self._registry.preview(await self._asks(planned.commands))
        positions = [one.position for one in answers if isinstance(one, Outcome) and one.repeated]
        if len(positions) < len(answers):
            return planned.lacking, False, 0
        return None, False, positions[-1]

    async def _let_pass(self) -> None:
        """Requests go first, for a while: an import under a steady stream of them goes on all the same."""
        for _ in range(LET_PASS_LOOKS):
            if not self._busy():
                return
            await asyncio.sleep(LET_PASS_S)

    async def _asks(self, planned: Sequence[Planned[Any]]) -> list[Ask]:
        """These commands as the caller gives them."""
        actor, permit = self._caller.subject, await self._access.permit(self._caller, [one.command for one in planned])
        return [Ask(one.command, Context(command_id=one.command_id, actor=actor), permit) for one in planned]

    async def _asked(self, asks: Sequence[Ask], turn: Turn | None = None) -> list[Outcome | Refusal]:
        """Have these done, and those again that came too close to somebody else."""
        answers = await self._do(asks, turn)
        for _ in range(STALE_RETRIES_MAX):
            again = [i for i, answer in enumerate(answers) if isinstance(answer, Stale)]
            if not again:
                break
            await asyncio.sleep(STALE_S)
            for i, answer in zip(again, await self._do([asks[i] for i in again], turn), strict=True):
                answers[i] = answer
        return answers

    async def _do(self, asks: Sequence[Ask], turn: Turn | None) -> list[Outcome | Refusal]:
        if self._ask.dry_run:
            return await self._registry.preview(asks, check_digit=self._check_digit)
        in_turn = None if turn is None else turn.to_record
        return await self._registry.do_many(asks, turn=in_turn, known=self._repeats, check_digit=self._check_digit)

    def _is_new(self, command_id: UUID, outcome: Outcome) -> bool:
        """Whether it was this import that recorded this, now or before it was cut off, and not an earlier row of it."""
        if not outcome.repeated:
            return True
        if outcome.position not in self._doubtful or command_id in self._claimed:
            return False
        self._claimed.add(command_id)
        return True

    async def _note(self, errors: ErrorFile, found: Sequence[Finding], **where: object) -> bool:
        if found:
            self._record.errors_bytes = await asyncio.to_thread(errors.add, found)
        return await self._jobs.advance(
            self._record.id, errors_bytes=self._record.errors_bytes, position=self._position, **self._counts, **where
        )
