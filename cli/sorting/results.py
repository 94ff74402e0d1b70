"""`meterloop sorting review record`: what the institute found, one sample by hand or a file of them."""

from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from cli.connection import PARTLY, REFUSED, USAGE, CannotGoOn, connect, console, explained, own_subject
from cli.importing import tell_refusals
from cli.sorting.bench_files import day_of, finding_of, shown_progress, write_errors
from cli.sorting.reading import Token, Url, refusals_said
from client import Client, Refused, types
from kernel.clock import now
from kernel.principal import Role
from kernel.spreadsheet.findings import Finding
from services.sorting.review.state import JUDGED

if TYPE_CHECKING:
    from services.sorting.reading.result_file import ResultFile


def record(
    review: Annotated[str, typer.Argument(metavar="ID", help="复核编号 the review")],
    asset_no: Annotated[str | None, typer.Argument(help="资产编号 the sample")] = None,
    found: Annotated[str | None, typer.Option(help=" | ".join(JUDGED))] = None,
    report: Annotated[str | None, typer.Option(help="复检报告编号 number of the report")] = None,
    why: Annotated[str | None, typer.Option(help="原因 why")] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            readable=False,
            help="CSV 或 XLSX，每行一件：资产编号、复检结果、报告编号 one row a sample: asset number, result, report",
        ),
    ] = None,
    on: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="复检日期，缺省为文件日期 day; the file's own if left out"),
    ] = None,
    by: Annotated[str | None, typer.Option(help="本人代号，缺省取自令牌 your own subject id")] = None,
    url: Url = None,
    token: Token = None,
) -> None:
    """登记复检结果，一件或一个文件；同一文件可重复执行 Record what was found; the same file again is recorded once."""
    with explained(), refusals_said():
        if file is not None:
            if asset_no or found or report or why:
                raise CannotGoOn("--file 与单件的内容不能并用。", "--file goes without a single sample", USAGE)
            raise typer.Exit(_record_file(review, file, on, by, url, token))
        if asset_no is None or found not in JUDGED or report is None:
            raise CannotGoOn(
                f"请给出资产编号、--found（{' | '.join(JUDGED)}）与 --report，或 --file。",
                f"give the asset number, --found ({' | '.join(JUDGED)}) and --report, or --file",
                USAGE,
            )
        moment = {"occurred_on": on.date()} if on else {"occurred_at": now()}
        with connect(url, token, Role.INSTITUTE) as platform:
            platform.do(
                types.RecordResult(
                    review=review,
                    asset_no=asset_no,
                    disposition=found,
                    report=report,
                    why=why,
                    by=by or own_subject(token),
                    **moment,
                )
            )
    console.print(Text.assemble(("✓ ", "green"), f"{asset_no} 的结果已登记 the result of {asset_no} is recorded"))


def _record_file(
    review: str, file: Path, on: datetime | None, by: str | None, url: str | None, token: str | None
) -> int:
    """The exit status."""
    from services.sorting.reading.result_file import read_results  # noqa: PLC0415  slow to load

    try:
        with file.open("rb") as opened:
            read = read_results(opened)
    except OSError as error:
        raise CannotGoOn(
            f"{file} 无法读取（{error.strerror}）。", f"{file} cannot be read ({error.strerror})", USAGE
        ) from None
    findings, day = list(read.findings), day_of(file, on)
    accepted = repeated = 0
    try:
        with connect(url, token, Role.INSTITUTE) as platform, shown_progress(len(read.results), "结果 results") as step:
            for answer in _recorded(platform, review, read, day, by or own_subject(token)):
                if isinstance(answer, Finding):
                    findings.append(answer)
                else:
                    accepted += not answer
                    repeated += answer
                step()
    finally:
        errors = write_errors(file, findings)
    words = f"{accepted} 项结果已登记 results recorded"
    if repeated:
        words += f", {repeated} 项此前已登记 recorded before"
    if accepted or repeated:
        console.print(Text.assemble(("✓ ", "green"), words))
    if errors is None:
        return 0
    tell_refusals(errors)
    return PARTLY if accepted or repeated else REFUSED


def _recorded(platform: Client, review: str, read: "ResultFile", day: date, me: str) -> Iterator[bool | Finding]:
    """Of each row whether it had been recorded before, or why it was refused."""
    for one in read.results:
        result = types.RecordResult(
            review=review,
            asset_no=one.asset_no,
            disposition=one.disposition,
            report=one.report,
            why=one.why,
            by=me,
            occurred_on=day,
        )
        try:
            done = platform.do(result, key=f"result-{review}-{read.sha256[:16]}-{one.asset_no}-{day:%Y%m%d}")
        except Refused as refused:
            yield finding_of(one.row, one.sheet, one.asset_no, refused)
        else:
            yield done.repeated
