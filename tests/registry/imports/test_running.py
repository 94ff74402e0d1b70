"""What becomes of rows: recorded once, counted exactly, refused at their cell; whoever else asks has their turn."""

import asyncio
import itertools

import pytest

from kernel.spreadsheet.findings import Column
from services.registry.imports.asked import NewImport
from services.registry.imports.locating import Sourced
from services.registry.imports.planning import single
from services.registry.imports.rows import Heading, Row
from services.registry.imports.running import LET_PASS_LOOKS, LET_PASS_S
from services.registry.imports.shipping import Shipments
from services.registry.meter.identity import Register
from services.registry.shipment import MANIFEST_LINES_MAX, Line, PrepareShipment
from services.registry.site import OpenSite
from tests.registry.imports.importing import KEEPER, OPERATOR, UNIT, as_csv, devices_csv, importing, number
from tests.registry.imports.sheets import TODAY

STORE, CENTRE, SHIPMENT = "store-1", "centre", "YJ-99401-0001"
DISPATCHED = "移交单号,移交日期,发出地点,接收地点,资产编号,管理单位,承运单位,封签号"
SITES = (
    OpenSite(site_id=STORE, kind="unit_store", name="合成表库", unit=UNIT, occurred_on=TODAY),
    OpenSite(site_id=CENTRE, kind="centre", name="合成中心", unit="99400", occurred_on=TODAY),
)


@pytest.fixture
async def started(tmp_path):
    async with importing(tmp_path) as one:
        yield one


@pytest.fixture
async def idle(tmp_path):
    async with importing(tmp_path, running=False) as one:
        yield one


def dismantled_csv(numbers, **columns):
    names = {"unit": "管理单位", "signature": "客户签字", "reading": "正向有功总", "ratio": "倍率"}
    header = ",".join(["资产编号", "工单编号", "更换原因", "拆回日期", "库房", *(names[name] for name in columns)])
    given = ",".join(columns.values())
    return as_csv(header, *(f"{one},G{i},到期轮换,2026-01-06,{STORE},{given}" for i, one in enumerate(numbers)))


def dispatch_row(asset_no, *, shipment=SHIPMENT, unit=UNIT, carrier="合成物流", seal="F1"):
    return f"{shipment},2026-01-07,{STORE},{CENTRE},{asset_no},{unit},{carrier},{seal}"


async def in_store(started, numbers):
    await started.done(*SITES)
    assert (await started.imported("devices", devices_csv(numbers))).accepted == len(numbers)
    stands = await started.imported("dismantled", dismantled_csv(numbers))
    assert stands.accepted == len(numbers), await started.errors(stands.import_id)


async def types(started, stream):
    return [one.type.removeprefix("registry.") for one in (await started.ledger.read(stream)).events]


def test_a_signature_without_any_register_is_no_reading():
    ask = NewImport(kind="dismantled", name="x", bytes=1)
    values = {"asset_no": number(1), "work_order": "G1", "reason": "fault", "site": STORE, "occurred_on": "2026-01-06"}
    beside = {"customer_signature": "signed", "ratio_micro": 1_000_000}
    assert single(ask, Row(1, values | {"reading": dict(beside)}), TODAY).command.reading is None
    kept = single(ask, Row(1, values | {"reading": beside | {"total_wh": 0}}), TODAY).command.reading
    assert (kept.total_wh, kept.customer_signature) == (0, "signed")


async def test_rows_without_a_register_are_accepted(started):
    numbers = [number(serial) for serial in range(3)]
    await started.done(*SITES)
    await started.imported("devices", devices_csv(numbers))
    stands = await started.imported("dismantled", dismantled_csv(numbers, signature="已签"))
    assert (stands.accepted, stands.refused) == (3, 0)
    assert await types(started, f"meter-{numbers[0]}") == ["Registered", "Dismantled"]


async def test_a_shipment_is_what_its_rows_agree_on(tmp_path):
    shipments = Shipments(NewImport(kind="dispatched", name="x", bytes=1), tmp_path / "gathered")
    heading = Heading(None, 1, (Column("asset_no", "A", "资产编号"),))
    row = {"shipment": "S", "occurred_on": "2026-01-07", "from_site": STORE, "to_site": CENTRE}
    said = ({"unit": "99402"}, {"carrier": "合成物流"}, {"seal_no": "F1"}, {})
    rows = [row | more | {"asset_no": number(serial)} for serial, more in enumerate(said)]
    assert all(await shipments.add([Sourced(Row(at, values), heading) for at, values in enumerate(rows, 2)]))
    (planned,) = [one async for one in shipments.planned()]
    await shipments.close()
    prepare, dispatch = (one.command for one in planned.commands)
    assert (prepare.unit, prepare.carrier, dispatch.seal_no) == ("99402", "合成物流", "F1")
    assert len(prepare.manifest) == 4


