"""PDFs are read back: fonts, text, page numbers."""

import io
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path

import msgspec
import pypdf
import pytest

from kernel.documents import typesetting
from kernel.documents.data import Coded, Label, Signature, Verification, When
from kernel.documents.font import FAMILY, installed_font, present
from kernel.documents.typesetting import Typesetter
from kernel.refusal import Refusal
from services.registry.documents import asset_page, recovery_ledger, transfer_note
from services.registry.documents.data import Cohort, Container, Document, NoteDevice, Outcome
from services.registry.documents.rendering import Format, render
from tests.registry.documents import papers


def read(content: bytes) -> pypdf.PdfReader:
    return pypdf.PdfReader(io.BytesIO(content), strict=True)


def pages(content: bytes) -> list[str]:
    return [page.extract_text() for page in read(content).pages]


def squeezed(text: str) -> str:
    """Without what a line break or a place to break adds."""
    return re.sub(r"[\s\u200b]", "", text)


EVERY_KIND: dict[str, Callable[[], Document]] = {
    "note before receipt": lambda: papers.transfer_note(papers.devices(60, received=False)),
    "note after receipt": lambda: papers.transfer_note(papers.devices(60, received=True)),
    "ledger": lambda: papers.recovery_ledger([papers.cohort(9_999, 10_000, month=n) for n in range(1, 13)]),
    "page": papers.asset_page,
}
every_kind = pytest.mark.parametrize("make", EVERY_KIND.values(), ids=EVERY_KIND)


@every_kind
def test_only_the_one_font_is_embedded(make):
    reader = read(render(make(), Format.PDF))
    every = [reader.get_object(number) for number in range(1, reader.trailer["/Size"])]
    fonts = [found for found in every if isinstance(found, dict) and found.get("/Type") == "/Font"]
    files = {"/FontFile", "/FontFile2", "/FontFile3"}
    assert fonts
    for font in fonts:
        assert re.fullmatch(r"/[A-Z]{6}\+NotoSansCJKsc-\w+", font["/BaseFont"])
        for described in [font] if "/FontDescriptor" in font else font["/DescendantFonts"]:
            assert files & set(described.get_object()["/FontDescriptor"].get_object())


def test_the_templates_ask_for_that_family_and_no_fallback():
    sheet = Path(typesetting.__file__).with_name("templates") / "sheet.typ"
    assert f'set text(font: "{FAMILY}", fallback: false' in sheet.read_text()


@every_kind
def test_every_page_is_numbered_and_says_how_to_check_it(make):
    made = pages(render(make(), Format.PDF))
    for number, text in enumerate(made, 1):
        assert f"第{number}页/共{len(made)}页" in squeezed(text)
        assert f"Page {number} of {len(made)}" in text
        for said in (papers.VERIFY.instruction, papers.VERIFY.ledger_id, str(papers.VERIFY.position), *papers.EVENTS):
            assert said in text


@pytest.mark.parametrize(
    ("kind", "make"),
    [
        (transfer_note, EVERY_KIND["note after receipt"]),
        (recovery_ledger, EVERY_KIND["ledger"]),
        (asset_page, EVERY_KIND["page"]),
    ],
)
def test_the_same_document_gives_the_same_bytes(kind, make):
    assert kind.pdf(make(), Typesetter(installed_font())) == kind.pdf(make(), Typesetter(installed_font()))


@every_kind
def test_pages_can_be_archived(make):
    metadata = read(render(make(), Format.PDF)).xmp_metadata
    assert metadata is not None
    assert (metadata.pdfaid_part, metadata.pdfaid_conformance) == ("2", "U")


def test_a_note_names_every_device_unbroken():
    listed = papers.devices(500, received=True)
    text = "\n".join(pages(render(papers.transfer_note(listed), Format.PDF)))
    assert [device.asset_number for device in listed if device.asset_number not in text] == []


