"""`meterloop demo`: starts the platform, tells one season of it from dirty spreadsheets, and checks what came of it."""

import asyncio
import os
import sys
import time
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from cli.demo.generate import Expected, generate
from cli.demo.real_meters import real_meters
from cli.importing import Kind, fetch_errors, shown_progress, tell_refusals
from cli.platform import PORT, interruptible, running
from cli.settings import CliSettings, Endpoints, cli_settings
from cli.uploading import run_import
from client import Client
from client.types import (
    Alarm,
    BalanceLine,
    Import,
    ListAlarms,
    ListBalances,
    ListRecovery,
    ListShipments,
    NewImport,
    OpenSite,
    RecoveryRate,
    SetPlan,
)
from kernel.identity_issuer import issue
from kernel.principal import Principal, Role
from ledger.open import open_ledger

ONCE: Final = "DEMO_ONCE"
FOLLOWED_S_MAX: Final = 120
POLL_S: Final = 0.2
OPENED_ON: Final = date(2025, 1, 1)
FIRST: Final = date(2025, 1, 1)
LAST: Final = date(2025, 12, 31)
FILES: Final[tuple[tuple[Kind, str, str], ...]] = (
    ("devices", "devices.csv", "登记在运器具 devices on record"),
    ("dismantled", "dismantled.xlsx", "拆回与底度 dismantled, with final readings"),
    ("dispatched", "dispatched.csv", "移交发出 dispatched to the centre"),
    ("received", "received.xlsx", "中心接收 received at the centre"),
)
CENTS: Final = 10_000
REFUSALS_SHOWN: Final = 2

console = Console(stderr=True)


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What the demonstration ends with, as one line of JSON on standard output. `recovery_rate` is in percent. Of the
    devices that arrived unannounced, `unexpected_arrivals`, those with a dismantling on record are `unexpected` in the
    recovery table too, `unexpected_dismantled`.
    """

    meters: int
    events: int
    balances_ok: bool
    recovery_rate: float
    seconds: float
    refused: int
    missing: int
    unexpected_arrivals: int
    unexpected_dismantled: int
    real_meters: int


def demo(
    port: Annotated[int, typer.Option(help="网关端口，0 为任取 port of the gateway; 0 takes a free one")] = PORT,
) -> None:
    """演示：从电子表格到台账 A season from spreadsheets to balances, on a platform of its own; Ctrl-C stops it."""
    begun = time.monotonic()
    shared = cli_settings()
    settings = msgspec.structs.replace(shared, data_dir=_fresh(shared.data_dir / "demo"))
    with interruptible(), running(settings, port) as platform:
        console.rule("拆回器具的一个季度（合成数据） A season of dismantled devices (synthetic data)")
        outcome = tell(settings, platform.endpoints, begun)
        sys.stdout.write(msgspec.json.encode(outcome).decode() + "\n")
        sys.stdout.flush()
        if os.environ.get(ONCE) != "1":
            console.print(
                f"\n平台继续运行 the platform goes on: [bold]{platform.endpoints.gateway}[/]  Ctrl-C 停止 to stop"
            )
            platform.wait()
    if not outcome.balances_ok:
        raise typer.Exit(1)


def tell(settings: CliSettings, endpoints: Endpoints, begun: float) -> Outcome:
    """The story, from the first spreadsheet to the last figure."""
    folder = settings.data_dir / "spreadsheets"
    expected = generate(folder)
    console.print(f"表格在 the spreadsheets are in {folder}")
    with Client(endpoints.gateway, _token(settings, expected), timeout_s=120) as platform:
        real = _prepare(platform, expected)
        imports = [_import(platform, folder, kind, name, title) for kind, name, title in FILES]
        lines, rates = _followed(platform, expected)
        balances_ok = _closing(lines) == {site.site_id: site.closing for site in expected.sites if site.closing}
        _show_imports(imports)
        _show_balances(lines, expected, ok=balances_ok)
        _show_recovery(rates)
        alarms = list(platform.rows(ListAlarms()))
        _show_alarms(alarms)
        shipments = list(platform.rows(ListShipments()))
    dismantled, received = sum(one.dismantled for one in rates), sum(one.received for one in rates)
    return Outcome(
        meters=expected.meters + real,
        events=asyncio.run(_events(settings)),
        balances_ok=balances_ok,
        recovery_rate=float(percent(received, dismantled)),
        seconds=round(time.monotonic() - begun, 1),
        refused=sum(one.refused for one in imports),
        missing=sum(one.missing for one in shipments),
        unexpected_arrivals=sum(one.unexpected for one in shipments),
        unexpected_dismantled=sum(one.unexpected for one in rates),
        real_meters=real,
    )


async def _events(settings: CliSettings) -> int:
    """How many events are in the log: the embedded ledger's positions have no gaps."""
    ledger = await open_ledger(settings.ledger)
    try:
        return await ledger.head()
    finally:
        await ledger.close()


def percent(part: int, whole: int) -> str:
    """A share in percent with two decimals, rounded down: it is 100.00 only where nothing is lacking."""
    hundredths = part * CENTS // whole if whole else 0
    return f"{hundredths // 100}.{hundredths % 100:02d}"


def _fresh(folder: Path) -> Path:
    """A data folder that nobody has used: one beside those of earlier demonstrations."""
    number = 1
    while (folder / str(number)).exists():
        number += 1
    return folder / str(number)


