"""`meterloop sorting read | bench` against the gateway with sorting behind it, and a meter on loopback."""

import asyncio
import json
import re
from contextlib import asynccontextmanager
from datetime import date
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from cli.__main__ import app
from kernel.handling import Context
from kernel.principal import Role
from services.registry.app import CODEC as REGISTRY_CODEC
from services.registry.asset_number import compose
from services.registry.meter.custody import Received
from services.registry.meter.identity import Description, Registered
from services.registry.vocabulary import Movement
from services.sorting.inspection.opening import CheckIdentity, OpenInspection
from services.sorting.inspection.steps import InspectAppearance, InspectFunction
from services.sorting.scheme import PublishScheme
from services.sorting.table import PublishTable
from services.sorting.views.inspection import INSPECTIONS
from tests.gateway.behind import behind
from tests.gateway.serving import served
from tests.given import fresh_id
from tests.sorting.examples import DAY, POWERED, PRICES, SCHEME, SITE, TABLE, UNIT, WHOLE
from tests.sorting.reading.peer import ADDRESS, OTHER, VALUES, HangUp, Meter, listening, low_first, text
from tests.sorting.written import written

BENCH = "B1"
NUMBERS = [compose(UNIT, "01", f"9900000000{serial:04d}") for serial in range(4)]
HELD = VALUES | {"04000403": text(NUMBERS[0], 32)}


