"""`meterloop sorting read`: reads a meter over DL/T 645, shows what it says, and records it with its inspection."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Final, cast, get_args

import msgspec
import typer
from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from cli.connection import REFUSED, USAGE, CannotGoOn, connect, console, explained, note, say, warn
from client import Client, types
from kernel.clock import system_clock_us
from kernel.principal import Role
from kernel.quantity import instant_of_us
from kernel.refusal import Refusal
from services.sorting.norms import Norm

if TYPE_CHECKING:
    from services.sorting.evaluation import Measured
    from services.sorting.reading.exchange import Patience
    from services.sorting.reading.identifiers import Identifier, Value
    from services.sorting.reading.line import Line
    from services.sorting.reading.reader import Read, Reading

output: Final = Console()

SHOWN_IN: Final[dict[str, tuple[int, str]]] = {
    "wh": (3, "kWh"),
    "mv": (3, "V"),
    "ma": (3, "A"),
    "millihertz": (3, "Hz"),
    "decicelsius": (1, "℃"),
    "count": (0, ""),
    "min": (0, "min"),
}
"""How many digits a person sees behind the point, and in which unit."""

Url = Annotated[str | None, typer.Option(help="平台地址 the platform")]
Token = Annotated[str | None, typer.Option(help="访问令牌 access token")]


def read(
    asset_no: Annotated[str, typer.Argument(help="资产编号 asset number")],
    tcp: Annotated[str | None, typer.Option(help="经 TCP：主机:端口 over TCP, host:port")] = None,
    serial: Annotated[str | None, typer.Option(help="经串口，如 /dev/ttyUSB0 over a serial port")] = None,
    address: Annotated[
        str | None,
        typer.Option(help="通信地址，12 位；缺省时询问线上唯一的表 12 digits; else the one meter on the line is asked"),
    ] = None,
    baud: Annotated[int, typer.Option(min=300, max=115_200, help="波特率 baud rate")] = 2400,
    parity: Annotated[str, typer.Option(help="校验 even | none | odd")] = "even",
    wait: Annotated[float, typer.Option(min=0.1, max=60, help="等待应答的秒数 seconds to wait for an answer")] = 2.0,
    tries: Annotated[int, typer.Option(min=1, max=10, help="每项询问次数 how often each value is asked for")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="输出 JSON print JSON")] = False,  # noqa: FBT002  Typer's way
    submit: Annotated[  # noqa: FBT002  Typer's way
        bool, typer.Option("--submit", help="登记核验身份与功能检查 record the check of identity and the function step")
    ] = False,
    bench: Annotated[str | None, typer.Option(help="检测台，与 --submit 同用 the bench, with --submit")] = None,
    barcode: Annotated[str | None, typer.Option(help="扫得的条码 the barcode as scanned")] = None,
    also: Annotated[
        list[str] | None,
        typer.Option("--also", help="人工查看的条目，如 relay=working what a person looked at, repeatable"),
    ] = None,
    url: Url = None,
    token: Token = None,
) -> None:
    """经 DL/T 645 读取电能表；读取不完整时不登记 Read a meter over DL/T 645; a partial reading is recorded nowhere."""
    with explained(), refusals_said():
        if submit and bench is None:
            raise CannotGoOn("--submit 须同时给出 --bench。", "--submit takes --bench as well", USAGE)
        patience = _patience(wait, tries)
        if not submit:
            reading = _read(_line(tcp, serial, baud, parity), address, patience)
            show(reading, asset_no, as_json=as_json)
        else:
            with connect(url, token, Role.INSPECTOR) as platform:
                inspection = at_bench(platform, asset_no, cast("str", bench))
                reading = _read(_line(tcp, serial, baud, parity), address, patience)
                show(reading, asset_no, as_json=as_json)
                if reading.whole:
                    _submit(platform, inspection, reading, barcode, also or ())
        if not reading.whole:
            _say_partial(reading, submit=submit)
            raise typer.Exit(REFUSED)


def at_bench(platform: Client, asset_no: str, bench: str) -> types.InspectionRow:
    """The device's inspection, which is under way at this bench. Raises CannotGoOn."""
    inspection = platform.ask(types.GetInspection(asset_no=asset_no))
    if inspection.phase not in ("open", "stopped"):
        raise CannotGoOn(
            f"器具 {asset_no} 没有进行中的分拣，请先扫码开检。",
            f"no inspection of {asset_no} is under way; open one first by scanning it",
            REFUSED,
        )
    if inspection.bench != bench:
        raise CannotGoOn(
            f"器具 {asset_no} 在检测台 {inspection.bench} 开检，不是 {bench}。请在该台继续，或由其移交。",
            f"{asset_no} is open at bench {inspection.bench} and not at {bench}; go on there, or have it handed over",
            REFUSED,
        )
    return inspection