def _token(settings: CliSettings, expected: Expected) -> str:
    roles = {Role.OPERATOR, Role.STOREKEEPER, Role.DISPATCHER, Role.ADMIN}
    units = frozenset(site.unit for site in expected.sites)
    return issue(settings.keys_dir, Principal(subject="demo", roles=frozenset(roles), units=units))


def _prepare(platform: Client, expected: Expected) -> int:
    """Sites, plans, and the real meters where they are."""
    for site in expected.sites:
        platform.do(
            OpenSite(site_id=site.site_id, kind=site.kind, name=site.name, unit=site.unit, occurred_on=OPENED_ON)
        )
    stores = [site for site in expected.sites if site.kind == "unit_store"]
    for site in stores:
        for cohort, figures in expected.cohorts.items():
            platform.do(
                SetPlan(
                    plan_id=f"{site.unit}-{cohort}",
                    expected=figures.dismantled // len(stores),
                    target_ppm=999_900,
                    cut_off=expected.cut_off,
                    occurred_on=OPENED_ON,
                )
            )
    found = real_meters()
    for register in found:
        platform.do(register)
    return len(found)


def _import(platform: Client, folder: Path, kind: Kind, name: str, title: str) -> Import:
    file = folder / name
    announced = NewImport(
        kind=kind,
        name=name,
        bytes=file.stat().st_size,
        mapping=(folder / "mapping.yaml").read_text("utf-8"),
        to_site="centre" if kind == "dispatched" else None,
    )
    console.print(f"[bold]{title}[/]  {name}")
    with shown_progress() as watch:
        stands = run_import(platform, file, announced, watch)
    if stands.state != "done":
        console.print(f"[red]✗[/] {stands.zh} / {stands.en}")
        raise typer.Exit(1)
    if stands.refused or stands.warned:
        tell_refusals(fetch_errors(platform, stands, file), REFUSALS_SHOWN)
    return stands


def _followed(platform: Client, expected: Expected) -> tuple[list[BalanceLine], list[RecoveryRate]]:
    """The balances once every device has followed its shipment, or as they are when that takes too long."""
    wanted = {site.site_id: site.closing for site in expected.sites if site.closing}
    deadline = time.monotonic() + FOLLOWED_S_MAX
    with console.status("器具随移交单流转 the devices follow their shipments"):
        while True:
            lines = list(platform.rows(ListBalances(first=FIRST, last=LAST)))
            if _closing(lines) == wanted or time.monotonic() > deadline:
                break
            time.sleep(POLL_S)
    return lines, list(platform.rows(ListRecovery(first="2025-01", last="2025-12")))


def _closing(lines: list[BalanceLine]) -> dict[str, dict[str, int]]:
    """The last closing of each site and class; what is empty is left out."""
    last: dict[str, dict[str, int]] = {}
    for line in lines:
        last.setdefault(line.site, {})[line.device_class] = line.closing
    return {
        site: held
        for site, classes in last.items()
        if (held := {one: number for one, number in classes.items() if number})
    }


def _show_imports(imports: list[Import]) -> None:
    table = _table(
        "导入 Imports", "文件 file", "入账 accepted", "未变 unchanged", "被拒 refused", "提示 warned", "略过 skipped"
    )
    for one in imports:
        table.add_row(
            one.name, *(f"{n:,}" for n in (one.accepted, one.unchanged, one.refused, one.warned, one.skipped))
        )
    console.print(table)


def _show_balances(lines: list[BalanceLine], expected: Expected, *, ok: bool) -> None:
    inflow, outflow = Counter[str](), Counter[str]()
    for line in lines:
        inflow[line.site] += line.inflow
        outflow[line.site] += line.outflow
    closing = {site: sum(classes.values()) for site, classes in _closing(lines).items()}
    table = _table("站点结存 Balances", "站点 site", "流入 in", "流出 out", "结存 closing", "应为 expected")
    for site in expected.sites:
        at = site.site_id
        table.add_row(
            site.name, *(f"{n:,}" for n in (inflow[at], outflow[at], closing.get(at, 0), sum(site.closing.values())))
        )
    console.print(table)
    console.print("[green]✓[/] 账实相符 balances agree" if ok else "[red]✗[/] 账实不符 balances do not agree")


def _show_recovery(rates: list[RecoveryRate]) -> None:
    words = {"dismantled": "拆回", "received": "接收", "missing": "缺失", "unexpected": "计划外", "owed": "应交"}
    by_month: dict[str, Counter[str]] = {}
    for rate in rates:
        month = by_month.setdefault(rate.cohort, Counter())
        month.update({name: getattr(rate, name) for name in words})
    table = _table("回收率 Recovery", "拆回月份 month", *(f"{zh} {name}" for name, zh in words.items()), "回收率 rate")
    for cohort, sums in sorted(by_month.items()):
        share = f"{percent(sums['received'], sums['dismantled'])} %"
        table.add_row(cohort, *(f"{sums[name]:,}" for name in words), share)
    console.print(table)


def _show_alarms(alarms: list[Alarm]) -> None:
    if alarms:
        kinds = Counter(alarm.kind for alarm in alarms)
        said = ", ".join(f"{kind} {number}" for kind, number in sorted(kinds.items()))
        console.print(f"[yellow]![/] 异常 alarms: {said}")


def _table(title: str, first: str, *others: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column(first)
    for other in others:
        table.add_column(other, justify="right")
    return table
