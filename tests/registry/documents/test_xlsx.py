"""XLSX is read back with another library and compared with the data."""

import io
import zipfile
from xml.etree import ElementTree as ET

import pytest
from python_calamine import CalamineWorkbook

from kernel.documents.data import Label
from kernel.refusal import Refusal
from services.registry.documents.data import NoteDevice
from services.registry.documents.rendering import Format, render
from services.registry.documents.transfer_note import in_order
from tests.registry.documents import papers


def rows(content: bytes, sheet: str) -> list[list]:
    return CalamineWorkbook.from_filelike(io.BytesIO(content)).get_sheet_by_name(sheet).to_python()


def parts(content: bytes) -> dict[str, str]:
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        return {name: file.read(name).decode() for name in file.namelist()}


@pytest.mark.parametrize("count", [0, 1, 5_000])
def test_every_device_comes_back_as_it_was(count):
    note = papers.transfer_note(papers.devices(count, received=True))
    _, *lines = rows(render(note, Format.XLSX), "器具 Devices")
    ordered = [device for group in in_order(note) for device in group.devices]
    assert len(lines) == len(ordered) == count
    for number, (line, device) in enumerate(zip(lines, ordered, strict=True), 1):
        assert line[0] == number
        assert line[1] == device.asset_number
        assert line[2:7] == [
            device.device_class.code,
            device.device_class.zh,
            device.maker,
            device.model,
            device.reason.zh,
        ]
        reading_wh = None if line[7] == "" else round(line[7] * 1_000)
        assert reading_wh == device.final_reading_wh
        assert (line[8] != "") == device.reading_disputed
        assert line[9] == device.container
        assert ("损坏" in line[10]) == device.damaged
        assert line[13:15] == [device.device_class.en, device.reason.en]


def test_the_note_itself_and_its_counts_are_there():
    content = render(papers.transfer_note(papers.devices(30, received=False)), Format.XLSX)
    facts = {line[0]: line[1] for line in rows(content, "移交单 Note")}
    assert facts["移交单号 note number"] == papers.NOTE_NUMBER
    assert facts["清单哈希 manifest SHA-256"] == papers.MANIFEST
    assert facts["核验 verify"] == papers.VERIFY.instruction
    assert facts["事件 events"].split() == list(papers.EVENTS)
    assert sum(line[3] for line in rows(content, "数量 Counts")[1:]) == 30


def test_rates_stay_texts_beside_their_numbers():
    cohorts = [papers.cohort(99_995, 100_000, missing=1, late=2, lost=1), papers.cohort(5, 5, month=2)]
    content = render(papers.recovery_ledger(cohorts), Format.XLSX)
    first, second = rows(content, "明细 Cohorts")[1:]
    assert first[3:6] == ["2023-01", 100_000, 100_000]
    assert first[6:13] == [99_995, 2, 1, 1, 1, 0, 0]
    assert first[13:] == ["99.99 %", "99,995 / 100,000", "99.99 %", "2024-01-15", "达标 met"]
    assert second[3:13] == ["2023-02", 5, 5, 5, 0, 0, 0, 0, 0, 0]
    assert second[13:] == ["100.00 %", "5 / 5", "99.99 %", "2024-01-15", "达标 met"]
    (unit,) = rows(content, "单位 Units")[1:]
    assert unit[3:5] + unit[12:] == [100_005, 100_005, "99.99 %", "100,000 / 100,005"]
    assert rows(content, "计划外 Unexpected")[1][3] == 3


def test_nothing_is_a_formula_or_a_link():
    texts = [*papers.HOSTILE, *papers.UNSEEN, "http://example.invalid", "mailto:a@b", "1e22"]
    listed = [
        NoteDevice(
            asset_number=papers.meter_number(at),
            device_class=papers.SINGLE,
            maker=text,
            reason=Label(text, text),
        )
        for at, text in enumerate(texts)
    ]
    content = render(papers.transfer_note(listed, number="=1+1", remark="=cmd()"), Format.XLSX)
    for name, text in parts(content).items():
        if name.startswith("xl/worksheets/sheet"):
            tags = {element.tag.rpartition("}")[2] for element in ET.fromstring(text).iter()}
            assert not tags & {"f", "hyperlink", "hyperlinks"}
    makers = [line[4] for line in rows(content, "器具 Devices")[1:]]
    assert [text for text, back in zip(texts, makers, strict=True) if text != back] == []


def test_headers_stay_in_sight_and_are_printed_on_every_page():
    content = parts(render(papers.transfer_note(papers.devices(3, received=False)), Format.XLSX))
    devices = content["xl/worksheets/sheet3.xml"]
    assert 'state="frozen"' in devices
    assert 'orientation="landscape"' in devices
    assert "_xlnm.Print_Titles" in content["xl/workbook.xml"]
    assert "第 &amp;P 页 / 共 &amp;N 页" in devices


def test_the_same_document_gives_the_same_bytes():
    note = papers.transfer_note(papers.devices(50, received=True))
    assert render(note, Format.XLSX) == render(note, Format.XLSX)


def test_a_text_that_no_cell_holds_is_refused():
    with pytest.raises(Refusal) as refused:
        render(papers.transfer_note([], remark="x" * 32_768), Format.XLSX)
    assert refused.value.code == "document.text_too_long"


def test_an_asset_page_is_for_paper():
    with pytest.raises(Refusal) as refused:
        render(papers.asset_page(), Format.XLSX)
    assert refused.value.code == "document.no_such_format"
