"""`meterloop sorting review`: a review from its proposal to its conclusion, each party with what is its own."""

import json
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Final, cast

import typer
from rich.table import Table
from rich.text import Text

from auditor.source import Place
from cli.connection import (
    USAGE,
    CannotGoOn,
    connect,
    console,
    explained,
    note,
    own_address,
    own_subject,
    token_of,
)
from cli.document import fetch
from cli.sorting.results import record
from cli.sorting.revealing import first_covering
from cli.sorting.rules import Token, Url, shown
from client import Client, types
from kernel.clock import now
from kernel.principal import Role
from kernel.quantity import BUSINESS_ZONE, instant_of_us
from ledger.proof.draw import NONCE_BYTES
from services.sorting.review.drawing import CAUSES, Cause
from services.sorting.review.results import CONSEQUENCES, REASONS, Consequence
from services.sorting.review.state import JUDGED, PHASES, Judged, Phase

STATES: Final = {
    "awaited": ("待检", "awaited"),
    "recorded": ("已登记", "recorded"),
    "replaced": ("已替换", "replaced"),
    "spare": ("备样", "spare"),
}
NEXT: Final[dict[str, tuple[str, str]]] = {
    "drawn": (
        "打印样本清单（review sheet），逐件登记结果（review record），全部齐后作结论（review conclude）。",
        "print the list (review sheet), record what was found (review record), then conclude (review conclude)",
    ),
    "committed": (
        "待有检查点涵盖总体承诺之后，监督方揭示随机数（review reveal）。",
        "once a published checkpoint covers the commitment, the supervisor reveals the nonce (review reveal)",
    ),
    "joining": (
        "监督方托付随机数摘要（review entrust）；器具归集完毕后自动承诺总体。",
        "the supervisor entrusts a nonce (review entrust); the population is committed once all that fit have joined",
    ),
}

review_app: Final = typer.Typer(
    name="review", help="复核 reviews by the institute", no_args_is_help=True, add_completion=False
)

Review = Annotated[str, typer.Argument(metavar="ID", help="复核编号 the review")]
By = Annotated[
    str | None, typer.Option(help="本人代号，缺省取自令牌 your own subject id; by default that of the token")
]
Nonce = Annotated[
    Path | None, typer.Option(readable=False, help="`sorting nonce` 所写的文件 the file that `sorting nonce` wrote")
]
Output = Annotated[
    Path | None, typer.Option("--out", "-o", help="写入的文件或目录 file or folder; by default its own name")
]


@review_app.command("propose")
def propose(
    review: Review,
    first: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="结论首日 verdicts from this day")],
    last: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="结论末日 to this day, included")],
    plan: Annotated[str, typer.Option(help="抽样方案 sampling plan, such as 8.0")],
    found: Annotated[list[str] | None, typer.Option("--only", help=" | ".join(JUDGED))] = None,
    group: Annotated[str | None, typer.Option(help="方案组 scheme group")] = None,
    site: Annotated[str | None, typer.Option(help="站点 site")] = None,
    maker: Annotated[list[str] | None, typer.Option(help="厂家，可多次 a maker, may be given again")] = None,
    within_h: Annotated[int, typer.Option(min=24, max=720, help="揭示时限，小时 hours to reveal the nonce in")] = 72,
    by: By = None,
    url: Url = None,
    token: Token = None,
) -> None:
    """提出复核：哪些结论、按哪个抽样方案 Propose a review: which verdicts, by which sampling plan."""
    criteria = types.ReviewCriteria(
        judged_from=first.date(),
        judged_to=last.date(),
        dispositions=tuple(_judged(one) for one in found or ()),
        scheme_group=group,
        site=site,
        makers=tuple(maker or ()),
    )
    with explained(), connect(url, token, Role.METROLOGIST) as platform:
        me = by or own_subject(token)
        platform.do(
            types.ProposeReview(
                review=review, criteria=criteria, plan=plan, reveal_within_h=within_h, by=me, occurred_at=now()
            )
        )
    _done(f"复核 {review} 已提出 review {review} is proposed")
    note(*NEXT["joining"])


