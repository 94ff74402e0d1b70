"""What an operator does to a service from beside it: look at its policies, let them go on, build its views anew."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Final, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from cli.settings import cli_settings
from kernel.database import Database
from kernel.moved_log import Columns, take_over
from kernel.policy_store import retry, skip, standing
from kernel.view import View
from kernel.view_store import rebuild
from ledger.open import open_ledger
from services.registry.records import ImportRecord
from services.registry.views import VIEWS as REGISTRY_VIEWS
from services.sorting.views import VIEWS as SORTING_VIEWS

T = TypeVar("T")

VIEWS_OF: Final[dict[str, tuple[View[Any], ...]]] = {"registry": REGISTRY_VIEWS, "sorting": SORTING_VIEWS}
"""The services that have views and policies."""

COLUMNS_OF: Final[Mapping[str, Columns]] = {"registry": {ImportRecord.__table__: ("position", "begun_at")}}  # type: ignore[attr-defined]  # SQLAlchemy adds it to the class
"""Columns of services' own tables that hold positions of the log."""

Service = Annotated[str, typer.Option(help=f"服务 service: {' | '.join(VIEWS_OF)}")]

policy_app = typer.Typer(
    name="policy",
    help="策略：查看、重试、跳过 / policies: look, retry, skip",
    no_args_is_help=True,
    add_completion=False,
)
console = Console()


@policy_app.command("list")
def list_policies(service: Service = "registry") -> None:
    """各策略所到位置，停在何处及原因 Where each policy is, and what stopped it."""
    table = Table(title=f"策略 policies: {service}", title_justify="left")
    for heading in ("策略 policy", "位置 position", "停于 stopped at", "原因 why"):
        table.add_column(heading)
    for one in _asked(service, standing):
        stopped = "" if one.stopped_at is None else str(one.stopped_at)
        table.add_row(one.name, str(one.position), stopped, one.stopped_why or "")
    console.print(table)


@policy_app.command("retry")
def retry_policy(name: str, service: Service = "registry") -> None:
    """让停下的策略重试停住它的事件 Let a stopped policy try the event again that stopped it."""
    _resumed(_asked(service, lambda database: retry(database, name)), name)


@policy_app.command("skip")
def skip_policy(name: str, service: Service = "registry") -> None:
    """让停下的策略跳过停住它的事件 Let a stopped policy go on after the event that stopped it."""
    _resumed(_asked(service, lambda database: skip(database, name)), name)


def rebuild_views(
    service: Service = "registry",
    view: Annotated[list[str] | None, typer.Option(help="视图，可重复；缺省为全部 a view; may be repeated")] = None,
) -> None:
    """从台账重建视图，其间旧视图照常服务；不重做业务 Build views anew from the log; the old ones serve meanwhile, and
    nothing is decided again. Policies that were on another ledger go on at the end of this one.
    """
    views = [one for one in VIEWS_OF[service] if not view or one.name in view]
    if unknown := sorted(set(view or ()) - {one.name for one in views}):
        raise typer.BadParameter(f"没有视图 no such view: {', '.join(unknown)}")

    async def ask(database: Database) -> list[str]:
        ledger = await open_ledger(cli_settings().ledger)
        try:
            await database.write(lambda connection: rebuild(connection, views, ledger.ledger_id))
            return (
                []
                if view
                else await take_over(database, COLUMNS_OF.get(service, {}), ledger.ledger_id, await ledger.head())
            )
        finally:
            await ledger.close()

    taken_over = _asked(service, ask)
    console.print(
        "已请求重建视图；服务在运行则随即开始，否则下次启动时开始。策略不重做已处理的事件。\n"
        "Asked for: a running service begins at once, else the next start does. Policies do nothing again."
    )
    if taken_over:
        console.print(
            f"以下策略原在另一台账上，现从本台账末尾继续：{', '.join(taken_over)}。\n"
            "These policies were on another ledger and go on at the end of this one."
        )


def _asked(service: str, question: Callable[[Database], Awaitable[T]]) -> T:
    """Ask something of a service's database."""
    if service not in VIEWS_OF:
        raise typer.BadParameter(f"没有服务 no such service: {service}")

    async def ask() -> T:
        database = Database(cli_settings().database(service), service)
        try:
            return await question(database)
        finally:
            await database.close()

    return asyncio.run(ask())


def _resumed(done: bool, name: str) -> None:  # noqa: FBT001  what retry and skip answer
    if not done:
        console.print(f"[red]✗[/] 策略 {name} 没有停下，或不存在。 {name} has not stopped, or is not there.")
        raise typer.Exit(1)
    console.print(f"[green]✓[/] {name}")
