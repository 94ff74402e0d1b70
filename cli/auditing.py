"""`meterloop audit`: verifies a log, replays what is disclosed of it, and says in one sentence what that comes to.

Exit statuses: 0 verified; 1 a fault was found; 2 it could not be read, or the program failed; 3 consistent with itself
only; 4 audited, and a report could not be written. Nothing but a fault of what is audited ends with 1.
"""

import io
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from secrets import randbits
from typing import Annotated, Final, TypeAlias
from urllib.parse import urlsplit

import msgspec
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from auditor.audit import AGE_S_MAX, SKEW_S, Asked, Audit, Watch
from auditor.basis import title_of
from auditor.comparing import DEVICES_COMPARED
from auditor.device import DeviceReport, audit_device
from auditor.finding import NAMES, Finding
from auditor.report_words import PUBLIC_ALONE, is_public_alone
from auditor.review_audit import Held, ReviewReport, audit_review
from auditor.review_differences import DIFFERENCES
from auditor.source import Place
from auditor.span import PUBLIC_TYPES
from auditor.trouble import TROUBLES, Trouble
from auditor.verdict import SELF_CONSISTENT, UNREADABLE, VERIFIED, Report, Status, Verdict, unreadable
from cli.audit_reports import Reports
from cli.audit_reviews import KeptCheckpoint, KeptNonce, facts_of, held_of
from cli.connection import AWAY, PARTLY, REFUSED, USAGE, CannotGoOn, connect, console, explained, note, own_address, say
from cli.settings import cli_settings
from client.types import GetProofs
from kernel.clock import system_clock_us
from kernel.disclosure import load
from kernel.principal import Role
from kernel.quantity import BUSINESS_ZONE, instant_of_us
from kernel.refusal import Refusal

DEVICE: Final = "meter"
REVIEW: Final = "review"
"""The words before a device's number and a review's id, in the place of a source. A folder of that name is `./meter`.
"""

SHOWN_FINDINGS: Final = 20
SHOWN_BALANCES: Final = 20
BAR_COLUMNS: Final = 18
"""Beside it a stage, two numbers of eight digits and a time have room in 80 columns."""

SHOWN_EVIDENCE: Final = 72
"""Characters of a piece of evidence that the table shows; --json has all of it."""

STAGES: Final = {
    "checkpoints": "检查点 checkpoints",
    "entries": "条目 entries",
    "streams": "事件流 streams",
    "platform": "平台 platform",
}

PolicyFile: TypeAlias = Annotated[
    Path | None, typer.Option(readable=False, help="信任策略（tlog-policy），须取自别处 whom to trust")
]
StateFolder: TypeAlias = Annotated[
    Path | None, typer.Option(file_okay=False, help="记住所见的目录，下次据以比对 remembers what was seen")
]
LabelsFile: TypeAlias = Annotated[
    Path | None, typer.Option(help="披露清单，缺省为本版本的 what is public; by default as in this release")
]
WholeSet: TypeAlias = Annotated[
    bool, typer.Option("--whole", help="须含监管集，只有公开集则为无法读取 the public set alone is not enough")
]
AllAnew: TypeAlias = Annotated[
    bool, typer.Option("--fresh", help="全部重新验证，不取用早前结果 verify all anew, take nothing from before")
]
Devices: TypeAlias = Annotated[
    int, typer.Option(min=0, max=100_000, help="抽取多少器具与平台所示比对 devices compared with the platform")
]
Skew: TypeAlias = Annotated[
    int, typer.Option(min=0, max=3_600, help="记录时间容许回退的秒数；内嵌台账可取 0 times may go back, seconds")
]
WhatToAudit: TypeAlias = Annotated[
    str,
    typer.Argument(
        help=f"存证目录、其副本或平台地址；或 {DEVICE}、{REVIEW} proof folder, copy, URL; or `{DEVICE}`, `{REVIEW}`"
    ),
]
AfterTheWord: TypeAlias = Annotated[
    str | None,
    typer.Argument(
        help=f"{DEVICE} 之后：资产编号或存证 ZIP；{REVIEW} 之后：复核编号"
        f" after `{DEVICE}`: asset number, or its ZIP; after `{REVIEW}`: its id"
    ),
]
FromWhere: TypeAlias = Annotated[
    str | None,
    typer.Option("--from", help=f"{REVIEW} 所据的存证目录或平台，须含监管集 of `{REVIEW}`: folder or URL, with it"),
]
AsOf: TypeAlias = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d"], help="结存截至的业务日 balances as of this day")
]
MaxAge: TypeAlias = Annotated[
    int | None, typer.Option(min=1, help=f"检查点最长秒数；在线缺省 {AGE_S_MAX} age of the checkpoint, seconds")
]
PaperFile: TypeAlias = Annotated[
    Path | None, typer.Option(help="将审计工作底稿写成 PDF 文件 a Chinese working paper, as PDF")
]


