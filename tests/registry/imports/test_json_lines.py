"""NDJSON: keys, groups, lines that are no objects, and places to go on from."""

import msgspec
import pytest

from kernel.refusal import Refusal
from services.registry.imports.mapping import parse
from tests.registry.imports.sheets import as_ndjson, number, result_of

HEADER = ["资产编号", "设备类别", "备注"]


def test_objects_by_header_and_by_field_name():
    lines = [
        f'{{"资产编号": "{number(1)}", "设备类别": "单相电能表", "户名": "不应保留"}}',
        "",
        f'{{"asset_no": "{number(2)}", "device_class": 1, "description":{{"made_on": "2024-03-05", "maker": "M1"}}}}\r',
        f'  {{"asset_no": "{number(3)}", "device_class": "02", "maker": "M2"}}',
    ]
    result = result_of("\n".join(lines).encode())
    assert [row.number for row in result.rows] == [1, 3, 4]
    assert result.values == [
        {"asset_no": number(1), "device_class": "01"},
        {"asset_no": number(2), "device_class": "01", "description": {"maker": "M1", "made_on": "2024-03-05"}},
        {"asset_no": number(3), "device_class": "02", "description": {"maker": "M2"}},
    ]


@pytest.mark.parametrize(
    "line",
    [
        "[1]",
        "1",
        '"x"',
        "null",
        "{",
        '{"资产编号": }',
        "\ufffd{",
        "{} {}",
        '{"a": ' + "[" * 3000 + "]" * 3000 + "}",
        '{"资产编号": "\\ud800"}',
    ],
    ids=range(10),
)
def test_a_line_that_is_no_object_refuses_itself_only(line):
    content = as_ndjson([HEADER, [number(1), "01", ""]]) + b"\n" + line.encode() + b"\n"
    content += as_ndjson([HEADER, [number(2), "01", ""]])
    result = result_of(content)
    assert [row.number for row in result.rows] == [1, 3]
    [error] = result.errors
    assert error.row == 2
    assert error.code in {"import_row.not_json", "import_cell.required"}
    assert error.value == ""


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("4.13E+21", "import_cell.digits_lost"),
        ("9.94e21", "import_cell.digits_lost"),
        ("9007199254740992.0", "import_cell.digits_lost"),
        ("1e400", "import_cell.not_a_value"),
        ("1" * 5000, "import_cell.not_a_value"),
        ('["x"]', "import_cell.not_a_value"),
        ("true", "import_cell.not_a_value"),
        ("null", "import_cell.required"),
        ("12", "asset_number.not_22_digits"),
    ],
    ids=lambda text: text[:20],
)
def test_wrong_values(value, code):
    good = as_ndjson([HEADER, [number(1), "01", ""]])
    result = result_of(good + f'\n{{"资产编号": {value}, "设备类别": "01"}}'.encode())
    assert len(result.rows) == 1
    assert result.codes[0] in {code, "import_row.not_json"}


def test_an_asset_number_as_a_json_number_is_refused():
    """Exact in this file; what wrote it next would have kept 15 digits."""
    result = result_of(f'{{"asset_no": {number(2)}, "device_class": "01"}}\n'.encode())
    assert [finding.code for finding in result.errors] == ["import_cell.number_not_text"]
    assert result.rows == []


def test_a_unit_in_the_key():
    keys = ["asset_no", "work_order", "reason", "occurred_on", "底度(MWh)", "尖", "peak_wh"]
    [values] = result_of(
        as_ndjson([keys, [number(1), "G", "burnt", "2025-05-01", 0.0015, 1.5, 7]]), "dismantled"
    ).values
    assert values["reading"] == {"total_wh": 1500, "sharp_wh": 1500, "peak_wh": 7}


def test_two_keys_for_one_field():
    line = f'{{"资产编号": "{number(1)}", "asset_no": "{number(1)}", "device_class": "01"}}'
    assert len(result_of(line.encode()).rows) == 1
    line = f'{{"资产编号": "{number(1)}", "asset_no": "{number(2)}", "device_class": "01"}}'
    assert result_of(line.encode()).codes == ["import_cell.columns_disagree"]


