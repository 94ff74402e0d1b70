"""`meterloop import`: uploads a spreadsheet, shows how it goes, and brings back what was refused."""

import csv
import itertools
import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, Literal, cast, get_args

import typer
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from cli.connection import PARTLY, REFUSED, USAGE, CannotGoOn, connect, console, explained, note, say
from cli.uploading import Watch, run_import
from client import Client
from client.types import Import, NewImport
from kernel.principal import Role

Kind = Literal["devices", "dismantled", "dispatched", "received"]
KINDS: Final = {
    "devices": "登记在运器具 devices on record",
    "dismantled": "拆回与底度 dismantled",
    "dispatched": "移交发出 dispatched",
    "received": "中心接收 received",
}
CheckDigit = Literal["warn", "refuse", "ignore"]
MAPPING_BYTES_MAX: Final = 64 << 10
SHOWN_REFUSALS: Final = 5
SHOWN_UNUSED: Final = 20
OWNER_ONLY: Final = 0o600
_UNIT: Final = re.compile(r"[0-9]{5}", re.ASCII)
_NOT_THIS_KIND: Final = frozenset({"import_file.columns_missing", "import_file.no_header"})


def import_file(
    file: Annotated[Path, typer.Argument(readable=False, help="CSV, XLSX, NDJSON 或 Parquet")],
    kind: Annotated[str, typer.Option("--as", help=f"内容 what it holds: {' | '.join(KINDS)}")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只预检，不入账 try it; nothing is recorded")] = False,  # noqa: FBT002  Typer's way
    on: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="无日期列时的日期 day where there is no column")
    ] = None,
    unit: Annotated[str | None, typer.Option(help="无单位列时的管理单位 unit where there is no column")] = None,
    site: Annotated[str | None, typer.Option(help="无库房列时的存放处 site where there is no column")] = None,
    from_site: Annotated[str | None, typer.Option("--from", help="发出地 site it leaves")] = None,
    to_site: Annotated[str | None, typer.Option("--to", help="接收地 site it goes to")] = None,
    mapping: Annotated[Path | None, typer.Option(readable=False, help="表头映射文件 mapping of headers")] = None,
    check_digit: Annotated[
        str | None, typer.Option(help="校验位 warn | refuse | ignore；不宽于服务设置 no laxer than the registry is set")
    ] = None,
    units: Annotated[
        str, typer.Option(help="本机令牌所限的单位，缺省为全部 units the local token is limited to; all by default")
    ] = "",
    url: Annotated[str | None, typer.Option(help="平台地址 the platform")] = None,
    token: Annotated[str | None, typer.Option(help="访问令牌 access token")] = None,
) -> None:
    """导入表格，显示进度；被拒的行写入 FILE.errors.csv Import a spreadsheet; refused rows go to FILE.errors.csv."""
    with explained():
        limited_to = _units(units)
        announced = NewImport(
            kind=_kind(kind),
            name=file.name,
            bytes=_size(file),
            dry_run=dry_run,
            occurred_on=on.date() if on else None,
            unit=_unit(unit),
            site=site,
            from_site=from_site,
            to_site=to_site,
            mapping=_mapping(mapping),
            check_digit=_check_digit(check_digit),
        )
        with connect(url, token, *_roles(announced.kind, limited_to), units=limited_to) as platform:
            begun = time.monotonic()
            with shown_progress() as watch:
                stands = run_import(platform, file, announced, watch)
            seconds = time.monotonic() - begun
            errors = None
            if stands.refused or stands.warned:
                errors = fetch_errors(platform, stands, file)
            elif stands.state == "done":
                remove_errors(file)
    tell(stands, errors, seconds)
    raise typer.Exit(status_of(stands))


def status_of(stands: Import) -> int:
    """The exit status: REFUSED too where every row was."""
    if stands.state != "done" or (stands.refused and not stands.accepted and not stands.unchanged):
        return REFUSED
    return PARTLY if stands.refused else 0


def fetch_errors(platform: Client, stands: Import, file: Path) -> Path:
    """Write the error file beside the file, or here where that is not allowed. Returns where. Raises CannotGoOn."""
    for path in _errors_beside(file):
        try:
            # It holds cells of the file: for whoever imports it and nobody else.
            path.unlink(missing_ok=True)
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY), "wb") as target:
                target.writelines(platform.import_errors(stands.import_id))
        except OSError as error:
            why = error.strerror
        else:
            return path
    raise CannotGoOn(
        f"导入已结束，但无法写出逐行原因（{why}）。腾出空间后再运行一次，已入账的不会重复。",
        f"the import is over, but its reasons cannot be written ({why}); make room and run it again: nothing that is "
        "recorded is recorded twice",
        REFUSED,
    )


