"""`meterloop`: the command line, above everything."""

import typer

from cli.demo.run import demo
from cli.document import document_app
from cli.importing import import_file
from cli.platform import init, token, up
from cli.upkeep import policy_app, rebuild_views

app = typer.Typer(
    name="meterloop",
    help="拆回计量器具全流程平台 / every dismantled meter, from handover to its next life, on a record to be checked",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(init)
app.command()(token)
app.command()(up)
app.command("import")(import_file)
app.command()(demo)
app.command("rebuild")(rebuild_views)
app.add_typer(document_app, name="document")
app.add_typer(policy_app, name="policy")


def main() -> None:
    """The entry point of the `meterloop` script."""
    app(prog_name="meterloop")


if __name__ == "__main__":
    main()
