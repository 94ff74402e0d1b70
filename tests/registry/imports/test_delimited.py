"""CSV in every encoding, with every separator and line end, and its places to go on from."""

import io
import random

import pytest

from kernel.refusal import Refusal
from kernel.spreadsheet import Limits
from kernel.spreadsheet.delimited import BLOCK_BYTES
from services.registry.imports.reading import Options, read
from services.registry.imports.rows import Batch
from tests.registry.imports.sheets import DEFAULT, TODAY, Result, as_csv, number, result_of

HEADER = ["资产编号", "设备类别", "备注"]
ROWS = [[number(i), "单相电能表", f"备注{i}"] for i in range(5)]
NUMBERS = [row[0] for row in ROWS]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"], ids=ascii)
@pytest.mark.parametrize("separator", [",", ";", "\t"], ids=ascii)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_every_dialect(encoding, separator, line_end):
    content = as_csv([HEADER, *ROWS], encoding=encoding, separator=separator, line_end=line_end)
    for ending in (b"", line_end.encode()):
        result = result_of(content + ending)
        assert [values["asset_no"] for values in result.values] == NUMBERS
        assert [row.number for row in result.rows] == [2, 3, 4, 5, 6]
        assert result.values[3]["description"] == {"remark": "备注3"}
        assert result.errors == []


def test_separators_within_cells_do_not_confuse():
    rows = [[number(i), "01", "甲;乙;丙;丁\t戊;己"] for i in range(3)]
    assert result_of(as_csv([HEADER, *rows])).values[0]["description"]["remark"] == "甲;乙;丙;丁 戊;己"
    rows = [[number(i), "01", "1,2,3,4,5,6"] for i in range(3)]
    assert len(result_of(as_csv([HEADER, *rows], separator=";")).rows) == 3


def test_the_line_by_which_a_spreadsheet_names_its_separator():
    result = result_of(b"sep=;\r\n" + as_csv([HEADER, *ROWS], separator=";", line_end="\r\n"))
    assert [row.number for row in result.rows] == [3, 4, 5, 6, 7]
    assert result.headings[0].row == 2


def test_line_ends_and_quotes_within_cells():
    rows = [[number(1), "01", "第一行\n第二行\r\n第三行"], [number(2), "01", '他说"好"'], [number(3), "01", "x"]]
    result = result_of(as_csv([HEADER, *rows], line_end="\r\n"))
    assert [values["description"]["remark"] for values in result.values] == ["第一行 第二行 第三行", '他说"好"', "x"]
    assert [row.number for row in result.rows] == [2, 3, 4]


def test_short_and_long_rows():
    content = as_csv([HEADER, [number(1), "01"], [number(2), "01", "x", "y", "z"], [number(3)]])
    result = result_of(content)
    assert [row.number for row in result.rows] == [2, 3]
    assert result.codes == ["import_cell.required"]
    assert result.errors[0].column == "B"


def test_one_column_alone_needs_no_separator():
    own = DEFAULT.kinds["devices"] | {"device_class": DEFAULT.kinds["received"]["device_class"]}
    only = type(DEFAULT)(kinds={"devices": own})
    assert len(result_of(as_csv([["资产编号"], *([n] for n in NUMBERS)]), mapping=only).rows) == 5


def test_chinese_that_comes_only_late_in_the_file():
    plain = [[number(i), "01", ""] for i in range(40_000)]
    late = [[number(50_000), "单相电能表", "晚来的汉字"]]
    header = [["asset no", "device class", "remark"]]
    for encoding in ("utf-8", "gb18030"):
        result = result_of(as_csv([*header, *plain, *late], encoding=encoding))
        assert result.values[-1]["description"] == {"remark": "晚来的汉字"}
        assert len(result.rows) == 40_001


def test_a_few_broken_bytes_refuse_their_rows_only():
    content = as_csv([HEADER, *ROWS]).replace("备注3".encode(), b"\xff\xfe\xe5")
    result = result_of(content)
    assert result.codes == ["import_cell.broken_text"]
    assert (result.errors[0].row, result.errors[0].column) == (5, "C")
    assert "UTF-8" in result.errors[0].zh
    assert len(result.rows) == 4


def test_a_column_that_is_not_read_may_be_broken():
    rows = [["户名", *HEADER[:2]], ["姓名", number(1), "01"], ["@@", number(2), "01"]]
    result = result_of(as_csv(rows).replace(b"@@", b"\xff\xff"))
    assert len(result.rows) == 2


def test_latin_text_is_not_taken_for_chinese():
    with pytest.raises(Refusal) as refused:
        result_of("é,è\r\n".encode("latin-1") * 50)
    assert refused.value.code in {"import_file.encoding_unknown", "import_file.no_header"}


