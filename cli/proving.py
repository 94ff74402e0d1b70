"""`meterloop ledger`: what serves the log to others, keeps its proof, checks that from within, and moves the log."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.table import Table
from rich.text import Text

from cli.connection import REFUSED, CannotGoOn, console, explained, note
from cli.ledger_users import user_app
from cli.settings import cli_settings
from kernel.clock import system_clock_us
from kernel.disclosure import load
from kernel.keys import OWNER_ONLY, write_file
from kernel.principal import Role
from kernel.settings import read_settings
from ledger.open import open_ledger
from ledger.transparency.discloser import Labels
from ledger.transparency.faults import LogFault
from ledger.transparency.findings import FINDINGS_MAX, Finding, Report
from ledger.transparency.fsck import Told, check_log, mend_log
from ledger.transparency.keys import LogKeys, new_key
from ledger.transparency.layout import STORE
from ledger.transparency.store import SequencerStore

DAY_US: Final = 24 * 3_600 * 1_000_000

Source = Annotated[
    str, typer.Argument(metavar="FROM", help="源台账地址，写法同 LEDGER_URL the log that is moved, as in LEDGER_URL")
]
Target = Annotated[
    str,
    typer.Argument(metavar="TO", help="目标台账地址：空的，或未完成的副本 where to: empty, or a copy that was begun"),
]

ledger_app = typer.Typer(
    name="ledger",
    help="台账与存证日志：提供、定序、披露、核验、换钥、搬迁 / the log and its proof: serve, sequence, check, move",
    no_args_is_help=True,
    add_completion=False,
)
ledger_app.add_typer(user_app)
output: Final = Console()


@ledger_app.command("sequence")
def sequence() -> None:
    """把台账写成存证日志，直到停止；`meterloop up` 已包含 Write the ledger's proof log until stopped; `meterloop up`
    does it already.
    """
    from cli.sequencing import main  # noqa: PLC0415  a whole service, which the other commands do without

    raise typer.Exit(main())


@ledger_app.command("disclose")
def disclose() -> None:
    """按透明度清单披露已公布的事件，直到停止；`meterloop up` 已包含 Disclose what is published, as the disclosure file
    says, until stopped; `meterloop up` does it already.
    """
    from cli.disclosing import main  # noqa: PLC0415  as above

    raise typer.Exit(main())


@ledger_app.command("serve")
def serve(
    *,
    listen: Annotated[
        str | None, typer.Option(help="监听地址，默认 127.0.0.1:2113，端口 0 为任取 address; port 0 takes a free one")
    ] = None,
    ledger: Annotated[
        str | None,
        typer.Option(help="台账，默认在数据目录 the log, sqlite:///path; by default the data folder's"),
    ] = None,
    name: Annotated[
        list[str] | None, typer.Option(help="证书另含的名称，可重复 a further name in the certificate; may be repeated")
    ] = None,
    insecure_as: Annotated[
        Role | None,
        typer.Option(help="不核验、不加密，人人都是此角色，仅限本机 everybody has this role; loopback only"),
    ] = None,
    scratch: Annotated[
        bool, typer.Option("--scratch", help="内存中的空台账，无访问规则，仅限本机 an empty log in memory, open to all")
    ] = False,
    position_stride: Annotated[
        int, typer.Option(min=1, max=1 << 20, help="--scratch 中位置的间隔 how far apart positions lie, of --scratch")
    ] = 1,
) -> None:
    """按 KurrentDB 的协议提供台账，Ctrl-C 停止 Serve the log by KurrentDB's protocol, to its official clients; Ctrl-C
    stops it. Standard output says what to connect to.
    """
    from cli.serving import SCRATCH_ALONE, Serving, serve_here, settings_of  # noqa: PLC0415  a whole service, as above

    if (scratch and (ledger or insecure_as)) or (position_stride > 1 and not scratch):
        raise SCRATCH_ALONE()
    settings = settings_of(
        os.environ, listen=listen, ledger_url=ledger, names=",".join(name or ()), insecure_as=insecure_as
    )
    raise typer.Exit(serve_here(settings, Serving(scratch=scratch, position_stride=position_stride)))


@ledger_app.callback()
def ledger_commands() -> None:
    """台账与存证日志：提供、定序、披露、核验、换钥、搬迁 The log and its proof: serve, sequence, disclose, check,
    change its key, move.
    """


@ledger_app.command("fsck")
def fsck(
    *,
    mend: Annotated[
        bool,
        typer.Option(
            "--mend",
            help="平台停止后，从台账重新生成损坏的文件 make damaged files again from the ledger, the platform stopped",
        ),
    ] = False,
) -> None:
    """对照台账核验存证日志：全部承诺、文件、检查点、披露 Check the proof log against the ledger: every commitment,
    file, checkpoint and disclosure. Changes nothing, and may run beside the platform. Exit status 1 where something is
    wrong, or is left wrong by `--mend`, which signs nothing, and does nothing where the ledger is not the one that was
    signed.
    """
    settings = cli_settings()
    folder = settings.proof
    with explained():
        if not (folder / STORE).parent.exists():
            raise _no_log(folder)
        labels = _labels() if mend else None
        columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn()
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
            task = bars.add_task("核验 checking", total=None)

            def told(here: int, whole: int) -> None:
                bars.update(task, completed=here, total=whole)

            before, report = asyncio.run(_gone_through(settings.ledger, folder, labels, told))
    if mended := [one for one in before.findings if one not in report.findings]:
        console.print(_table(mended, "已重新生成 made again", report.origin, remedies=False))
    if report.findings:
        output.print(_table(report.findings, "存证日志有误 the proof log is not sound", report.origin))
        raise typer.Exit(REFUSED)
    console.print(
        Text.assemble(("✓ ", "green"), f"存证日志与台账一致 the proof log is what the ledger says: {report.origin}"),
        soft_wrap=True,
    )
    console.print(
        f"  {report.size:,} 项 entries，{report.files:,} 个文件 files，{report.checkpoints:,} 个检查点 checkpoints，"
        f"{report.disclosed:,} 项已披露 disclosed",
        soft_wrap=True,
    )


@ledger_app.command("rotate-key")
def rotate_key(
    overlap_days: Annotated[
        int, typer.Option(min=0, max=3_650, help="新旧密钥共同签名的天数 days for which the old key signs along")
    ] = 30,
) -> None:
    """更换存证日志的签名密钥 Change the key that signs the proof log: the new one signs from now on, and the old one
    along with it for some days.
    """
    settings = cli_settings()
    folder = settings.proof
    with explained():
        if not (folder / STORE).exists():
            raise _no_log(folder)
        store = SequencerStore(folder / STORE)
        try:
            cursor = store.cursor()
            if cursor is None:
                raise _no_log(folder)
            keys = LogKeys(store, settings.keys_dir, cursor.origin)
            file = keys.next_file()
            if not file.exists():
                write_file(file, new_key(), OWNER_ONLY)
            # At this point the key is kept, and signs nothing. Broken off here, the same key is taken the next time.
            key = keys.rotate(system_clock_us(), overlap_days * DAY_US)
        finally:
            store.close()
    console.print(Text.assemble(("✓ ", "green"), f"新密钥 the new key: {file}"), soft_wrap=True)
    output.print(key.vkey, soft_wrap=True, markup=False)
    note(
        "请把这一行交给核验者与见证人；运行中的平台一分钟内开始用它签名。请备份密钥。",
        "hand this line to those who verify and to the witnesses; a running platform signs with it within a minute."
        " Back the key up",
    )


@ledger_app.command("copy")
def copy(
    source: Source,
    target: Target,
    *,
    check: Annotated[
        bool, typer.Option("--check", help="只比较，不复制，不封存 compare only: copies and seals nothing")
    ] = False,
) -> None:
    """把台账搬到另一处：逐字节复制全部事件，封存源台账，最后全部复核；中断后再次执行即继续 Move a log: copy every
    event, byte for byte and in order, seal the source, and check everything at the end. Broken off, the same command
    again goes on where it was.
    """
    from cli.copying import copy_or_check  # noqa: PLC0415  what the other commands do without

    copy_or_check(source, target, check=check)


@ledger_app.command("map")
def map_checkpoints(source: Source, target: Target) -> None:
    """复制之后，让视图、策略与存证日志在新台账的同一事件之后继续，不重做也不跳过；平台须已停止 After a copy, let views,
    policies and the proof log go on in the new log after the same event: nothing is done again or passed over. The
    platform must not run. Done again it changes nothing.
    """
    from cli.mapping import map_checkpoints  # noqa: PLC0415  the views of every service, as above

    map_checkpoints(source, target)


async def _gone_through(url: str, folder: Path, labels: Labels | None, told: Told) -> tuple[Report, Report]:
    """What was found, and what of it is left."""
    ledger = await open_ledger(url)
    try:
        if labels is not None:
            return await mend_log(ledger, folder, labels, told)
        report = await check_log(ledger, folder, told)
    except LogFault as fault:
        raise CannotGoOn(fault.zh, fault.en, REFUSED) from fault
    else:
        return report, report
    finally:
        await ledger.close()


def _labels() -> Labels:
    """As the discloser has them."""
    from cli.disclosing import DISCLOSURE, DiscloserSettings, labels_of  # noqa: PLC0415  a whole service, as above

    settings = read_settings(DiscloserSettings, "discloser", os.environ)
    return labels_of(load(settings.disclosure or DISCLOSURE))


def _table(findings: Sequence[Finding], title: str, origin: str, *, remedies: bool = True) -> Table:
    more = f"（只列前 {FINDINGS_MAX} 项 the first {FINDINGS_MAX}）" if len(findings) == FINDINGS_MAX else ""
    table = Table(title=f"{title}: {origin}{more}", title_justify="left")
    table.add_column("文件 file", overflow="fold")
    table.add_column("项 entry", justify="right")
    table.add_column("问题 what", overflow="fold")
    if remedies:
        table.add_column("怎么办 what to do", overflow="fold")
    for one in findings:
        row = [one.path, "" if one.index is None else str(one.index), f"{one.zh} {one.en}"]
        table.add_row(*row, *([f"{one.remedy.zh} {one.remedy.en}"] if remedies else []))
    return table


def _no_log(folder: Path) -> CannotGoOn:
    return CannotGoOn(
        f"{folder} 中还没有存证日志，请先 `meterloop up`。",
        f"there is no proof log in {folder} yet: `meterloop up` first",
        REFUSED,
    )
