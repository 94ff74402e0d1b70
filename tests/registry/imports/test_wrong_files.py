"""Files that are not what they seem. Each is refused with its own code, and the message says what to do."""

import gzip
import io
import tarfile
import zipfile

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel.refusal import Refusal, Unreadable, reasons_in
from services.registry.imports import faults
from services.registry.imports.rows import Batch
from tests.registry.imports.sheets import as_csv, as_ndjson, as_parquet, as_xlsx, number, result_of

ROWS = [["资产编号", "设备类别", "备注"], *([number(i), "01", "示例"] for i in range(40))]
CSV = as_csv(ROWS)


def archive(*names):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as file:
        for name in names:
            file.writestr(name, "x")
    return target.getvalue()


def tar():
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as file:
        file.addfile(tarfile.TarInfo("a.csv"))
    return target.getvalue()


def locked():
    """An archive whose entries say that they are encrypted."""
    content = bytearray(as_xlsx(ROWS))
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = -1
        while (place := content.find(mark, place + 1)) >= 0:
            content[place + offset] |= 1
    return bytes(content)


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
WRONG = {
    "empty": (b"", "import_file.empty"),
    "a byte order mark alone": (b"\xef\xbb\xbf", "import_file.empty"),
    "blank": (b" \r\n\t \n", "import_file.empty"),
    "header only": (as_csv(ROWS[:1]), "import_file.no_rows"),
    "header and totals": (as_csv([ROWS[0], ["合计", "0"]]), "import_file.no_rows"),
    "header only, XLSX": (as_xlsx(ROWS[:1]), "import_file.no_rows"),
    "header only, Parquet": (as_parquet(ROWS[:1]), "import_file.no_rows"),
    "an empty workbook": (as_xlsx([]), "import_file.no_sheet"),
    "no header": (as_csv(ROWS[1:]), "import_file.no_header"),
    "no header, NDJSON": (b'{"a": 1}\n{"b": 2}', "import_file.no_header"),
    "no header, Parquet": (as_parquet([["a"], ["b"]]), "import_file.no_header"),
    "lacks a column": (as_csv([["资产编号"], [number(1)]]), "import_file.columns_missing"),
    "lacks a column, NDJSON": (as_ndjson([["资产编号"], [number(1)]]), "import_file.columns_missing"),
    "HTML": (b"\n<!DOCTYPE html><html><body><table></table></body></html>", "import_file.html"),
    "a table of HTML": (b"<table><tr><td>1</td></tr></table>", "import_file.html"),
    "XHTML": (b'<?xml version="1.0"?><html xmlns="x"></html>', "import_file.html"),
    "XML": (
        b'<?xml version="1.0"?><Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"/>',
        "import_file.xml",
    ),
    "old Excel": (OLE + b"\x00" * 600 + "Workbook".encode("utf-16-le"), "import_file.old_excel"),
    "encrypted XLSX": (OLE + b"\x00" * 70_000 + "EncryptedPackage".encode("utf-16-le"), "import_file.encrypted"),
    "a locked archive": (locked(), "import_file.encrypted"),
    "encrypted Parquet": (b"PARE" + b"x" * 100, "import_file.encrypted"),
    "a zip of something else": (archive("a.csv"), "import_file.compressed"),
    "an empty zip": (archive(), "import_file.compressed"),
    "ODS": (archive("mimetype", "content.xml"), "import_file.not_xlsx"),
    "XLSB": (archive("xl/workbook.bin"), "import_file.not_xlsx"),
    "DOCX": (archive("word/document.xml"), "import_file.not_xlsx"),
    "gzip": (gzip.compress(CSV), "import_file.compressed"),
    "broken gzip": (gzip.compress(CSV)[:20], "import_file.compressed"),
    "7z": (b"7z\xbc\xaf\x27\x1c" + b"x" * 50, "import_file.compressed"),
    "RAR": (b"Rar!\x1a\x07" + b"x" * 50, "import_file.compressed"),
    "tar": (tar(), "import_file.binary"),
    "PDF": (b"%PDF-1.7\n" + b"x" * 50, "import_file.binary"),
    "PNG": (b"\x89PNG\r\n\x1a\n" + b"x" * 50, "import_file.binary"),
    "binary": (bytes(range(256)) * 10, "import_file.binary"),
    "UTF-16 with its mark": (as_csv(ROWS, encoding="utf-16"), "import_file.utf16"),
    "UTF-16, big end first": (b"\xfe\xff" + as_csv(ROWS, encoding="utf-16-be"), "import_file.utf16"),
    "UTF-16 without its mark": (as_csv(ROWS, encoding="utf-16-le"), "import_file.utf16"),
    "UTF-32": (as_csv(ROWS, encoding="utf-32"), "import_file.utf16"),
    "a JSON array": (b'[{"asset_no": "1"}]', "import_file.json_array"),
    "no encoding of ours": (b"\xff\xff,\x80\n" * 20, "import_file.encoding_unknown"),
    "truncated zip": (as_xlsx(ROWS)[:-30], "import_file.damaged"),
    "truncated Parquet": (as_parquet(ROWS)[:-30], "import_file.damaged"),
    "the beginning of a zip": (b"PK\x03\x04", "import_file.damaged"),
    "the beginning of Parquet": (b"PAR1", "import_file.damaged"),
}