def norm_of(platform: Client, inspection: types.InspectionRow, step: str) -> Norm:
    """The norm of a step in the version of the scheme that the inspection began with."""
    asked = types.GetScheme(group=inspection.scheme_group, version=inspection.scheme_version)
    scheme = platform.ask(asked).scheme
    norm = next(one for one in scheme.norms if one.step == step)
    return msgspec.convert(msgspec.to_builtins(norm), Norm)


def step_report(measured: "Sequence[Measured]") -> types.StepReport:
    """As the platform takes it."""
    return types.StepReport(measured=tuple(types.Measured(**msgspec.structs.asdict(one)) for one in measured))


@contextmanager
def refusals_said() -> Iterator[None]:
    """Say a refusal of this side as those of the platform are said, and end with the same status."""
    try:
        yield
    except Refusal as refusal:
        say(refusal.zh, refusal.en, refusal.code)
        raise typer.Exit(REFUSED) from None


def show(reading: "Reading", asset_no: str, *, as_json: bool) -> None:
    """What was read, as a table, or as JSON for another program."""
    if as_json:
        document = {"asset_no": asset_no, "whole": reading.whole, **msgspec.to_builtins(reading)}
        output.print_json(msgspec.json.encode(document).decode())
        return
    from services.sorting.reading.identifiers import GROUPS  # noqa: PLC0415  slow to load

    heading = Text.assemble((reading.address or "—", "bold"), f"  {reading.read_at:%Y-%m-%d %H:%M:%S}")
    output.print(heading)
    for group, (zh, en) in GROUPS.items():
        rows = [one for one in reading.reads if one.identifier.group == group]
        if not rows:
            continue
        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column()
        table.add_column(justify="right", overflow="fold")
        table.add_column(style="dim")
        for one in rows:
            table.add_row(_name(one), _shown(one), one.identifier.di)
        if group == "clock" and reading.clock:
            table.add_row(Text("时钟偏差 clock offset"), Text(f"{reading.clock.offset_s:+d} s"), "")
        output.print(Text(f"{zh} {en}", "cyan"))
        output.print(Padding(table, (0, 0, 0, 2)))


def _read(open_line: "Callable[[], Line]", address: str | None, patience: "Patience") -> "Reading":
    from services.sorting.reading.exchange import Exchange  # noqa: PLC0415  slow to load
    from services.sorting.reading.frames import address_of  # noqa: PLC0415  slow to load
    from services.sorting.reading.identifiers import load  # noqa: PLC0415  slow to load
    from services.sorting.reading.reader import read_meter  # noqa: PLC0415  slow to load

    identifiers = load()
    asked = None if address is None else address_of(address)
    line = open_line()
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    try:
        with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task("读取 reading", total=len(identifiers))
            return read_meter(
                Exchange(line, asked, patience), identifiers, system_clock_us, lambda _read: progress.advance(task)
            )
    finally:
        line.close()


