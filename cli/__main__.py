"""`meterloop`: the command line, above everything."""

import sys
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException
from typer.main import get_command

NAME: Final = "meterloop"
COMMANDS: Final = {
    "init": "cli.platform:init",
    "token": "cli.platform:token",
    "up": "cli.platform:up",
    "import": "cli.importing:import_file",
    "demo": "cli.demo.run:demo",
    "audit": "cli.auditing:audit",
    "rebuild": "cli.upkeep:rebuild_views",
    "document": "cli.document:document_app",
    "site": "cli.site:site_app",
    "sorting": "cli.sorting:sorting_app",
    "policy": "cli.upkeep:policy_app",
    "ledger": "cli.proving:ledger_app",
    "witness": "cli.witnessing:witness",
    "backup": "cli.backing_up:backup",
    "restore": "cli.backing_up:restore",
}
"""Where each command is. Loaded when it is asked for: all of them together take a second."""


class Commands(TyperGroup):
    """Finds a command by its name."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002  Typer's signature
        """All names, in the order in which help shows them."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | TyperGroup | None:  # noqa: ARG002  Typer's signature
        """The command of this name, None where there is none."""
        if (place := COMMANDS.get(cmd_name)) is None:
            return None
        module, _, name = place.partition(":")
        found = getattr(import_module(module), name)
        if not isinstance(found, typer.Typer):
            alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
            alone.command(cmd_name)(found)
            found = alone
        command = get_command(found)
        command.name = cmd_name
        assert isinstance(command, TyperCommand | TyperGroup)
        return command


app = typer.Typer(
    name=NAME,
    cls=Commands,
    help="拆回计量器具全流程平台 / every dismantled meter, from handover to its next life, on a record to be checked",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def meterloop() -> None:
    """拆回计量器具全流程平台 Every dismantled meter, from handover to its next life, on a record to be checked."""


def main() -> None:
    """The entry point of the `meterloop` script."""
    try:
        sys.exit(app(prog_name=NAME, standalone_mode=False))
    except TyperException as error:
        # The words up to the fault that are commands: whose help there is to read.
        context = getattr(error, "ctx", None)
        sys.exit(import_module("cli.usage").told_of_usage(error, context.command_path if context else NAME))
    except Exception as error:  # noqa: BLE001  whoever sits at the terminal is not shown a traceback
        # Loaded only here: it knows every kind of failure there is.
        sys.exit(import_module("cli.failures").told(error))


if __name__ == "__main__":
    main()
