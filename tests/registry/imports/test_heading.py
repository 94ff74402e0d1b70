"""Where the header is, and what else is on the sheet that is no data."""

import pytest

from kernel.refusal import Refusal
from tests.registry.imports.sheets import as_csv, as_ndjson, as_xlsx, number, result_of, with_fields

HEADER = ["资产编号", "设备类别"]
ROWS = [[number(i), "01"] for i in range(1, 4)]
TITLE = [["××市供电公司电能计量器具回收统计台账（示例）"], ["统计日期：2025-05-31", "", "制表人：示例"]]


def test_title_rows_above_the_header():
    result = result_of(as_csv([*TITLE, [], HEADER, *ROWS]))
    assert result.headings[0].row == 4
    assert [row.number for row in result.rows] == [5, 6, 7]


def test_a_header_in_the_thirtieth_row_is_found_and_not_in_the_thirty_first():
    assert len(result_of(as_csv([["示例"]] * 29 + [HEADER, *ROWS])).rows) == 3
    with pytest.raises(Refusal) as refused:
        result_of(as_csv([["示例"]] * 30 + [HEADER, *ROWS]))
    assert refused.value.code == "import_file.no_header"
    assert "资产编号" in refused.value.zh


def test_the_first_header_row_wins_over_data_that_looks_like_one():
    """周转箱 is the name of a class in the one column, and the header of another in the other."""
    rows = [["资产编号", "移交单号", "移交日期", "类别"], [number(1), "S1", "2025-05-01", "周转箱"]]
    result = result_of(as_csv(rows), "dispatched")
    assert result.headings[0].row == 1
    values = {"asset_no": number(1), "device_class": "23", "shipment": "S1", "occurred_on": "2025-05-01"}
    assert result.values == [values]


def test_a_header_in_two_rows():
    rows = [
        ["回收台账（示例）"],
        ["资产编号", "工单编号", "更换原因", "拆回日期", "拆表底度(kWh)", "", "", "", "", "备注"],
        ["", "", "", "", "总", "尖", "峰", "平", "谷", ""],
        [number(1), "GD1", "烧损", "2025-05-01", "10", "1", "2", "3", "4", "x"],
    ]
    result = result_of(as_csv(rows), "dismantled")
    assert result.headings[0].row == 3
    [values] = result.values
    assert values["reading"] == {
        "total_wh": 10_000,
        "sharp_wh": 1_000,
        "peak_wh": 2_000,
        "flat_wh": 3_000,
        "valley_wh": 4_000,
    }


def test_the_unit_in_brackets_above_two_rows_of_header_holds_below():
    rows = [
        ["资产编号", "工单编号", "更换原因", "拆回日期", "拆表底度（MWh）", ""],
        ["", "", "", "", "总", "峰"],
        [number(1), "GD1", "烧损", "2025-05-01", "0.01", "0.002"],
    ]
    [values] = result_of(as_csv(rows), "dismantled").values
    assert values["reading"] == {"total_wh": 10_000, "peak_wh": 2_000}


def test_merged_header_cells_of_a_workbook():
    def merged(_book, sheet):
        for column, label in enumerate(["资产编号", "工单编号", "更换原因", "拆回日期"]):
            sheet.merge_range(0, column, 1, column, label)
        sheet.merge_range(0, 4, 0, 5, "拆表底度(kWh)")

    rows = [[""] * 6, ["", "", "", "", "总", "峰"], [number(1), "GD1", "烧损", "2025-05-01", 1.5, 2]]
    [values] = result_of(as_xlsx(rows, decorate=merged), "dismantled").values
    assert values["reading"] == {"total_wh": 1_500, "peak_wh": 2_000}


def test_missing_columns_are_named():
    with pytest.raises(Refusal) as refused:
        result_of(as_csv([["资产编号", "备注"], [number(1), "x"]]), "dismantled")
    assert refused.value.code == "import_file.columns_missing"
    assert "工单编号" in refused.value.zh
    assert "拆回日期" in refused.value.zh
    assert "资产编号" not in refused.value.zh


def test_unmapped_columns_are_dropped_and_told_by_letter_and_header():
    rows = [["户名", *HEADER, "电话"], *(["不应保留的姓名", *row, "13800000000"] for row in ROWS)]
    result = result_of(as_csv(rows))
    assert [(one.letter, one.header) for one in result.headings[0].dropped] == [("A", "户名"), ("D", "电话")]
    assert result.headings[0].also is None
    everything = repr([part.rows for part in result.batches]) + repr(result.headings)
    assert "不应保留" not in everything
    assert "13800000000" not in everything