@review_app.command("entrust")
def entrust(
    review: Review,
    nonce: Nonce = None,
    digest: Annotated[str | None, typer.Option("--sha256", help="随机数的 SHA-256 of the nonce")] = None,
    within_h: Annotated[
        int | None,
        typer.Option(min=1, max=720, help="改定揭示时限，小时 hours to reveal it in, as proposed unless set"),
    ] = None,
    by: By = None,
    url: Url = None,
    token: Token = None,
) -> None:
    """托付随机数摘要：只送出摘要，随机数留在本机 Entrust the SHA-256 of a nonce; the nonce itself stays here."""
    with explained():
        if (nonce is None) is (digest is None):
            raise CannotGoOn("请给出 --nonce 或 --sha256 之一。", "give either --nonce or --sha256", USAGE)
        said = digest or sha256(_nonce(cast("Path", nonce))).hexdigest()
        with connect(url, token, Role.REGULATOR) as platform:
            me = by or own_subject(token)
            platform.do(
                types.EntrustNonce(review=review, nonce_sha256=said, reveal_within_h=within_h, by=me, occurred_at=now())
            )
    _done(f"摘要已托付 entrusted: {said}")
    note(*NEXT["committed"])


@review_app.command("reveal")
def reveal(
    review: Review,
    nonce: Annotated[Path, typer.Option(readable=False, help="`sorting nonce` 所写的文件 the file of `sorting nonce`")],
    from_: Annotated[
        str | None,
        typer.Option("--from", help="存证目录或平台，缺省为平台 folder or URL of the log; the platform's own"),
    ] = None,
    policy: Annotated[Path | None, typer.Option(help="见证策略文件 a policy of witnesses to trust")] = None,
    by: By = None,
    url: Url = None,
    token: Token = None,
) -> None:
    """查验最先涵盖总体承诺的检查点，再揭示随机数并抽样 Check the checkpoint, then reveal the nonce, which draws."""
    with explained():
        revealed = _nonce(nonce).hex()
        with connect(url, token, Role.REGULATOR) as platform:
            me, shown_token = by or own_subject(token), token_of(token, Role.REGULATOR)
            row = platform.ask(types.GetReview(review=review))
            size, root = first_covering(row, Place(from_ or url or own_address(), shown_token), policy)
            done = platform.do(
                types.RevealNonce(
                    review=review,
                    nonce=revealed,
                    checkpoint_size=size,
                    checkpoint_root=root,
                    by=me,
                    occurred_at=now(),
                )
            )
            row = platform.ask(types.GetReview(review=review, seen=done.position))
    _done(f"已抽样 {row.samples} 件 {row.samples} devices are drawn")
    note(*NEXT["drawn"])


@review_app.command("replace")
def replace(
    review: Review,
    asset_no: Annotated[str, typer.Argument(help="缺失或无法检定的样本 the sample that cannot be tested")],
    reason: Annotated[str, typer.Option(help=" | ".join(REASONS))],
    why: Annotated[str, typer.Option(help="说明 in words")],
    by: By = None,
    url: Url = None,
    token: Token = None,
) -> None:
    """替换样本：由平台指定下一备样 Replace a sample; the platform names the spare that takes its place."""
    if reason not in REASONS:
        raise typer.BadParameter(f"--reason: {' | '.join(REASONS)}")
    with explained(), connect(url, token, Role.INSTITUTE) as platform:
        before = _awaited(platform, review)
        me = by or own_subject(token)
        done = platform.do(
            types.ReplaceSample(review=review, asset_no=asset_no, reason=reason, why=why, by=me, occurred_at=now())
        )
        spares = sorted(_awaited(platform, review, done.position) - before)
    if spares:
        _done(f"{asset_no} 由 {spares[0]} 替补 {spares[0]} takes the place of {asset_no}")
    else:
        _done(f"{asset_no} 已登记缺失，没有备样，按不一致计 {asset_no} is missing; no spare is left, and it disagrees")


@review_app.command("correct")
def correct(
    review: Review,
    asset_no: Annotated[str, typer.Argument(help="结果有误的样本 the sample whose result is wrong")],
    found: Annotated[str, typer.Option(help=" | ".join(JUDGED))],
    report: Annotated[str, typer.Option(help="复检报告编号 number of the report")],
    why: Annotated[str, typer.Option(help="更正理由 why it is corrected")],
    by: By = None,
    url: Url = None,
    token: Token = None,
) -> None:
    """更正复检结果，须由登记人以外的人办理 Correct a result, as another person than entered it."""
    if found not in JUDGED:
        raise typer.BadParameter(f"--found: {' | '.join(JUDGED)}")
    with explained(), connect(url, token, Role.INSTITUTE) as platform:
        platform.do(
            types.CorrectResult(
                review=review,
                asset_no=asset_no,
                disposition=found,
                report=report,
                why=why,
                by=by or own_subject(token),
                occurred_at=now(),
            )
        )
    _done(f"{asset_no} 的结果已更正 the result of {asset_no} is corrected")