@pytest.fixture
async def hall(tmp_path, monkeypatch):
    """Runs `meterloop sorting` as an inspector; four meters are at the centre and open at the bench."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    async with behind(tmp_path) as started, served(started.gateway.app) as url:
        for number in NUMBERS:
            description = Description(comm_address=ADDRESS, made_on=date(2020, 1, 5))
            moved = Movement(device_class="01", to_site=SITE)
            await written(
                started.ledger,
                REGISTRY_CODEC,
                f"meter-{number}",
                Registered(
                    occurred_on=DAY, asset_no=number, device_class="01", unit=UNIT, owner="company",
                    origin="in_service", description=description,
                ),
                Received(occurred_on=DAY, asset_no=number, shipment="S1", moved=moved),
            )  # fmt: skip

        async def do(*commands):
            for command in commands:
                outcome = await started.sorting.sorting.do(command, Context(command_id=fresh_id(), actor="u-1"))
            return outcome

        about = {"occurred_on": DAY, "version": 1, "why": "first"}
        await do(
            PublishScheme(**about, group=SCHEME.group, scheme=SCHEME),
            PublishTable(**about, name="verdict", verdict=TABLE),
            PublishTable(**about, name="prices", prices=PRICES),
        )
        for number in NUMBERS:
            await do(
                OpenInspection(occurred_on=DAY, asset_no=number, bench=BENCH, site=SITE, accuracy_class="2"),
            )
        token = started.token(Role.INSPECTOR, units=(UNIT,))

        async def run(*words, submit=True):
            given = ["sorting", *words, *(["--submit", "--url", url, "--token", token] if submit else [])]
            told = await asyncio.to_thread(CliRunner().invoke, app, given)
            return told.exit_code, re.sub(r"\s+", " ", told.output)

        async def row(number):
            head = await started.ledger.head()
            return await started.sorting.sorting.one(INSPECTIONS, (number,), seen=head)

        yield SimpleNamespace(run=run, do=do, row=row)


@asynccontextmanager
async def on_the_line(**how):
    async with listening(Meter(how.pop("values", HELD), **how)) as port:
        yield f"127.0.0.1:{port}"


async def read(hall, place, *words, number=NUMBERS[0], submit=True):
    bench = ("--bench", BENCH) if submit else ()
    return await hall.run("read", number, "--tcp", place, "--wait", "1", "--tries", "1", *bench, *words, submit=submit)


async def test_a_meter_is_shown_as_a_table_and_as_json(hall):
    async with on_the_line() as place:
        status, said = await read(hall, place, submit=False)
        assert status == 0, said
        for words in (
            ADDRESS,
            "1,234.560 kWh",
            "3.640 V",
            "-10.5 ℃",
            "2019-07-04 23:15:00",
            "开表盖次数",
            "clock offset",
        ):
            assert words in said
        status, said = await read(hall, place, "--json", submit=False)
    document = json.loads(said)
    assert (status, document["whole"], document["address"]) == (0, True, ADDRESS)
    values = {one["identifier"]["code"]: one["value"] for one in document["reads"]}
    assert values["energy_forward"] == 1_234_560
    assert values["cover_opened_last"]["begun"] == "2019-07-04T23:15:00+08:00"


async def test_what_was_read_is_recorded_in_the_order_of_the_steps(hall):
    async with on_the_line() as place:
        status, said = await read(hall, place)
        assert (status, "身份已核验" in said, "外观检查之后" in said) == (0, True, True), said
        assert (await hall.row(NUMBERS[0])).identity == "confirmed"
        await hall.do(InspectAppearance(occurred_on=DAY, asset_no=NUMBERS[0], report=WHOLE))
        status, said = await read(hall, place)
        assert (status, "功能检查已登记" in said) == (0, True), said
        assert (await hall.row(NUMBERS[0])).next_step == "accuracy"


async def test_another_identity_stops_the_inspection(hall):
    async with on_the_line(values=VALUES | {"04000401": low_first(OTHER)}, address=OTHER) as place:
        status, said = await read(hall, place)
    assert (status, "身份不符" in said) == (1, True), said
    assert (await hall.row(NUMBERS[0])).phase == "stopped"


async def test_a_board_of_another_meter_stops_the_inspection_whatever_label_was_scanned(hall):
    """It answers with the address of its label and holds the number that it was made with."""
    async with on_the_line(values=VALUES | {"04000403": text(NUMBERS[1], 32)}) as place:
        status, said = await read(hall, place, "--barcode", NUMBERS[0])
    assert (status, "身份不符" in said) == (1, True), said
    assert (await hall.row(NUMBERS[0])).phase == "stopped"


async def test_a_partial_reading_is_shown_and_recorded_nowhere(hall):
    async def breaking(send, answer, asked):
        if asked == 20:
            raise HangUp
        await send(answer)

    before = await hall.row(NUMBERS[0])
    async with on_the_line(manner=breaking) as place:
        status, said = await read(hall, place)
    assert status == 1
    for words in ("1,234.560 kWh", "meter_read.line_lost", "meter_read.not_whole"):
        assert words in said
    assert await hall.row(NUMBERS[0]) == before


async def test_a_meter_at_another_bench_is_not_read(hall):
    status, said = await hall.run("read", NUMBERS[0], "--tcp", "127.0.0.1:9", "--bench", "B2")
    assert (status, "B1" in said) == (1, True), said
    status, said = await hall.run("read", "99101" + "0" * 17, "--tcp", "127.0.0.1:9", "--bench", "B2")
    assert (status, "inspection.unknown" in said) == (1, True), said


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ((), 2, "--serial"),
        (("--tcp", "x:1", "--serial", "y"), 2, "--serial"),
        (("--tcp", "nowhere"), 2, "host:port"),
        (("--tcp", "127.0.0.1:1", "--address", "12X"), 1, "meter_read.bad_address"),
        (("--tcp", "127.0.0.1:1"), 1, "meter_read.no_line"),
        (("--serial", "no-such-port", "--parity", "mark"), 2, "--parity"),
        (("--serial", "no-such-port"), 1, "meter_read.no_line"),
        (("--tcp", "127.0.0.1:1", "--submit"), 2, "--bench"),
    ],
)
def test_how_not_to_ask(words, status, said):
    told = CliRunner().invoke(app, ["sorting", "read", NUMBERS[0], *words])
    assert told.exit_code == status
    assert said in told.output


def results(path, *lines):
    path.write_text("\n".join(("表位,资产编号,等级,Ib 1.0,Imax,结论", *lines, "")), "utf-8")
    return path


async def ready(hall, *numbers):
    """These have come as far as the accuracy step."""
    for number in numbers:
        about = {"occurred_on": DAY, "asset_no": number}
        await hall.do(
            CheckIdentity(**about, barcode=number),
            InspectAppearance(**about, report=WHOLE),
            InspectFunction(**about, report=POWERED),
        )


async def test_a_bench_file_is_recorded_once_however_often_it_is_sent(hall, tmp_path):
    await ready(hall, *NUMBERS[:2])
    file = results(
        tmp_path / "run.csv",
        f"1,{NUMBERS[0]},2,0.5,0.1,合格",
        f"2,{NUMBERS[1]},2,2.6,0.1,合格",
        f"3,{NUMBERS[2]},2,x,,",
    )
    status, said = await hall.run("bench", str(file), "--bench", BENCH)
    assert status == 4, said
    for words in ("2 个表位已登记", "bench_file.not_a_number", "error_imax_pf100", "结论与限值判定不一致"):
        assert words in said
    errors = tmp_path / "run.csv.errors.csv"
    assert errors.stat().st_mode & 0o777 == 0o600
    lines = errors.read_text("utf-8-sig").splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("4,D Ib 1.0,x,bench_file.not_a_number,")
    assert NUMBERS[2] not in lines[1]
    assert [(await hall.row(number)).next_step for number in NUMBERS[:2]] == [None, None]
    assert (await hall.row(NUMBERS[1])).faults == "error"
    again = await hall.run("bench", str(file), "--bench", BENCH)
    assert "2 个此前已登记" in again[1], again[1]
    results(file, f"1,{NUMBERS[0]},2,0.5,0.1,合格")
    status, said = await hall.run("bench", str(file), "--bench", BENCH)
    assert (status, "✓" in said) == (1, False), said
    assert "inspection.not_open" in said or "inspection.step_ended" in said


async def test_positions_that_the_platform_refuses_are_named(hall, tmp_path):
    unknown = compose(UNIT, "01", "99000000009999")
    file = results(tmp_path / "run.csv", f"1,{NUMBERS[3]},2,0.5,,", f"2,{unknown},2,0.5,,")
    status, said = await hall.run("bench", str(file), "--bench", BENCH)
    assert status == 1
    assert "inspection.identity_first" in said
    assert "inspection.unknown" in said
    status, said = await hall.run("bench", str(file), "--bench", "B2")
    assert "bench_file.other_bench" in said
    lines = (tmp_path / "run.csv.errors.csv").read_text("utf-8-sig").splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == ["2", "3"]


async def test_without_submitting_it_is_shown(hall, tmp_path):
    file = results(tmp_path / "run.csv", f"1,{NUMBERS[0]},2,0.5,,合格")
    status, said = await hall.run("bench", str(file), "--bench", BENCH, submit=False)
    assert status == 0
    assert "error_ib_pf100 5000" in said
    assert not (tmp_path / "run.csv.errors.csv").exists()
    status, said = await hall.run("bench", "none.csv", "--bench", BENCH, submit=False)
    assert (status, "cannot be read" in said) == (2, True)
