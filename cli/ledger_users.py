"""`meterloop ledger user`: who may call `meterloop ledger serve`, and as what."""

import sys
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.connection import console, note
from cli.settings import cli_settings
from kernel.principal import Role

user_app = typer.Typer(
    name="user",
    help="`ledger serve` 的用户：增加、查看、删除 / users of `ledger serve`: add, list, remove",
    no_args_is_help=True,
    add_completion=False,
)
output: Final = Console()

Name = Annotated[str, typer.Argument(help="用户名 name")]


@user_app.command("add")
def add(
    name: Name,
    role: Annotated[Role, typer.Option(help="角色 role")],
    service: Annotated[
        str | None,
        typer.Option(help="角色为 service 时是哪一个服务，只可写该服务的流 which one, of role service alone"),
    ] = None,
    *,
    prompt: Annotated[
        bool, typer.Option("--prompt", help="口令由本人输入，不自动生成 ask for a password instead of making one")
    ] = False,
) -> None:
    """增加用户，口令自动生成，只显示一次 Add a user; the password is made here, and shown this once."""
    from cli.credentials import SERVICE_NEEDED, add_user, asked_password, new_password  # noqa: PLC0415  slow to load
    from cli.grants import SERVICES  # noqa: PLC0415  as above
    from kernel.clock import system_clock_us  # noqa: PLC0415  as above

    settings = cli_settings()
    if (service in SERVICES) is not (role is Role.SERVICE):
        raise SERVICE_NEEDED(known=" | ".join(SERVICES))
    password = asked_password("口令 password: ") if prompt else new_password()
    add_user(settings.keys_dir, name, role, service, password, system_clock_us())
    console.print(Text.assemble(("✓ ", "green"), f"已增加用户 added: {name}（{service or role.value}）"))
    if not prompt:
        note("口令如下，只显示这一次：", "the password follows, and is shown this once:")
        sys.stdout.write(password + "\n")


@user_app.command("list")
def list_users() -> None:
    """所有用户 All users."""
    from cli.credentials import read_credentials  # noqa: PLC0415  slow to load

    table = Table(box=None, pad_edge=False)
    for heading in ("用户 name", "角色 role", "服务 service", "增加于 added"):
        table.add_column(heading)
    for name, one in sorted(read_credentials(cli_settings().keys_dir).users.items()):
        table.add_row(name, one.role.value, one.service or "", one.created_at.isoformat(timespec="seconds"))
    output.print(table)


@user_app.command("remove")
def remove(name: Name) -> None:
    """删除用户；其正在进行的调用不中断 Remove a user; calls of theirs that are under way go on."""
    from cli.credentials import remove_user  # noqa: PLC0415  slow to load

    remove_user(cli_settings().keys_dir, name)
    console.print(Text.assemble(("✓ ", "green"), f"已删除用户 removed: {name}"))
