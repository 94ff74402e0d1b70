"""`meterloop site`: open, look at and close the places that hold devices. Nothing comes to one that is not open."""

from datetime import date, datetime
from typing import Annotated, Final, get_args

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.connection import connect, console, explained
from client.types import CloseSite, ListSites, OpenSite
from kernel.clock import system_clock_us
from kernel.principal import Role
from kernel.quantity import business_day_of_us
from services.registry.site import SITE_KINDS, SiteKind

site_app = typer.Typer(
    name="site", help="站点：启用、查看、停用 / sites: open, look, close", no_args_is_help=True, add_completion=False
)
output: Final = Console()

Url = Annotated[str | None, typer.Option(help="平台地址 the platform")]
Token = Annotated[str | None, typer.Option(help="访问令牌 access token")]
On = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="日期，缺省为今天 day; today if left out")]
KINDS: Final = " | ".join(f"{kind} {zh}" for kind, (zh, _) in SITE_KINDS.items())


@site_app.command("open")
def open_site(
    site: Annotated[str, typer.Argument(help="站点编号 its id")],
    unit: Annotated[str, typer.Option(help="管理单位，5 位 managing unit, 5 digits")],
    kind: Annotated[str, typer.Option(help=KINDS)] = "unit_store",
    name: Annotated[str | None, typer.Option(help="名称，缺省为编号 name; the id if left out")] = None,
    county: Annotated[str | None, typer.Option(help="区县，6 位 county, 6 digits")] = None,
    on: On = None,
    url: Url = None,
    token: Token = None,
) -> None:
    """启用站点，此后器具可存入或发往该处 Open a site: from now on devices may come there."""
    if kind not in get_args(SiteKind):
        raise typer.BadParameter(f"--kind: {KINDS}")
    opened = OpenSite(
        site_id=site,
        kind=kind,  # type: ignore[arg-type]  # checked above
        name=name or site,
        unit=unit,
        county=county,
        occurred_on=_day(on),
    )
    with explained(), connect(url, token, Role.ADMIN) as platform:
        platform.do(opened)
    console.print(Text.assemble(("✓ ", "green"), f"站点 {site} 已启用 site {site} is open"))


@site_app.command("close")
def close_site(
    site: Annotated[str, typer.Argument(help="站点编号 its id")],
    why: Annotated[str, typer.Option(help="原因，对外公开 why; it is published")],
    on: On = None,
    url: Url = None,
    token: Token = None,
) -> None:
    """停用站点；其结存须为零 Close a site; it must hold nothing."""
    with explained(), connect(url, token, Role.ADMIN) as platform:
        platform.do(CloseSite(site_id=site, why=why, occurred_on=_day(on)))
    console.print(Text.assemble(("✓ ", "green"), f"站点 {site} 已停用 site {site} is closed"))


@site_app.command("list")
def list_sites(url: Url = None, token: Token = None) -> None:
    """所有站点 All sites."""
    table = Table(box=None, pad_edge=False)
    for heading in ("站点 site", "类型 kind", "名称 name", "单位 unit", "启用 open"):
        table.add_column(heading)
    with explained(), connect(url, token, Role.ADMIN) as platform:
        for row in platform.rows(ListSites()):
            table.add_row(row.site, row.kind, row.name, row.unit, "✓" if row.open else "")
    output.print(table)


def _day(on: datetime | None) -> date:
    return on.date() if on else business_day_of_us(system_clock_us())
