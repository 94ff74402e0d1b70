"""`meterloop document`: fetches the papers, each to a file of its own."""

import os
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, BinaryIO, Final, Literal, cast, get_args

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn
from rich.text import Text

from cli.connection import REFUSED, CannotGoOn, connect, console, explained
from client import Download, Fetched
from client.types import GetAssetPage, GetRecoveryLedger, GetTransferNote
from kernel.principal import Role

Format = Literal["pdf", "xlsx"]
EVERY_UNIT: Final = "all"
_PERIOD: Final = re.compile(r"(\d{4}-\d{2})(?:\.\.(\d{4}-\d{2}))?", re.ASCII)
_NOT_IN_NAMES: Final = re.compile(r"[\x00-\x1f/\\:]+")

document_app = typer.Typer(
    name="document",
    help="单据：移交单、回收统计台账、一表一档 / papers: transfer note, recovery ledger, asset page",
    no_args_is_help=True,
)

Output = Annotated[
    Path | None,
    typer.Option("-o", "--output", help="写入的文件或目录，缺省为其自己的名称 file or folder; by default its own name"),
]
Made = Annotated[
    str | None, typer.Option("--format", help="pdf | xlsx；缺省随文件扩展名，否则 pdf by the file's ending, else pdf")
]
Url = Annotated[str | None, typer.Option(help="平台地址 the platform")]
Token = Annotated[str | None, typer.Option(help="访问令牌 access token")]


@document_app.command("transfer-note")
def transfer_note(
    shipment: Annotated[str, typer.Argument(help="移交单号 the shipment")],
    output: Output = None,
    made: Made = None,
    url: Url = None,
    token: Token = None,
) -> None:
    """拆回计量资产移交单 The transfer note of a shipment."""
    fetch(GetTransferNote(shipment_id=shipment, format=_format(made, output)), output, url, token)


@document_app.command("recovery")
def recovery(
    unit: Annotated[str, typer.Argument(help=f"管理单位，{EVERY_UNIT} 为全部 managing unit, or {EVERY_UNIT}")],
    period: Annotated[str, typer.Argument(help="月份 month: 2026-03，或 or 2026-01..2026-03")],
    output: Output = None,
    made: Made = None,
    url: Url = None,
    token: Token = None,
) -> None:
    """回收统计台账 The recovery ledger of a unit, for a month or several."""
    months = _PERIOD.fullmatch(period)
    if months is None:
        raise typer.BadParameter(
            f"月份写作 2026-03 或 2026-01..2026-03，而不是 {period!r}。"
            f" A period is written 2026-03 or 2026-01..2026-03, not {period!r}.",
            param_hint="PERIOD",
        )
    wanted = GetRecoveryLedger(
        first=months[1],
        last=months[2] or months[1],
        unit=None if unit == EVERY_UNIT else unit,
        format=_format(made, output),
    )
    fetch(wanted, output, url, token)


@document_app.command("page")
def page(
    asset_no: Annotated[str, typer.Argument(help="资产编号 asset number")],
    output: Output = None,
    made: Made = None,
    url: Url = None,
    token: Token = None,
) -> None:
    """一表一档（只有 PDF） Everything on record about one device (as PDF only)."""
    if _format(made, output) != "pdf":
        raise typer.BadParameter(
            "一表一档只有 PDF。 An asset page is made as PDF only.", param_hint="--format" if made else "-o"
        )
    fetch(GetAssetPage(asset_no=asset_no, format="pdf"), output, url, token)


def _format(made: str | None, output: Path | None) -> Format:
    if made is None:
        return "xlsx" if output is not None and output.suffix.lower() == ".xlsx" else "pdf"
    if made not in get_args(Format):
        raise typer.BadParameter(f"pdf | xlsx，而不是 not {made!r}", param_hint="--format")
    return cast("Format", made)


def fetch(wanted: Download, output: Path | None, url: str | None, token: str | None, role: Role = Role.AUDITOR) -> None:
    """Fetch a paper into a file, whole or not at all, under its own name where none is given. This machine's own token
    is of that role.
    """
    with explained(), connect(url, token, role) as platform:
        folder = output if output is not None and output.is_dir() else output.parent if output else Path()
        with _arriving(folder) as (file, beside):
            with _shown_progress() as told:
                fetched = platform.fetch(wanted, file, told)
            place = output if output is not None and not output.is_dir() else folder / _own_name(fetched)
            file.flush()
            os.replace(beside, place)  # noqa: PTH105  as one step
    console.print(Text.assemble(("✓ ", "green"), str(place), (f"  {fetched.size_bytes:,} B", "dim")))
    console.print(Text.assemble("  SHA-256 ", (fetched.sha256, "dim")), soft_wrap=True)


@contextmanager
def _arriving(folder: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """A file beside the one to be written, which goes where what it holds did not come whole. Raises CannotGoOn."""
    beside = folder / f".meterloop-{secrets.token_hex(8)}.part"
    try:
        file = beside.open("xb")
    except OSError as error:
        raise CannotGoOn(
            f"无法写入目录 {folder}：{error.strerror}。请用 -o 另选一处。",
            f"cannot write into {folder}: {error.strerror}; choose another place with -o",
            REFUSED,
        ) from None
    try:
        with file:
            yield file, beside
    except OSError as error:
        raise CannotGoOn(
            f"写入失败：{error.strerror}。请腾出空间或用 -o 另选一处。",
            f"writing failed: {error.strerror}; make room, or choose another place with -o",
            REFUSED,
        ) from None
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


@contextmanager
def _shown_progress() -> Iterator[Callable[[int, int | None], None]]:
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("生成与接收 making and fetching", total=None)
        yield lambda here, whole: progress.update(task, completed=here, total=whole)


def _own_name(fetched: Fetched) -> str:
    """What the paper is called, as a name within a folder and nothing more."""
    return _NOT_IN_NAMES.sub("_", fetched.name).lstrip(".") or "document"
