"""`meterloop sorting schemes | show | diff | publish`: what a metrologist does with schemes and tables."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from cli.connection import USAGE, CannotGoOn, connect, console, explained, note, warn
from cli.sorting.rules import (
    NAMES,
    Rules,
    Token,
    Url,
    as_yaml,
    default_rules,
    is_table,
    rules_of_file,
    shown,
    standing,
    translated,
)
from client import Client, Stale, types
from kernel.clock import system_clock_us
from kernel.principal import Role
from kernel.quantity import business_day_of_us
from services.sorting.decision import VerdictTable
from services.sorting.defaults import default_groups
from services.sorting.difference import Change, changes
from services.sorting.norms import Scheme
from services.sorting.prices import Prices
from services.sorting.table import TABLE_NAMES
from services.sorting.vocabulary import STEPS

Names = Annotated[list[str] | None, typer.Argument(help=NAMES)]
Name = Annotated[str, typer.Argument(help=NAMES)]


def publish(
    why: Annotated[str, typer.Option(help="原因，对外公开 why; it is published")],
    names: Names = None,
    every: Annotated[bool, typer.Option("--all", help="全部缺省方案与判定表 every default scheme and table")] = False,  # noqa: FBT002  Typer's way
    file: Annotated[Path | None, typer.Option(help="YAML 文件，缺省为随附内容 by default what comes along")] = None,
    url: Url = None,
    token: Token = None,
) -> None:
    """发布方案或判定表的下一版；内容不变则不发布 Publish the next version; what is unchanged is not published."""
    with explained():
        wanted = _wanted(names or [], every=every, file=file)
        contents = {name: rules_of_file(name, file) if file else default_rules(name) for name in wanted}
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
        with (
            connect(url, token, Role.METROLOGIST) as platform,
            Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars,
        ):
            bar = bars.add_task("发布 publishing", total=len(wanted))
            done = published(platform, contents, why, lambda: bars.advance(bar))
    for one in done:
        said = "已发布 published:" if one.is_new else "内容未变，仍为 unchanged, still"
        console.print(Text.assemble(("✓ ", "green"), f"{one.name} {said} v{one.version}"))
        if one.unconfirmed:
            warn(
                f"{one.name} 有 {one.unconfirmed} 项待计量员确认，见 meterloop sorting schemes {one.name}。",
                f"{one.unconfirmed} values of {one.name} are to be confirmed by the metrologist",
            )


class Published(msgspec.Struct, frozen=True):
    """The version of a scheme or table that stands now, and how many of its values are to be confirmed. `is_new`: it
    was published just now.
    """

    name: str
    version: int
    unconfirmed: int
    is_new: bool


def published(
    platform: Client, contents: Mapping[str, Rules], why: str, told: Callable[[], None] = lambda: None
) -> list[Published]:
    """Publish the next version of each of these, where it says something else than the one that stands."""
    done, position = [], 0
    for name, rules in contents.items():
        before = standing(platform, name)
        same = before.rules == rules
        version = before.version if same else before.version + 1
        position = position if same else _publish(platform, name, version, rules, why)
        done.append(Published(name, version, len(_unconfirmed(rules)), not same))
        told()
    # So that whoever lists schemes next sees these; a view that takes longer changes nothing about them.
    with suppress(Stale):
        next(platform.rows(types.ListSchemes(seen=position)), None)
    return done


def schemes(
    group: Annotated[str | None, typer.Argument(help=f"列出待确认项 list what is to be confirmed; {NAMES}")] = None,
    url: Url = None,
    token: Token = None,
) -> None:
    """已发布的方案；给出名称则列出其待确认项 Published schemes; of one that is named, what is to be confirmed."""
    with explained(), connect(url, token, Role.METROLOGIST) as platform:
        if group is not None:
            now = standing(platform, group)
            if now.rules is None:
                raise CannotGoOn(f"{group} 尚未发布。", f"{group} has not been published", USAGE)
            _list_unconfirmed(group, now.version, now.rules)
            return
        table = _table("组\ngroup", "版\nver.", "方案\nscheme", "类别\nclasses", "待确认\nopen", "\nSHA-256")
        for row in platform.rows(types.ListSchemes()):
            said, short = f"{row.zh}\n{row.en}", row.sha256[:8]
            table.add_row(row.scheme_group, str(row.version), said, row.classes, _counted(row.unconfirmed), short)
        for name, (zh, en) in TABLE_NAMES.items():
            found = standing(platform, name)
            if found.rules is not None:
                count = len(_unconfirmed(found.rules))
                table.add_row(
                    name, str(found.version), f"{zh}\n{en}", "", Text(str(count), "yellow" if count else "green")
                )
    if not table.rows:
        note(
            "尚未发布任何方案。可发布随附的缺省内容：meterloop sorting publish --all --why 原因",
            "no scheme has been published; publish what comes along by: meterloop sorting publish --all --why REASON",
        )
        return
    shown(table)


def show(
    name: Name,
    version: Annotated[int | None, typer.Option(help="版本，缺省为现行版 the one that stands by default")] = None,
    to: Annotated[Path | None, typer.Option("-o", "--output", help="写入文件 write to this file")] = None,
    url: Url = None,
    token: Token = None,
) -> None:
    """以 YAML 取出一版，可编辑后再发布 A version as YAML, to be edited and published."""
    with explained():
        with connect(url, token, Role.METROLOGIST) as platform:
            found = standing(platform, name, version)
        if found.rules is None:
            raise CannotGoOn(f"{name} 尚未发布。", f"{name} has not been published", USAGE)
        if to is None:
            typer.echo(as_yaml(found.rules), nl=False)
            return
        to.write_text(as_yaml(found.rules), "utf-8")
    console.print(Text.assemble(("✓ ", "green"), f"{name} v{found.version} → {to}"))


def diff(
    name: Name,
    file: Annotated[Path | None, typer.Argument(help="与现行版比较的文件 a file held against the standing one")] = None,
    before: Annotated[
        int | None, typer.Option("--from", help="旧版，缺省为前一版 the older; by default the last but one")
    ] = None,
    after: Annotated[
        int | None, typer.Option("--to", help="新版，缺省为现行版 the newer; by default the one that stands")
    ] = None,
    url: Url = None,
    token: Token = None,
) -> None:
    """逐项列出两版之差 What differs between two versions, item by item."""
    with explained(), connect(url, token, Role.METROLOGIST) as platform:
        newer = standing(platform, name, after)
        if newer.rules is None:
            raise CannotGoOn(f"{name} 尚未发布。", f"{name} has not been published", USAGE)
        if file is not None:
            found, between = changes(newer.rules, rules_of_file(name, file)), f"v{newer.version} → {file.name}"
        else:
            number = before or newer.version - 1
            if number < 1:
                raise CannotGoOn(f"{name} 只有一版。", f"there is only one version of {name}", USAGE)
            older = standing(platform, name, number)
            assert older.rules is not None
            found, between = changes(older.rules, newer.rules), f"v{older.version} → v{newer.version}"
    _show_changes(name, between, found)


def _wanted(names: Sequence[str], *, every: bool, file: Path | None) -> list[str]:
    if every is bool(names):
        raise CannotGoOn("请给出名称，或 --all。", "give names, or --all", USAGE)
    if file is not None and len(names) != 1:
        raise CannotGoOn("--file 须与一个名称同用。", "--file goes with one name", USAGE)
    return [*default_groups(), *TABLE_NAMES] if every else list(dict.fromkeys(names))


def _publish(platform: Client, name: str, version: int, rules: Rules, why: str) -> int:
    """Publish this version. Returns the position of the log at which it stands."""
    on = _today()
    match rules:
        case Scheme():
            scheme = translated(rules, types.Scheme)
            done = platform.do(types.PublishScheme(group=name, version=version, scheme=scheme, why=why, occurred_on=on))
        case VerdictTable():
            verdict = translated(rules, types.VerdictTable)
            done = platform.do(types.PublishTable(name=name, version=version, verdict=verdict, why=why, occurred_on=on))
        case Prices():
            prices = translated(rules, types.Prices)
            done = platform.do(types.PublishTable(name=name, version=version, prices=prices, why=why, occurred_on=on))
    return done.position


def _today() -> date:
    return business_day_of_us(system_clock_us())


def _unconfirmed(rules: Rules) -> list[tuple[str, str, str]]:
    """What is to be confirmed, where, and as far as known from which source."""
    match rules:
        case Scheme():
            costs = [
                ("故障费用 cost of a fault", fault.code, fault.cost_source or "")
                for fault in rules.faults
                if ("faults", fault.code) in rules.unconfirmed()
            ]
            return costs + [
                (f"{' '.join(STEPS[norm.step])}", f"{item.code} {' '.join(limit.accuracy_classes)}", limit.source)
                for norm in rules.norms
                for item in norm.items
                for limit in item.limits
                if not limit.confirmed
            ]
        case Prices():
            return [(" ".join(one.device_classes), "", one.source) for one in rules.classes if not one.confirmed]
        case VerdictTable():
            return [("淘汰 obsolete", one.rule, one.source or "") for one in rules.obsolete if not one.confirmed]


def _list_unconfirmed(name: str, version: int, rules: Rules) -> None:
    table = _table("所在 where", "条目 item", "出处 source")
    for row in _unconfirmed(rules):
        table.add_row(*row)
    shown(Text(f"{name} v{version}"))
    if not table.rows:
        shown(Text("✓ 没有待确认项 nothing is to be confirmed", "green"))
        return
    shown(table)


def _show_changes(name: str, between: str, found: Sequence[Change]) -> None:
    shown(Text(f"{name} {between}"))
    if not found:
        shown(Text("内容相同 the same", "dim"))
        return
    for change in found:
        shown(Text(" › ".join(change.place), "bold"))
        if change.before is not None:
            shown(Text(f"  − {change.before}", "red"))
        if change.after is not None:
            shown(Text(f"  + {change.after}", "green"))
    if is_table(name):
        note("发布前请先试：meterloop sorting try", "try it before you publish it: meterloop sorting try")


def _counted(to_confirm: int) -> Text:
    return Text(str(to_confirm), "yellow" if to_confirm else "green")


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for place, heading in enumerate(headings):
        table.add_column(heading, overflow="fold", no_wrap=place == 0)
    return table
