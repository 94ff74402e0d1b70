"""The audit working paper (审计工作底稿) as PDF: what auditors in China keep of an audit, with lines for their names.

Its parts are those that the internal auditing standard on working papers names: whom and what was audited and up to
when, what was done and found, the conclusion, who prepared and reviewed it, its index number and pages, and what the
marks on it mean. It is in Chinese; values out of the log stand as they are.

A sheet is plain JSON that reaches the template as one string and is decoded there, so that no text of a log is ever
part of Typst source; the templates' folder is all that the template can open.
"""

from collections.abc import Container
from datetime import datetime
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Final

import msgspec
import typst

from auditor import report_content as content
from auditor.balance import BUSINESS_ZONE
from auditor.report_checks import OUTCOMES, Check, Outcome, checks_of
from auditor.report_content import Fact, Made
from auditor.report_drawing import entries_shown, forest, growth, ladder
from auditor.report_proof import Proof, Subtree
from auditor.report_text import shown
from auditor.report_words import CANNOT, DRAWN, LEVELS, NOT_RELIED_ON, OF_FAULT, Pair, meaning_of
from auditor.verdict import Report

FINDINGS_MAX: Final = 40
BALANCES_MAX: Final = 200
TEXT_MAX: Final = 120
"""Characters of a text; the page shows more."""

MARKS: Final[dict[Outcome, str]] = {
    Outcome.PASSED: "√",
    Outcome.FAULT: "×",
    Outcome.NOT_DONE: "○",
    Outcome.UNFINISHED: "△",
    Outcome.UNKNOWN: "※",
}
"""审计标识: the marks of the paper, which it explains."""

_INDEX_DIGITS: Final = 8
_HASH_DIGITS: Final = 16


class Typeface(msgspec.Struct, frozen=True, kw_only=True):
    """The one font of the paper: the folder of its file, its family, and the characters it has."""

    folder: Path
    family: str
    glyphs: Container[str]


class NotTypeset(Exception):
    """The paper could not be made. It says nothing of the audit."""