def test_a_quotation_mark_that_is_never_closed():
    good = as_csv([HEADER, *ROWS])
    content = good + b'\n"' + as_csv([[number(i), "01", "x"] for i in range(10, 5000)])
    parts = []
    with pytest.raises(Refusal) as refused:  # noqa: PT012  what came before the refusal is the point
        for part in read(io.BytesIO(content), "devices", DEFAULT, Options(today=TODAY)):
            parts.append(part)  # noqa: PERF402  as above
    assert refused.value.code == "import_file.quote_not_closed"
    assert "第 7 行" in refused.value.zh
    assert len(Result(parts).rows) == 5


def test_a_line_without_end():
    content = as_csv([HEADER, *ROWS]) + b"\n" + b"x" * (6 << 20) + b"\n"
    with pytest.raises(Refusal) as refused:
        result_of(content)
    assert refused.value.code == "import_file.line_too_long"


def test_a_cell_longer_than_any_table_holds_is_not_taken_for_an_open_quotation_mark():
    content = as_csv([HEADER, *ROWS]) + b"\n" + b"9" * 200_000 + b",01,x\n"
    with pytest.raises(Refusal) as refused:
        result_of(content)
    assert refused.value.code == "import_file.cell_too_long"


def test_many_quoted_line_ends_over_many_blocks():
    """Quotation marks stand open at the seams of blocks, and nothing is lost or numbered wrongly."""
    chance = random.Random(4)
    rows = [[number(i), "01", "行\n" * chance.randrange(30) + "x"] for i in range(6_000)]
    content = as_csv([HEADER, *rows])
    assert len(content) > 4 * BLOCK_BYTES
    result = result_of(content)
    assert [values["asset_no"] for values in result.values] == [row[0] for row in rows]
    assert [row.number for row in result.rows] == list(range(2, 6_002))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"], ids=ascii)
def test_going_on_from_every_batch_gives_the_rest(encoding, line_end):
    """However a reading was cut off, the batches before and those read from there on are the whole."""
    rows = [[number(i), "01" if i % 7 else "水表", "注\n" * (i % 3) + "x" * (i % 90)] for i in range(5_000)]
    content = as_csv([["示例台账"], [], HEADER, *rows], encoding=encoding, line_end=line_end)
    whole = result_of(content)
    assert len(whole.batches) > 4
    for place, batch in enumerate(whole.batches):
        rest = result_of(content, after=batch.after)
        before = [row for b in whole.batches[: place + 1] for row in b.rows]
        assert before + rest.rows == whole.rows
        errors = [error for b in whole.batches[: place + 1] for error in b.errors]
        assert errors + rest.errors == whole.errors


def test_going_on_keeps_what_is_filled_down():
    own = type(DEFAULT)(
        kinds={
            "dispatched": DEFAULT.kinds["dispatched"]
            | {"shipment": type(DEFAULT.kinds["dispatched"]["shipment"])(headers=("移交单号",), fill_down=True)}
        }
    )
    rows = [["移交单号", "移交日期", "资产编号"], *(["" if i else "S1", "2025-05-01", number(i)] for i in range(3000))]
    whole = result_of(as_csv(rows), "dispatched", mapping=own)
    rest = result_of(as_csv(rows), "dispatched", mapping=own, after=whole.batches[0].after)
    assert {values["shipment"] for values in rest.values} == {"S1"}


def test_batches_are_small_and_tell_how_far_they_are():
    content = as_csv([["资产编号", "设备类别"], *([number(i), "01"] for i in range(10_000))])
    batches = [
        part for part in read(io.BytesIO(content), "devices", DEFAULT, Options(today=TODAY)) if type(part) is Batch
    ]
    assert all(len(batch.rows) <= 1000 for batch in batches)
    assert {batch.total for batch in batches} == {len(content)}
    assert [batch.done for batch in batches] == sorted({batch.done for batch in batches})
    assert batches[-1].done == len(content)


@pytest.mark.parametrize("after", ["", "x", "[0]", "[0,-1,0]", "[0,999999999,5]", '{"a":1}', "[0,1e99,0]"])
def test_a_position_of_another_file(after):
    content = as_csv([HEADER, *ROWS])
    if after == "[0]":
        assert len(result_of(content, after=after).rows) == 5
        return
    with pytest.raises(Refusal) as refused:
        result_of(content, after=after)
    assert refused.value.code == "import_file.bad_position"


def test_limits_can_be_set():
    content = as_csv([HEADER, [number(1), "01", "x" * 100_000]])
    with pytest.raises(Refusal):
        result_of(content, limits=Limits(line_bytes=1000))