def audit(
    source: WhatToAudit,
    device: AfterTheWord = None,
    from_: FromWhere = None,
    nonce_sha256: KeptNonce = None,
    checkpoint: KeptCheckpoint = None,
    url: Annotated[str | None, typer.Option(help=f"{DEVICE} 所在的平台地址 the platform, of `{DEVICE}`")] = None,
    token: Annotated[str | None, typer.Option(help="访问令牌；监管角色可见全部事件 access token")] = None,
    policy: PolicyFile = None,
    state: StateFolder = None,
    whole: WholeSet = False,  # noqa: FBT002  Typer's way
    labels: LabelsFile = None,
    fresh: AllAnew = False,  # noqa: FBT002  Typer's way
    devices: Devices = DEVICES_COMPARED,
    skew: Skew = SKEW_S,
    as_of: AsOf = None,
    max_age: MaxAge = None,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="进程数 processes")] = os.cpu_count() or 1,
    html: Annotated[Path | None, typer.Option(help="将报告写成 HTML 文件 a report, as one HTML file")] = None,
    paper: PaperFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="机器可读结果 for machines")] = False,  # noqa: FBT002  Typer's way
) -> None:
    """审计存证日志：验签、验树、重放，并与平台比对 Audit a log: signatures, tree, replay, and the platform."""
    reports = Reports(html, paper)
    if source == DEVICE and device is not None:
        _must_have_no_report(reports)
        with _no_fault_of_the_audited(device, as_json=as_json):
            status = _audit_device(device, url, token, _policy(policy), as_json=as_json)
        raise typer.Exit(status)
    if source == REVIEW and device is not None:
        _must_have_no_report(reports)
        held = held_of(nonce_sha256, checkpoint)
        raise typer.Exit(_audit_review(device, _where_of(from_), token, policy, held, as_json=as_json))
    _must_be_alone(device, url)
    with _reports_refused(USAGE):
        reports.must_be_possible()
    with _no_fault_of_the_audited(source, as_json=as_json), explained():
        place = Place(source, _token_for(source, token), str(state / "kept") if state else "")
        asked = Asked(
            place=place,
            policy=_policy(policy),
            state=state,
            as_of=as_of.date() if as_of else None,
            age_s_max=max_age or (AGE_S_MAX if place.is_url else None),
            skew_s=skew,
            devices=devices,
            drawn=randbits(32),
            fresh=fresh,
            jobs=jobs,
            whole=whole,
            public_types=PUBLIC_TYPES if labels is None else _public_by(labels),
            with_proof=bool(reports),
        )
        with shown_progress() as watch:
            report = Audit(asked, watch, system_clock_us).run()
        tell(report, as_json=as_json)
    with _no_fault_of_the_audited(source, as_json=False), _reports_refused(PARTLY):
        reports.write(report)
    raise typer.Exit(report.verdict.status)


def _must_be_alone(device: str | None, url: str | None) -> None:
    if device is not None or url is not None:
        raise typer.BadParameter(
            f"只有 `{DEVICE} 资产编号` 与 `{REVIEW} 复核编号` 才有第二个参数，只有前者有 --url。"
            f" Only `{DEVICE} ASSET_NO` and `{REVIEW} ID` have a second argument, and the first alone --url.",
            param_hint="SOURCE",
        )


@contextmanager
def _no_fault_of_the_audited(source: str, *, as_json: bool) -> Iterator[None]:
    """What goes wrong in the block says nothing of the log: it never ends with the status of a fault, nor with that of
    a log that is consistent with itself.
    """
    try:
        yield
    except typer.Exit as ended:
        raise typer.Exit(UNREADABLE if ended.exit_code in {REFUSED, AWAY} else ended.exit_code) from None
    except (typer.Abort, typer.BadParameter):
        raise
    except Exception as error:  # noqa: BLE001  whatever it is, somebody is to be told, and not that the log is at fault
        sys.stderr.write(traceback.format_exc())
        report = Report(source=source, verdict=unreadable(Trouble.PROGRAM, repr(error)))
        with suppress(OSError):
            tell(report, as_json=as_json)
        raise typer.Exit(UNREADABLE) from None


def _public_by(labels: Path) -> frozenset[str]:
    """The types of events that are public by a file of labels."""
    try:
        return frozenset(load(labels).public)
    except (OSError, ValueError) as error:
        say(f"无法读取披露清单 {labels}（{error}）。", f"{labels} are no labels ({error})")
        raise typer.Exit(USAGE) from None


