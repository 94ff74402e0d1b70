"""`meterloop import`: uploads a spreadsheet, shows how it goes, and brings back what was refused."""

import hashlib
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, Literal, get_args

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table

from cli.connection import connect, console, explained
from client import Client, Refused
from client.types import GetImport, Import, NewImport
from kernel.identity import Role

PIECE_BYTES: Final = 2 << 20
POLL_S: Final = 0.2
OVER: Final = frozenset({"done", "failed", "cancelled"})

Kind = Literal["devices", "dismantled", "dispatched", "received"]
Watch = Callable[[str, int, int], None]
"""Called with what is under way (upload or reading), how far, of how much."""


def import_file(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV, XLSX, NDJSON 或 Parquet")],
    kind: Annotated[str, typer.Option("--as", help=f"内容 what it holds: {' | '.join(get_args(Kind))}")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="只预检，不入账 try it; nothing is recorded")] = False,  # noqa: FBT002  Typer's way
    on: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="无日期列时的日期 day where there is no column")
    ] = None,
    unit: Annotated[str | None, typer.Option(help="无单位列时的管理单位 unit where there is no column")] = None,
    site: Annotated[str | None, typer.Option(help="无库房列时的存放处 site where there is no column")] = None,
    from_site: Annotated[str | None, typer.Option("--from", help="发出地 site it leaves")] = None,
    to_site: Annotated[str | None, typer.Option("--to", help="接收地 site it goes to")] = None,
    mapping: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="表头映射文件 mapping of headers")
    ] = None,
    check_digit: Annotated[str | None, typer.Option(help="校验位 warn | refuse | ignore")] = None,
    units: Annotated[str, typer.Option(help="本机令牌代表的单位，逗号分隔 units that the local token acts for")] = "",
    url: Annotated[str | None, typer.Option(help="平台地址 the platform")] = None,
    token: Annotated[str | None, typer.Option(help="访问令牌 access token")] = None,
) -> None:
    """导入表格，显示进度；被拒的行写入 FILE.errors.csv Import a spreadsheet; refused rows go to FILE.errors.csv."""
    if kind not in get_args(Kind):
        raise typer.BadParameter(f"--as: {' | '.join(get_args(Kind))}")
    announced = NewImport(
        kind=kind,  # type: ignore[arg-type]  # checked above
        name=file.name,
        bytes=file.stat().st_size,
        dry_run=dry_run,
        occurred_on=on.date() if on else None,
        unit=unit,
        site=site,
        from_site=from_site,
        to_site=to_site,
        mapping=mapping.read_text("utf-8") if mapping else None,
        check_digit=check_digit,  # type: ignore[arg-type]  # the platform says what it takes
    )
    acts_for = frozenset(filter(None, units.split(",")))
    with (
        explained(),
        connect(url, token, Role.OPERATOR, Role.STOREKEEPER, Role.DISPATCHER, units=acts_for) as platform,
    ):
        with shown_progress() as watch:
            stands = run_import(platform, file, announced, watch)
        errors = fetch_errors(platform, stands, file) if stands.refused or stands.warned else None
    tell(stands, errors)
    raise typer.Exit(0 if stands.state == "done" else 1)


def run_import(platform: Client, file: Path, announced: NewImport, watch: Watch) -> Import:
    """Upload and wait until it is over. An upload that was cut off goes on; a file that was imported is asked again."""
    key = _digest(file, announced)
    stands = platform.create_import(announced, key=key)
    if stands.state in OVER:
        stands = platform.create_import(announced)
    with file.open("rb") as content:
        content.seek(stands.bytes_received)
        while stands.state == "uploading":
            piece = content.read(PIECE_BYTES)
            stands = _append(platform, stands, piece)
            content.seek(stands.bytes_received)
            watch("upload", stands.bytes_received, stands.bytes)
    while stands.state not in OVER:
        time.sleep(POLL_S)
        stands = platform.ask(GetImport(import_id=stands.import_id))
        watch("reading", stands.done, stands.total)
    return stands


def _append(platform: Client, stands: Import, piece: bytes) -> Import:
    """Send a piece, and hear how the upload stands. A piece whose answer was lost has been kept: the platform knows."""
    try:
        return platform.append_import(stands.import_id, stands.bytes_received, piece)
    except Refused as refused:
        if refused.code not in {"import.wrong_offset", "import.not_uploading"}:
            raise
        return platform.ask(GetImport(import_id=stands.import_id))


def fetch_errors(platform: Client, stands: Import, file: Path) -> Path:
    """Write the error file beside the file. Returns where."""
    path = file.with_name(f"{file.name}.errors.csv")
    with path.open("wb") as target:
        for piece in platform.import_errors(stands.import_id):
            target.write(piece)
    return path


def tell(stands: Import, errors: Path | None) -> None:
    """What came of it."""
    if stands.state != "done":
        console.print(f"[red]✗[/] {stands.zh or stands.state}\n  {stands.en or ''} ({stands.code or stands.state})")
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(justify="left")
    table.add_column(justify="right")
    for name, number in (
        ("预检可接受 would be accepted" if stands.dry_run else "已入账 accepted", stands.accepted),
        ("此前已入账 unchanged", stands.unchanged),
        ("被拒 refused", stands.refused),
        ("有疑问但接受 accepted with a warning", stands.warned),
        ("非数据行 rows that are no data", stands.skipped),
    ):
        table.add_row(name, f"{number:,}")
    console.print(table)
    if errors is not None:
        console.print(f"逐行原因见 reasons row by row: {errors}")
    if stands.state == "done" and not stands.accepted and stands.unchanged and not stands.refused:
        console.print("此文件先前已导入，没有任何变化。 This file was imported before; nothing has changed.")


class shown_progress:  # noqa: N801  reads as what it is used for
    """A bar for the upload and one for the reading, with rate and time left, while the block lasts."""

    def __init__(self) -> None:
        self._progress: Final = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
        )
        self._tasks: Final[dict[str, TaskID]] = {}

    def __enter__(self) -> Watch:
        self._progress.start()
        return self._watch

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def _watch(self, what: str, done: int, total: int) -> None:
        words = {"upload": "上传 upload", "reading": "读取入账 reading and recording"}
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(words[what], total=total, rate="")
        task = self._tasks[what]
        self._progress.update(task, completed=done, total=total)
        speed = self._progress.tasks[list(self._tasks).index(what)].speed
        self._progress.update(task, rate=f"{speed:,.0f}/s" if speed else "")


def _digest(file: Path, announced: NewImport) -> str:
    """A name for this file imported in this way, so that the same command finds its upload again."""
    digest = hashlib.sha256(repr(announced).encode())
    with file.open("rb") as content:
        while piece := content.read(PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest()
