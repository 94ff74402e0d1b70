"""The demonstration's last word: an audit of its own proof log, through the gateway, with an auditor's token."""

import time
from secrets import randbits
from typing import Final

from rich.console import Console

from auditor.audit import Asked, Audit
from auditor.finding import NAMES
from auditor.source import Place
from auditor.verdict import VERIFIED, Report
from cli.auditing import shown_progress
from cli.connection import note, warn
from kernel.clock import system_clock_us
from kernel.identity_issuer import issue
from kernel.principal import EVERY_UNIT, Principal, Role
from kernel.settings import Settings
from ledger.transparency.disclosed import SUPERVISOR, Head
from ledger.transparency.layout import POLICY

DISCLOSED_S_MAX: Final = 60
POLL_S: Final = 0.2

console = Console(stderr=True)


def audited(settings: Settings, gateway: str, size: int) -> Report:
    """What an audit says once so many entries are disclosed, under the policy that names the demo's own witnesses."""
    _until_disclosed(settings, size)
    auditor = Principal(subject="demo-auditor", roles=frozenset({Role.AUDITOR}), units=frozenset({EVERY_UNIT}))
    asked = Asked(
        place=Place(gateway, issue(settings.keys_dir, auditor)),
        policy=(settings.proof / POLICY).read_bytes(),
        drawn=randbits(32),
    )
    console.print("[bold]审计[/]  验签、验树、重放、比对 an audit: signatures, tree, replay")
    with shown_progress() as watch:
        report = Audit(asked, watch, system_clock_us).run()
    _show(report)
    return report


def _until_disclosed(settings: Settings, size: int) -> None:
    """What is not disclosed yet would be left out of the balances."""
    deadline = time.monotonic() + DISCLOSED_S_MAX
    with console.status("披露供审计 what happened is disclosed for audit"):
        while (head := Head.read(settings.proof, SUPERVISOR)) is None or head.covered < size:
            if time.monotonic() > deadline:
                return
            time.sleep(POLL_S)


def _show(report: Report) -> None:
    verdict = report.verdict
    if verdict.status == VERIFIED:
        console.print(f"[green]✓[/] {verdict.zh}\n  {verdict.en}", highlight=False)
        note(
            f"{report.events:,} 个事件、{report.streams:,} 个事件流由审计程序自行重放，结存与平台所示相同。",
            f"{report.events:,} events of {report.streams:,} streams were replayed by the auditor's own code, and the"
            " balances are those that the platform shows",
        )
        return
    warn(verdict.zh, verdict.en)
    for fault in dict.fromkeys(one.fault for one in report.findings):
        note(f"{NAMES[fault].zh}：{NAMES[fault].next_zh}", f"{NAMES[fault].en}: {NAMES[fault].next_en}")
