"""`meterloop sorting`: what a hall and its metrologist do from a terminal.

Each topic has a module here; its commands are added below.
"""

from typing import Final

import typer

from cli.sorting.bench_files import bench_file
from cli.sorting.curves import curves
from cli.sorting.labels import label
from cli.sorting.publishing import diff, publish, schemes, show
from cli.sorting.reading import read
from cli.sorting.reviewing import nonce
from cli.sorting.reviews import certificate, review_app
from cli.sorting.trying import explain, try_table

sorting_app: Final = typer.Typer(
    name="sorting",
    help="分拣检测 sorting: schemes, inspections, verdicts, reviews",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@sorting_app.callback()
def sorting() -> None:
    """分拣检测 Sorting: schemes, inspections, verdicts, reviews."""


sorting_app.command()(curves)
sorting_app.command("publish")(publish)
sorting_app.command("schemes")(schemes)
sorting_app.command("show")(show)
sorting_app.command("diff")(diff)
sorting_app.command("try")(try_table)
sorting_app.command("explain")(explain)
sorting_app.command("read")(read)
sorting_app.command("label")(label)
sorting_app.command("bench")(bench_file)
sorting_app.command("nonce")(nonce)
sorting_app.add_typer(review_app)
sorting_app.command("certificate")(certificate)