def paper_of(report: Report, made: Made, face: Typeface) -> bytes:
    """PDF/A-2u, to be archived; the same report and time give the same bytes. Raises NotTypeset."""
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[face.folder])
    with as_file(files("auditor") / "templates") as templates:
        compiler = typst.Compiler(
            input=templates / "working_paper.typ",
            root=templates,
            font_paths=fonts,
            sys_inputs={"sheet": msgspec.json.encode(_Sheet(report, made, face).whole()).decode()},
        )
        try:
            pdf, warnings = compiler.compile_with_warnings(
                format="pdf",
                pdf_standards=["a-2u"],
                pdf_tags=False,
                timestamp=datetime.fromtimestamp(made.at_us // 1_000_000, BUSINESS_ZONE),
            )
        except typst.TypstError as error:
            raise NotTypeset(error.message) from error
    if warnings:
        raise NotTypeset("; ".join(warning.message for warning in warnings))
    assert isinstance(pdf, bytes)
    return pdf


def index_number(report: Report) -> str:
    """索引号: of the tree that was audited, so that papers on one tree are found together. Of none, it is left to the
    pen.
    """
    if not report.root:
        return ""
    return f"ML-{report.root[:_INDEX_DIGITS].upper()}-{report.tree_size}"


class _Sheet:
    """The report as the template takes it."""

    def __init__(self, report: Report, made: Made, face: Typeface) -> None:
        self._report: Final = report
        self._made: Final = made
        self._face: Final = face

    def whole(self) -> dict[str, Any]:
        report = self._report
        return {
            "family": self._face.family,
            "index": index_number(report),
            "status": report.verdict.status,
            "verdict": self._text(report.verdict.zh),
            "verdict_en": self._text(report.verdict.en),
            "meaning": meaning_of(report)[0],
            "origin_label": "来源" if report.origin is None else "日志名称",
            "origin": self._text(report.origin or content.source_of(report)),
            "until": self._until(),
            "facts": [self._fact(one) for one in content.facts(report, self._made)],
            "witnesses": [
                [self._text(one.name), self._text(one.key, content.KEY_MAX), one.cosigned[0]]
                for one in content.witnesses(report)
            ],
            "checks": [self._check(one) for one in checks_of(report)],
            "marks": [[mark, OUTCOMES[outcome][0]] for outcome, mark in MARKS.items()],
            "findings": self._findings(),
            "advice": [[one.fault[0], f"{one.count:,}", one.then[0]] for one in content.advice(report)],
            "notes": [self._text(one) for one in content.notes(report)],
            "cannot": [zh for zh, _ in CANNOT],
            "balances": self._balances(),
            "proof": None if report.proof is None else self._proof(report.proof),
            "made": f"{content.moment(self._made.at_us // 1_000_000)}　meterloop {shown(self._made.version)}",
        }

    def _text(self, text: str, most: int = TEXT_MAX) -> str:
        return shown(text, most, self._face.glyphs)

    def _until(self) -> str:
        report = self._report
        if report.origin is None:
            return "未能确定（未取得可信的检查点）"
        day = report.as_of or "—"
        return (
            f"日志自始至第 {report.tree_size:,} 条（检查点时间：{content.checkpoint_time(report)[0]}）；结存截至 {day}"
        )

    def _fact(self, one: Fact) -> list[Any]:
        return [one.name[0], self._text(one.value[0], content.KEY_MAX), one.is_exact]

    def _check(self, one: Check) -> list[str]:
        found = f"{one.findings:,} 处" if one.findings else ""
        return [one.name[0], self._text(one.extent[0]), MARKS[one.outcome], OUTCOMES[one.outcome][0], found]

    def _findings(self) -> dict[str, Any]:
        report = self._report
        rows = content.finding_rows(report, FINDINGS_MAX)
        left = report.findings_count - len(rows)
        none = "审计未完成，尚未发现问题。" if report.broken_off else "未发现问题。"
        count = f"共发现问题 {report.findings_count:,} 处。" if report.findings_count else none
        return {
            "count": count,
            "left": f"本底稿列出前 {len(rows)} 处，其余 {left:,} 处只计数，见 HTML 报告与 --json 结果。"
            if left > 0
            else "",
            "rows": [
                [
                    str(one.number),
                    one.fault[0],
                    one.index,
                    self._text(one.stream),
                    self._text(one.what),
                    [[self._text(name), self._text(value)] for name, value in one.evidence],
                ]
                for one in rows
            ],
        }

    def _balances(self) -> dict[str, Any]:
        report = self._report
        rows = report.balances[:BALANCES_MAX]
        left = len(report.balances) - len(rows)
        return {
            "day": report.as_of or "—",
            "left": f"另有 {left:,} 行未列，见 --json 结果。" if left else "",
            "trouble": NOT_RELIED_ON[0] if report.findings_count else "",
            "rows": [[self._text(one.site), self._text(one.device_class), f"{one.closing:,}"] for one in rows],
        }

    def _proof(self, proof: Proof) -> dict[str, Any]:
        path, grown = proof.path, proof.consistency
        sheet: dict[str, Any] = {"forest": None, "path": None, "growth": None, "broken": "", "levels": LEVELS[0]}
        if proof.subtrees:
            sheet["forest"] = msgspec.to_builtins(forest(proof, _chinese))
            sheet["subtrees"] = _numbered(proof.subtrees)
        if path is not None:
            sheet["of_fault"] = path.of_fault
            sheet["how"] = (OF_FAULT if path.of_fault else DRAWN)[0]
            sheet["broken"] = self._text(path.broken)
            if not path.broken:
                sheet["path"] = msgspec.to_builtins(ladder(proof, path, _chinese))
        if grown is not None:
            sheet["growth"] = msgspec.to_builtins(growth(grown, proof.root, _chinese))
            sheet["grown"] = _numbered([*grown.old, *grown.new])
            holds = {True: "成立", False: "不成立", None: "未能核对"}[grown.holds]
            holds += f"：{self._text(grown.broken)}" if grown.broken else ""
            sheet["holds"] = f"RFC 6962 一致性证明（{grown.proof_hashes} 个哈希）{holds}。"
        return sheet


def _numbered(subtrees: list[Subtree]) -> list[list[str]]:
    """The subtrees of a drawing, by the numbers they have there where they are many."""
    return [
        [str(number), entries_shown(one.begin, one.end), (one.hash or "—")[:_HASH_DIGITS]]
        for number, one in enumerate(subtrees, 1)
    ]


def _chinese(pair: Pair) -> str:
    return pair[0]