def _submit(
    platform: Client,
    inspection: types.InspectionRow,
    reading: "Reading",
    barcode: str | None,
    also: Sequence[str],
) -> None:
    from services.sorting.reading.forms import identity, load, measured, with_additions  # noqa: PLC0415  slow to load

    asset_no, at = inspection.asset_no, instant_of_us(system_clock_us())
    found = identity(reading, barcode)
    checked = platform.do(
        types.CheckIdentity(
            asset_no=asset_no,
            barcode=found.barcode,
            held_number=found.held_number,
            comm_address=found.comm_address,
            occurred_at=at,
        )
    )
    stands = platform.ask(types.GetInspection(asset_no=asset_no, seen=checked.position))
    if stands.phase == "stopped":
        raise CannotGoOn(
            f"身份不符：器具 {asset_no} 的分拣已停止。请核对实物与通信地址。",
            f"the identity does not match and the inspection of {asset_no} is stopped; look at the device and its "
            "communication address",
            REFUSED,
        )
    _done(f"身份已核验 identity checked: {asset_no}")
    if stands.next_step != "function":
        note(
            "功能检查在外观检查之后登记一次；外观检查结束后请再次执行。",
            "the function step is recorded once, after the appearance; run this again when that has ended",
        )
        return
    norm = norm_of(platform, stands, "function")
    filled = with_additions(norm, measured(reading, norm, load()["function"]), also)
    platform.do(types.InspectFunction(asset_no=asset_no, report=step_report(filled), occurred_at=at))
    _done(f"功能检查已登记 function recorded: {asset_no}, {len(filled)}")


def _done(words: str) -> None:
    console.print(Text.assemble(("✓ ", "green"), words))


def _say_partial(reading: "Reading", *, submit: bool) -> None:
    if reading.ended_by is not None:
        say(reading.ended_by.zh, reading.ended_by.en, reading.ended_by.code)
    if submit:
        from services.sorting.reading.faults import NOT_WHOLE  # noqa: PLC0415  slow to load

        refusal = NOT_WHOLE()
        say(refusal.zh, refusal.en, refusal.code)
    else:
        warn("读取不完整。", "the reading is not whole")


def _patience(wait_s: float, tries: int) -> "Patience":
    from services.sorting.reading.exchange import Patience  # noqa: PLC0415  slow to load

    return Patience(answer_s=wait_s, tries=tries)


def _line(tcp: str | None, serial: str | None, baud: int, parity: str) -> "Callable[[], Line]":
    """Opens the line that was named. Raises CannotGoOn."""
    from services.sorting.reading.line import Parity, SerialLine, TcpLine  # noqa: PLC0415  slow to load

    if (tcp is None) is (serial is None):
        raise CannotGoOn("请给出 --tcp 或 --serial 之一。", "give either --tcp or --serial", USAGE)
    if serial is not None:
        if parity not in get_args(Parity):
            raise CannotGoOn("--parity 须为 even | none | odd。", "--parity is even | none | odd", USAGE)
        return lambda: SerialLine(serial, baud, cast("Parity", parity))
    host, _, port = (tcp or "").rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) <= PORT_MAX:
        raise CannotGoOn(f"--tcp 须为 主机:端口，不是 {tcp}。", f"--tcp takes host:port, not {tcp}", USAGE)
    return lambda: TcpLine(host.strip("[]"), int(port))


PORT_MAX: Final = 65_535


def _name(one: "Read") -> Text:
    return Text.assemble(one.identifier.zh, (f" {one.identifier.en}", "dim"))


def _shown(one: "Read") -> Text:
    if one.problem is not None:
        return Text(f"{one.problem.zh}\n{one.problem.en}", "yellow")
    assert one.value is not None
    return Text(shown_value(one.identifier, one.value))


def shown_value(identifier: "Identifier", value: "Value") -> str:
    """A value as people write it."""
    from services.sorting.reading.identifiers import Period, Phases  # noqa: PLC0415  slow to load

    if isinstance(value, Period):
        return " → ".join(_moment(one) for one in (value.begun, value.ended) if one) or "从未发生 never"
    if isinstance(value, Phases):
        return " / ".join(map(str, value.counts))
    if isinstance(value, int):
        digits, unit = SHOWN_IN[identifier.unit or "count"]
        return f"{Decimal(value).scaleb(-digits):,f} {unit}".strip()
    return value


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"
