"""`meterloop sorting curves`: what load curves show of meters in service, and what they cannot."""

from collections.abc import Mapping
from datetime import date
from decimal import InvalidOperation
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.connection import PARTLY, USAGE, CannotGoOn, connect, console, explained, say
from cli.load_curves import MeterCurves, curve_files, milli, read_curves
from client import Refused
from client import types as client_types
from kernel.clock import system_clock_us
from kernel.principal import Role
from kernel.quantity import business_day_of_us
from services.sorting.assessment import LoadFindings, load_said
from services.sorting.assessment.history import missing_ppm
from services.sorting.load_curve import Asked, daily_peaks, findings

BARS: Final = "▁▂▃▄▅▆▇█"
BARS_MIN: Final = 8
BARS_MAX: Final = 62
BESIDE_BARS: Final = 78
NO_BAR: Final = "·"
"""A day without a reading is not a day without load."""

output: Final = Console()


class Held(msgspec.Struct, frozen=True):
    """What curves are held against, in mA and mV."""

    i_max_ma: int | None
    least_mv: int
    most_mv: int


def curves(
    paths: Annotated[list[Path], typer.Argument(exists=True, help="CSV 文件或目录 CSV files, or folders of them")],
    *,
    i_max: Annotated[
        str | None, typer.Option(help="电表最大电流，安培；不给则不算过载剂量 its maximum current in A")
    ] = None,
    least_v: Annotated[str, typer.Option(help="电压下限，伏 the least voltage allowed")] = "198",
    most_v: Annotated[str, typer.Option(help="电压上限，伏 the most voltage allowed")] = "235.4",
    interval_min: Annotated[
        int | None, typer.Option(min=1, max=1440, help="应有间隔，分钟；不给则取最常见的 the interval due, in minutes")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="每表一行 JSON，不含读数 a line of JSON a meter")] = False,
    submit: Annotated[
        bool, typer.Option("--submit", help="登记评估（不含读数）；meter 列须为资产编号 record the findings")
    ] = False,
    url: Annotated[str | None, typer.Option(help="平台地址 the platform")] = None,
    token: Annotated[str | None, typer.Option(help="访问令牌 access token")] = None,
) -> None:
    """负荷曲线显示什么、不能显示什么 What load curves show, and what they cannot.

    缺省电压范围为 220 V 的 -10 % 至 +7 %，待计量员确认。 The band is 220 V -10 % to +7 % where none is given, to be
    confirmed by the metrologist.
    """
    with explained():
        held = Held(
            i_max_ma=None if i_max is None else _quantity("--i-max", i_max),
            least_mv=_quantity("--least-v", least_v),
            most_mv=_quantity("--most-v", most_v),
        )
        read = read_curves(curve_files(paths))
        shown = {
            meter: found
            for meter, one in read.items()
            if (found := assessed(meter, one, held, interval_min)) is not None
        }
        if json:
            for meter, found in shown.items():
                typer.echo(msgspec.json.encode(_told(meter, found)).decode())
        else:
            output.print(_table(shown, read))
            for meter, found in shown.items():
                _explain(meter, found)
        if submit:
            _submit(shown, url, token)


def assessed(meter: str, one: MeterCurves, held: Held, interval_min: int | None = None) -> LoadFindings | None:
    """What the curves of a meter show. Raises CannotGoOn."""
    asked = Asked(
        interval_s=None if interval_min is None else interval_min * 60,
        phases=one.phases,
        i_max_ma=held.i_max_ma,
        voltage_least_mv=held.least_mv,
        voltage_most_mv=held.most_mv,
    )
    try:
        return findings(one.current, one.voltage, asked)
    except ValueError as wrong:
        raise CannotGoOn(
            f"表 {meter} 的间隔不能整除一天，请用 --interval-min 指定（{wrong}）。",
            f"meter {meter}: {wrong}; name the interval by --interval-min",
            USAGE,
        ) from None


def _quantity(option: str, text: str) -> int:
    try:
        value = milli(text)
    except (ValueError, InvalidOperation):
        value = 0
    if value <= 0:
        raise CannotGoOn(f"{option} 须为正数：{text}。", f"{option} takes a positive number, not {text}", USAGE)
    return value


def _told(meter: str, found: LoadFindings) -> dict[str, object]:
    said = [{"code": one.code, "zh": one.words()[0], "en": one.words()[1]} for one in load_said(found)]
    return {"meter": meter, "findings": found, "said": said}


def _table(shown: Mapping[str, LoadFindings], read: Mapping[str, MeterCurves]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("表\nmeter", "自\nfrom"):
        table.add_column(heading, no_wrap=True)
    for heading in ("天\ndays", "缺\nmissing", "缺口\ngap", "零日\nzero", "剂量\ndose", "越限\nout", "?"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("每日最大电流\ndaily peak", no_wrap=True)
    bars = min(BARS_MAX, max(BARS_MIN, output.width - BESIDE_BARS))
    for meter, found in shown.items():
        table.add_row(
            meter,
            str(found.first_on),
            str((found.last_on - found.first_on).days + 1),
            _share(missing_ppm(found)) if found.points_expected else "-",
            f"{found.longest_gap_min // 60} h" if found.points_expected else "-",
            str(found.zero_days) if found.points_read else "-",
            "-" if found.overload_dose_s is None else f"{found.overload_dose_s} s",
            "-" if found.voltage_out_ppm is None else _share(found.voltage_out_ppm),
            str(len(found.cannot_tell)),
            spark(daily_peaks(read[meter].current), bars),
        )
    return table


def spark(peaks: list[int | None], bars: int) -> str:
    """At most so many bars of equal runs of days, each as high as its largest peak against the largest of all."""
    if not peaks:
        return ""
    run = -(-len(peaks) // bars)
    runs = [[peak for peak in peaks[i : i + run] if peak is not None] for i in range(0, len(peaks), run)]
    top = max((max(one) for one in runs if one), default=0) or 1
    return "".join(BARS[max(one) * (len(BARS) - 1) // top] if one else NO_BAR for one in runs)


def _share(ppm: int) -> str:
    return f"{ppm // 10_000}.{ppm % 10_000 // 100:02d} %"


def _explain(meter: str, found: LoadFindings) -> None:
    output.print(Text(f"\n{meter}", "bold"))
    for sentence in load_said(found):
        mark = Text("? ", "yellow") if sentence.code.startswith("load.") else Text("  ")
        zh, en = sentence.words()
        output.print(Text.assemble(mark, zh, (f"  {en}", "dim")))


def _submit(shown: Mapping[str, LoadFindings], url: str | None, token: str | None) -> None:
    """One command a meter; a refusal of one does not keep back the others."""
    on, refused = _today(), 0
    with connect(url, token, Role.SERVICE) as platform:
        for meter, found in shown.items():
            load = msgspec.convert(msgspec.to_builtins(found), client_types.LoadFindings)
            try:
                platform.do(client_types.RecordLoad(asset_no=meter, load=load, occurred_on=on))
            except Refused as refusal:
                refused += 1
                say(f"{meter}：{refusal.zh}", f"{meter}: {refusal.en}", refusal.code)
    done = len(shown) - refused
    console.print(
        Text.assemble(("✓ ", "green"), f"已登记 {done} 只表的评估 the findings of {done} meters are on record")
    )
    if refused:
        raise typer.Exit(PARTLY)


def _today() -> date:
    return business_day_of_us(system_clock_us())