@pytest.mark.parametrize(
    ("field", "odd"),
    [("unit", {"unit": "99402"}), ("carrier", {"carrier": "另一家"}), ("seal_no", {"seal": "F2"})],
)
async def test_a_shipment_whose_rows_disagree_is_refused_whole_and_says_in_what(started, field, odd):
    rows = [dispatch_row(number(1)), dispatch_row(number(2), **odd)]
    stands = await started.imported("dispatched", as_csv(DISPATCHED, *rows))
    assert (stands.accepted, stands.refused) == (0, 2)
    first, second = await started.errors(stands.import_id)
    assert "import.mixed_shipment" in first
    assert field in first
    assert first.startswith("2,")
    assert "as row 2" in second
    assert await started.ledger.head() == 0


async def test_an_operator_dispatches_without_waiting_for_the_views(started):
    numbers = [number(serial) for serial in range(4)]
    await in_store(started, numbers)
    rows = [dispatch_row(one, shipment=f"YJ-{i % 2}") for i, one in enumerate(numbers)]
    stands = await started.imported("dispatched", as_csv(DISPATCHED, *rows), OPERATOR)
    assert (stands.accepted, stands.refused) == (4, 0), await started.errors(stands.import_id, OPERATOR)
    assert await types(started, "shipment-YJ-0") == ["ShipmentPrepared", "ShipmentDispatched"]


async def test_a_shipment_of_somebody_else_under_the_same_number_is_not_dispatched(started):
    await in_store(started, [number(1), number(2)])
    ends = {"from_site": STORE, "to_site": CENTRE, "unit": UNIT, "occurred_on": TODAY}
    line = Line(asset_no=number(2), device_class="01")
    await started.done(PrepareShipment(shipment_id=SHIPMENT, manifest=(line,), **ends))
    stands = await started.imported("dispatched", as_csv(DISPATCHED, dispatch_row(number(1))))
    assert (stands.accepted, stands.refused) == (0, 1)
    (line,) = await started.errors(stands.import_id)
    assert f"A 移交单号,{SHIPMENT},shipment.already_prepared" in line
    assert await types(started, f"shipment-{SHIPMENT}") == ["ShipmentPrepared"]


async def test_a_shipment_too_long_is_refused_as_a_whole(started):
    rows = [dispatch_row(number(serial)) for serial in range(2 * MANIFEST_LINES_MAX + 1)]
    stands = await started.imported("dispatched", as_csv(DISPATCHED, *rows))
    assert (stands.state, stands.accepted, stands.refused) == ("done", 0, len(rows))
    lines = await started.errors(stands.import_id)
    assert len(lines) == len(rows)
    assert "import.shipment_too_long" in lines[0]
    assert await started.ledger.head() == 0


async def test_a_device_scanned_twice_counts_once_unless_the_scans_differ(started):
    numbers = [number(serial) for serial in range(3)]
    await in_store(started, numbers)
    await started.imported("dispatched", as_csv(DISPATCHED, *(dispatch_row(one) for one in numbers)))
    scans = [(numbers[0], "否"), (numbers[0], "否"), (numbers[1], "否"), (numbers[1], "是"), (numbers[2], "是")]
    header, *rows = "移交单号,接收日期,资产编号,是否破损", *(f"{SHIPMENT},2026-01-08,{one},{how}" for one, how in scans)
    stands = await started.imported("received", as_csv(header, *rows))
    assert (stands.accepted, stands.unchanged, stands.refused) == (0, 1, 4)
    line, *_ = await started.errors(stands.import_id)
    assert line.startswith(f"5,C 资产编号,{numbers[1]},import.listed_otherwise")
    del rows[3]
    stands = await started.imported("received", as_csv(header, *rows))
    assert (stands.accepted, stands.unchanged, stands.refused) == (3, 1, 0)


async def on_the_way(started, numbers):
    await in_store(started, numbers)
    stands = await started.imported("dispatched", as_csv(DISPATCHED, *(dispatch_row(one) for one in numbers)))
    assert stands.accepted == len(numbers)


@pytest.mark.parametrize(
    ("sites", "option", "code"),
    [
        ((CENTRE, CENTRE), None, None),
        ((CENTRE, ""), None, None),
        (("", ""), CENTRE, None),
        ((CENTRE, CENTRE), STORE, None),
        ((STORE, STORE), None, "shipment.other_site"),
        (("", ""), STORE, "shipment.other_site"),
        ((CENTRE, STORE), None, "import.mixed_shipment"),
    ],
)
async def test_the_site_of_a_receipt_is_where_the_shipment_went(started, sites, option, code):
    numbers = [number(1), number(2)]
    await on_the_way(started, numbers)
    rows = [f"{SHIPMENT},2026-01-08,{one},{site}" for one, site in zip(numbers, sites, strict=True)]
    stands = await started.imported("received", as_csv("移交单号,接收日期,资产编号,接收库房", *rows), site=option)
    assert (stands.accepted, stands.refused) == ((2, 0) if code is None else (0, 2))
    lines = await started.errors(stands.import_id)
    assert [code for line in lines if code not in line] == []
    if code == "shipment.other_site" and option is None:
        assert lines[0].startswith(f"2,D 接收库房,{STORE},")
    received = [event for event in await started.events() if event.type == "registry.ShipmentReceived"]
    assert len(received) == (code is None)


