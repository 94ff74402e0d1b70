"""XLSX: what spreadsheets do to cells, several sheets, limits, and files made to hurt."""

import io
import re
import zipfile
from datetime import date

import pytest

from kernel.refusal import Refusal
from kernel.spreadsheet import Limits
from tests.registry.imports.sheets import as_xlsx, number, result_of, wall

HEADER = ["资产编号", "设备类别", "出厂日期", "备注"]


def refused(content, kind="devices", **options):
    with pytest.raises(Refusal) as refusal:
        result_of(content, kind, **options)
    assert refusal.value.zh
    assert refusal.value.en
    return refusal.value.code


def changed(content, changes):
    """The same archive with parts changed, by a function from their text, or added."""
    source = zipfile.ZipFile(io.BytesIO(content))
    target = io.BytesIO()
    parts = {name: source.read(name) for name in source.namelist()}
    for name, change in changes.items():
        parts[name] = change(parts[name]) if callable(change) else change
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return target.getvalue()


def with_sheet(xml):
    """A workbook whose sheet has these rows, in XML."""
    begin = (
        b'<?xml version="1.0"?><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    )
    content = begin + xml.encode() + b"</sheetData></worksheet>"
    return changed(as_xlsx([HEADER]), {"xl/worksheets/sheet1.xml": content})


def inline(reference, text):
    at = f' r="{reference}"' if reference else ""
    return f'<c{at} t="inlineStr"><is><t>{text}</t></is></c>'


def test_cells_as_a_spreadsheet_keeps_them():
    rows = [
        ["台账（示例）"],
        [],
        HEADER,
        [number(1), 1, date(2024, 3, 5), "文字"],
        [number(2), "02", 45356, 3.0],
        [number(3), "单相表", "2024年3月5日", True],
        [4.13e21, 1, wall(2024, 3, 5, 8, 30), ""],
        [float(2**53), 1, 20240305, ""],
    ]
    result = result_of(as_xlsx(rows))
    assert [row.number for row in result.rows] == [4, 5, 6]
    assert [values["device_class"] for values in result.values] == ["01", "02", "01"]
    assert {values["description"]["made_on"] for values in result.values} == {"2024-03-05"}
    assert [values["description"]["remark"] for values in result.values] == ["文字", "3", "TRUE"]
    assert [(error.row, error.column, error.code) for error in result.errors] == [
        (7, "A", "import_cell.digits_lost"),
        (8, "A", "import_cell.digits_lost"),
    ]


def test_a_table_that_does_not_begin_in_the_corner():
    rows = [[], [], ["", "", *HEADER], ["", "", number(1), "01", "2024-03-05", "x"]]
    result = result_of(as_xlsx(rows))
    assert [column.letter for column in result.headings[0].columns] == ["C", "D", "E", "F"]
    assert result.headings[0].row == 3
    assert result.rows[0].number == 4


def test_the_1904_date_system():
    content = as_xlsx([HEADER, [number(1), "01", date(2024, 3, 5), ""]], options={"date_1904": True})
    assert result_of(content).values[0]["description"]["made_on"] == "2024-03-05"
    content = as_xlsx([HEADER, [number(1), "01", 43894, ""]], options={"date_1904": True})
    assert result_of(content).values[0]["description"]["made_on"] == "2024-03-05"


def test_merged_cells_hold_for_all_their_rows():
    def merged(_book, sheet):
        sheet.merge_range(1, 0, 3, 0, "S1")
        sheet.merge_range(1, 1, 2, 1, "2025-05-01")

    rows = [
        ["移交单号", "移交日期", "资产编号"],
        ["S1", "2025-05-01", number(1)],
        ["", "", number(2)],
        ["", "2025-05-02", number(3)],
        ["S2", "2025-05-03", number(4)],
    ]
    result = result_of(as_xlsx(rows, decorate=merged), "dispatched")
    assert [(v["shipment"], v["occurred_on"]) for v in result.values] == [
        ("S1", "2025-05-01"),
        ("S1", "2025-05-01"),
        ("S1", "2025-05-02"),
        ("S2", "2025-05-03"),
    ]
    later = result_of(as_xlsx(rows, decorate=merged), "dispatched", after="[0,2,2,[],true]")
    assert later.rows == result.rows[1:]


def test_merged_asset_numbers_are_not_two_devices():
    def merged(_book, sheet):
        sheet.merge_range(1, 0, 2, 0, number(1))

    rows = [HEADER, [number(1), "01", "", ""], ["", "01", "", ""]]
    result = result_of(as_xlsx(rows, decorate=merged))
    assert len(result.rows) == 1
    assert result.codes == ["import_cell.required"]


def test_error_values_are_told_where_they_matter():
    def with_errors(_book, sheet):
        for row in (1, 2):
            sheet.write_formula(row, row + 1, "=1/0", None, "#DIV/0!")
        sheet.write_formula(3, 9, "=1/0", None, "#DIV/0!")

    rows = [HEADER, [number(1), "01", "", ""], [number(2), "01", "", ""], [number(3), "01", "", ""]]
    result = result_of(as_xlsx(rows, decorate=with_errors))
    assert [(error.row, error.column, error.code) for error in result.errors] == [
        (2, "C", "import_cell.spreadsheet_error"),
        (3, "D", "import_cell.spreadsheet_error"),
    ]
    assert [row.number for row in result.rows] == [4]


def test_every_sheet_with_a_header_is_read_and_the_others_are_told():
    table = [HEADER, [number(1), "01", "", ""]]
    sheets = {
        "说明": [["本表为示例"]],
        "一月": table,
        "空": [],
        "二月": [["台账"], HEADER, [number(2), "01", "", ""], ["x", "01", "", ""]],
    }
    result = result_of(as_xlsx(None, sheets=sheets))
    assert [(heading.sheet, heading.row) for heading in result.headings] == [("一月", 1), ("二月", 2)]
    assert [values["asset_no"] for values in result.values] == [number(1), number(2)]
    assert (result.errors[0].sheet, result.errors[0].row) == ("二月", 4)
    [warning] = result.warnings
    assert (warning.sheet, warning.code) == ("说明", "import_file.no_header")
    assert result.batches[-1].after == result.batches[-2].after


def test_going_on_in_the_second_sheet():
    sheets = {
        name: [HEADER, *([number(i + base), "01", "", ""] for i in range(1500))]
        for name, base in (("一", 0), ("二", 5000))
    }
    content = as_xlsx(None, sheets=sheets)
    whole = result_of(content)
    for place, batch in enumerate(whole.batches):
        if place < len(whole.batches) - 1:
            rest = result_of(content, after=batch.after)
            before = [row for b in whole.batches[: place + 1] for row in b.rows]
            assert before + rest.rows == whole.rows
    last = result_of(content, after=whole.batches[-1].after)
    assert last.rows == []


def test_hidden_sheets_are_not_read():
    def hidden(book, sheet):
        book.add_worksheet("另一张").write(0, 0, "x")
        sheet.hide()
        book.worksheets()[-1].activate()
        book.worksheets()[-1].set_first_sheet()

    content = as_xlsx([HEADER, [number(1), "01", "", ""]], decorate=hidden)
    assert refused(content) == "import_file.no_header"


def test_a_formula_counts_as_what_it_last_showed():
    def formula(_book, sheet):
        sheet.write_formula(1, 0, '="x"', None, number(1))

    result = result_of(as_xlsx([HEADER, ["", "01", "", ""]], decorate=formula))
    assert result.values[0]["asset_no"] == number(1)


def test_limits_on_size_sheets_and_cells():
    content = as_xlsx([HEADER, [number(1), "01", "", ""]])
    assert refused(content, limits=Limits(file_bytes=1000)) == "import_file.too_large"
    assert refused(content, limits=Limits(expanded_bytes=2000)) == "import_file.expands_too_far"
    assert refused(content, limits=Limits(cells=7)) == "import_file.too_many_cells"
    assert len(result_of(content, limits=Limits(cells=8)).rows) == 1
    sheets = {f"表{i}": [HEADER] for i in range(3)}
    assert refused(as_xlsx(None, sheets=sheets), limits=Limits(sheets=2)) == "import_file.too_many_sheets"


def bomb(expanded, *, claimed):
    """A workbook whose sheet expands to so many bytes and claims another size in both places of the archive."""
    content = changed(as_xlsx([HEADER]), {"xl/worksheets/sheet1.xml": b" " * expanded})
    size = expanded.to_bytes(4, "little")
    assert content.count(size) == 2
    return content.replace(size, claimed.to_bytes(4, "little"))


@pytest.mark.parametrize("claimed", [64 << 20, 1000], ids=["honest", "lying"])
def test_a_zip_bomb(claimed):
    content = bomb(64 << 20, claimed=claimed)
    assert len(content) < 200_000
    code = refused(content, limits=Limits(expanded_bytes=32 << 20))
    assert code == "import_file.expands_too_far"


def test_a_single_stray_cell_does_not_make_a_sheet_of_all_cells():
    cells = inline("A1", "资产编号") + inline("B1", "设备类别")
    far = f'<row r="1">{cells}</row><row r="1048576">{inline("XFD1048576", "x")}</row>'
    assert refused(with_sheet(far)) == "import_file.too_many_cells"
    disguised = far.replace('r="XFD1048576"', "s='1'\n r = 'XFD1048576'")
    assert refused(with_sheet(disguised)) == "import_file.too_many_cells"
    in_the_first_row = f'<row r="1">{cells}{inline("XFD1048576", "x")}</row>'
    assert refused(with_sheet(in_the_first_row)) == "import_file.too_many_cells"


def test_cells_without_references():
    row = "<row>{}</row>".format
    xml = row(inline("", "资产编号") + inline("", "设备类别")) + row(inline("", number(1)) + inline("", "01"))
    result = result_of(with_sheet(xml))
    assert result.values == [{"asset_no": number(1), "device_class": "01"}]
    wide = row("<c/>" * 5000) + "<row/>" * 5000
    assert refused(with_sheet(wide)) == "import_file.too_many_cells"


DAMAGE = {
    "no end": lambda xml: xml[: len(xml) // 2],
    "not XML": lambda _xml: b"\xff\xfe\x00" * 100,
    "empty": lambda _xml: b"",
    "a wrong string": lambda xml: re.sub(rb"<v>\d+</v>", b"<v>999999</v>", xml),
    "a wrong reference": lambda xml: xml.replace(b'r="A1"', b'r="1A"'),
    "nested without end": lambda _xml: b"<a>" * 100_000,
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=list(DAMAGE))
def test_damaged_parts(damage):
    content = as_xlsx([HEADER, [number(1), "01", "", ""]])
    for part in ("xl/worksheets/sheet1.xml", "xl/workbook.xml", "xl/sharedStrings.xml", "[Content_Types].xml"):
        try:
            result_of(changed(content, {part: damage}))
        except Refusal as refusal:
            assert refusal.code.startswith("import_file.")  # noqa: PT017  some damage leaves the table as it was


def test_an_entity_that_would_expand_without_end():
    entities = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + "".join(
        f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">' for i in range(10)
    )
    sheet = f'<worksheet><sheetData><row r="1">{inline("A1", "&k;")}</row></sheetData></worksheet>'
    xml = f'<?xml version="1.0"?>{entities}]>{sheet}'
    content = changed(as_xlsx([HEADER]), {"xl/worksheets/sheet1.xml": xml.encode()})
    assert refused(content) in {"import_file.no_header", "import_file.damaged", "import_file.no_sheet"}


def test_truncated_at_every_length():
    content = as_xlsx([HEADER, [number(1), "01", "", ""]])
    for length in range(4, len(content), 97):
        assert refused(content[:length]) == "import_file.damaged"
