"""The certificate, read back from its PDF."""

import io
import re
from typing import get_args

import pypdf
import pytest
import zxingcpp
from PIL import Image, ImageChops

from kernel.documents.data import Label
from kernel.documents.font import installed_font
from kernel.documents.typesetting import Typesetter, typesetter
from services.sorting.documents import certificate
from services.sorting.documents.data import ResultLine, StepResult
from services.sorting.documents.rendering import render
from services.sorting.norms import Limit
from services.sorting.papers import measures
from services.sorting.vocabulary import UnitOfMeasure
from tests.sorting.documents import papers

_PPI = 110
WIDE = "#panic(1) 合成" + "W" * 120


def pages(content: bytes) -> list[str]:
    return [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content), strict=True).pages]


def squeezed(text: str) -> str:
    return re.sub(r"[\s\u200b]", "", text)


def pictures(shown, ppi: float) -> list[Image.Image]:
    setter = typesetter()
    compiler = setter.compiler(certificate.TEMPLATE, certificate.sheet_of(shown, setter.script))
    made = compiler.compile(format="png", ppi=ppi)
    return [Image.open(io.BytesIO(page)).convert("L") for page in (made if isinstance(made, list) else [made])]


def test_a_certificate_says_of_which_device_by_which_scheme_and_until_when():
    made = pages(render(papers.certificate()))
    text = squeezed("".join(made))
    for said in (
        "SYN-2026-000123",
        papers.number(7),
        "2032-05-10",
        "u-7f3a90",
        "S-000001、S-000002",
        "合成仪表有限公司（示范）",
        "single_phase",
        papers.digest("scheme"),
        "合成项目5",
        "0.0005%",
        "±1.0000%",
        "JJG596-20126.4.1",
        "不适用notapplicable",
        papers.EVENTS[0],
    ):
        assert said in text
    # What is signed stands on the first page, however many results follow.
    many = pages(render(papers.certificate(60)))
    assert len(many) > 1
    assert "盖章" in many[0]
    assert all(f"Page {at} of {len(many)}" in page for at, page in enumerate(many, 1))


def test_the_same_certificate_gives_the_same_bytes():
    shown, font = papers.certificate(), installed_font()
    assert certificate.pdf(shown, Typesetter(font)) == certificate.pdf(shown, Typesetter(font))


def test_the_qr_code_says_which_certificate_it_is():
    (found,) = zxingcpp.read_barcodes(pictures(papers.certificate(), ppi=200)[0])
    assert found.text == "urn:meterloop:certificate:SYN-2026-000123"


def test_any_text_stays_in_its_cell():
    line = ResultLine(name=Label(WIDE, WIDE), value=Label(WIDE, WIDE), allowed=WIDE, source=WIDE)
    step = StepResult(name=Label(WIDE, WIDE), ended=Label(WIDE), results=(line,) * 3)
    shown = papers.certificate(
        number="W" * 64, maker=WIDE, model=WIDE, batch=WIDE, repair="W" * 64, verifier="W" * 64,
        seals=("W" * 64,) * 9, scheme=Label(WIDE, WIDE), steps=(step,),
    )  # fmt: skip
    a_mm = _PPI / 25.4
    for picture in pictures(shown, _PPI):
        left, top, right, bottom = ImageChops.difference(picture, Image.new("L", picture.size, 255)).getbbox()
        assert left >= 14 * a_mm
        assert right <= picture.width - 14 * a_mm
        assert top >= 7 * a_mm
        assert bottom <= picture.height - 5 * a_mm


def test_measured_values_are_printed_exactly():
    assert measures.value(3_500, "ppm") == "0.3500 %"
    assert measures.value(-7, "ppm") == "−0.0007 %"
    assert measures.value(-255, "decicelsius") == "−25.5 ℃"
    assert measures.value(3_600, "mv") == "3600 mV"


@pytest.mark.parametrize("unit", get_args(UnitOfMeasure))
def test_the_font_has_the_sign_of_every_unit(unit):
    script, shown = (
        typesetter().script,
        (measures.value(-1, unit), measures.allowed(Limit(least=1, source="合成"), unit)),
    )
    assert [script.visible(one) for one in shown] == list(shown)


def test_limits_are_printed_as_they_hold():
    def shown(unit, **of):
        return measures.allowed(Limit(source="合成", **of), unit)

    assert shown("ppm", least=-10_000, most=10_000) == "± 1.0000 %"
    assert shown("ppm", least=-10_000, most=5_000) == "−1.0000 … 0.5000 %"
    assert shown("mv", least=3_000) == "≥ 3000 mV"
    assert shown("s", most=0) == "≤ 0 s"
    assert measures.allowed(None, "s") == "—"
