"""`meterloop demo`: starts the platform, tells one season of it from dirty spreadsheets, and checks what came of it."""

import asyncio
import os
import sys
import time
from datetime import date
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.console import Console

from auditor.verdict import VERIFIED
from cli.connection import note
from cli.demo.audited import audited
from cli.demo.folders import fresh, say_how_long
from cli.demo.generate import Expected, generate
from cli.demo.hall import SORTED_ON, sort_what_was_received
from cli.demo.institute import review
from cli.demo.real_meters import real_meters
from cli.demo.showing import closing, percent, show_alarms, show_balances, show_imports, show_recovery
from cli.demo.witnesses import cosigned, own_witnesses
from cli.importing import Kind, fetch_errors, shown_progress, tell_refusals
from cli.platform import PORT, Log, LogOption, interruptible, log_beside, require_configurable, running
from cli.settings import CliSettings, Endpoints, cli_settings
from cli.uploading import run_import
from client import Client
from client.types import (
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
from kernel.refusal import against_rules
from ledger.open import embedded_file, open_ledger

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
REFUSALS_SHOWN: Final = 2

ELSEWHERE = against_rules(
    "demo.elsewhere",
    "演示会写入合成的数据，只用它自己的台账，不写入 LEDGER_URL 所指之处。请去掉该设置。",
    "the demonstration records synthetic data in a log of its own, and nothing where LEDGER_URL points: leave it out",
)

console = Console(stderr=True)


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What the demonstration ends with, as one line of JSON on standard output. `recovery_rate` is in percent. Of the
    devices that arrived unannounced, `unexpected_arrivals`, those with a dismantling on record are `unexpected` in the
    recovery table too, `unexpected_dismantled`. `audit` is the verdict of the audit that it ends with; `tree_size`:
    entries of the proof log that both witnesses cosigned. `verdicts`: how many devices of each disposition;
    `reverified`: how many have a certificate to be used again; `review_agreement`: of how many per cent of a sample of
    scrap the institute says the same.
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
    audit: str
    tree_size: int
    verdicts: dict[str, int]
    reverified: int
    review_agreement: float


def demo(
    port: Annotated[int, typer.Option(help="网关端口，0 为任取 port of the gateway; 0 takes a free one")] = PORT,
    ledger: LogOption = Log.EMBEDDED,
) -> None:
    """演示：从电子表格到结存 A season from spreadsheets to balances, on a platform of its own; Ctrl-C stops it."""
    begun = time.monotonic()
    shared = cli_settings()
    require_configurable(shared.data_dir)
    if embedded_file(shared.ledger) is None:
        raise ELSEWHERE()
    served = log_beside(ledger, shared)
    settings = msgspec.structs.replace(shared, data_dir=fresh(shared.data_dir / "demo"))
    with interruptible(), running(settings, port, own_witnesses, *served) as platform:
        console.rule("拆回器具的一个季度（合成数据） One season, synthetic data")
        outcome, verified = tell(settings, platform.endpoints, begun)
        sys.stdout.write(msgspec.json.encode(outcome).decode() + "\n")
        sys.stdout.flush()
        say_how_long(settings.data_dir)
        if os.environ.get(ONCE) != "1":
            console.print(
                f"\n平台继续运行 the platform goes on: [bold]{platform.endpoints.gateway}[/]  Ctrl-C 停止 to stop"
            )
            platform.wait()
    if not (outcome.balances_ok and verified):
        raise typer.Exit(1)


def tell(settings: CliSettings, endpoints: Endpoints, begun: float) -> tuple[Outcome, bool]:
    """The story, from the first spreadsheet to the last figure, and whether an audit verified it."""
    folder = settings.data_dir / "spreadsheets"
    expected = generate(folder)
    console.print(f"表格在 the spreadsheets are in {folder}")
    with Client(endpoints.gateway, _token(settings, expected), timeout_s=120) as platform:
        real = _prepare(platform, expected)
        imports = [_import(platform, folder, kind, name, title) for kind, name, title in FILES]
        lines, rates = _followed(platform, expected)
        balances_ok = closing(lines) == {site.site_id: site.closing for site in expected.sites if site.closing}
        show_imports(imports)
        show_balances(lines, expected, ok=balances_ok)
        show_recovery(rates)
        alarms = list(platform.rows(ListAlarms()))
        show_alarms(alarms)
        shipments = list(platform.rows(ListShipments()))
    console.rule("分拣检测 The centre sorts what it received")
    hall = sort_what_was_received(settings, endpoints.gateway)
    reviewed = review(
        settings, endpoints.gateway, SORTED_ON, lambda: cosigned(settings, asyncio.run(_events(settings)))
    )
    events = asyncio.run(_events(settings))
    tree_size = cosigned(settings, events)
    verdict = audited(settings, endpoints.gateway, tree_size).verdict
    dismantled, received = sum(one.dismantled for one in rates), sum(one.received for one in rates)
    outcome = Outcome(
        meters=expected.meters + real,
        events=events,
        balances_ok=balances_ok,
        recovery_rate=float(percent(received, dismantled)),
        seconds=round(time.monotonic() - begun, 1),
        refused=sum(one.refused for one in imports),
        missing=sum(one.missing for one in shipments),
        unexpected_arrivals=sum(one.unexpected for one in shipments),
        unexpected_dismantled=sum(one.unexpected for one in rates),
        real_meters=real,
        audit=verdict.en,
        tree_size=tree_size,
        verdicts=hall.verdicts,
        reverified=hall.reverified,
        review_agreement=reviewed.agreement,
    )
    return outcome, verdict.status == VERIFIED


async def _events(settings: CliSettings) -> int:
    """How many events are in the log: the embedded ledger's positions have no gaps."""
    ledger = await open_ledger(settings.ledger)
    try:
        return await ledger.head()
    finally:
        await ledger.close()


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
    if found:
        note(
            f"另登记 {len(found)} 只真实电能表：来自公开数据集，资产编号为演示而编。",
            f"{len(found)} real meters of a public data set are on record too, under numbers made up for them",
        )
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
            if closing(lines) == wanted or time.monotonic() > deadline:
                break
            time.sleep(POLL_S)
    return lines, list(platform.rows(ListRecovery(first="2025-01", last="2025-12")))
