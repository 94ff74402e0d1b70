"""Parquet: columns of every type, row groups, limits, and places to go on from."""

import io
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kernel.refusal import Refusal
from kernel.spreadsheet import Limits
from tests.registry.imports.sheets import as_parquet, number, result_of, wall

BASE = {"work_order": ["G"], "reason": ["burnt"]}


def one_row(**columns):
    """Reads a dismantled device given by these columns beside the usual ones."""
    table = pa.table({"asset_no": pa.array([number(1)]), **BASE, "occurred_on": ["2025-05-01"]} | columns)
    target = io.BytesIO()
    pq.write_table(table, target)
    return result_of(target.getvalue(), "dismantled")


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["2025-05-01"]),
        pa.array(["2025-05-01"]).dictionary_encode(),
        pa.array([b"2025-05-01"]),
        pa.array([date(2025, 5, 1)]),
        pa.array([date(2025, 5, 1)], pa.date64()),
        pa.array([20250501], pa.int32()),
        pa.array([45778.0]),
        pa.array([wall(2025, 5, 1, 8, 30)], pa.timestamp("s")),
        pa.array([wall(2025, 5, 1, 8, 30)], pa.timestamp("ns")),
        pa.array([datetime(2025, 4, 30, 16, 30, tzinfo=UTC)], pa.timestamp("us", "UTC")),
        pa.array([datetime(2025, 4, 30, 16, 30, tzinfo=UTC)], pa.timestamp("ns", "America/New_York")),
    ],
    ids=lambda column: str(column.type),
)
def test_days_of_every_type(column):
    assert one_row(occurred_on=column).values[0]["occurred_on"] == "2025-05-01"


@pytest.mark.parametrize(
    ("column", "wh"),
    [
        (pa.array([1.5]), 1500),
        (pa.array([1.5], pa.float32()), 1500),
        (pa.array([2], pa.uint8()), 2000),
        (pa.array([Decimal("1.234")]), 1234),
        (pa.array(["1.234"]), 1234),
        (pa.array([None], pa.float64()), None),
        (pa.array([None]), None),
    ],
    ids=lambda column: str(getattr(column, "type", column)),
)
def test_readings_of_every_type(column, wh):
    assert one_row(底度=column).values[0].get("reading") == (None if wh is None else {"total_wh": wh})


@pytest.mark.parametrize(
    "column",
    [
        pa.array([[1.5]]),
        pa.array([{"a": 1}]),
        pa.array([True]),
        pa.array([b"\xff\xfe"]),
        pa.array([12345], pa.duration("ns")),
        pa.array([12345], pa.time64("ns")),
        pa.array([float("nan")]),
    ],
    ids=lambda column: str(column.type),
)
def test_what_is_no_reading(column):
    assert one_row(底度=column).codes == ["import_cell.not_a_number"]


def test_a_number_of_22_digits_is_exact_as_decimal_and_lost_as_float():
    table = pa.table({"asset_no": pa.array([Decimal(number(1))]), "device_class": ["01"]})
    target = io.BytesIO()
    pq.write_table(table, target)
    assert result_of(target.getvalue()).values[0]["asset_no"] == number(1)
    table = pa.table({"asset_no": pa.array([float(number(1))]), "device_class": ["01"]})
    target = io.BytesIO()
    pq.write_table(table, target)
    assert result_of(target.getvalue()).codes == ["import_cell.digits_lost"]


def test_columns_by_field_name_with_a_dot():
    assert one_row(**{"reading.total_wh": [7]}).values[0]["reading"] == {"total_wh": 7}


def test_going_on_from_every_batch_gives_the_rest():
    rows = [["资产编号", "设备类别", "户名"], *([number(i), "01" if i % 9 else "水表", "姓名"] for i in range(5000))]
    content = as_parquet(rows, row_group_size=1700)
    whole = result_of(content)
    assert [row.number for row in whole.rows][:2] == [2, 3]
    for place, batch in enumerate(whole.batches):
        rest = result_of(content, after=batch.after)
        assert [row for b in whole.batches[: place + 1] for row in b.rows] + rest.rows == whole.rows
    assert result_of(content, after="[0,1234,1234,[],true]").rows == [row for row in whole.rows if row.number > 1234]


def test_limits():
    content = as_parquet([["资产编号", "设备类别"], [number(1), "01"]])
    for limits, code in (
        (Limits(parquet_file_bytes=100), "import_file.too_large"),
        (Limits(row_group_bytes=10), "import_file.expands_too_far"),
    ):
        with pytest.raises(Refusal) as refused:
            result_of(content, limits=limits)
        assert refused.value.code == code
    wide = pa.table({f"c{i}": [1] for i in range(800)})
    target = io.BytesIO()
    pq.write_table(wide, target)
    with pytest.raises(Refusal) as refused:
        result_of(target.getvalue())
    assert refused.value.code == "import_file.too_many_cells"


def test_a_column_given_twice():
    table = pa.Table.from_arrays(
        [pa.array([number(1)]), pa.array([number(1)]), pa.array(["01"])], ["资产编号", "资产编号", "设备类别"]
    )
    target = io.BytesIO()
    pq.write_table(table, target)
    assert result_of(target.getvalue()).values == [{"asset_no": number(1), "device_class": "01"}]


def test_a_misspelt_column_among_fields_names_refuses_the_file():
    rows = [["asset_no", "device_class", "unitt"], [number(1), "01", "99402"]]
    with pytest.raises(Refusal) as refused:
        result_of(as_parquet(rows))
    assert refused.value.code == "import_file.columns_unknown"
    assert "unitt" in refused.value.en
    assert len(result_of(as_parquet([["资产编号", "设备类别", "unitt"], rows[1]])).rows) == 1
