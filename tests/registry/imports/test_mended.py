"""A table with refused rows, mended and imported again: no device is missing, or off its manifest, for the first."""

import pytest

from services.registry.imports.shipping import HAS_REFUSED_ROWS
from tests.registry.imports.importing import as_csv, importing, number
from tests.registry.imports.sheets import as_ndjson, as_xlsx, result_of, with_fields
from tests.registry.imports.test_running import DISPATCHED, dispatch_row, in_store, types

CODE = HAS_REFUSED_ROWS.code
FIRST, SECOND = "YJ-99401-0001", "YJ-99401-0002"
NUMBERS = [number(serial) for serial in range(3)]
RECEIVED = ["移交单号", "接收日期", "资产编号"]
DONE = {
    "dispatched": ["ShipmentPrepared", "ShipmentDispatched"],
    "received": ["ShipmentPrepared", "ShipmentDispatched", "ShipmentReceived"],
}
"""What is on record of a shipment after each kind of table."""
BEFORE = {"dispatched": [], "received": DONE["dispatched"]}


@pytest.fixture
async def started(tmp_path):
    async with importing(tmp_path) as one:
        await in_store(one, NUMBERS)
        yield one


@pytest.fixture(params=DONE)
def kind(request):
    return request.param


def table(kind, *lines):
    """A table of lines of a shipment and a number each."""
    if kind == "dispatched":
        return as_csv(DISPATCHED, *(dispatch_row(asset_no, shipment=shipment) for shipment, asset_no in lines))
    return as_csv(",".join(RECEIVED), *(f"{shipment},2026-01-08,{asset_no}" for shipment, asset_no in lines))


async def prepared(started, kind, lines):
    """What comes before a table of this kind."""
    if kind == "received":
        stands = await started.imported("dispatched", table("dispatched", *lines))
        assert (stands.accepted, stands.refused) == (len(lines), 0)


def counts(stands):
    assert stands.state == "done"
    return stands.accepted, stands.unchanged, stands.refused


async def codes(started, stands):
    """Code by row of the error file."""
    lines = [line.split(",") for line in await started.errors(stands.import_id)]
    return {int(line[0]): line[3] for line in lines}


async def test_one_unreadable_number_leaves_its_shipment_for_the_mended_table(started, kind):
    lines = [(FIRST, asset_no) for asset_no in NUMBERS]
    broken = [*lines[:2], (FIRST, NUMBERS[2][:19])]
    await prepared(started, kind, lines)
    for _ in range(2):
        stands = await started.imported(kind, table(kind, *broken))
        assert counts(stands) == (0, 0, 3)
        assert await codes(started, stands) == {2: CODE, 3: CODE, 4: "asset_number.not_22_digits"}
    assert await types(started, f"shipment-{FIRST}") == BEFORE[kind]
    assert counts(await started.imported(kind, table(kind, *lines))) == (3, 0, 0)
    assert counts(await started.imported(kind, table(kind, *lines))) == (0, 3, 0)
    assert await types(started, f"shipment-{FIRST}") == DONE[kind]
    last = {"dispatched": "Dispatched", "received": "Received"}[kind]
    assert [(await types(started, f"meter-{one}"))[-1] for one in NUMBERS] == [last] * 3
    assert not (await started.registry.consignment(FIRST)).exceptions


async def test_a_preview_says_the_same(started, kind):
    lines = [(FIRST, asset_no) for asset_no in NUMBERS]
    await prepared(started, kind, lines)
    stands = await started.imported(kind, table(kind, *lines[:2], (FIRST, "1")), dry_run=True)
    assert counts(stands) == (0, 0, 3)


async def test_the_other_shipments_of_the_table_are_recorded_and_unchanged_in_the_mended_one(started, kind):
    lines = [(FIRST, NUMBERS[0]), (SECOND, NUMBERS[1]), (SECOND, NUMBERS[2])]
    await prepared(started, kind, lines)
    stands = await started.imported(kind, table(kind, *lines[:2], (SECOND, "")))
    assert counts(stands) == (1, 0, 2)
    assert await codes(started, stands) == {3: CODE, 4: "import_cell.required"}
    assert [await types(started, f"shipment-{one}") for one in (FIRST, SECOND)] == [DONE[kind], BEFORE[kind]]
    assert counts(await started.imported(kind, table(kind, *lines))) == (2, 1, 0)


