"""`meterloop sorting label`: labels of devices and containers, for any printer or for a label printer."""

from pathlib import Path
from typing import Annotated

import typer

from kernel.refusal import Refusal
from services.sorting.labels import Label, pdf, zpl


def label(
    numbers: Annotated[
        list[str], typer.Argument(metavar="NUMBER...", help="资产编号、临时标识或周转箱编号 asset numbers, containers")
    ],
    pdf_file: Annotated[Path | None, typer.Option("--pdf", help="写成 PDF，每页一张 as PDF, a label a page")] = None,
    zpl_file: Annotated[Path | None, typer.Option("--zpl", help="写成 ZPL as ZPL, for label printers")] = None,
) -> None:
    """打印标签 Labels of 60 x 40 mm with a QR code and a Code 128. Nothing is asked of the platform."""
    if pdf_file is None and zpl_file is None:
        raise typer.BadParameter("请给出 --pdf 或 --zpl / give --pdf or --zpl")
    try:
        labels = [Label(number) for number in numbers]
    except Refusal as refusal:
        typer.echo(f"{refusal.zh}\n{refusal.en}", err=True)
        raise typer.Exit(1) from None
    if pdf_file is not None:
        pdf_file.write_bytes(pdf(labels))
    if zpl_file is not None:
        zpl_file.write_text(zpl(labels), "ascii")
    typer.echo(f"{len(labels)} 张标签 labels")