def test_a_key_that_comes_only_late():
    rows = [[number(i), "01"] for i in range(3000)]
    late = [["资产编号", "设备类别", "备注"], [number(9000), "01", "晚来"]]
    content = as_ndjson([HEADER[:2], *rows]) + b"\n" + as_ndjson(late)
    assert result_of(content).values[-1]["description"] == {"remark": "晚来"}


def test_going_on_from_every_batch_gives_the_rest():
    rows = [[number(i), "01" if i % 5 else "水表", "x" * (i % 300)] for i in range(3500)]
    content = as_ndjson([HEADER, *rows])
    whole = result_of(content)
    assert len(whole.batches) > 4
    for place, batch in enumerate(whole.batches):
        rest = result_of(content, after=batch.after)
        assert [row for b in whole.batches[: place + 1] for row in b.rows] + rest.rows == whole.rows
        assert [error for b in whole.batches[: place + 1] for error in b.errors] + rest.errors == whole.errors


def test_a_line_without_end():
    content = as_ndjson([HEADER, [number(1), "01", ""]]) + b'\n{"x": "' + b"x" * (9 << 20)
    with pytest.raises(Refusal) as refused:
        result_of(content)
    assert refused.value.code == "import_file.line_too_long"


def line(**more):
    return msgspec.json.encode({"asset_no": number(1), "device_class": "01", **more})


@pytest.mark.parametrize("more", [{"unitt": "99402"}, {"occured_on": "2026-01-01"}, {"description": {"makr": "M1"}}])
def test_a_misspelt_field_refuses_its_line(more):
    """As at the other doors, where the keys are fields' names."""
    result = result_of(b"\n".join([line(), line(**more), line(unit="99401", description={"maker": "M1"})]))
    assert [row.number for row in result.rows] == [1, 3]
    [error] = result.errors
    assert (error.row, error.code) == (2, "import_row.unknown_field")
    assert next(iter(more)) in error.en


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"reading": {"total_wh": "12"}}, "import_row.number_as_text"),
        ({"reading.ratio_micro": "约80"}, "import_row.number_as_text"),
        ({"occurred_on": "2025-05-01T10:00:00"}, "import_row.time_without_zone"),
        ({"occurred_on": "2025-05-01 10:00"}, "import_row.time_without_zone"),
        ({"reading": {"total_wh": 10**30}}, "import_cell.out_of_range"),
        ({"occurred_on": "2025-05-01T10:00:00+08:00", "reading": {"total_wh": 12}}, None),
    ],
    ids=str,
)
def test_what_the_other_doors_refuse_is_refused_where_keys_are_fields_names(more, code):
    row = {"asset_no": number(1), "work_order": "GD1", "reason": "burnt", "occurred_on": "2025-05-01"}
    result = result_of(msgspec.json.encode(row | more), "dismantled")
    assert result.codes == ([code] if code else [])
    by_header = {
        "资产编号": number(1),
        "工单编号": "GD1",
        "更换原因": "burnt",
        "拆回日期": "2025-05-01 10:00",
        "底度": "12",
    }
    assert result_of(msgspec.json.encode(by_header), "dismantled").codes == []


def test_keys_of_a_sheet_that_nothing_takes_are_dropped_and_told():
    result = result_of(f'{{"资产编号": "{number(1)}", "设备类别": "01", "户名": "不应保留"}}'.encode())
    assert [row.number for row in result.rows] == [1]
    assert [(one.letter, one.header) for one in result.headings[0].dropped] == [("", "户名")]
    assert "不应保留" not in repr(result.headings)


def test_a_key_that_is_ignored_or_empty_is_no_misspelt_one():
    own = parse(b"extends: default\nignored: [colour]\nkinds: {}")
    result = result_of(line(colour="red", unitt=None), mapping=own)
    assert [values["asset_no"] for values in result.values] == [number(1)]
