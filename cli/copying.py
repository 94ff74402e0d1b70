"""`meterloop ledger copy`: moves a log from one store to another, with every byte and in its order."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final, TypeVar

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.text import Text

from cli.connection import AWAY, REFUSED, USAGE, CannotGoOn, console, explained, note, warn
from cli.platform import interruptible
from kernel.redaction import redacted
from ledger.copying import Checked, Copied, NotCopied, Told, check_copy, copy_log
from ledger.open import embedded_file, open_ledger
from ledger.port import Ledger, LedgerError, Unavailable

T = TypeVar("T")

IN_MEMORY: Final = "memory:"
NAMES_MAX: Final = 20
_STEPS: Final = {"verify": "核对 verifying", "copy": "复制 copying", "check": "复核 checking"}


def copy_or_check(source: str, target: str, *, check: bool) -> None:
    """What `meterloop ledger copy` does."""
    with explained(), interruptible(), stepping() as told:
        if check:
            _require_file(target)
            _tell_checked(asyncio.run(_with_both(source, target, lambda a, b: check_copy(a, b, told=told))))
        else:
            _tell_copied(
                source, target, asyncio.run(_with_both(source, target, lambda a, b: copy_log(a, b, told=told)))
            )


@contextmanager
def stepping() -> Iterator[Told]:
    """Bars on the terminal, a step each, while the block lasts."""
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        tasks = {step: bars.add_task(said, total=None, visible=False) for step, said in _STEPS.items()}

        def told(step: str, here: int, whole: int) -> None:
            bars.update(tasks[step], completed=here, total=whole, visible=True)

        yield told


@asynccontextmanager
async def both(source: str, target: str) -> AsyncIterator[tuple[Ledger, Ledger]]:
    """The logs of these URLs. Raises CannotGoOn where there is no source, or one would be gone with this process."""
    if IN_MEMORY in (source, target):
        raise CannotGoOn(
            "memory: 的台账随进程消失，不能搬。", "a log in memory: ends with its process and cannot be moved", USAGE
        )
    _require_file(source)
    log = await open_ledger(source)
    try:
        other = await open_ledger(target)
        try:
            yield log, other
        finally:
            await other.close()
    finally:
        await log.close()


def _require_file(url: str) -> None:
    """Opening the log would make an empty one."""
    if (file := embedded_file(url)) is not None and not file.exists():
        raise CannotGoOn(f"没有台账 {file}。", f"there is no log {file}", USAGE)


@contextmanager
def obstacles() -> Iterator[None]:
    """What stands in the way of the block, as CannotGoOn."""
    try:
        yield
    except NotCopied as obstacle:
        raise CannotGoOn(f"{obstacle.zh} [{obstacle.code}]", f"{obstacle.en} [{obstacle.code}]", REFUSED) from obstacle
    except Unavailable as away:
        raise CannotGoOn(
            f"台账此刻不可用（{away}）。已完成的有效，再次执行同一命令即继续。",
            f"a log cannot be reached or written now ({away}); what was done is good, and the same command again goes"
            " on",
            AWAY,
        ) from away
    except LedgerError as error:
        raise CannotGoOn(f"台账不接受：{error}。", f"a log does not take it: {error}", REFUSED) from error


async def _with_both(source: str, target: str, ask: Callable[[Ledger, Ledger], Awaitable[T]]) -> T:
    with obstacles():
        async with both(source, target) as (log, other):
            return await ask(log, other)


def _tell_copied(source: str, target: str, done: Copied) -> None:
    console.print(
        Text.assemble(("✓ ", "green"), f"已复制并复核 copied and checked: {redacted(source)} → {redacted(target)}"),
        soft_wrap=True,
    )
    there = f"（其中 {done.there:,} 个上次已复制 of them copied before）" if done.there else ""
    console.print(
        f"  {done.events:,} 个事件 events{there}，{done.beside:,} 个旁流 streams beside，"
        f"目标末位 the target ends at {done.position:,}",
        soft_wrap=True,
    )
    console.print(f"  存证日志的树根 root of the proof log's tree: {_root(done.root)}", soft_wrap=True, markup=False)
    if done.left_out:
        note(
            f"源是 KurrentDB，它自己的 {len(done.left_out):,} 个旁流没有复制：{_names(done.left_out)}",
            f"{len(done.left_out):,} streams beside were left out, which are the KurrentDB's own:"
            f" {_names(done.left_out)}",
        )
    note(
        "源台账已封存，不再接受任何写入；请保留它，直到新台账有了备份。",
        "the source is sealed and takes nothing more; keep it until the new log has a backup",
    )
    note(
        "停止平台，运行 `meterloop ledger map FROM TO`（同样的两个地址），再以 LEDGER_URL 指向新台账启动。",
        "with the platform stopped, `meterloop ledger map FROM TO` of the same two, then start it with LEDGER_URL"
        " naming the new log",
    )


def _tell_checked(checked: Checked) -> None:
    reached = checked.reached
    if checked.lacks:
        warn(
            f"台账旁有 {len(checked.lacks):,} 个流尚未复制完：{_names(checked.lacks)}。"
            "再次执行不带 --check 的同一命令即继续。",
            f"{len(checked.lacks):,} streams beside are not there whole: {_names(checked.lacks)}; the same command"
            " without --check goes on",
        )
    if reached.left[0]:
        warn(
            f"目标是源台账的开头：前 {reached.size:,} 个事件相同，其余尚未复制。",
            f"the target is a beginning of the source: the first {reached.size:,} events are the same, the rest is not"
            " there yet",
        )
    if not checked.whole:
        raise typer.Exit(REFUSED)
    console.print(
        Text.assemble(("✓ ", "green"), f"两份台账相同 both logs are the same: {reached.size:,} 个事件 events")
    )
    console.print(f"  存证日志的树根 root of the proof log's tree: {_root(reached.root)}", soft_wrap=True, markup=False)


def _names(streams: tuple[str, ...]) -> str:
    return ", ".join(streams[:NAMES_MAX]) + (" …" if len(streams) > NAMES_MAX else "")


def _root(root: bytes) -> str:
    """As in a checkpoint."""
    return base64.b64encode(root).decode()