def _token_for(source: str, given: str | None) -> str:
    """The token that is given; else, for one's own platform alone, that of the settings: who is audited is often
    somebody else, to whom it would be handed over.
    """
    own = (cli_settings().token or "").strip()
    if given is not None or not own or not Place(source).is_url:
        return (given or "").strip()
    if _is_own(source):
        return own
    note(
        f"METERLOOP_CLI__TOKEN 是本平台的令牌，不发给 {source}；只审计公开集，或用 --token 给出令牌。",
        f"METERLOOP_CLI__TOKEN is for one's own platform and is not sent to {source}: the public set is audited; "
        "or give a token with --token",
    )
    return ""


def _is_own(url: str) -> bool:
    """Whether a URL is that of the platform of the settings, else of the one that runs here."""
    try:
        return _origin(url) == _origin(own_address())
    except CannotGoOn:
        return False


def _origin(url: str) -> tuple[str, str | None, int | None]:
    """Raises ValueError where a URL's port is none."""
    parts = urlsplit(url.strip())
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _must_have_no_report(reports: Reports) -> None:
    if reports:
        raise typer.BadParameter(
            "单件器具与复核的审计没有报告，请去掉 --html 与 --paper。"
            " The audit of one device, or of a review, has no report: leave out --html and --paper.",
            param_hint="--html",
        )


@contextmanager
def _reports_refused(status: int) -> Iterator[None]:
    """Say why there is no report, and end with this status."""
    try:
        yield
    except Refusal as refused:
        say(refused.zh, refused.en, refused.code)
        raise typer.Exit(status) from None


def _audit_device(device: str, url: str | None, token: str | None, policy: bytes | None, *, as_json: bool) -> Status:
    """Check a device's evidence: that in a file, or fetched for its asset number. Returns the status to end with."""
    file = Path(device)
    with explained():
        if file.suffix == ".zip":
            archive, stream = _read(file), None
        else:
            if url is not None and not _token_for(url, token) and not _is_own(url):
                raise CannotGoOn(
                    f"本平台的令牌不发给 {url}，请用 --token 给出该平台的令牌。",
                    f"the token of this platform is not sent to {url}: give one of that platform's, with --token",
                )
            whole, stream = io.BytesIO(), f"meter-{device}"
            with connect(url, token, Role.AUDITOR) as platform:
                platform.fetch(GetProofs(asset_no=device), whole)
            archive = whole.getvalue()
    report = audit_device(archive, stream, policy, title_of(policy or b""))
    if as_json:
        sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
    else:
        _tell_device(report)
    return report.verdict.status


def _tell_device(report: DeviceReport) -> None:
    out = _plainly()
    _tell_verdict(out, report.verdict)
    for said in report.notes:
        out.print(Text(f"  {said}", "bold"))
    shown = Table(title=report.stream, title_justify="left")
    for title in ("版本 version", "条目 index", "事件 event", "记录时间 recorded at"):
        shown.add_column(title, overflow="fold")
    for one in report.proven:
        shown.add_row(str(one.version), str(one.index), one.type, _time(one.recorded_at_us))
    out.print(shown)
    _tell_findings(out, report.findings, report.findings_count)


def _where_of(from_: str | None) -> str:
    if from_ is None:
        raise typer.BadParameter(
            "请用 --from 给出含监管集的存证目录、其副本或平台地址。"
            " Give with --from a proof folder that has the supervisors' set, a copy of one, or a platform's URL.",
            param_hint="--from",
        )
    return from_


def _audit_review(
    review: str, where: str, token: str | None, policy: Path | None, held: Held, *, as_json: bool
) -> Status:
    """Derive a review again from what is published. Returns the status to end with."""
    with _no_fault_of_the_audited(where, as_json=as_json):
        trusted = _policy(policy)
        with explained():
            place = Place(where, _token_for(where, token))
            report = audit_review(place, review, trusted, title_of(trusted or b""), held)
        if as_json:
            sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
        else:
            _tell_review(report)
    return report.verdict.status


def _tell_review(report: ReviewReport) -> None:
    out, found = _plainly(), report.redrawn
    _tell_verdict(out, report.verdict)
    for said in report.notes:
        out.print(Text(f"  {said}", "dim"))
    if report.verdict.code is None:
        out.print(facts_of(report))
    for earlier in found.earlier:
        ended = f"{earlier.phase} {earlier.consequence}".strip()
        words = "此前已就部分相同结论提出的复核 of some of the same verdicts before"
        out.print(Text(f"  {words}: {earlier.review} ({earlier.judged_from} … {earlier.judged_to}) {ended}", "yellow"))
    if found.differences:
        shown = Table(show_lines=True)
        for title in ("差异 difference", "器具 device", "条目 index", "应为 expected", "所见 found"):
            shown.add_column(title, overflow="fold")
        for one in found.differences[:SHOWN_FINDINGS]:
            zh, en = DIFFERENCES[one.what]
            index = "" if one.index is None else str(one.index)
            shown.add_row(f"{zh}\n{en}", one.asset_no or "", index, Text(one.expected), Text(one.found))
        out.print(shown)
    left = found.differences_count - SHOWN_FINDINGS
    if left > 0:
        out.print(Text(f"… 另有 {left} 处，见 --json / {left} more, see --json"))
    _tell_findings(out, report.findings, report.findings_count)


