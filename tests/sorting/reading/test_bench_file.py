"""Result files of an error bench: clean ones in both languages and formats, and all the ways to go wrong."""

from fractions import Fraction
from io import BytesIO

import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st

from kernel.refusal import Refusal
from services.sorting.evaluation import Measured
from services.sorting.reading.bench_file import read_bench
from services.sorting.reading.bench_mapping import DEFAULT, load

MAPPING = load()
A, B, C = (f"99401010000000000{serial:04d}0" for serial in (17, 18, 19))
HEADER = "表位,资产编号,准确度等级,Imax 1.0,Ib 0.5L,起动,潜动,日计时误差(s/d),结论"


def csv(*lines, encoding="utf-8"):
    return BytesIO("\n".join((HEADER, *lines, "")).encode(encoding))


def workbook(*rows):
    file = BytesIO()
    book = xlsxwriter.Workbook(file)
    sheet = book.add_worksheet("结果")
    for number, row in enumerate(rows):
        sheet.write_row(number, 0, row)
    book.close()
    file.seek(0)
    return file


def read(file, bench="B1", mapping=MAPPING):
    return read_bench(file, mapping, bench)


def faults(found):
    return [(one.row, one.header, one.code) for one in found.findings]


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_a_file_of_three_positions(encoding):
    found = read(
        csv(
            f"1,{A},2.0,0.12,-0.35,合格,合格,0.5,合格",
            f"2,{B},2.0,+2.5,0,不合格,3,-0.25,不合格",
            f"#03,'{C},,−1.0001,,1,0,,",
            ",合计,,,,,,,",
            "检定员：,,,,,,,,",
            encoding=encoding,
        )
    )
    assert faults(found) == []
    first, second, third = found.positions
    assert (first.position, first.asset_no, first.accuracy_class, first.said) == (1, A, "2.0", "passed")
    assert first.measured == (
        Measured(item="error_imax_pf100", value=1_200),
        Measured(item="error_ib_pf50l", value=-3_500),
        Measured(item="starting", value=1),
        Measured(item="creep", value=1),
        Measured(item="clock_daily", value=5_787),
    )
    assert first.report.measured == first.measured
    assert first.report.ended == "performed"
    assert {one.item: one.value for one in second.measured} == {
        "error_imax_pf100": 25_000, "error_ib_pf50l": 0, "starting": 0, "creep": 3, "clock_daily": -2_894,
    }  # fmt: skip
    assert second.said == "failed"
    assert (third.position, third.asset_no, third.said) == (3, C, None)
    assert third.measured == (
        Measured(item="error_imax_pf100", value=-10_001),
        Measured(item="starting", value=1),
        Measured(item="creep", value=0),
    )


def test_a_workbook_in_english_with_a_title_and_two_rows_of_header():
    found = read(
        workbook(
            ["Error bench, synthetic"],
            ["Bench", "Position", "Bar code", "Basic error (‰)", "", "Creep"],
            ["", "", "", "Ib 1.0", "0.05Ib 1.0", ""],
            ["b1", 1, A, 1.2, -20.5, 0],
            ["B1", 2.0, B, 0.1, 0.3, 1],
        )
    )
    assert faults(found) == []
    assert [one.position for one in found.positions] == [1, 2]
    assert found.positions[0].measured == (
        Measured(item="error_ib_pf100", value=1_200),
        Measured(item="error_5pct_ib_pf100", value=-20_500),
        Measured(item="creep", value=0),
    )
    assert [one.row for one in found.positions] == [4, 5]