def test_a_note_counts_by_class_and_lists_what_differs():
    ends = [(Outcome.RECEIVED, False), (Outcome.RECEIVED, True), (Outcome.MISSING, False), (Outcome.UNEXPECTED, True)]
    listed = [
        NoteDevice(
            asset_number=papers.meter_number(at),
            device_class=papers.SINGLE,
            maker="",
            reason=papers.ROTATION,
            outcome=outcome,
            damaged=damaged,
        )
        for at, (outcome, damaged) in enumerate(ends)
    ]
    note = papers.transfer_note(listed)
    assert transfer_note.counts_by_class(note) == [(papers.SINGLE, (3, 2, 1, 1, 2))]
    text = squeezed(pages(render(note, Format.PDF))[0])
    assert "应交3件，实收2件，缺失1件，计划外1件，其中损坏2件" in text
    assert f"2{papers.meter_number(1)}单相电能表single-phasemeter散装损坏damaged" in text
    assert f"4{papers.meter_number(3)}单相电能表single-phasemeter清单之外计划外、损坏unexpected,damaged" in text


def test_an_empty_shipment_is_a_document_too():
    (text,) = pages(render(papers.transfer_note([]), Format.PDF))
    assert "0 / 0" in text
    (text,) = pages(render(papers.recovery_ledger([], unexpected=(), signatures=()), Format.PDF))
    assert "0 / 0" in text


def test_an_empty_container_is_listed_as_empty():
    box = Container(number=papers.box_number(0), kind=Label("周转箱", "turnover box"))
    for containers in ((box,), (box, box)):
        text = "".join(pages(render(papers.transfer_note([], containers=containers), Format.PDF)))
        assert text.count("空 empty") == len(containers)


def test_signatures_stay_together_on_the_last_page():
    for count in range(3, 33, 3):
        *before, last = pages(render(papers.transfer_note(papers.devices(count, received=True)), Format.PDF))
        for word in ("双方确认", "经办人", "盖章"):
            assert word in last
            assert word not in "".join(before)
        assert last.count("盖章") == 2


def test_five_thousand_devices():
    note = papers.transfer_note(papers.devices(5_000, received=True))
    reader = read(render(note, Format.PDF))
    ordered = [device for group in transfer_note.in_order(note) for device in group.devices]
    assert len({device.asset_number for device in ordered}) == 5_000
    assert len(reader.pages) > 100
    assert ordered[-1].asset_number in reader.pages[-1].extract_text() + reader.pages[-2].extract_text()


def test_more_devices_than_a_pdf_holds_are_refused():
    one = papers.devices(1, received=False)
    with pytest.raises(Refusal) as refused:
        render(papers.transfer_note(one * (transfer_note.DEVICES_MAX + 1)), Format.PDF)
    assert refused.value.code == "document.too_many_rows"


def test_a_qr_code_too_fine_to_scan_is_refused():
    long = Verification(ledger_id="l", position=1, instruction="i", qr="x" * 301)
    with pytest.raises(Refusal) as refused:
        render(papers.asset_page(verification=long), Format.PDF)
    assert refused.value.code == "document.qr_too_long"


def test_a_usual_life_fits_one_page_and_a_long_one_goes_on():
    assert len(pages(render(papers.asset_page(events=24), Format.PDF))) == 1
    long = pages(render(papers.asset_page(events=120), Format.PDF))
    assert len(long) > 1
    together = "".join(long)
    assert all(entry.event_id in together for entry in papers.timeline(120))
    assert all("事件编号" in text for text in long[:2]), "the header is repeated"


def test_a_page_shows_moments_in_beijing_time_and_exact_readings():
    (text,) = pages(render(papers.asset_page(), Format.PDF))
    for shown in ("2024-03-05 00:30:00", "12,345.67", "5.12", "1.5", "有异议", "LC-0007", "FY000001"):
        assert shown in text
    assert papers.MANIFEST in text


def test_rates_are_never_rounded_up():
    counts = [(9_999, 10_000), (99_999, 100_000)]
    cohorts = [papers.cohort(*count, month=month) for month, count in enumerate(counts, 1)]
    text = squeezed("".join(pages(render(papers.recovery_ledger(cohorts), Format.PDF))))
    assert "10,0009,99999.99%" in text
    assert "100,00099,99999.99%" in text
    assert "99.99%109,998/110,000" in text
    # The definition says once in each language what it would mean.
    assert text.count("100.00") == text.count("才显示100.00%") + text.count("up:100.00%means") == 2


