"""What the demonstration shows of what came of it: tables that fit a terminal of 80 columns, alarms in words."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.connection import note, warn
from cli.demo.generate import Expected
from client.types import Alarm, BalanceLine, Import, RecoveryRate
from services.sorting.vocabulary import DISPOSITIONS

CENTS: Final = 10_000
BAR_CELLS: Final = 30
"""Of a bar that stands for all."""

console = Console(stderr=True)


class Words(NamedTuple):
    """A kind of alarm: what it means and what to do, in both languages."""

    zh: str
    en: str
    then_zh: str
    then_en: str


ALARMS: Final = {
    "displaced": Words(
        "错位 {number} 件：器具到了站点，记录却在别处；已隔离存放。",
        "displaced: {number} arrived though on record elsewhere, and are kept apart",
        "查明来路，再认领计划外到货（AcceptUnexpected）转为正常在库；用户资产须退还，或先取得用户同意。",
        "find out how they came, then take them into stock (AcceptUnexpected); what a customer owns goes back, or is "
        "consented to first",
    ),
    "duplicate": Words(
        "重号 {number} 件：另有一件器具似为同一编号，以临时标识存放。",
        "duplicate: {number} numbers that a second device seems to bear; it is kept under a temporary identity",
        "核对两件器具的铭牌，再绑定正确的资产编号（BindIdentity）。",
        "compare the labels of both, then bind the right number (BindIdentity)",
    ),
    "reappeared": Words(
        "再现 {number} 件：已售出或寿命已终的器具再次出现。",
        "reappeared: {number} that were sold or had ended are here again",
        "向最后持有者追查，并留存实物作为证据（PlaceHold）。",
        "ask who held them last, and hold them as evidence (PlaceHold)",
    ),
}


def show_imports(imports: Sequence[Import]) -> None:
    """What was recorded of each file, and what was not."""
    table = _table(
        "导入 Imports", "文件 file", "入账 accepted", "未变 unchanged", "被拒 refused", "提示 warned", "略过 skipped"
    )
    for one in imports:
        figures = one.accepted, one.unchanged, one.refused, one.warned, one.skipped
        table.add_row(one.name, *(f"{n:,}" for n in figures))
    console.print(table)


def show_verdicts(mix: Mapping[str, int]) -> None:
    """How many of each disposition, as a bar."""
    table = _table("处置结论 Verdicts", "结论 disposition", "只 devices", "份额 share")
    table.add_column("", justify="left", no_wrap=True)
    whole = max(1, sum(mix.values()))
    for disposition, (zh, en) in DISPOSITIONS.items():
        number = mix.get(disposition, 0)
        table.add_row(
            f"{zh} {en}", f"{number:,}", f"{number * 100 / whole:.1f} %", "█" * round(number * BAR_CELLS / whole)
        )
    console.print(table)


def note_repairs(repairs: int, verified: int) -> None:
    """How many were made good, and how many of them may be installed again."""
    note(
        f"其中 {repairs} 只利旧器具已清洁或维修，{verified} 只重新检定合格并取得证书。",
        f"{repairs} of those to be used again were cleaned or repaired, and {verified} have a certificate",
    )


def show_balances(lines: Sequence[BalanceLine], expected: Expected, *, ok: bool) -> None:
    """What every site holds, beside what it should."""
    inflow, outflow = Counter[str](), Counter[str]()
    for line in lines:
        inflow[line.site] += line.inflow
        outflow[line.site] += line.outflow
    held = {site: sum(classes.values()) for site, classes in closing(lines).items()}
    table = _table("站点结存 Balances", "站点 site", "流入 in", "流出 out", "结存 closing", "应为 expected")
    for site in expected.sites:
        figures = inflow[site.site_id], outflow[site.site_id], held.get(site.site_id, 0), sum(site.closing.values())
        table.add_row(site.name, *(f"{n:,}" for n in figures))
    console.print(table)
    console.print("[green]✓[/] 账实相符 balances agree" if ok else "[red]✗[/] 账实不符 balances do not agree")


def closing(lines: Sequence[BalanceLine]) -> dict[str, dict[str, int]]:
    """The last closing of each site and class; what is empty is left out."""
    last: dict[str, dict[str, int]] = {}
    for line in lines:
        last.setdefault(line.site, {})[line.device_class] = line.closing
    return {
        site: held
        for site, classes in last.items()
        if (held := {one: number for one, number in classes.items() if number})
    }


def show_recovery(rates: Sequence[RecoveryRate]) -> None:
    """The recovery rate of each month, of all units together."""
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


def show_alarms(alarms: Sequence[Alarm]) -> None:
    """How many of each kind there are, what that means and what to do."""
    if not alarms:
        return
    console.print(Text("\n警报 Alarms", "bold"))
    for kind, number in sorted(Counter(alarm.kind for alarm in alarms).items()):
        if (words := ALARMS.get(kind)) is None:
            warn(f"{kind}：{number}", f"{kind}: {number}")
            continue
        warn(words.zh.format(number=number), words.en.format(number=number))
        note(words.then_zh, words.then_en)


def percent(part: int, whole: int) -> str:
    """A share in percent with two decimals, rounded down: it is 100.00 only where nothing is lacking."""
    hundredths = part * CENTS // whole if whole else 0
    return f"{hundredths // 100}.{hundredths % 100:02d}"


def _table(title: str, *headings: str) -> Table:
    """Figures under headings of two lines, one a language; the first column is what they are of."""
    table = Table(
        title=f"\n{title}",
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
    )
    for at, heading in enumerate(headings):
        table.add_column(heading.replace(" ", "\n"), justify="right" if at else "left", no_wrap=True)
    return table