@review_app.command("conclude")
def conclude(review: Review, by: By = None, url: Url = None, token: Token = None) -> None:
    """作复核结论 Conclude: how often the institute agrees, and what follows."""
    with explained(), connect(url, token, Role.INSTITUTE) as platform:
        me = by or own_subject(token)
        done = platform.do(types.ConcludeReview(review=review, by=me, occurred_at=now()))
        row = platform.ask(types.GetReview(review=review, seen=done.position))
    _show(row)


@review_app.command("withdraw")
def withdraw(
    review: Review,
    why: Annotated[str, typer.Option(help="原因，对外公开 why; it is published")],
    by: By = None,
    url: Url = None,
    token: Token = None,
) -> None:
    """撤回复核；总体承诺之后不能撤回 Withdraw a review whose population is not committed yet."""
    with explained(), connect(url, token, Role.REGULATOR) as platform:
        me = by or own_subject(token)
        platform.do(types.WithdrawReview(review=review, why=why, by=me, occurred_at=now()))
    _done(f"复核 {review} 已撤回 review {review} is withdrawn")


@review_app.command("show")
def show(
    review: Review,
    samples: Annotated[bool, typer.Option("--samples", help="列出样本 list the samples")] = False,  # noqa: FBT002  Typer's way
    url: Url = None,
    token: Token = None,
) -> None:
    """复核现状，不含被复核的结论 How a review stands; never the verdicts that it is about."""
    with explained(), connect(url, token, Role.INSTITUTE) as platform:
        row = platform.ask(types.GetReview(review=review))
        listed = list(platform.rows(types.ListSamples(review=review))) if samples else []
    _show(row)
    if listed:
        shown(_sample_table(listed))


@review_app.command("list")
def list_reviews(
    phase: Annotated[str | None, typer.Option(help=" | ".join(one for one in PHASES if one != "none"))] = None,
    url: Url = None,
    token: Token = None,
) -> None:
    """所有复核 All reviews."""
    table = Table(box=None, pad_edge=False)
    for heading in ("复核 review", "阶段 phase", "提出 proposed", "总体 members", "样本 samples", "已登记 recorded"):
        table.add_column(heading, overflow="fold")
    with explained(), connect(url, token, Role.INSTITUTE) as platform:
        for row in platform.rows(types.ListReviews(phase=phase)):
            counted = (str(one) for one in (row.members or row.joined, row.samples, row.recorded))
            table.add_row(row.review, _phase(row.phase), row.proposed_on.isoformat(), *counted)
    shown(table)


@review_app.command("sheet")
def sheet(review: Review, output: Output = None, url: Url = None, token: Token = None) -> None:
    """复核检定样本清单（PDF），供入库领样 The sample list as PDF, to fetch devices by."""
    fetch(types.GetSampleList(review=review), output, url, token, Role.INSTITUTE)


review_app.command("record")(record)


def certificate(
    number: Annotated[str, typer.Argument(help="证书编号 certificate number")],
    output: Output = None,
    url: Url = None,
    token: Token = None,
) -> None:
    """重新检定证书（PDF） The certificate of a re-verification as PDF."""
    fetch(types.GetCertificate(certificate=number), output, url, token, Role.METROLOGIST)


def _nonce(file: Path) -> bytes:
    """The nonce in a file of `sorting nonce`. Raises CannotGoOn."""
    try:
        found = bytes.fromhex(file.read_text("ascii").strip())
    except OSError as error:
        raise CannotGoOn(
            f"{file} 无法读取（{error.strerror}）。", f"{file} cannot be read ({error.strerror})", USAGE
        ) from None
    except ValueError:
        found = b""
    if len(found) != NONCE_BYTES:
        raise CannotGoOn(
            f"{file} 不是 `meterloop sorting nonce` 所写的随机数文件。",
            f"{file} holds no nonce as `meterloop sorting nonce` writes it",
            USAGE,
        )
    return found


def _judged(word: str) -> Judged:
    if word not in JUDGED:
        raise typer.BadParameter(f"--only: {' | '.join(JUDGED)}")
    return word