@pytest.mark.parametrize(
    ("line", "header", "code"),
    [
        (f",{A},,0.1,,,,,", "表位", "bench_file.cell_missing"),
        ("1,,,0.1,,,,,", "资产编号", "bench_file.cell_missing"),
        (f"0,{A},,0.1,,,,,", "表位", "bench_file.position_wrong"),
        (f"A1,{A},,0.1,,,,,", "表位", "bench_file.position_wrong"),
        ("1,123,,0.1,,,,,", "资产编号", "bench_file.asset_no_wrong"),
        (f"1,{A},,很好,,,,,", "Imax 1.0", "bench_file.not_a_number"),
        (f"1,{A},,0.1V,,,,,", "Imax 1.0", "bench_file.unit_wrong"),
        (f"1,{A},,0.00001,,,,,", "Imax 1.0", "bench_file.too_precise"),
        (f"1,{A},,#N/A,,,,,", "Imax 1.0", "bench_file.not_a_number"),
        (f"1,{A},,9999999999,,,,,", "Imax 1.0", "bench_file.not_a_number"),
        (f"1,{A},,,,0.5,,,", "起动", "bench_file.too_precise"),
        (f"1,{A},,0.1,,,,,还行", "结论", "bench_file.result_unknown"),
        (f"1,{A},2.0,,-,/,未测,,合格", "", "bench_file.nothing_measured"),
    ],
)
def test_a_cell_that_cannot_be_read_refuses_its_row_alone(line, header, code):
    found = read(csv(line, f"7,{B},,0.1,,,,,合格"))
    assert faults(found) == [(2, header, code)]
    assert [one.position for one in found.positions] == [7]
    assert found.refused == 1


def test_several_faults_of_a_row_are_all_told():
    found = read(csv("0,77,,x,,,,,"))
    assert [code for _, _, code in faults(found)] == [
        "bench_file.position_wrong", "bench_file.asset_no_wrong", "bench_file.not_a_number",
    ]  # fmt: skip
    assert found.refused == 1


def test_a_remark_before_a_position_hides_nothing():
    rows = ("说明,表位,资产编号,Ib 1.0", f"说明：重测,1,{A},2.5", f"备注 温度,,{B},0.2", "备注：合成,,,", "合计,2,,")
    found = read(BytesIO("\n".join(rows).encode()))
    assert [(one.position, one.measured[0].value) for one in found.positions] == [(1, 25_000)]
    assert faults(found) == [
        (3, "表位", "bench_file.cell_missing"),
        (5, "资产编号", "bench_file.cell_missing"),
    ]


def test_two_columns_of_one_item_that_say_different_things():
    rows = ("表位,资产编号,Ib 1.0,误差 Ib 1.0", f"1,{A},0.1,9.9", f"2,{B},0.1,0.1", f"3,{C},,9.9")
    found = read(BytesIO("\n".join(rows).encode()))
    assert [(one.position, one.measured[0].value) for one in found.positions] == [(2, 1_000), (3, 99_000)]
    assert [(one.row, one.code) for one in found.findings] == [(2, "bench_file.values_differ")]
    assert "C, D" in found.findings[0].en


@pytest.mark.parametrize("shown", ["0.00%", "0%", "0.000%;[Red]-0.000%", '"误差 "0.0%'])
def test_what_a_workbook_shows_as_a_percentage_is_read_as_it_is_shown(shown):
    file = BytesIO()
    book = xlsxwriter.Workbook(file)
    percent, plain = book.add_format({"num_format": shown}), book.add_format({"num_format": '0.00"%"'})
    sheet = book.add_worksheet("结果")
    sheet.write_row(0, 0, ["表位", "资产编号", "Ib 1.0"])
    for row, value, how in ((1, 0.0012, percent), (2, 0.12, plain), (3, -0.025, percent), (4, 0.12, None)):
        sheet.write_row(row, 0, [row, (A, B, C, A[:-2] + "99")[row - 1]])
        sheet.write(row, 2, value, how)
    book.close()
    assert [one.measured[0].value for one in read(file).positions] == [1_200, 1_200, -25_000, 1_200]


def test_a_position_that_is_there_thousands_of_times_costs_no_more_than_its_rows():
    found = read(csv(*(f"1,{serial:022d},,0.1,,,,," for serial in range(3_000))))
    assert found.refused == 3_000
    assert max(len(one.en) for one in found.findings) < 200
    assert found.findings[0].en.count(", ") >= 4
    assert "+2994" in found.findings[0].en


def test_positions_and_meters_that_are_there_twice():
    found = read(csv(f"1,{A},,0.1,,,,,", f"1,{B},,0.2,,,,,", f"2,{C},,0.1,,,,,", f"3,{C},,0.1,,,,,"))
    assert faults(found) == [
        (2, "表位", "bench_file.position_twice"),
        (3, "表位", "bench_file.position_twice"),
        (4, "资产编号", "bench_file.meter_twice"),
        (5, "资产编号", "bench_file.meter_twice"),
    ]
    assert "3" in found.findings[0].zh
    assert found.positions == ()
    assert found.refused == 4


