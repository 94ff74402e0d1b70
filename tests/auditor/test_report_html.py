"""The report as a page: whole, in both languages, bounded, and nothing of a log is ever markup in it."""

import re
from html.parser import HTMLParser
from importlib.resources import files

import pytest

from auditor.report_html import html_of
from tests.auditor.reports import EVERY_VERDICT, HOSTILE, MADE, faulty, hostile, million, unreadable, verified

VOID = {"meta", "br", "img", "input", "link", "hr"}
ALLOWED = {
    *("html", "head", "meta", "title", "style", "body", "header", "main", "footer", "section", "h1", "h2", "h3", "p"),
    *("span", "code", "b", "dl", "dt", "dd", "ul", "li", "table", "caption", "thead", "tbody", "tr", "th", "td"),
    *("figure", "figcaption", "div", "svg", "line", "polygon", "text", "a"),
}
BYTES_MAX = 1_500_000


class Page(HTMLParser):
    """What a reader of HTML makes of a page: elements with their attributes, texts, and what does not match."""

    def __init__(self, page: bytes):
        super().__init__()
        self.elements, self.texts, self.open, self.broken = [], [], [], []
        self.feed(page.decode("utf-8"))
        self.close()
        self.text = "".join(self.texts)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.broken.append(tag)

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.texts.append(data)

    def handle_comment(self, data):
        self.broken.append(data)


def page_of(report):
    return Page(html_of(report, MADE))


@pytest.mark.parametrize("make", EVERY_VERDICT.values(), ids=EVERY_VERDICT)
def test_every_verdict_makes_a_whole_page_that_needs_nothing_else(make):
    written = html_of(make(), MADE)
    page = Page(written)
    assert (page.broken, page.open) == ([], [])
    assert {tag for tag, _ in page.elements} <= ALLOWED
    names = {name for _, attributes in page.elements for name in attributes}
    assert {of["href"] for tag, of in page.elements if tag == "a"} <= {"#listed"}
    assert not names & {"src", "style", "onerror", "onload", "onclick", "action"}
    policy = next(attributes["content"] for tag, attributes in page.elements if attributes.get("http-equiv"))
    assert policy.startswith("default-src 'none'")
    assert b"url(" not in written
    assert b"@import" not in written
    assert ("html", {"lang": "zh-CN"}) in page.elements
    assert make().verdict.zh in page.text
    assert make().verdict.en in page.text
    assert len(written) < BYTES_MAX


@pytest.mark.parametrize("make", EVERY_VERDICT.values(), ids=EVERY_VERDICT)
def test_tables_have_headers_and_pictures_say_what_they_show(make):
    page = page_of(make())
    count = {tag: sum(one == tag for one, _ in page.elements) for tag in ("table", "thead", "svg", "title", "h1")}
    assert count["thead"] == count["table"] > 0
    assert count["title"] == count["svg"] + 1
    assert count["h1"] == 1
    assert all(attributes.get("scope") in {"col", "row"} for tag, attributes in page.elements if tag == "th")


def test_no_text_of_a_log_is_markup_or_changes_how_others_read():
    written = html_of(hostile(), MADE).decode("utf-8")
    for text in HOSTILE[:4]:
        assert text not in written
    for sign in ("\u202e", "\u2066", "\x00", "\x1b", "\u200b"):
        assert sign not in written
    page = Page(html_of(hostile(), MADE))
    assert "<script>alert(1)</script>" in page.text, "it is shown"
    assert "[U+202E]gnp.exe[U+2066]" in page.text


def test_it_says_what_was_audited_checked_and_cannot_be_found():
    report = verified()
    text = page_of(report).text
    for said in (report.origin, report.root, report.believed.log_key, "300 → 941", "the tests' policy", "0.1.0"):
        assert said in text
    for stock in report.balances:
        assert stock.site in text
    assert "从未记入日志的事件" in text
    assert "An event that was never recorded" in text
    assert all(step.reckoned in text for step in report.proof.path.steps)
    assert all(one.hash in text for one in report.proof.subtrees)


def test_where_an_entry_is_at_fault_its_path_is_drawn_in_red():
    page = page_of(faulty())
    assert "问题条目到根的路径" in page.text
    assert any(tag == "polygon" and of.get("class") == "bad" for tag, of in page.elements)
    assert not any(tag == "polygon" and of.get("class") == "bad" for tag, of in page_of(verified()).elements)


def test_findings_beyond_those_listed_are_counted():
    page = page_of(million())
    assert "1,234,567" in page.text
    assert "1,234,367" in page.text, "those that are not listed"
    assert "19,000 more rows" in page.text


def test_what_could_not_be_read_claims_nothing():
    text = page_of(unreadable()).text
    assert "对日志的真伪不作任何结论" in text
    assert "✓" not in text
    assert "符合holds" not in text


def luminance(colour):
    """Relative luminance, as WCAG 2.2 defines it."""
    digits = "".join(2 * one for one in colour) if len(colour) == 3 else colour
    channels = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("number", [0, 1, 2], ids=["light", "dark", "print"])
def test_every_text_stands_out_from_what_is_behind_it(number):
    css = files("auditor").joinpath("templates/report.css").read_text("utf-8")
    root = re.findall(r":root \{(.*?)\}", css, re.DOTALL)[number]
    colours = dict(re.findall(r"--(\w+): #([0-9a-f]{3,6});", root))
    behind = {"ink": ("paper", "tint", "fill", "tree", "path", "seen", "added")}
    behind |= dict.fromkeys(("soft", "good", "warn", "bad", "link"), ("paper", "tint"))
    behind |= {"bad ": ("badfill",), "good ": ("goodfill",), "soft ": ("fill", "path", "badfill", "goodfill")}
    poor = {
        (name, below): round(contrast(colours[name.strip()], colours[below]), 2)
        for name, belows in behind.items()
        for below in belows
        if contrast(colours[name.strip()], colours[below]) < 4.5
    }
    assert poor == {}
