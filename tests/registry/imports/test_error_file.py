"""The error file: what is in it, what is not, and nothing in it that a spreadsheet would run."""

import csv
import io
import os
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.spreadsheet.error_file import COLUMNS, ErrorFile, harmless
from kernel.spreadsheet.findings import Finding
from tests.registry.imports.sheets import as_csv, number, result_of

HOSTILE = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "=cmd|' /C calc'!A0", "  =1", "＝1+1"]


def finding(row=7, value="x", **changes):
    given_ = {"row": row, "code": "import_cell.required", "zh": "此项必填。", "en": "this must be filled in"}
    return Finding(**(given_ | {"value": value, "column": "C", "header": "拆回日期"} | changes))


def read_csv(path):
    return list(csv.reader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))


def test_columns_and_byte_order_mark(tmp_path):
    errors = ErrorFile(tmp_path / "e.csv")
    errors.add([finding(), finding(sheet="一月", row=8)])
    errors.close()
    assert (tmp_path / "e.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    header, first, second = read_csv(tmp_path / "e.csv")
    assert header == list(COLUMNS)
    assert first == ["7", "C 拆回日期", "x", "import_cell.required", "此项必填。", "this must be filled in"]
    assert second[:2] == ["8", "一月!C 拆回日期"]


@pytest.mark.parametrize("hostile", HOSTILE, ids=ascii)
def test_nothing_in_it_is_a_formula(tmp_path, hostile):
    errors = ErrorFile(tmp_path / "e.csv")
    errors.add([finding(value=hostile, header=hostile, column="", sheet=hostile)])
    errors.close()
    for cell in read_csv(tmp_path / "e.csv")[1]:
        assert cell.lstrip()[:1] not in {"=", "+", "-", "@", "＝"}


@given(st.text(max_size=20))
def test_harmless_keeps_what_is_harmless(text):
    made = harmless(text)
    assert made in {text, "'" + text}
    assert made[:1] not in {"=", "+", "-", "@", "\t", "\r", "\n"}


def test_going_on_drops_what_was_written_after_the_last_position(tmp_path):
    path = tmp_path / "e.csv"
    errors = ErrorFile(path)
    kept = errors.add([finding(row=1)])
    errors.add([finding(row=2)])
    errors.close()
    errors = ErrorFile(path, keep_bytes=kept)
    errors.add([finding(row=3)])
    errors.close()
    assert [row[0] for row in read_csv(path)] == ["行 row", "1", "3"]


def test_beginning_again_empties_it(tmp_path):
    for _ in range(2):
        errors = ErrorFile(tmp_path / "e.csv")
        errors.add([finding()])
        errors.close()
    assert len(read_csv(tmp_path / "e.csv")) == 2


def test_only_the_refused_cell_is_kept(tmp_path):
    content = as_csv([["资产编号", "设备类别", "户名", "备注"], [number(1), "水表", "不应保留的姓名", "也不保留"]])
    errors = ErrorFile(tmp_path / "e.csv")
    errors.add(result_of(content).errors)
    errors.close()
    text = (tmp_path / "e.csv").read_text("utf-8-sig")
    assert "水表" in text
    assert "不应保留" not in text
    assert "也不保留" not in text
    assert number(1) not in text


def test_a_long_cell_is_shortened():
    result = result_of(as_csv([["资产编号", "设备类别"], [number(1), "表" * 5000]]))
    assert len(result.errors[0].value) == 200


def test_what_is_written_down_is_on_disk_before_it_is_noted(tmp_path, monkeypatch):
    synced, real = [], os.fsync

    def fsync(descriptor):
        real(descriptor)
        synced.append(os.fstat(descriptor))

    monkeypatch.setattr(os, "fsync", fsync)
    path = tmp_path / "errors.csv"
    errors = ErrorFile(path)
    size = errors.add([finding()])
    assert [stat.S_ISDIR(one.st_mode) for one in synced] == [False, True]
    assert synced[0].st_size == size == path.stat().st_size
    errors.add([finding()])
    errors.close()
    assert len(synced) == 3