def _awaited(platform: Client, review: str, seen: int | None = None) -> set[str]:
    asked = types.ListSamples(review=review, state="awaited", seen=seen)
    return {row.asset_no for row in platform.rows(asked)}


def _phase(phase: str) -> str:
    return " ".join(PHASES[cast("Phase", phase)])


def _show(row: types.ReviewRow) -> None:
    facts = Table.grid(padding=(0, 2))
    for name, value in _facts(row):
        facts.add_row(Text(name, "dim"), value)
    shown(Text.assemble((f"{row.review}  ", "bold"), (_phase(row.phase), "bold green")))
    shown(facts)
    if row.phase == "joining" and row.nonce_entrusted:
        note("器具归集完毕后自动承诺总体。", "the population is committed once all that fit have joined")
    elif row.phase in NEXT:
        note(*NEXT[row.phase])


def _facts(row: types.ReviewRow) -> list[tuple[str, str]]:
    criteria = json.loads(row.criteria)
    facts = [
        ("结论日期 verdicts of", f"{criteria['judged_from']} … {criteria['judged_to']}"),
        ("抽样方案 plan", row.plan),
        ("提出 proposed", f"{row.proposed_on}  {row.proposed_by}"),
        ("随机数摘要 nonce", "已托付 entrusted" if row.nonce_entrusted else "未托付 not entrusted"),
        ("器具 devices", f"{row.members or row.joined:,}"),
    ]
    if row.root:
        facts.append(("总体根 population root", row.root))
    if row.phase == "committed" and row.due_us is not None:
        until = instant_of_us(row.due_us).astimezone(BUSINESS_ZONE)
        what = "公布期限 publish by" if row.checkpoint_size is None else "揭示期限 reveal by"
        facts.append((what, f"{until:%Y-%m-%d %H:%M}"))
    if row.checkpoint_size is not None:
        facts.append(("检查点 checkpoint", f"{row.checkpoint_size:,}  {row.checkpoint_root}"))
    if row.failure is not None:
        facts.append(("失败原因 failed", " ".join(CAUSES[cast("Cause", row.failure)])))
    if row.late:
        facts.append(("补记的结论 came late", f"{row.late:,}；不在总体内 in no population"))
    if left := row.inspected_anew + row.repaired + row.in_review:
        said = f"重新分拣 inspected anew {row.inspected_anew:,}；维修 repaired {row.repaired:,}；"
        facts.append((f"未列入 left out {left:,}", f"{said}在另一复核 in a review {row.in_review:,}"))
    if row.samples:
        said = f"{row.samples:,}；已登记 recorded {row.recorded:,}；已替换 replaced {row.replaced:,}"
        facts.append(("样本 samples", said))
    if row.consequence is not None:
        agreed, disagreed = row.agreed or 0, row.disagreed or 0
        facts += [
            ("一致 agree / 不一致 disagree", f"{agreed:,} / {disagreed:,}"),
            ("缺失 missing / 已更正 corrected", f"{row.missing or 0:,} / {row.corrected:,}"),
            (
                "总体中不一致率 disagreeing in the whole",
                f"{_percent(row.estimate_ppm)}，{_percent(row.lower_ppm)} … {_percent(row.upper_ppm)}",
            ),
            (
                "替换的也按不一致计 with replaced ones, too",
                f"{row.worst_disagreed or 0:,}，至多 at most {_percent(row.worst_upper_ppm)}",
            ),
            ("结论 consequence", " ".join(CONSEQUENCES[cast("Consequence", row.consequence)])),
        ]
    return facts


def _percent(ppm: int | None) -> str:
    return "—" if ppm is None else f"{ppm // 10_000}.{ppm % 10_000:04d} %"


def _sample_table(rows: list[types.SampleRow]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in (
        "资产编号 asset number",
        "状态 state",
        "厂家 maker",
        "地点 place",
        "周转箱 container",
        "复检 found",
    ):
        table.add_column(heading, overflow="fold")
    for row in rows:
        place = " ".join(filter(None, (row.site_name or row.site, row.location))) or "不在库 out"
        found = " ".join((*JUDGED[cast("Judged", row.found)], row.report or "")) if row.found else ""
        table.add_row(row.asset_no, " ".join(STATES[row.state]), row.maker or "", place, row.container or "", found)
    return table


def _done(words: str) -> None:
    console.print(Text.assemble(("✓ ", "green"), words), soft_wrap=True)
