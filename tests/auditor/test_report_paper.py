"""The working paper is read back: fonts, pages, what it says. Nothing of a log is ever read as markup."""

import functools
import io
import re

import pypdf
import pytest

from auditor.report_paper import FINDINGS_MAX, Typeface, index_number, paper_of
from kernel.documents.font import FAMILY, covered, installed_font
from tests.auditor.reports import EVERY_VERDICT, MADE, faulty, hostile, unreadable, verified

MILLION = "a million findings"


@functools.cache
def face() -> Typeface:
    font = installed_font()
    return Typeface(folder=font.parent, family=FAMILY, glyphs=covered(font))


@functools.cache
def read(kind: str) -> pypdf.PdfReader:
    return pypdf.PdfReader(io.BytesIO(paper_of(EVERY_VERDICT[kind](), MADE, face())), strict=True)


@functools.cache
def squeezed(kind: str) -> str:
    return re.sub(r"[\s\u200b]", "", "".join(page.extract_text() for page in read(kind).pages))


every_verdict = pytest.mark.parametrize("kind", [kind for kind in EVERY_VERDICT if kind != MILLION])


@every_verdict
def test_only_the_one_font_is_embedded(kind):
    reader = read(kind)
    every = [reader.get_object(number) for number in range(1, reader.trailer["/Size"])]
    fonts = [found for found in every if isinstance(found, dict) and found.get("/Type") == "/Font"]
    files = {"/FontFile", "/FontFile2", "/FontFile3"}
    assert fonts
    for font in fonts:
        assert re.fullmatch(r"/[A-Z]{6}\+NotoSansCJKsc-\w+", font["/BaseFont"])
        for described in [font] if "/FontDescriptor" in font else font["/DescendantFonts"]:
            assert files & set(described.get_object()["/FontDescriptor"].get_object())


@every_verdict
def test_every_page_is_numbered_and_the_paper_can_be_archived(kind):
    pages = read(kind).pages
    for number, page in enumerate(pages, 1):
        assert f"第{number}页共{len(pages)}页" in re.sub(r"\s", "", page.extract_text())
    metadata = read(kind).xmp_metadata
    assert metadata is not None
    assert (metadata.pdfaid_part, metadata.pdfaid_conformance) == ("2", "U")


@every_verdict
def test_it_has_what_a_working_paper_has(kind):
    text = squeezed(kind)
    for part in (
        "审计工作底稿",
        "索引号",
        "被审计单位",
        "审计事项",
        "审计期间",
        "编制人",
        "编制日期",
        "复核人",
        "复核日期",
    ):
        assert part in text
    for part in ("审计结论", "审计程序及结果", "审计发现", "意见与建议", "复核意见", "标识：√符合", "本审计的局限"):
        assert part in text
    assert re.sub(r"\s", "", EVERY_VERDICT[kind]().verdict.zh) in text


def test_it_says_what_was_found_and_draws_the_proof():
    text = squeezed("verified")
    report = verified()
    assert index_number(report) == f"ML-{report.root[:8].upper()}-941"
    for said in (index_number(report), report.root, report.believed.log_key, "附件一证明图", "附件二结存", "图3"):
        assert said in text
    assert all(step.reckoned[:8] in text for step in report.proof.path.steps)
    assert "未发现问题" in text
    assert "问题条目到根的路径" in squeezed("fault")
    assert str(faulty().findings[0].index) in squeezed("fault")


def test_what_could_not_be_read_has_no_proof_and_claims_nothing():
    text = squeezed("unreadable")
    assert index_number(unreadable()) == ""
    assert "附件" not in text
    assert "对日志的真伪不作任何结论" in text


def test_texts_are_shown_and_never_obeyed():
    text = squeezed("hostile")
    for shown in ('#read("/etc/passwd")*strong*$x$@ref`raw`', "<script>alert(1)</script>", "[U+202E]gnp.exe[U+2066]"):
        assert shown in text
    assert "\u202e" not in text
    assert len(hostile().findings) > FINDINGS_MAX


def test_findings_beyond_those_listed_are_counted():
    pages = read(MILLION).pages
    assert len(pages) < 40
    told = f"其余{1_234_567 - FINDINGS_MAX:,}处只计数"
    assert any(told in re.sub(r"\s", "", page.extract_text()) for page in reversed(pages))


def test_the_same_report_gives_the_same_bytes():
    assert paper_of(verified(), MADE, face()) == paper_of(verified(), MADE, face())
