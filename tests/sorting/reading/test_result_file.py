"""Files of results, as the institute hands them over."""

import io

import pytest
import xlsxwriter

from kernel.refusal import Refusal
from services.sorting.reading.result_file import ROWS_MAX, Result, read_results
from tests.sorting.reviewing import number

HEADING = "资产编号,复检结果,报告编号,原因"


def read(*rows, heading=HEADING):
    return read_results(io.BytesIO("\n".join([heading, *rows]).encode()))


def codes(found):
    return [(one.row, one.code) for one in found.findings]


def test_a_row_is_what_was_found_of_a_sample():
    found = read(f"{number(1)},报废,SYN-1,合成", f"{number(2)},REUSE,SYN-2,", "", "合计,2")
    assert found.results == (
        Result(row=2, sheet=None, asset_no=number(1), disposition="scrap", report="SYN-1", why="合成"),
        Result(row=3, sheet=None, asset_no=number(2), disposition="reuse", report="SYN-2"),
    )
    assert (found.findings, found.refused) == ((), 0)


def test_a_cell_that_is_wrong_is_named_and_its_row_left_out():
    found = read("123,报废,S,", f"{number(1)},好,S,", f"{number(2)},理赔,,", f"{number(3)},待人工裁定,S,")
    assert found.results == ()
    assert codes(found) == [
        (2, "bench_file.asset_no_wrong"),
        (3, "result_file.result_unknown"),
        (4, "bench_file.cell_missing"),
        (5, "result_file.result_unknown"),
    ]


def test_of_a_sample_that_is_there_twice_nobody_can_tell_which_row_is_right():
    found = read(f"{number(1)},报废,S,", f"{number(1)},利旧,S,", f"{number(2)},利旧,S,")
    assert [one.asset_no for one in found.results] == [number(2)]
    assert (codes(found), found.refused) == ([(2, "bench_file.meter_twice"), (3, "bench_file.meter_twice")], 2)


def test_a_workbook_is_read_and_a_number_stored_as_one_refused():
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        sheet = book.add_worksheet()
        rows = [("asset number", "result", "report"), (number(1), "scrap", "S"), (9.9e21, "scrap", "S")]
        for at, row in enumerate(rows):
            sheet.write_row(at, 0, row)
    found = read_results(file)
    assert [one.asset_no for one in found.results] == [number(1)]
    assert codes(found) == [(3, "bench_file.asset_no_as_number")]


def test_a_file_that_is_none():
    with pytest.raises(Refusal) as refused:
        read_results(io.BytesIO(b'{"a": 1}\n{"a": 2}\n'))
    assert refused.value.code == "result_file.wrong_format"
    with pytest.raises(Refusal) as refused:
        read(heading="资产编号,备注")
    assert refused.value.code == "import_file.columns_missing"
    with pytest.raises(Refusal) as refused:
        read(*[f"{number(1)},报废,S,"] * (ROWS_MAX + 1))
    assert refused.value.code == "result_file.too_long"