def remove_errors(file: Path) -> None:
    """Remove the error file of an earlier import: nothing that it says is so any more."""
    for path in _errors_beside(file):
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _errors_beside(file: Path) -> tuple[Path, Path]:
    """Where the error file may be: beside the file, or here where that is not allowed."""
    name = f"{file.name}.errors.csv"
    return file.with_name(name), Path(name)


def tell(stands: Import, errors: Path | None, seconds: float) -> None:
    """What came of it."""
    if stands.state == "done":
        rows = stands.accepted + stands.unchanged + stands.refused
        what = "预检完毕 tried" if stands.dry_run else "导入完毕 imported"
        rate = f"{rows:,} 行 rows, {seconds:.1f} s, {rows / max(seconds, 0.001):,.0f}/s"
        console.print(Text.assemble(("✓ ", "green"), f"{what}: {stands.name}", (f"  {rate}", "dim")))
    elif stands.state == "cancelled":
        say("此次导入已被取消，已入账的行保持有效。", "this import was cancelled; what it recorded stands")
    else:
        say(stands.zh or "导入失败。", stands.en or "the import failed", stands.code)
        if stands.code in _NOT_THIS_KIND:
            note("请核对 --as 与内容是否相符。", "see that --as says what the file holds")
    _tell_counts(stands)
    _tell_unused(stands)
    if errors is not None:
        tell_refusals(errors)
    if stands.state == "done" and not stands.accepted and stands.unchanged:
        console.print(Text("其中可入账的行先前均已入账，没有任何变化。"))
        console.print(Text("  What can be recorded of it was recorded before; nothing has changed."))