async def test_refused_commands_are_placed_at_their_cell(started):
    known, unknown, foreign = number(1), number(2), number(3, "99402")
    await started.done(*SITES)
    await started.imported("devices", devices_csv([known]))
    stands = await started.imported("dismantled", dismantled_csv([known, unknown], unit=UNIT), OPERATOR)
    (line,) = await started.errors(stands.import_id, OPERATOR)
    assert line.startswith(f"3,A 资产编号,{unknown},meter.unknown")
    stands = await started.imported("dismantled", dismantled_csv([foreign], unit="99402"), OPERATOR)
    (line,) = await started.errors(stands.import_id, OPERATOR)
    assert line.startswith("2,F 管理单位,99402,access.denied")


async def test_two_imports_queue_and_both_are_done(started):
    first = await started.uploaded("devices", devices_csv([number(serial) for serial in range(1_500)]))
    second = await started.uploaded("devices", devices_csv([number(serial) for serial in range(1_000, 2_000)]))
    one, two = await started.over(first.import_id), await started.over(second.import_id)
    assert (one.accepted, one.unchanged, two.accepted, two.unchanged) == (1_500, 0, 500, 500)
    assert one.finished_at <= two.finished_at
    assert one.position < two.position == await started.ledger.head() == 2_000


async def test_a_batch_lets_requests_pass_first_but_not_for_ever(tmp_path):
    looks = []

    def busy():
        looks.append(asyncio.get_running_loop().time())
        return True

    async with importing(tmp_path, busy=busy) as started:
        stands = await started.imported("devices", devices_csv([number(i) for i in range(3)]))
    assert stands.accepted == 3
    assert len(looks) == LET_PASS_LOOKS
    assert looks[-1] - looks[0] >= (LET_PASS_LOOKS - 1) * LET_PASS_S


async def test_commands_asked_meanwhile_have_their_turn_between_batches(started):
    stands = await started.uploaded("devices", devices_csv([number(serial) for serial in range(8_000)]))
    asked = 0
    while (now := await started.jobs.get(KEEPER, stands.import_id)).state != "done":
        if now.state == "running":
            alone = Register(asset_no=number(900_000 + asked), device_class="01", unit=UNIT, occurred_on=TODAY)
            await started.done(alone)
            asked += 1
    alone = {f"meter-{number(900_000 + serial)}" for serial in range(asked)}
    places = [i for i, event in enumerate(await started.events()) if event.stream in alone]
    assert now.accepted == 8_000
    assert len(places) == asked
    gaps = [later - earlier for earlier, later in itertools.pairwise(places)]
    assert sum(gap > 1 for gap in gaps) >= 3, f"only between those rows were commands recorded: {places}"


async def test_an_import_cancelled_in_the_middle_says_what_it_recorded_and_records_no_more(started):
    stands = await started.uploaded("devices", devices_csv([number(serial) for serial in range(20_000)]))
    while not (await started.jobs.get(KEEPER, stands.import_id)).accepted:  # noqa: ASYNC110  nobody says so
        await asyncio.sleep(0.005)
    await started.jobs.cancel(KEEPER, stands.import_id)
    after = await started.imported("devices", devices_csv([number(0)]))
    assert after.unchanged == 1
    stands = await started.jobs.get(KEEPER, stands.import_id)
    assert stands.state == "cancelled"
    assert 0 < stands.accepted == await started.ledger.head() < 20_000
    assert not started.jobs.file_path(stands.import_id).exists()


async def test_a_file_that_breaks_off_keeps_what_came_before(started):
    content = devices_csv([number(serial) for serial in range(3_000)]) + b'"' + b"x" * (5 << 20)
    stands = await started.imported("devices", content)
    assert stands.state == "failed"
    assert stands.accepted == await started.ledger.head() > 0


async def test_a_file_that_is_gone_fails_its_import_and_the_next_one_runs(tmp_path):
    async with importing(tmp_path, running=False) as idle:
        lost = await idle.uploaded("devices", devices_csv([number(1)]))
        idle.jobs.file_path(lost.import_id).unlink()
    async with importing(tmp_path) as started:
        assert (await started.imported("devices", devices_csv([number(2)]))).accepted == 1
        assert (await started.jobs.get(KEEPER, lost.import_id)).state == "failed"


async def test_the_same_row_from_two_people_is_one_command(started):
    numbers = [number(1), number(2)]
    assert (await started.imported("devices", devices_csv(numbers))).accepted == 2
    before = await started.events()
    again = await started.imported("devices", devices_csv([*numbers, number(3)]), OPERATOR)
    assert (again.accepted, again.unchanged, again.refused) == (1, 2, 0)
    assert len(await started.events()) == len(before) + 1