@pytest.mark.parametrize(("content", "code"), WRONG.values(), ids=list(WRONG))
def test_a_wrong_file_is_refused_with_a_code_of_its_own(content, code):
    with pytest.raises(Refusal) as refused:
        result_of(content)
    assert refused.value.code == code


def test_codes_are_unique_and_messages_bilingual():
    reasons = list(reasons_in(faults))
    assert len({reason.code for reason in reasons}) == len(reasons)
    for reason in reasons:
        assert any("\u4e00" <= character <= "\u9fff" for character in reason.zh), reason.code
        assert reason.en.replace("年", "").replace("月", "").replace("日", "").isascii(), reason.code


def read_or_refused(content, kind="devices"):
    """Whatever the bytes are: rows, errors of rows, or a coded refusal."""
    try:
        result = result_of(content, kind)
    except Unreadable:
        return
    for batch in result.batches:
        assert isinstance(batch, Batch)
    assert all(error.code and error.zh and error.en and error.row > 0 for error in result.errors)
    assert all(len(row.values["asset_no"]) == 22 for row in result.rows)


ANY = settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)


@ANY
@given(st.binary(max_size=2000))
def test_any_bytes_at_all(content):
    read_or_refused(content)


@ANY
@given(
    st.sampled_from(["资产编号,设备类别,备注\n", "{", "PK\x03\x04", "PAR1", '"', "sep=;\n", "\ufeff"]),
    st.binary(max_size=2000),
)
def test_any_bytes_after_a_good_beginning(begin, rest):
    read_or_refused(begin.encode() + rest)


CELLS = st.one_of(
    st.text(max_size=30), st.sampled_from([number(1), "01", "合计", "4.13E+21", "2024-03-05", "", "\x00"])
)


@ANY
@given(st.lists(st.lists(CELLS, max_size=9), max_size=20), st.sampled_from(["utf-8", "gb18030"]))
def test_any_cells_below_a_header(rows, encoding):
    header = ["资产编号", "工单编号", "更换原因", "拆回日期", "底度", "供电单位", "倍率", "备注"]
    content = as_csv([header, *rows]).decode("utf-8", "replace").encode(encoding, "replace")
    read_or_refused(content, "dismantled")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(
    ["资产编号", "asset_no", "work_order", "reason", "occurred_on", "reading", "total_wh", "底度(MWh)", "x"]
)


@ANY
@given(st.lists(st.dictionaries(KEYS, VALUES, max_size=8), min_size=1, max_size=10))
def test_any_objects(objects):
    good = {"资产编号": number(1), "work_order": "G", "reason": "burnt", "occurred_on": "2025-05-01"}
    rows = [list(good), list(good.values())]
    lines = as_ndjson(rows)
    for one in objects:
        lines += b"\n" + as_ndjson([list(one), list(one.values())])
    read_or_refused(lines, "dismantled")


FORMATS = {"csv": CSV, "xlsx": as_xlsx(ROWS), "parquet": as_parquet(ROWS), "ndjson": as_ndjson(ROWS)}


@pytest.mark.parametrize("format_", FORMATS)
@ANY
@given(place=st.floats(0, 1), change=st.binary(min_size=0, max_size=20), length=st.integers(0, 50))
def test_any_damage_anywhere(format_, place, change, length):
    content = FORMATS[format_]
    at = int(place * len(content))
    read_or_refused(content[:at] + change + content[at + length :])


@pytest.mark.parametrize("format_", FORMATS)
def test_truncated_anywhere(format_):
    content = FORMATS[format_]
    for length in range(0, len(content), max(1, len(content) // 60)):
        read_or_refused(content[:length])