def test_a_cohort_says_whether_its_target_was_met():
    """The ledger is of 2024-01-16."""
    before, after = date(2024, 1, 15), date(2024, 1, 16)
    results = [
        (papers.cohort(9_999, 10_000, cut_off=before), recovery_ledger.MET),
        (papers.cohort(9_998, 10_000, late=2, cut_off=before, month=2), recovery_ledger.BELOW),
        (papers.cohort(0, 10_000, cut_off=after, month=3), recovery_ledger.NOT_DUE),
        (papers.cohort(0, 0, cut_off=before, month=4), None),
        (Cohort(unit=papers.CITY, month=date(2023, 5, 1), dismantled=1, received=1), None),
    ]
    ledger = papers.recovery_ledger([cohort for cohort, _ in results])
    assert [recovery_ledger.result(cohort, ledger.issued_on) for cohort, _ in results] == [one for _, one in results]
    text = squeezed("".join(pages(render(ledger, Format.PDF))))
    assert "2023-0110,00010,0009,99999.99%01000099.99%2024-01-15达标met" in text
    assert "2023-0210,00010,0009,99899.98%20000099.99%2024-01-15未达below" in text
    assert "2023-0310,00010,00000.00%010,000000099.99%2024-01-16未到期notdue" in text
    assert "2023-05—11100.00%000000———" in text


def test_what_was_dismantled_is_all_accounted_for():
    cohort = papers.cohort(60, 100, late=1, missing=2, lost=3, apart=4, returned=5)
    text = squeezed("".join(pages(render(papers.recovery_ledger([cohort]), Format.PDF))))
    assert "合计total1001006060.00%1252345" in text


def test_exceptions_are_listed_in_words_and_by_code_even_before_receipt():
    one, other = papers.devices(2, received=False)
    known = Coded(code="meter.not_at_site", zh="器具不在合成表库", en="the device is not at the store")
    strayed = msgspec.structs.replace(one, exceptions=(known, Coded(code="meter.of_tomorrow")))
    text = squeezed("".join(pages(render(papers.transfer_note([strayed, other]), Format.PDF))))
    assert "异常exception器具不在合成表库thedeviceisnotatthestoremeter.not_at_site" in text
    assert text.count("meter.of_tomorrow") == 1
    assert "差异与异常" not in "".join(pages(render(papers.transfer_note([other]), Format.PDF)))


def test_who_tabulates_checks_and_approves_signs_and_the_paper_is_stamped_once():
    roles = [Label("制表", "tabulated"), Label("审核", "checked"), Label("批准", "approved")]
    ledger = papers.recovery_ledger(
        [papers.cohort(9, 10)], signatures=tuple(Signature(role=role, party="") for role in roles)
    )
    text = "".join(pages(render(ledger, Format.PDF)))
    assert ("经办人" in text, text.count("签名"), text.count("盖章")) == (False, 3, 1)


def drawn_at(content: bytes) -> list[list[tuple[str, float]]]:
    """Of each page, the pieces of text with the height at which each stands."""
    found = []
    for page in read(content).pages:
        pieces: list[tuple[str, float]] = []
        found.append(pieces)

        def visit(text, _cm, matrix, _font, _size, pieces=pieces):
            if text.strip():
                pieces.append((text.strip(), round(matrix[5], 1)))

        page.extract_text(visitor_text=visit)
    return found


def test_no_heading_of_the_ledger_wraps_and_all_totals_stand_level():
    cohorts = [papers.cohort(10_000 + n, 34_419_400, month=n, missing=5, lost=4, returned=3_000) for n in range(1, 13)]
    first, detail, *_ = drawn_at(render(papers.recovery_ledger(cohorts), Format.PDF))
    heights = {
        at for text, at in first if re.fullmatch(r"[\d,]+", text) and text in {"60", "48", "36,000", "413,032,800"}
    }
    assert len(heights) == 1, first
    named = [zh for zh, _ in recovery_ledger.COLUMNS] + [en for _, en in recovery_ledger.COLUMNS]
    for name in named:
        assert name in {text for text, _ in detail}, f"{name} is in pieces"


def test_a_signature_names_the_document_that_was_signed():
    signed = Signature(
        role=Label("移交方"), party="合成", signer="s", signed=When(at=papers.MORNING), document_sha256="ab" * 32
    )
    *_, text = pages(render(papers.transfer_note([], signatures=(signed,)), Format.PDF))
    assert "ab" * 32 in text


def test_without_the_font_the_refusal_says_what_to_do(tmp_path):
    with pytest.raises(Refusal) as refused:
        present(tmp_path / "NotoSansCJK-VF.otf.ttc")
    assert refused.value.code == "document.font_missing"
    assert "make setup" in refused.value.zh
    assert "make setup" in refused.value.en
