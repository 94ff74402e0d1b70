"""`meterloop sorting bench`: the result file of an error bench, position by position to the accuracy step."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from cli.connection import PARTLY, REFUSED, USAGE, CannotGoOn, connect, console, explained, note, warn
from cli.importing import OWNER_ONLY, tell_refusals
from cli.sorting.reading import Token, Url, norm_of, output, refusals_said, step_report
from client import Client, Refused, types
from kernel.principal import Role
from kernel.quantity import business_day_of_us
from kernel.refusal import Refusal
from kernel.spreadsheet.error_file import ErrorFile
from kernel.spreadsheet.findings import Column, Finding
from services.sorting.norms import Norm

if TYPE_CHECKING:
    from services.sorting.reading.bench_file import BenchFile, Position

SHOWN_UNUSED: Final = 20


class Told(msgspec.Struct):
    """What came of the positions."""

    accepted: int = 0
    repeated: int = 0
    findings: list[Finding] = []
    left_out: dict[str, None] = {}


def bench_file(
    file: Annotated[Path, typer.Argument(readable=False, help="CSV 或 XLSX，每行一个表位 one row a position")],
    bench: Annotated[str, typer.Option(help="检测台 the bench")],
    submit: Annotated[bool, typer.Option("--submit", help="登记计量性能检查 record the accuracy step")] = False,  # noqa: FBT002  Typer's way
    mapping: Annotated[Path | None, typer.Option(readable=False, help="表头映射文件 mapping of headers")] = None,
    on: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="检测日期，缺省为文件日期 day; the file's own if left out"),
    ] = None,
    url: Url = None,
    token: Token = None,
) -> None:
    """读入检测台结果文件；同一文件可重复执行 Read a bench's result file; the same file again is recorded once."""
    with explained(), refusals_said():
        found, day = _read(file, mapping, bench), day_of(file, on)
        told = Told(findings=list(found.findings))
        try:
            if submit:
                with connect(url, token, Role.INSPECTOR) as platform:
                    _submit(platform, found, bench, day, told)
            else:
                _show(found)
        finally:
            errors = write_errors(file, told.findings)
    _tell(found, told, submit=submit)
    if errors is not None:
        tell_refusals(errors)
    refused = found.refused + len({(one.sheet, one.row) for one in told.findings[len(found.findings) :]})
    raise typer.Exit(0 if not refused else PARTLY if refused < found.refused + len(found.positions) else REFUSED)


def _read(file: Path, mapping: Path | None, bench: str) -> "BenchFile":
    from services.sorting.reading.bench_file import read_bench  # noqa: PLC0415  slow to load
    from services.sorting.reading.bench_mapping import load  # noqa: PLC0415  slow to load

    columns = load(mapping)
    try:
        with file.open("rb") as opened:
            return read_bench(opened, columns, bench)
    except OSError as error:
        raise CannotGoOn(
            f"{file} 无法读取（{error.strerror}）。", f"{file} cannot be read ({error.strerror})", USAGE
        ) from None