async def test_what_was_recorded_of_these_rows_before_one_was_broken_stands(started, kind):
    lines = [(FIRST, NUMBERS[0]), (FIRST, NUMBERS[1]), (SECOND, NUMBERS[2])]
    await prepared(started, kind, lines)
    assert counts(await started.imported(kind, table(kind, *lines[:2]))) == (2, 0, 0)
    # Which shipment the last row is of cannot be read: it may be any of the table's.
    stands = await started.imported(kind, table(kind, *lines, ("号 1", NUMBERS[2])))
    assert counts(stands) == (0, 2, 2)
    assert await codes(started, stands) == {4: CODE, 5: "import_cell.wrong_form"}


async def test_a_device_of_which_two_things_are_said_holds_its_shipment_back(started):
    await prepared(started, "received", [(FIRST, asset_no) for asset_no in NUMBERS])
    header = ",".join([*RECEIVED, "是否破损"])
    rows = [f"{FIRST},2026-01-08,{asset_no},否" for asset_no in NUMBERS]
    stands = await started.imported("received", as_csv(header, *rows, rows[0][:-1] + "是"))
    assert counts(stands) == (0, 0, 4)
    assert await codes(started, stands) == {2: CODE, 3: CODE, 4: CODE, 5: "import.listed_otherwise"}
    # Damaged is what it was, so this is not the command that the first table would have made.
    rows[0] = rows[0][:-1] + "是"
    assert counts(await started.imported("received", as_csv(header, *rows))) == (3, 0, 0)


GOOD = [FIRST, "2025-01-08", NUMBERS[0]]
OTHER = [SECOND, "2025-01-08", "1"]
AS_DEFAULT = "shipment: {required: false, default: YJ-99401-0009}"


@pytest.mark.parametrize(
    ("content", "fields", "lacking"),
    [
        (as_xlsx([RECEIVED, GOOD, OTHER, OTHER]), "", [(SECOND, 3)]),
        (as_xlsx([RECEIVED, GOOD, ["号 1", *OTHER[1:]]]), "", [(None, 3)]),
        (as_xlsx([RECEIVED, GOOD, ["", *GOOD[1:]], OTHER]), "", [(None, 3), (SECOND, 4)]),
        (as_xlsx([RECEIVED, GOOD, ["", *OTHER[1:]]]), "shipment: {fill_down: true}", [(FIRST, 3)]),
        (as_xlsx([RECEIVED, GOOD, ["", *OTHER[1:]]]), AS_DEFAULT, [("YJ-99401-0009", 3)]),
        (as_xlsx([RECEIVED[1:], GOOD[1:], OTHER[1:]]), AS_DEFAULT, [("YJ-99401-0009", 3)]),
        (as_xlsx([[*RECEIVED, "运单号"], [*GOOD, SECOND]]), "", [(None, 2)]),
        (as_xlsx([RECEIVED, GOOD, ["合计", "", "1"]]), "", []),
        (as_ndjson([["shipment", "occurred_on", "asset_no"], GOOD]) + b"\n{", "", [(None, 2)]),
    ],
    ids=["named", "unreadable", "empty", "merged", "default", "option", "two", "total", "torn"],
)
def test_a_refused_row_tells_its_shipment_where_that_can_be_read(content, fields, lacking):
    mapping = with_fields("received", fields or "damaged: {}")
    assert [
        one for batch in result_of(content, "received", mapping=mapping).batches for one in batch.lacking
    ] == lacking


def test_rows_that_are_commands_of_their_own_hold_nothing_back():
    result = result_of(as_xlsx([["资产编号", "设备类别"], [NUMBERS[0], "01"], ["1", "01"]]))
    assert (result.refused, [batch.lacking for batch in result.batches]) == (1, [[]])
