"""Notes below a table: skipped with a word about it, while rows that may be devices stay refused rows."""

import msgspec
import pytest

from kernel.spreadsheet import BLOCK_RECORDS_MAX
from services.registry.imports.below import NOTES_MAX
from tests.registry.imports.importing import importing
from tests.registry.imports.sheets import as_csv, as_ndjson, as_xlsx, number, result_of, with_fields
from tests.registry.imports.test_mended import DONE, FIRST, prepared
from tests.registry.imports.test_running import in_store, types

NOTE = "import_row.note_below"
RECEIVED = ["资产编号", "移交单号", "接收日期", "是否破损"]
ROWS = [[number(serial), FIRST, "2025-05-08", "否"] for serial in range(3)]
NOTES = [
    "以上器具已当面清点，数量相符。",
    "※ 标红的为破损件",
    "1、本表一式三份，单位、中心、物资各执一份",
    "（共3只，另附封印 2 枚）",
    "2025年5月8日",
    "以上于 2025-05-08 清点",
    "Goods counted and found complete",
]
DEVICES = [
    number(9)[:19],
    f"{number(9)} 外壳破损",
    f"９９４０１ {number(9)[5:-2]}",
    "4.13E+21",
    "99401O1OOOO",
    "T99401AB1",
    "看不清",
    "铭牌烧毁，编号无法辨认",
    "3",
    "unreadable number",
]
"""What stands alone in the column of numbers where the rest of a row was left to merged cells."""


@pytest.mark.parametrize("written", [as_csv, as_xlsx])
@pytest.mark.parametrize("note", NOTES)
@pytest.mark.parametrize("index", [0, 1, 3])
def test_words_alone_below_a_table_are_a_note(written, note, index):
    line = [""] * 4
    line[index] = note
    result = result_of(written([RECEIVED, *ROWS, [], line, ["制表人：示例"]]), "received")
    assert (len(result.rows), result.errors, result.skipped) == (3, [], 2)
    (told,) = result.warnings
    assert (told.code, told.row, told.column, told.value) == (NOTE, 6, "ABCD"[index], note)
    assert not any(batch.lacking for batch in result.batches)


@pytest.mark.parametrize(
    "line",
    [
        ["移交单位（盖章）：", "", "接收单位（盖章）：", ""],
        ["交接双方签字：", "", "日期：2025-05-08", ""],
        ["", "领导签字：", "", "  年  月  日"],
        ["Handed over by: the unit", "Taken over by: the centre"],
    ],
)
def test_captions_to_be_signed_at_are_a_note(line):
    result = result_of(as_xlsx([RECEIVED, *ROWS, line]), "received")
    assert (len(result.rows), result.refused, result.skipped) == (3, 0, 1)
    assert [(told.code, told.row) for told in result.warnings] == [(NOTE, 5)]


@pytest.mark.parametrize("device", DEVICES)
def test_what_may_be_a_device_is_refused_where_it_stands_alone_too(device):
    mapping = with_fields("received", "shipment: {fill_down: true}")
    result = result_of(as_csv([RECEIVED, *ROWS, [device]]), "received", mapping=mapping)
    assert (len(result.rows), result.refused, result.skipped) == (3, 1, 0)
    assert [batch.lacking for batch in result.batches if batch.lacking] == [[(FIRST, 5)]]


@pytest.mark.parametrize(
    "line",
    [
        [NOTES[0], FIRST],
        [NOTES[0], "", "", "是"],
        ["坏号", FIRST, "2025-05-08", "否"],
        ["坏号", "", "", "备注：外壳破损"],
        [f"表号：{number(9)[:19]}", "", "", "备注：外壳破损"],
    ],
)
def test_what_does_not_stand_alone_is_refused(line):
    assert (result := result_of(as_csv([RECEIVED, *ROWS, line]), "received")).refused == 1
    assert result.skipped == 0


@pytest.mark.parametrize("after", [ROWS[2], [number(3)[:19], FIRST, "2025-05-08", "否"]], ids=["good", "broken"])
def test_what_has_data_below_it_is_refused(after):
    result = result_of(as_csv([RECEIVED, *ROWS[:2], [NOTES[0]], after]), "received")
    assert [error.row for error in result.errors][:2] == [4, 4]
    assert {error.code for error in result.errors if error.row == 4} == {
        "asset_number.not_22_digits",
        "import_cell.required",
    }
    assert (result.skipped, result.warnings) == (0, [])


def test_a_column_of_words_is_no_notes():
    result = result_of(as_csv([RECEIVED, *ROWS, *([NOTES[0]] for _ in range(NOTES_MAX + 1))]), "received")
    assert (result.refused, result.skipped) == (NOTES_MAX + 1, 0)


def test_a_table_of_one_column_and_an_object_have_no_room_for_notes():
    own = with_fields("received", "shipment: {required: false, default: SH-1}\noccurred_on: {required: false}")
    alone = result_of(as_csv([["资产编号"], [number(1)], [NOTES[0]]]), "received", mapping=own)
    objects = result_of(as_ndjson([RECEIVED, *ROWS, [NOTES[0], None, None, None]]), "received")
    assert [(one.refused, one.skipped) for one in (alone, objects)] == [(1, 0)] * 2


@pytest.mark.parametrize("more", [[], [ROWS[0]]], ids=["the end", "more data"])
def test_a_note_at_the_edge_of_a_block_is_judged_by_what_comes_and_after_an_interruption_too(more):
    lines = [[number(serial), FIRST, "2025-05-08", "否"] for serial in range(BLOCK_RECORDS_MAX - 2)]
    content = as_csv([RECEIVED, *lines, [NOTES[0]], *more])
    whole = result_of(content, "received")
    (edge, *_) = whole.batches
    assert (len(edge.rows), edge.refused, edge.skipped) == (len(lines), 0, 0)
    rest = result_of(content, "received", after=edge.after)
    assert msgspec.to_builtins(rest.batches) == msgspec.to_builtins(whole.batches[1:])
    assert (whole.refused, whole.skipped) == ((1, 0) if more else (0, 1))
    last = result_of(content, "received", after=whole.batches[-1].after)
    assert (last.rows, last.errors, last.warnings) == ([], [], [])


async def test_a_note_holds_no_shipment_back(tmp_path):
    numbers = [number(serial) for serial in range(3)]
    async with importing(tmp_path) as started:
        await in_store(started, numbers)
        await prepared(started, "received", [(FIRST, asset_no) for asset_no in numbers])
        rows = [[asset_no, FIRST, "2026-01-08", "否"] for asset_no in numbers]
        stands = await started.imported("received", as_csv([RECEIVED, *rows, [NOTES[0]]]))
        assert (stands.accepted, stands.refused, stands.skipped, stands.warned) == (3, 0, 1, 1)
        assert await types(started, f"shipment-{FIRST}") == DONE["received"]