def test_a_header_given_twice_is_one_column_where_the_cells_agree():
    rows = [
        ["资产编号", "设备类别", "资产编号"],
        [number(1), "01", number(1)],
        ["", "01", number(2)],
        [number(3), "01", ""],
        [number(4), "01", number(5)],
        [number(6), "01", f" {number(6)} "],
    ]
    result = result_of(as_csv(rows))
    assert [row.number for row in result.rows] == [2, 3, 4, 6]
    assert result.codes == ["import_cell.columns_disagree"]
    assert result.errors[0].row == 5
    assert number(4) in result.errors[0].value


@pytest.mark.parametrize(
    "extra",
    [
        ["合计", "3"],
        ["合计：3只", ""],
        ["", "合 计"],
        ["小计", ""],
        ["Total", "3"],
        ["3", "", "本页合计"],
        ["制表人：示例", "审核：示例"],
        ["备注：以上为示例数据", ""],
        HEADER,
        ["", ""],
        ["\u3000", "\u00a0"],
        [],
    ],
    ids=repr,
)
def test_rows_that_are_no_data(extra):
    result = result_of(as_csv([HEADER, *ROWS[:2], extra, ROWS[2]]))
    assert len(result.rows) == 3
    assert result.errors == []
    assert result.rows[-1].number == 5
    blank = not any(cell.strip() for cell in extra)
    assert result.skipped == (0 if blank else 1)


@pytest.mark.parametrize(
    ("extra", "code"),
    [
        (["", "01"], "import_cell.required"),
        (["123", "01"], "asset_number.not_22_digits"),
        ([number(9), "合计"], "import_cell.not_in_list"),
        ([number(9), "说明书"], "import_cell.not_in_list"),
    ],
)
def test_rows_that_are_data_and_wrong(extra, code):
    result = result_of(as_csv([HEADER, *ROWS, extra]))
    assert result.codes == [code]
    assert result.skipped == 0


def test_a_row_passes_whole_or_not_and_every_wrong_cell_of_it_is_told():
    rows = [["资产编号", "设备类别", "出厂日期"], ["4.13E+21", "水表", "2024-02-30"]]
    result = result_of(as_csv(rows))
    assert result.rows == []
    assert result.refused == 1
    assert [(error.row, error.column, error.header, error.value) for error in result.errors] == [
        (2, "A", "资产编号", "4.13E+21"),
        (2, "B", "设备类别", "水表"),
        (2, "C", "出厂日期", "2024-02-30"),
    ]
    assert all(error.zh and error.en for error in result.errors)


def test_a_warning_lets_the_row_pass():
    wrong = number(1)[:-1] + str((int(number(1)[-1]) + 1) % 10)
    result = result_of(as_csv([HEADER, [wrong, "01"]]))
    assert [values["asset_no"] for values in result.values] == [wrong]
    assert [warning.code for warning in result.warnings] == ["asset_number.wrong_check_digit"]
    assert result_of(as_csv([HEADER, [wrong, "01"]]), check_digit="refuse").codes == ["asset_number.wrong_check_digit"]


def test_cells_that_only_looked_merged_are_filled_down_where_the_mapping_says_so():
    rows = [
        ["移交单号", "移交日期", "资产编号"],
        ["S1", "2025-05-01", number(1)],
        ["", "2025-05-01", number(2)],
        ["合计", "", ""],
        ["", "2025-05-01", number(3)],
        ["S2", "2025-05-01", number(4)],
        ["", "2025-05-01", number(5)],
    ]
    own = with_fields("dispatched", "shipment: {fill_down: true}")
    shipments = [values["shipment"] for values in result_of(as_csv(rows), "dispatched", mapping=own).values]
    assert shipments == ["S1", "S1", "S1", "S2", "S2"]
    assert result_of(as_csv(rows), "dispatched").codes == ["import_cell.required"] * 3


def test_fields_by_their_own_names_hold_whole_base_units():
    row = {"asset_no": number(1), "work_order": "GD1", "occurred_on": "2025-05-01", "reason": "burnt"}
    header = [*row, "reading.total_wh", "peak_wh", "reading.ratio_micro"]
    flat = [header, [*row.values(), 1234, 5, 80_000_000]]
    wanted = {**row, "reading": {"total_wh": 1234, "peak_wh": 5, "ratio_micro": 80_000_000}}
    assert result_of(as_csv(flat), "dismantled").values == [wanted]
    assert result_of(as_ndjson(flat), "dismantled").values == [wanted]


def test_a_file_that_has_the_required_columns_of_another_kind_is_noticed():
    ledger = ["资产编号", "设备类别", "工单编号", "更换原因", "拆回日期"]
    rows = [[number(1), "01", "GD1", "烧损", "2025-05-01"]]
    assert result_of(as_csv([ledger, *rows])).headings[0].also == "dismantled"
    # What was dismantled has a class too, and that is no sign of devices.
    assert result_of(as_csv([ledger, *rows]), "dismantled").headings[0].also is None
    assert result_of(as_csv([ledger[:4], *(row[:4] for row in rows)])).headings[0].also is None
