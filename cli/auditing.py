"""`meterloop audit`: verifies a log, replays what is disclosed of it, and says in one sentence what that comes to.

Exit statuses: 0 verified; 1 a fault was found; 2 it could not be read; 3 consistent with itself only.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from auditor.audit import AGE_S_MAX, Asked, Audit, Watch
from auditor.finding import NAMES, Finding
from auditor.source import Place
from auditor.verdict import SELF_CONSISTENT, UNREADABLE, VERIFIED, Report
from cli.connection import USAGE, console, explained, note, say
from cli.settings import cli_settings
from kernel.clock import system_clock_us

SHOWN_FINDINGS: Final = 20
SHOWN_EVIDENCE: Final = 72
"""Characters of a piece of evidence that the table shows; --json has all of it."""

STAGES: Final = {
    "checkpoints": "检查点 checkpoints",
    "entries": "条目 entries",
    "streams": "事件流 streams",
    "platform": "平台 platform",
}


def audit(
    source: Annotated[str, typer.Argument(help="存证目录、其副本或平台地址 proof folder, copy, or URL")],
    token: Annotated[str | None, typer.Option(help="访问令牌；监管角色可见全部事件 access token")] = None,
    policy: Annotated[
        Path | None, typer.Option(readable=False, help="信任策略（tlog-policy），须取自别处 whom to trust")
    ] = None,
    state: Annotated[
        Path | None, typer.Option(file_okay=False, help="记住所见的目录，下次据以比对 remembers what was seen")
    ] = None,
    as_of: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="结存截至的业务日 balances as of this day")
    ] = None,
    max_age: Annotated[
        int | None, typer.Option(min=1, help=f"检查点最长秒数；在线缺省 {AGE_S_MAX} age of the checkpoint, seconds")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="进程数 processes")] = os.cpu_count() or 1,
    as_json: Annotated[bool, typer.Option("--json", help="机器可读结果 for machines")] = False,  # noqa: FBT002  Typer's way
) -> None:
    """审计存证日志：验签、验树、重放，并与平台比对 Audit a log: signatures, tree, replay, and the platform."""
    with explained():
        place = Place(source, (token or cli_settings().token).strip(), str(state / "kept") if state else "")
        asked = Asked(
            place=place,
            policy=_policy(policy),
            state=state,
            as_of=as_of.date() if as_of else None,
            age_s_max=max_age or (AGE_S_MAX if place.is_url else None),
            jobs=jobs,
        )
        with shown_progress() as watch:
            report = Audit(asked, watch, system_clock_us).run()
    if as_json:
        sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
    else:
        tell(report)
    raise typer.Exit(report.verdict.status)


@contextmanager
def shown_progress() -> Iterator[Watch]:
    """A bar for what is under way, on the terminal alone."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        bars: dict[str, TaskID] = {}

        def watch(stage: str, done: int, total: int) -> None:
            if stage not in bars:
                bars[stage] = progress.add_task(STAGES[stage])
            progress.update(bars[stage], completed=done, total=total)

        yield watch


def tell(report: Report) -> None:
    """The verdict, what was audited, and every finding with what to do next, on standard output."""
    out = Console()
    verdict = report.verdict
    marks = {VERIFIED: ("✓", "green"), SELF_CONSISTENT: ("≈", "yellow"), UNREADABLE: ("?", "yellow")}
    mark, colour = marks.get(verdict.status, ("✗", "red"))
    shown = Table.grid(padding=(0, 1))
    shown.add_row(Text(mark, colour), Text(verdict.zh, "bold"))
    shown.add_row("", Text(verdict.en, "bold"))
    out.print(shown)
    if report.origin is not None:
        out.print(_facts(report))
    for said in report.notes:
        out.print(Text(f"· {said}", "dim"))
    if report.findings:
        out.print(_findings(report.findings[:SHOWN_FINDINGS]))
        left = report.findings_count - SHOWN_FINDINGS
        if left > 0:
            out.print(Text(f"… 另有 {left} 处，见 --json / {left} more, see --json"))
        for fault in dict.fromkeys(one.fault for one in report.findings):
            named = NAMES[fault]
            note(f"{named.zh}：{named.next_zh}", f"{named.en}: {named.next_en}")


def _facts(report: Report) -> Table:
    shown = Table.grid(padding=(0, 2))
    shown.add_column()
    shown.add_column(overflow="fold")
    sets = {"public": "公开 public", "supervisor": "监管 supervisor"}
    shown.add_row("日志 log", report.origin)
    shown.add_row("条目 entries", f"{report.tree_size:,}")
    shown.add_row("根 root", report.root)
    shown.add_row("检查点 checkpoints", f"{report.checkpoints:,}")
    shown.add_row("见证 witnesses", ", ".join(sorted(report.witnesses)) or "无 none")
    shown.add_row(f"披露 disclosed（{sets[report.part]}）", f"{report.events:,} / {report.disclosed:,}")
    shown.add_row("事件流 streams", f"{report.streams:,}")
    for name, count in report.compared.items():
        shown.add_row(f"比对 compared: {name}", f"{count:,}")
    shown.add_row("用时 seconds", f"{report.seconds:.1f}")
    return shown


def _findings(findings: list[Finding]) -> Table:
    shown = Table(show_lines=True)
    for title in ("问题 fault", "条目 index", "何处 where", "证据 evidence"):
        shown.add_column(title, overflow="fold")
    for one in findings:
        named = NAMES[one.fault]
        evidence = "\n".join(f"{name} {value[:SHOWN_EVIDENCE]}" for name, value in one.evidence.items())
        where = one.what if one.stream is None else f"{one.what}\n{one.stream}"
        index = "" if one.index is None else str(one.index)
        shown.add_row(f"{named.zh}\n{named.en}", index, Text(where), Text(evidence))
    return shown


def _policy(file: Path | None) -> bytes | None:
    if file is None:
        return None
    try:
        return file.read_bytes()
    except OSError as error:
        say(f"无法读取策略文件（{error.strerror}）。", f"the policy cannot be read ({error.strerror})")
        raise typer.Exit(USAGE) from None