@contextmanager
def shown_progress() -> Iterator[Watch]:
    """A bar for the upload and one for the reading, with rate and time left, while the block lasts."""
    words = {
        "upload": "上传 upload",
        "queue": "排在前面的导入 imports ahead of this one",
        "reading": "读取入账 reading and recording",
        "waiting": "等待平台 waiting for the platform",
    }
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        tasks: dict[str, TaskID] = {}

        def watch(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(words[what], total=total, rate="")
            progress.update(tasks[what], completed=done, total=total)
            speed = progress.tasks[list(tasks).index(what)].speed
            progress.update(tasks[what], rate=f"{speed:,.0f}/s" if speed else "")

        yield watch


def _tell_counts(stands: Import) -> None:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(justify="right", no_wrap=True)
    table.add_column()
    for style, name, number in (
        ("green", "预检可接受 would be accepted" if stands.dry_run else "已入账 accepted", stands.accepted),
        ("", "此前已入账 unchanged", stands.unchanged),
        ("red", "被拒 refused", stands.refused),
        ("yellow", "有提示 with a warning", stands.warned),
        ("dim", "非数据行 rows that are no data", stands.skipped),
    ):
        if number:
            table.add_row(Text(f"{number:,}", style), Text(name))
    if table.row_count:
        console.print(Padding(table, (0, 0, 0, 2)))


def _tell_unused(stands: Import) -> None:
    """Which columns were not read, and whether the file seems to be of another kind."""
    if stands.unused_columns:
        named = ", ".join(
            " ".join(filter(None, (f"{one.sheet}!" if one.sheet else "", one.letter, one.header)))
            for one in stands.unused_columns[:SHOWN_UNUSED]
        )
        more = len(stands.unused_columns) - SHOWN_UNUSED
        rest = f", +{more}" if more > 0 else ""
        console.print(Padding(Text(f"未用的列 columns not used: {named}{rest}", "dim"), (0, 0, 0, 2)))
    if stands.also_kind:
        note(
            f"未用的列中有 {stands.also_kind} 所必需的列。请核对 --as {stands.kind} 是否有误。",
            f"among the columns not used are some that {stands.also_kind} requires; see whether --as {stands.kind} is "
            "right",
        )


def tell_refusals(errors: Path, shown: int = SHOWN_REFUSALS) -> None:
    """The first rows of the error file, and where the rest is."""
    with errors.open(encoding="utf-8-sig", newline="") as file:
        lines = list(itertools.islice(csv.reader(file), 1, shown + 2))
    for row, column, value, code, zh, en in lines[:shown]:
        place = f"第 {row} 行 row {row}" + (f" · {column}" if column else "") + (f" · {value}" if value else "")
        refused = Table.grid()
        refused.add_row(Text("· ", "red"), Text.assemble((place, "bold"), (f"  [{code}]", "dim")))
        refused.add_row("", Text(f"{zh}\n{en}"))
        console.print(refused)
    if any(line[3] == "access.denied" for line in lines):
        note(
            "令牌须代表所涉单位；本机令牌代表全部单位，或 --units 所列的单位，如 --units 99401。",
            "a token acts for its own units; this machine's own for all, or for those of --units, as in --units 99401",
        )
    what = "全部原因 all reasons: " if lines[shown:] else "原因 reasons: "
    console.print(Text.assemble(("→ ", "cyan"), what, str(errors)), soft_wrap=True)


def _kind(kind: str) -> Kind:
    if kind in KINDS:
        return cast("Kind", kind)
    listed = "\n".join(f"    --as {name:<11} {words}" for name, words in KINDS.items())
    said = f"没有 {kind} 这种内容。" if kind else "请用 --as 说明表格内容。"
    told = f"there is no kind {kind}:" if kind else "say with --as what the table holds:"
    raise CannotGoOn(said, f"{told}\n{listed}", USAGE)


def _size(file: Path) -> int:
    """The size of a file that can be read and has something in it. Raises CannotGoOn."""
    zh, en = _unreadable(file) or ("", "")
    if not zh and not (size := file.stat().st_size):
        zh, en = "是空的。请确认导出完成后再导入。", "is empty; make sure the export has finished"
    if zh:
        raise CannotGoOn(f"{file} {zh}", f"{file} {en}", USAGE)
    return size


def _unreadable(file: Path) -> tuple[str, str] | None:
    try:
        mode = file.stat().st_mode
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            return "不存在。请核对路径。", "is not there; check the path"
        return f"无法访问（{error.strerror}）。", f"cannot be looked at ({error.strerror})"
    if stat.S_ISDIR(mode):
        return "是目录。请逐个导入其中的表格。", "is a folder; import the tables in it one by one"
    if not stat.S_ISREG(mode):
        return "不是普通文件。请先存为文件。", "is no ordinary file; save it as one first"
    if not os.access(file, os.R_OK):
        return "无权读取。请检查文件权限。", "may not be read; check its permissions"
    return None


def _mapping(path: Path | None) -> str | None:
    if path is None:
        return None
    zh, en = _unreadable(path) or ("", "")
    if not zh and path.stat().st_size > MAPPING_BYTES_MAX:
        zh, en = "超过 64 KiB，不是映射文件。", "has more than 64 KiB and is no mapping file"
    try:
        if not zh:
            return path.read_text("utf-8")
    except UnicodeDecodeError:
        zh, en = "不是 UTF-8 文本。请以 UTF-8 另存映射文件。", "is not UTF-8 text; save the mapping file as UTF-8"
    raise CannotGoOn(f"{path} {zh}", f"{path} {en}", USAGE)


def _unit(unit: str | None) -> str | None:
    if unit is None or _UNIT.fullmatch(unit):
        return unit
    raise CannotGoOn(f"--unit 须为 5 位单位代码，不是 {unit}。", f"--unit takes a code of 5 digits, not {unit}", USAGE)


def _units(said: str) -> frozenset[str]:
    units = frozenset(filter(None, said.split(",")))
    if wrong := sorted(one for one in units if not _UNIT.fullmatch(one)):
        raise CannotGoOn(
            f"--units 须为以逗号分隔的 5 位单位代码，不是 {wrong[0]}。",
            f"--units takes codes of 5 digits with commas between, not {wrong[0]}",
            USAGE,
        )
    return units


def _roles(kind: str, units: frozenset[str]) -> tuple[Role, ...]:
    """Limited to some units one is their operator and nothing else: the centre's roles know no units. Raises
    CannotGoOn.
    """
    if not units:
        return Role.OPERATOR, Role.STOREKEEPER, Role.DISPATCHER
    if kind == "received":
        raise CannotGoOn(
            "中心接收不分单位，请去掉 --units。",
            "the centre receives from every unit; leave out --units",
            USAGE,
        )
    return (Role.OPERATOR,)


def _check_digit(policy: str | None) -> CheckDigit | None:
    if policy is None or policy in get_args(CheckDigit):
        return cast("CheckDigit | None", policy)
    choices = " | ".join(get_args(CheckDigit))
    raise CannotGoOn(f"--check-digit 须为 {choices}。", f"--check-digit is {choices}", USAGE)