def test_rows_of_another_bench_are_refused():
    file = BytesIO(f"台号,表位,资产编号,Ib 1.0\nB1,1,{A},0.1\nB2,2,{B},0.1\n".encode())
    found = read(file)
    assert faults(found) == [(3, "台号", "bench_file.other_bench")]
    assert len(found.positions) == 1


def test_a_number_that_a_spreadsheet_took_for_one():
    found = read(workbook(["表位", "资产编号", "Ib 1.0"], [1, 9.9401010000000e21, 0.1]))
    assert faults(found) == [(2, "资产编号", "bench_file.asset_no_as_number")]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "import_file.empty"),
        ("资产编号,Ib 1.0\n".encode() + A.encode() + b",0.1\n", "import_file.columns_missing"),
        ("表位,资产编号,颜色\n1,x,y\n".encode(), "bench_file.no_items"),
        ("表位,资产编号,Ib 1.0\n".encode(), "import_file.no_rows"),
        (b'{"position": 1}\n', "bench_file.wrong_format"),
        (b"%PDF-1.7", "import_file.binary"),
        (b"a,b\n1,2\n", "import_file.no_header"),
    ],
)
def test_files_that_are_none(content, code):
    with pytest.raises(Refusal) as refused:
        read(BytesIO(content))
    assert refused.value.code == code


def test_more_rows_than_any_bench_has():
    lines = (f"{number},{A},0.1" for number in range(1, 10_002))
    with pytest.raises(Refusal) as refused:
        read(BytesIO("\n".join(("表位,资产编号,Ib 1.0", *lines)).encode()))
    assert refused.value.code == "bench_file.too_long"


def test_a_mapping_of_ones_own_adds_to_the_default(tmp_path):
    own = tmp_path / "own.yaml"
    own.write_text("extends: default\nitems:\n  error_ib_pf100: {headers: [负载点1]}\n", "utf-8")
    found = read(BytesIO(f"表位,资产编号,负载点1,Imax\n1,{A},0.1,0.2\n".encode()), mapping=load(own))
    assert [one.item for one in found.positions[0].measured] == ["error_imax_pf100", "error_ib_pf100"]


@pytest.mark.parametrize(
    "content",
    [
        "items: [",
        "extends: default\nwings: []\n",
        "extends: default\nitems:\n  x: {unit: ppm, in: yards}\n",
        "extends: default\nitems:\n  x: {unit: ppm, in: '%', headers: [Ib]}\n",
        "extends: default\nitems:\n  x: {unit: pulse, in: pulse, words: {many: [much]}}\n",
        "extends: default\npassed: [不合格]\n",
        "x" * (64 << 10) + "y",
    ],
)
def test_mappings_that_are_not_right(tmp_path, content):
    own = tmp_path / "own.yaml"
    own.write_text(content, "utf-8")
    with pytest.raises(Refusal) as refused:
        load(own)
    assert refused.value.code == "bench_file.mapping_invalid"


def test_a_mapping_that_is_not_there(tmp_path):
    with pytest.raises(Refusal, match="mapping_invalid"):
        load(tmp_path / "none.yaml")
    assert DEFAULT.is_file()


@given(st.integers(-999_900, 999_900))
def test_percent_becomes_millionths_exactly(ppm):
    percent = f"{'-' if ppm < 0 else ''}{abs(ppm) // 10_000}.{abs(ppm) % 10_000:04d}"
    (position,) = read(BytesIO(f"表位,资产编号,Ib 1.0\n1,{A},{percent}\n".encode())).positions
    assert position.measured[0].value == ppm


@given(st.integers(-86_400, 86_400))
def test_seconds_a_day_become_the_nearest_thousand_millionth(ms):
    second = f"{'-' if ms < 0 else ''}{abs(ms) // 1000}.{abs(ms) % 1000:03d}"
    (position,) = read(BytesIO(f"表位,资产编号,日计时误差\n1,{A},{second}\n".encode())).positions
    assert abs(position.measured[0].value - Fraction(ms * 10**6, 86_400)) <= Fraction(1, 2)


@given(st.binary(max_size=400))
def test_no_bytes_make_it_fail_otherwise_than_by_name(content):
    try:
        found = read(BytesIO(content))
    except Refusal:
        return
    assert found.positions == () or found.findings == () or found.refused
