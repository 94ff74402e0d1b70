"""Columns of different headers that mean one field."""

import pytest

from tests.registry.imports.sheets import (
    DEFAULT,
    as_csv,
    as_ndjson,
    as_parquet,
    as_xlsx,
    number,
    result_of,
    with_fields,
)

FIXED = ["资产编号", "工单编号", "更换原因", "拆回日期"]


def dismantled(headers, *cells, make=as_csv, **options):
    """What is read of rows with these further columns."""
    rows = [[number(i), f"GD{i}", "烧损", "2025-05-01", *some] for i, some in enumerate(cells, 1)]
    return result_of(make([[*FIXED, *headers], *rows]), "dismantled", **options)


@pytest.mark.parametrize("make", [as_csv, as_xlsx, as_ndjson, as_parquet])
@pytest.mark.parametrize("headers", [["底度总", "底度(kWh)"], ["底度(kWh)", "底度总"], ["止码", "底度"]])
@pytest.mark.parametrize("cells", [["12345.67", ""], ["", "12345.67"], ["12345.67", "12345.67"]])
def test_what_one_of_two_columns_holds_is_read_whichever_it_is(make, headers, cells):
    result = dismantled(headers, cells, make=make)
    assert [values["reading"] for values in result.values] == [{"total_wh": 12_345_670}]
    assert result.headings[0].dropped == ()


@pytest.mark.parametrize("headers", [["底度总", "底度(kWh)"], ["底度(kWh)", "底度总"]])
def test_columns_that_disagree_refuse_the_row_and_are_both_named(headers):
    result = dismantled(headers, ["12345.67", "1"], ["2", "2.0"])
    assert [row.number for row in result.rows] == [3]
    assert result.codes == ["import_cell.columns_disagree"]
    [error] = result.errors
    assert sorted(error.header.split(" + ")) == sorted(headers)
    assert sorted(error.column.split("+")) == ["E", "F"]
    assert sorted(error.value.split(" / ")) == ["1", "12345.67"]


def test_each_column_is_read_in_its_own_unit():
    result = dismantled(["底度(MWh)", "止码(kWh)"], ["0.01", "10"], ["", "7"], ["0.007", ""], ["0.01", "11"])
    assert [values["reading"]["total_wh"] for values in result.values] == [10_000, 7_000, 7_000]
    assert result.codes == ["import_cell.columns_disagree"]


def test_an_impossible_value_in_either_column_refuses_the_row_at_its_own_cell():
    result = dismantled(["底度总", "底度(kWh)"], ["12345.67", "1e30"], ["1e30", "12345.67"])
    assert result.rows == []
    assert {(error.row, error.header, error.value) for error in result.errors} == {
        (2, "底度(kWh)", "1e30"),
        (3, "底度总", "1e30"),
    }


def test_days_agree_however_they_are_written():
    header = ["资产编号", "工单编号", "更换原因", "拆回日期", "拆表时间"]
    rows = [[number(1), "GD1", "烧损", "2025-05-01", "2025/5/1"], [number(2), "GD2", "烧损", "2025-05-01", "20250502"]]
    result = result_of(as_csv([header, *rows]), "dismantled")
    assert [values["occurred_on"] for values in result.values] == ["2025-05-01"]
    assert result.codes == ["import_cell.columns_disagree"]


def test_a_number_beside_the_barcode_is_filled_from_either_and_must_be_the_same():
    rows = [
        ["条形码", "资产编号", "设备类别"],
        [number(1), "", "01"],
        ["", number(2), "01"],
        [number(3), number(4), "01"],
    ]
    result = result_of(as_csv(rows))
    assert [values["asset_no"] for values in result.values] == [number(1), number(2)]
    assert result.codes == ["import_cell.columns_disagree"]


def test_a_lesser_column_of_something_else_is_not_used_and_that_is_told_once():
    """表号 is often the maker's number, and a maker's name stands beside its code."""
    header = ["表号", "资产编号", "设备类别", "厂家代码", "厂家名称"]
    rows = [[f"000{i}", number(i), "01", "M01", "示例电气有限公司"] for i in range(1, 4)]
    own = with_fields("devices", 'description.maker: {headers: [厂家代码], choices: {"M01": []}}')
    result = result_of(as_csv([header, *rows]), mapping=own)
    assert [values["asset_no"] for values in result.values] == [number(1), number(2), number(3)]
    assert {values["description"]["maker"] for values in result.values} == {"M01"}
    told = [(warning.row, warning.column, warning.code) for warning in result.warnings]
    assert sorted(told) == [(2, "A", "import_cell.column_not_used"), (2, "E", "import_cell.column_not_used")]


def test_a_wrong_number_in_the_better_column_is_refused_although_the_lesser_one_is_well():
    rows = [["资产编号", "条形码", "设备类别"], [number(1)[:-1], number(1), "01"], ["4.13E+21", number(2), "01"]]
    assert result_of(as_csv(rows)).codes == ["asset_number.not_22_digits", "import_cell.scientific_notation"]
    rows = [["条形码", "资产编号", "设备类别"], ["4.13E+21", number(2), "01"]]
    assert result_of(as_csv(rows)).codes == ["import_cell.scientific_notation"]


def test_words_of_several_columns_are_kept_side_by_side():
    rows = [
        ["资产编号", "设备类别", "规格", "型号"],
        [number(1), "01", "5(60)A", "DDZY1"],
        [number(2), "01", "DDZY1", "DDZY1"],
    ]
    models = [values["description"]["model"] for values in result_of(as_csv(rows)).values]
    assert models == ["DDZY1; 5(60)A", "DDZY1"]


def test_a_column_that_is_ignored_is_not_read():
    own = with_fields("devices", "unit: {headers: []}")
    own = type(own)(**{name: getattr(own, name) for name in own.__struct_fields__} | {"ignored": ("条 形码",)})
    rows = [["条形码", "资产编号", "设备类别"], [number(3), number(4), "01"]]
    result = result_of(as_csv(rows), mapping=own)
    assert [values["asset_no"] for values in result.values] == [number(4)]
    assert DEFAULT.ignored == ()


def test_two_columns_that_looked_merged_are_filled_down_together():
    rows = [["移交单号", "运单号", "移交日期", "资产编号"]]
    rows += [[*cells, "2025-05-01", number(i)] for i, cells in enumerate([("S1", ""), ("", ""), ("", "S2"), ("", "")])]
    own = with_fields("dispatched", "shipment: {fill_down: true}")
    result = result_of(as_csv(rows), "dispatched", mapping=own)
    assert [values["shipment"] for values in result.values] == ["S1", "S1", "S2", "S2"]
    assert result_of(as_csv(rows), "dispatched").codes == ["import_cell.required"] * 2