def _time(at_us: int) -> str:
    """As one reads it, or as it stands where no calendar goes so far."""
    try:
        return f"{instant_of_us(at_us).astimezone(BUSINESS_ZONE):%Y-%m-%d %H:%M:%S}"
    except (OverflowError, ValueError):
        return f"{at_us} us"


@contextmanager
def shown_progress() -> Iterator[Watch]:
    """A bar for what is under way, on the terminal alone."""
    bar = BarColumn(bar_width=BAR_COLUMNS)
    columns = TextColumn("{task.description}"), bar, MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        bars: dict[str, TaskID] = {}

        def watch(stage: str, done: int, total: int) -> None:
            if stage not in bars:
                # How many checkpoints there are is known when they have been read.
                bars[stage] = progress.add_task(STAGES[stage], total=None if stage == "checkpoints" else total)
            progress.update(bars[stage], completed=done)

        yield watch


def _plainly() -> Console:
    """Standard output, on which what logs and platforms say is never taken for markup."""
    return Console(markup=False, emoji=False, highlight=False)


def tell(report: Report, *, as_json: bool = False) -> None:
    """The verdict, what was audited, and every finding with what to do next, on standard output."""
    if as_json:
        sys.stdout.write(msgspec.json.encode(report).decode() + "\n")
        return
    out = _plainly()
    _tell_verdict(out, report.verdict)
    if report.origin is not None and is_public_alone(report):
        out.print(Text("  " + PUBLIC_ALONE[0], "bold"), Text("  " + PUBLIC_ALONE[1], "bold"), sep="\n")
    # What was seen before it broke off is no result, and looks like one.
    if report.origin is not None and report.verdict.code is None:
        out.print(_facts(report))
    if report.balances:
        out.print(_balances(report))
    notes = Table.grid(padding=(0, 1))
    for said in report.notes:
        notes.add_row("·", Text(said, "dim"))
    out.print(notes)
    _tell_findings(out, report.findings, report.findings_count)


def _tell_verdict(out: Console, verdict: Verdict) -> None:
    marks = {VERIFIED: ("✓", "green"), SELF_CONSISTENT: ("≈", "yellow"), UNREADABLE: ("?", "yellow")}
    mark, colour = marks.get(verdict.status, ("✗", "red"))
    shown = Table.grid(padding=(0, 1))
    shown.add_row(Text(mark, colour), Text(verdict.zh, "bold"))
    shown.add_row("", Text(verdict.en, "bold"))
    if verdict.code is not None:
        shown.add_row("", Text(verdict.code, "dim"))
    out.print(shown)
    if verdict.code is not None:
        next_ = TROUBLES[verdict.code]
        note(next_.next_zh, next_.next_en)


def _tell_findings(out: Console, findings: list[Finding], count: int) -> None:
    if not findings:
        return
    out.print(_findings(findings[:SHOWN_FINDINGS]))
    left = count - SHOWN_FINDINGS
    if left > 0:
        out.print(Text(f"… 另有 {left} 处，见 --json / {left} more, see --json"))
    for fault in dict.fromkeys(one.fault for one in findings):
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
    shown.add_row("器具 devices", f"{report.devices:,}")
    for name, count in report.compared.items():
        shown.add_row(f"比对 compared: {name}", f"{count:,}")
    shown.add_row("用时 seconds", f"{report.seconds:.1f}")
    return shown


def _balances(report: Report) -> Table:
    shown = Table(title=f"{report.as_of} 日终结存 balances at the end of that day", title_justify="left")
    for title in ("站点 site", "类别 class", "结存 closing"):
        shown.add_column(title, overflow="fold", justify="right" if title.startswith("结存") else "left")
    for one in report.balances[:SHOWN_BALANCES]:
        shown.add_row(one.site, one.device_class, f"{one.closing:,}")
    left = len(report.balances) - SHOWN_BALANCES
    if left > 0:
        shown.caption = f"另有 {left} 行，见 --json / {left} more, see --json"
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
    return _read(file)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        say(f"无法读取 {file}（{error.strerror}）。", f"{file} cannot be read ({error.strerror})")
        raise typer.Exit(USAGE) from None
