"""`meterloop ledger map`: lets what follows a log, by places in it, follow the copy that it was moved to."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

import msgspec
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.text import Text

from cli.connection import REFUSED, CannotGoOn, console, explained, note
from cli.copying import both, obstacles
from cli.platform import alone, interruptible
from cli.settings import cli_settings
from cli.upkeep import COLUMNS_OF, VIEWS_OF
from kernel.database import Database
from kernel.database_copy import sqlite_file
from kernel.moved_log import Followed, Move, follow, places
from kernel.settings import Settings
from ledger.comparing import Told
from ledger.mapping import Signed, map_positions
from ledger.port import Ledger
from ledger.transparency.layout import MARK_ENTRIES, STORE
from ledger.transparency.moving import MovingLog, moving


class Done(msgspec.Struct, frozen=True):
    """What now follows the copy: of each service its policies and views, and of the proof log the size."""

    services: dict[str, Followed]
    signed: int | None


def map_checkpoints(source: str, target: str) -> None:
    """What `meterloop ledger map` does."""
    settings = cli_settings()
    with explained(), interruptible(), _stopped(settings), _shown() as told, obstacles():
        done = asyncio.run(_mapped(settings, source, target, told))
    _tell(done)


async def _mapped(settings: Settings, source: str, target: str, told: Told) -> Done:
    databases = {
        service: Database(where, service) for service in VIEWS_OF if _is_there(where := settings.database(service))
    }
    if not databases and not (settings.proof / STORE).exists():
        raise CannotGoOn(
            f"数据目录 {settings.data_dir} 中没有跟随台账的内容。请用 METERLOOP_DATA_DIR 等设置指明平台的数据。",
            f"nothing in the data folder {settings.data_dir} follows a log; name the platform's by METERLOOP_DATA_DIR"
            " and its other settings",
            REFUSED,
        )
    try:
        async with both(source, target) as (log, other):
            with moving(settings.proof) as proof:
                return await _followed(databases, log, other, proof, told)
    finally:
        for database in databases.values():
            await database.close()


async def _followed(
    databases: Mapping[str, Database], log: Ledger, other: Ledger, proof: MovingLog | None, told: Told
) -> Done:
    """At any point of it the databases and the proof log each follow the one log or the other, whole: broken off, what
    has not followed yet refuses the new log, and the same again lets it.
    """
    move = Move(log.ledger_id, other.ledger_id, await log.head())
    wanted: set[int] = set()
    for service, database in databases.items():
        wanted |= await places(database, COLUMNS_OF.get(service, {}), move)
    signed = None
    if proof is not None and proof.cursor.ledger_id != other.ledger_id:
        proof.require(log.ledger_id)
        signed = Signed(proof.cursor.size, proof.cursor.position, proof.cursor.root)
        wanted.add(signed.position)
    if not wanted and signed is None:
        return Done(dict.fromkeys(databases, Followed()), None)
    mapped = await map_positions(log, other, wanted, signed, MARK_ENTRIES, told)
    followed = {}
    for service, database in databases.items():
        followed[service] = await follow(
            database, VIEWS_OF[service], COLUMNS_OF.get(service, {}), move, mapped.position_of, same=mapped.same
        )
    if proof is not None and signed is not None:
        proof.move(other.ledger_id, mapped.position_of(signed.position), mapped.marks)
    return Done(followed, signed.size if signed else None)


def _is_there(url: str) -> bool:
    """Opening an SQLite file would make an empty one."""
    file = sqlite_file(url)
    return file is None or file.exists()


@contextmanager
def _stopped(settings: Settings) -> Iterator[None]:
    """Nobody starts a platform on this data folder meanwhile. Raises NotReady where one runs."""
    with ExitStack() as held:
        if (settings.data_dir / "run").is_dir():
            held.enter_context(alone(settings.data_dir))
        yield


@contextmanager
def _shown() -> Iterator[Told]:
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task("核对 comparing", total=None)

        def told(here: int, whole: int) -> None:
            bars.update(task, completed=here, total=whole)

        yield told


def _tell(done: Done) -> None:
    said = False
    for service, followed in done.services.items():
        if followed == Followed():
            continue
        said = True
        console.print(Text.assemble(("✓ ", "green"), f"{service}：已随台账搬迁 follows the new log"), soft_wrap=True)
        _list("策略 policies", followed.policies)
        _list("视图 views", followed.views)
        _list("下次启动时重建的视图 views that the next start builds anew", followed.rebuilt)
    if done.signed is not None:
        said = True
        console.print(
            Text.assemble(("✓ ", "green"), f"存证日志的 {done.signed:,} 项不变，从新台账继续"
                          " the proof log goes on in the new log, its entries as they were"),
            soft_wrap=True,
        )  # fmt: skip
    if not said:
        console.print("已全部随台账搬迁，没有更改 everything follows the new log already, nothing was changed")
    note("请以 LEDGER_URL 指向新台账启动平台。", "start the platform with LEDGER_URL naming the new log")


def _list(what: str, names: tuple[str, ...]) -> None:
    if names:
        console.print(f"  {what}: {', '.join(names)}", soft_wrap=True, markup=False)
