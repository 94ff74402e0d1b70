"""Labels are read again as a scanner reads them."""

import io
import re
import string

import msgspec
import pytest
import typst
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

from cli.__main__ import app
from kernel.refusal import Refusal
from services.sorting import labels
from services.sorting.labels import QUIET_MODULES, Label, code_128, in_groups, pdf, zpl
from tests.sorting.hall import NUMBERS

TEMPORARY = "T99401000000A1"
CONTAINER = "ZX-99401.0007"


def drawn(text, module_px=3, height_px=60):
    """The bars as a picture."""
    bars = code_128(text)
    width = (sum(bars) + 2 * QUIET_MODULES) * module_px
    picture = Image.new("L", (width, height_px), 255)
    at = QUIET_MODULES * module_px
    for nth, modules in enumerate(bars):
        if nth % 2 == 0:
            picture.paste(0, (at, 0, at + modules * module_px, height_px))
        at += modules * module_px
    return picture


def read(picture):
    return {(one.format.name, one.text) for one in zxingcpp.read_barcodes(picture)}


@settings(max_examples=60, deadline=None)
@given(st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z"))
def test_whatever_may_be_on_a_label_is_read_again_from_its_bars(text):
    assert [said for _, said in read(drawn(text))] == [text]


@pytest.mark.parametrize("at", range(0, 62, 10))
def test_every_letter_and_digit_has_its_bars(at):
    text = (string.ascii_letters + string.digits)[at : at + 10]
    assert [said for _, said in read(drawn(text))] == [text]


def test_an_asset_number_takes_half_the_bars_since_digits_go_two_by_two():
    # Start, eleven pairs and the check symbol of eleven modules each, and the stop symbol of thirteen.
    assert sum(code_128(NUMBERS[0])) == 13 * 11 + 13


def page_of(text):
    """The page of a label as a picture."""
    sheet = msgspec.json.encode({"width": 60, "height": 40, "labels": [labels._drawn(text)]}).decode()
    made = typst.compile(labels._TEMPLATE, format="png", ppi=300, sys_inputs={"sheet": sheet})
    return Image.open(io.BytesIO(made)).convert("L")


@pytest.mark.parametrize("text", [NUMBERS[0], TEMPORARY, CONTAINER])
def test_the_printed_page_shows_both_codes_and_both_say_the_number(text):
    assert {said for _, said in read(page_of(text))} == {text}
    assert len(read(page_of(text))) == 2


def test_what_is_too_long_for_bars_that_a_scanner_reads_has_its_qr_code_alone():
    text = "c" * 64
    assert [said for _, said in read(page_of(text))] == [text]
    assert "^BC" not in zpl([Label(text)])


def test_a_pdf_has_a_page_for_each():
    made = pdf([Label(number) for number in NUMBERS[:3]])
    assert made.startswith(b"%PDF")
    assert b"/Type/Pages/Count 3" in made


def test_zpl_says_the_number_twice_for_codes_and_once_in_figures():
    said = zpl([Label(NUMBERS[0])])
    assert re.findall(r"\^FD(?:MA,)?([0-9]{22})\^FS", said) == [NUMBERS[0], NUMBERS[0]]
    assert "".join(re.findall(r"\^A0N,30,30\^FD([0-9 ]+)\^FS", said)).replace(" ", "") == NUMBERS[0]
    assert (said.count("^XA"), said.count("^XZ")) == (1, 1)


@pytest.mark.parametrize("text", ["", "^XZ", "a b", "x" * 65, "号", "a\n"])
def test_what_a_printer_would_take_for_a_command_is_refused(text):
    with pytest.raises(Refusal, match="label"):
        Label(text)


def test_figures_are_in_groups_as_people_read_them():
    assert in_groups("9940101999999990000010") == ["9940 1019 9999", "9990 0000 10"]


def test_the_command_writes_files_and_refuses_what_is_no_number(tmp_path):
    page, printer = tmp_path / "labels.pdf", tmp_path / "labels.zpl"
    told = CliRunner().invoke(
        app, ["sorting", "label", NUMBERS[0], CONTAINER, "--pdf", str(page), "--zpl", str(printer)]
    )
    assert told.exit_code == 0, told.output
    assert page.read_bytes().startswith(b"%PDF")
    assert printer.read_text("ascii").count("^XA") == 2
    refused = CliRunner().invoke(app, ["sorting", "label", "a b", "--pdf", str(page)])
    assert refused.exit_code == 1
    assert CliRunner().invoke(app, ["sorting", "label", NUMBERS[0]]).exit_code == 2
