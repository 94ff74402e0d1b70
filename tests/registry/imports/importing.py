"""A registry with its imports, over a real SQLite ledger, its views, and its policies, without doors."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path

from kernel.authority import Policies
from kernel.clock import Clock, system_clock_us
from kernel.codec import Reader
from kernel.database import Database
from kernel.handling import Context
from kernel.policy_runner import Policies as PolicyRunner
from kernel.principal import Principal, Role
from kernel.projection import Projector
from ledger.open import open_ledger
from ledger.port import Ledger, Recorded
from services.registry.access import Access
from services.registry.app import CODEC, STREAMS, Registry
from services.registry.asset_number import CHECK_DIGIT, CheckDigit, compose
from services.registry.foreign import READERS
from services.registry.imports.asked import NewImport
from services.registry.imports.jobs import Import, Jobs
from services.registry.imports.running import Runner
from services.registry.imports.spool import DEFAULT, SpoolLimits
from services.registry.policies import POLICIES
from services.registry.records import Records
from services.registry.views import VIEWS
from services.registry.views.balance import balances
from tests.given import fresh_id

ROOT = Path(__file__).parents[3]
UNIT = "99401"
OVER = ("done", "failed", "cancelled")
KEEPER = Principal(
    subject="u-1",
    roles=frozenset({Role.OPERATOR, Role.STOREKEEPER, Role.ADMIN}),
    units=frozenset(f"994{number:02d}" for number in range(40)),
)
OPERATOR = Principal(subject="u-2", roles=frozenset({Role.OPERATOR}), units=frozenset({UNIT}))


def number(serial: int, unit: str = UNIT) -> str:
    return compose(unit, "01", f"{serial:014d}")


def devices_csv(numbers: list[str], unit: str = UNIT) -> bytes:
    rows = [f"{one},单相智能电能表,{unit},2026-01-05" for one in numbers]
    return ("资产编号,设备类别,管理单位,登记日期\n" + "\n".join(rows) + "\n").encode()


def as_csv(header: str, *rows: str) -> bytes:
    return ("\n".join([header, *rows]) + "\n").encode()


class Importing:
    """The imports of a registry, and what is behind them."""

    def __init__(self, ledger: Ledger, registry: Registry, policies: PolicyRunner, jobs: Jobs, runner: Runner) -> None:
        self.ledger, self.registry, self.policies, self.jobs, self.runner = ledger, registry, policies, jobs, runner

    async def announced(self, kind: str, content: bytes, caller: Principal = KEEPER, **more) -> Import:
        ask = NewImport(kind=kind, name="合成.csv", bytes=len(content), **more)
        return await self.jobs.create(caller, ask, fresh_id().hex)

    async def uploaded(self, kind: str, content: bytes, caller: Principal = KEEPER, **more) -> Import:
        stands = await self.announced(kind, content, caller, **more)
        while stands.state == "uploading":
            piece = content[stands.bytes_received : stands.bytes_received + (2 << 20)]
            stands = await self.jobs.append(caller, stands.import_id, stands.bytes_received, piece)
        return stands

    async def over(self, import_id: str, caller: Principal = KEEPER) -> Import:
        async with asyncio.timeout(120):
            while (stands := await self.jobs.get(caller, import_id)).state not in OVER:  # noqa: ASYNC110  nobody says so
                await asyncio.sleep(0.02)
        return stands

    async def imported(self, kind: str, content: bytes, caller: Principal = KEEPER, **more) -> Import:
        return await self.over((await self.uploaded(kind, content, caller, **more)).import_id, caller)

    async def errors(self, import_id: str, caller: Principal = KEEPER) -> list[str]:
        """The lines of the error file below its header."""
        text = (await self.jobs.errors(caller, import_id, 0)).decode("utf-8-sig")
        return text.splitlines()[1:]

    async def events(self) -> list[Recorded]:
        """All that was recorded."""
        pages = [page := await self.ledger.read_all(0)]
        while not page.at_head:
            pages.append(page := await self.ledger.read_all(page.scanned_to))
        return [event for page in pages for event in page.events]

    async def done(self, *commands) -> None:
        for command in commands:
            await self.registry.do(command, Context(command_id=fresh_id(), actor="u-1"))

    async def settled(self) -> None:
        """Until policies and views have nothing left to do."""
        async with asyncio.timeout(60):
            while min(one.position for one in self.policies.standing()) < await self.ledger.head():  # noqa: ASYNC110  as above
                await asyncio.sleep(0.02)
        await self.registry.ask(lambda _connection: None, seen=await self.ledger.head())

    async def closing(self) -> dict[str, dict[str, int]]:
        """What each site holds by class, what is empty left out."""
        first, last = date(2025, 1, 1), date(2026, 12, 31)
        held: dict[str, dict[str, int]] = {}
        for line in await self.registry.ask(lambda connection: balances(connection, first, last)):
            held.setdefault(line.site, {})[line.device_class] = line.closing
        return {
            site: kept
            for site, classes in held.items()
            if (kept := {one: count for one, count in classes.items() if count})
        }


@asynccontextmanager
async def importing(
    folder: Path,
    *,
    running: bool = True,
    clock: Clock = system_clock_us,
    busy: Callable[[], bool] = lambda: False,
    limits: SpoolLimits = DEFAULT,
    check_digit: CheckDigit = CHECK_DIGIT,
    ledger_url: str = "",
) -> AsyncIterator[Importing]:
    """The registry until the block ends; its runner only where asked. The folder may hold what another left, and its
    log may be elsewhere.
    """
    ledger = await open_ledger(ledger_url or f"sqlite:///{folder / 'ledger.sqlite'}")
    database = Database(f"sqlite:///{folder / 'registry.sqlite'}")
    reader = Reader(CODEC, READERS)
    projector = Projector(database, ledger, reader, VIEWS, streams=STREAMS)
    await projector.open()
    await database.create(Records.metadata)
    registry = Registry(ledger, projector, check_digit=check_digit)
    policies = PolicyRunner(
        database, ledger, reader, registry.follow, policies=POLICIES, on_refused=registry.refused, streams=STREAMS
    )
    await policies.open()
    access = Access(Policies.load(ROOT / "services" / "registry"), registry)
    jobs = Jobs(database, folder / "spool", limits=limits, clock=clock)
    runner = Runner(jobs, registry, access, busy=busy, clock=clock)
    tasks = [asyncio.create_task(follower()) for follower in (projector.run, policies.run)]
    if running:
        tasks.append(asyncio.create_task(runner.run()))
    while not (await projector.progress()).ready:  # noqa: ASYNC110  the views tell nobody when they are complete
        await asyncio.sleep(0.01)
    try:
        yield Importing(ledger, registry, policies, jobs, runner)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await database.close()
        await ledger.close()
