"""The sample list, read back from its PDF: whom to fetch, from where, and nothing of how it was sorted."""

import io
import re

import pypdf
import pytest
import zxingcpp
from PIL import Image, ImageChops

from kernel.documents.data import Coded
from kernel.documents.font import installed_font
from kernel.documents.typesetting import Typesetter, typesetter
from kernel.refusal import Refusal
from services.sorting.documents import sample_list
from services.sorting.documents.rendering import render
from tests.sorting.documents import papers
from tests.sorting.documents.papers import sampled

_PPI = 110
HOSTILE = '#panic("no") [*] $x$ 𰻝 \u202e' + "W" * 90


def pages(content: bytes) -> list[str]:
    return [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content), strict=True).pages]


def squeezed(text: str) -> str:
    return re.sub(r"[\s\u200b]", "", text)


def pictures(listed, ppi: float) -> list[Image.Image]:
    setter = typesetter()
    made = setter.compiler(sample_list.TEMPLATE, sample_list.sheet_of(listed, setter.script)).compile(
        format="png", ppi=ppi
    )
    return [Image.open(io.BytesIO(page)).convert("L") for page in (made if isinstance(made, list) else [made])]


def test_a_list_names_every_device_and_where_it_lies():
    drawn, spares = [sampled(serial) for serial in range(1, 31)], [sampled(serial) for serial in range(40, 46)]
    made = pages(render(papers.sample_list(drawn, spares)))
    text = "\n".join(made)
    assert [one.asset_number for one in (*drawn, *spares) if one.asset_number not in text] == []
    for said in (
        "合成仪表有限公司（示范）",
        "单相电能表",
        "communication module",
        "A-01-3",
        "BOX-SYN-004",
        "不在库",
        "B6",
    ):
        assert squeezed(said) in squeezed(text)
    for named in ("root", "seed", "checkpoint"):
        assert papers.digest(named) in squeezed(text)
    for said in ("RV-2026-05", "meterloop/v1/draw", "4,711", "60,000", *papers.EVENTS, "hands out", "takes back"):
        assert said in text
    for number, page in enumerate(made, 1):
        assert f"第{number}页/共{len(made)}页" in squeezed(page)


def test_nothing_on_it_is_a_word_for_a_verdict():
    listed = papers.sample_list([sampled(1, stands_in=True), sampled(2)], [sampled(3)], replaced=1)
    text = squeezed("".join(pages(render(listed))))
    assert "替补standsin" in text
    told = "利旧|理赔|报废|人工|结论|处置|免检|reuse|claim|scrap|hold|verdict|waive"
    assert not re.search(told, text, re.IGNORECASE)


def test_a_long_list_goes_on_over_the_page_under_the_same_heading():
    made = pages(render(papers.sample_list([sampled(serial) for serial in range(400)])))
    assert len(made) > 10
    rows = [page for page in made if "9940101" in page]
    assert all("asset number" in page for page in rows)
    assert "400" in made[0]
    assert "signature" not in made[0]


def test_more_than_anybody_fetches_is_refused():
    with pytest.raises(Refusal) as refused:
        render(papers.sample_list([sampled(1)] * (sample_list.DEVICES_MAX + 1)))
    assert refused.value.code == "document.too_many_rows"


def test_any_text_stays_in_its_cell():
    words = {"maker": HOSTILE, "model": HOSTILE, "location": HOSTILE, "container": HOSTILE}
    wide = sampled(1, **words, site=Coded(code=HOSTILE), device_class=Coded(code="01", zh=HOSTILE, en=HOSTILE))
    a_mm = _PPI / 25.4
    for picture in pictures(papers.sample_list([wide] * 9, [wide], review="W" * 64), _PPI):
        left, top, right, bottom = ImageChops.difference(picture, Image.new("L", picture.size, 255)).getbbox()
        assert left >= 14 * a_mm
        assert right <= picture.width - 14 * a_mm
        assert top >= 7 * a_mm
        assert bottom <= picture.height - 5 * a_mm


def test_the_qr_code_says_which_review_it_is():
    (found,) = zxingcpp.read_barcodes(pictures(papers.sample_list([sampled(1)]), ppi=200)[0])
    assert found.text == "urn:meterloop:review:RV-2026-05"


def test_the_same_list_gives_the_same_bytes():
    listed, font = papers.sample_list([sampled(1)], [sampled(2)]), installed_font()
    assert sample_list.pdf(listed, Typesetter(font)) == sample_list.pdf(listed, Typesetter(font))