def day_of(file: Path, on: datetime | None) -> date:
    """The day of the test. That of the file stays the same however often it is sent."""
    return on.date() if on else business_day_of_us(file.stat().st_mtime_ns // 1_000)


def _submit(platform: Client, found: "BenchFile", bench: str, day: date, told: Told) -> None:
    norms: dict[tuple[str, int], Norm] = {}

    def norm_for(inspection: types.InspectionRow) -> Norm:
        version = inspection.scheme_group, inspection.scheme_version
        if version not in norms:
            norms[version] = norm_of(platform, inspection, "accuracy")
        return norms[version]

    with shown_progress(len(found.positions)) as advance:
        for one in found.positions:
            try:
                inspection = platform.ask(types.GetInspection(asset_no=one.asset_no))
                if inspection.bench != bench:
                    raise _elsewhere(inspection.bench, bench)
                report = _report(one, norm_for(inspection), told)
                done = platform.do(
                    types.InspectAccuracy(asset_no=one.asset_no, report=report, bench=bench, occurred_on=day),
                    key=f"bench-{found.sha256}-{one.position}",
                )
            except (Refused, Refusal) as refused:
                told.findings.append(finding_of(one.row, one.sheet, one.asset_no, refused))
            else:
                told.repeated += done.repeated
                told.accepted += not done.repeated
            advance()


def _report(one: "Position", norm: Norm, told: Told) -> types.StepReport:
    """What the norm asks for of what was measured. A bench that says otherwise than the limits is named."""
    from services.sorting.evaluation import shown_faults  # noqa: PLC0415  with what is slow to load

    measured = tuple(part for part in one.measured if norm.item(part.item))
    told.left_out.update(dict.fromkeys(part.item for part in one.measured if not norm.item(part.item)))
    with suppress(Refusal):
        # Where something is missing, the platform refuses it; here only the two conclusions are compared.
        faults = shown_faults(norm, measured, one.accuracy_class)
        if one.said is not None and (one.said == "passed") is bool(faults):
            limits = ", ".join(faults) or "—"
            warn(
                f"表位 {one.position}：检测台结论与限值判定不一致（{limits}），以限值为准。",
                f"position {one.position}: the bench concludes otherwise than the limits ({limits}), which count",
            )
    return step_report(measured)


def _elsewhere(found: str, bench: str) -> Refusal:
    from services.sorting.reading.faults import BENCH_OTHER  # noqa: PLC0415  slow to load

    return BENCH_OTHER(found=found, bench=bench)


def finding_of(row: int, sheet: str | None, asset_no: str, refused: Refused | Refusal) -> Finding:
    """A refusal of the platform at the cell of the meter."""
    column = Column("asset_no", "", "asset_no")
    return Finding(
        row=row,
        code=refused.code,
        zh=refused.zh,
        en=refused.en,
        value=asset_no,
        field=column.field,
        header=column.header,
        sheet=sheet,
    )


@contextmanager
def shown_progress(total: int, what: str = "表位 positions") -> Iterator[Callable[[], None]]:
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=total)
        yield lambda: progress.advance(task)


def _show(found: "BenchFile") -> None:
    table = Table(box=None, pad_edge=False)
    for heading in ("表位 position", "资产编号 asset number", "测得 measured", "台体结论 the bench says"):
        table.add_column(heading, overflow="fold")
    for one in found.positions:
        measured = ", ".join(f"{part.item} {part.value}" for part in one.measured)
        table.add_row(str(one.position), one.asset_no, measured, one.said or "—")
    output.print(table)


def _tell(found: "BenchFile", told: Told, *, submit: bool) -> None:
    if submit:
        words = f"{told.accepted} 个表位已登记 positions recorded"
        if told.repeated:
            words += f", {told.repeated} 个此前已登记 recorded before"
    else:
        words = f"{len(found.positions)} 个表位可读 positions read; --submit 登记 records them"
    if found.positions and (not submit or told.accepted or told.repeated):
        console.print(Text.assemble(("✓ ", "green"), words))
    if told.left_out:
        note(
            f"方案没有这些条目，未登记：{', '.join(told.left_out)}。",
            f"the scheme does not have these, and they were not recorded: {', '.join(told.left_out)}",
        )
    if found.unused:
        named = ", ".join(f"{one.letter} {one.header}" for one in found.unused[:SHOWN_UNUSED])
        console.print(Text(f"  未用的列 columns not used: {named}", "dim"))


def write_errors(file: Path, findings: list[Finding]) -> Path | None:
    """The error file beside the file; an earlier one goes, for what it says is so no more."""
    path = file.with_name(f"{file.name}.errors.csv")
    try:
        path.unlink(missing_ok=True)
        if not findings:
            return None
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY))
        errors = ErrorFile(path)
        errors.add(findings)
        errors.close()
    except OSError as error:
        raise CannotGoOn(
            f"无法写出逐行原因（{error.strerror}）。",
            f"the reasons cannot be written ({error.strerror})",
            REFUSED,
        ) from None
    return path
