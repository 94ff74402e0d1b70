"""The report as one HTML file that needs nothing else: styles and pictures are in it, and it runs no script.

The page is built as a tree of elements and written by the standard library, which escapes every text and attribute: no
text of a log is ever part of markup. What it may load and run is forbidden to it besides, by its own policy.
"""

from collections.abc import Sequence
from importlib.resources import files
from typing import Final, TypeAlias, assert_never
from xml.etree.ElementTree import Element, tostring

from auditor import report_content as content
from auditor.report_checks import OUTCOMES, Check, Outcome, checks_of
from auditor.report_content import Fact, Made, Shown
from auditor.report_drawing import Drawing, Label, Line, Shape, entries_shown, forest, growth, ladder
from auditor.report_proof import Consistency, Path, Proof, Subtree
from auditor.report_text import shown
from auditor.report_words import CANNOT, DRAWN, LEVELS, NOT_RELIED_ON, OF_FAULT, TITLE, Pair, meaning_of
from auditor.verdict import Report

FINDINGS_MAX: Final = 200
FEW_FINDINGS: Final = 12
"""So many stand right below the verdict; more stand further down, for they would bury what was audited and checked."""

NARROW_COLUMNS: Final = 3
"""A table of so many columns stays one on a narrow page; the rows of a wider one become cards there."""
BALANCES_MAX: Final = 1_000

_LISTED: Final = "listed"
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"

Child: TypeAlias = Element | str
Cell: TypeAlias = Child | Sequence[Child]


def html_of(report: Report, made: Made) -> bytes:
    """The report, a file of some tens of kilobytes; bounded whatever was found."""
    page = _el(
        "html",
        _head(report),
        _el(
            "body",
            _el(
                "header",
                _el("h1", *_both(TITLE)),
                _el("p", shown(report.origin or content.source_of(report)), of="number"),
            ),
            _el("main", *_sections(report, made)),
            _el("footer", _footer(made)),
        ),
        lang="zh-CN",
    )
    written: bytes = tostring(page, encoding="utf-8", method="html")
    return b"<!DOCTYPE html>\n" + written + b"\n"


def _head(report: Report) -> Element:
    return _el(
        "head",
        _el("meta", charset="utf-8"),
        _el("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        _el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        _el("meta", name="color-scheme", content="light dark"),
        _el("title", f"{TITLE[0]} {shown(report.origin or '')}"),
        _el("style", files("auditor").joinpath("templates/report.css").read_text("utf-8")),
    )


def _sections(report: Report, made: Made) -> list[Element]:
    said = report.verdict
    sections = [
        _el(
            "section",
            _el("p", *_both((shown(said.zh), shown(said.en))), of="said"),
            _el("p", *_both(meaning_of(report)), of="meaning"),
            of=f"verdict status{said.status}",
            aria_label="结论 verdict",
        ),
        _section(("发现的问题", "Findings"), *_findings(report)),
        _section(("审计了什么", "What was audited"), _facts(content.facts(report, made)), *_witnesses(report)),
        _section(("核验项目", "What was checked"), _checks(checks_of(report)), *_notes(report)),
    ]
    if report.proof is not None:
        sections.append(_section(("证明图", "The proof, drawn"), *_proof(report.proof)))
    if not _are_few(report):
        listed = _section(("问题逐项", "Findings, one by one"), *_listed(report))
        listed.set("id", _LISTED)
        sections.append(listed)
    if report.origin is not None:
        sections.append(_section(("结存", "Balances"), *_balances(report)))
    sections.append(
        _section(
            ("审计查不出什么", "What an audit cannot find"), _el("ul", *(_el("li", *_both(one)) for one in CANNOT))
        )
    )
    return sections


def _facts(facts: Sequence[Fact]) -> Element:
    rows: list[Element] = []
    for one in facts:
        zh, en = one.value
        if one.is_exact:
            value: list[Child] = [_el("code", zh)] if zh == en else [_el("code", zh), _el("code", en, lang="en")]
        else:
            value = _both(one.value)
        rows += [_el("dt", *_both(one.name)), _el("dd", *value)]
    return _el("dl", *rows)


def _witnesses(report: Report) -> list[Element]:
    rows = [
        _row([one.name, _el("code", one.key), _both(one.cosigned)], _WITNESS_COLUMNS)
        for one in content.witnesses(report)
    ]
    if not rows:
        return []
    return [_el("h3", *_both(("策略所列的见证方", "Witnesses of the policy"))), _table(_WITNESS_COLUMNS, rows)]


def _checks(checks: Sequence[Check]) -> Element:
    return _table(
        _CHECK_COLUMNS, [_row([_both(one.name), _both(one.extent), _outcome(one)], _CHECK_COLUMNS) for one in checks]
    )


def _outcome(check: Check) -> Element:
    zh, en = OUTCOMES[check.outcome]
    if check.outcome is Outcome.FAULT:
        zh, en = f"{zh} {check.findings:,} 处", f"{en}: {check.findings:,}"
    return _el("span", *_both((zh, en)), of=check.outcome.value)


def _notes(report: Report) -> list[Element]:
    said = content.notes(report)
    if not said:
        return []
    return [_el("h3", *_both(("备注", "Remarks"))), _el("ul", *(_el("li", one) for one in said))]


def _findings(report: Report) -> list[Element]:
    """How many there are of each kind, and what to do; and each of them, where they are few."""
    if not report.findings_count:
        none = ("没有发现问题。", "None was found.")
        if report.broken_off:
            none = ("审计未完成，尚未发现问题。", "The audit is not complete; none was found so far.")
        return [_el("p", *_both(none))]
    steps = [
        _row([_both(one.fault), f"{one.count:,}", _both(one.then)], _ADVICE_COLUMNS) for one in content.advice(report)
    ]
    found = [_el("p", *_both((f"共 {report.findings_count:,} 处。", f"{report.findings_count:,} in all.")))]
    found.append(_table(_ADVICE_COLUMNS, steps))
    if _are_few(report):
        return [*found, _el("h3", *_both(("逐项", "One by one"))), *_listed(report)]
    link = _el("a", *_both(("逐项见后", "They are listed one by one below")), href=f"#{_LISTED}")
    return [*found, _el("p", link)]


def _are_few(report: Report) -> bool:
    return len(report.findings) <= FEW_FINDINGS


def _listed(report: Report) -> list[Element]:
    rows = content.finding_rows(report, FINDINGS_MAX)
    found = [_table(_FINDING_COLUMNS, list(map(_finding, rows)))]
    if (left := report.findings_count - len(rows)) > 0:
        zh = f"以上列出前 {len(rows):,} 处，其余 {left:,} 处只计数；前 {len(report.findings):,} 处的证据见 --json。"
        en = (
            f"The first {len(rows):,} are listed, {left:,} more are only counted; --json has all evidence of the first"
            f" {len(report.findings):,}."
        )
        found.append(_el("p", *_both((zh, en)), of="more"))
    return found


def _finding(one: Shown) -> Element:
    evidence = [_el("li", _el("b", name), _el("code", value)) for name, value in one.evidence]
    shown_evidence: Child = _el("ul", *evidence, of="evidence") if evidence else ""
    return _row([str(one.number), _both(one.fault), one.index, one.stream, one.what, shown_evidence], _FINDING_COLUMNS)


def _balances(report: Report) -> list[Element]:
    rows = [
        _row([shown(one.site), shown(one.device_class), f"{one.closing:,}"], _BALANCE_COLUMNS)
        for one in report.balances[:BALANCES_MAX]
    ]
    if not rows:
        return [_el("p", *_both(("没有结存。", "There are none.")))]
    day = report.as_of or "—"
    caption = (f"由日志重新计算，截至 {day} 日终", f"reckoned anew from the log, at the end of {day}")
    found = [_table(_BALANCE_COLUMNS, rows, caption)]
    if report.findings_count:
        found.append(_el("p", *_both(NOT_RELIED_ON), of="more"))
    if (left := len(report.balances) - len(rows)) > 0:
        found.append(
            _el("p", *_both((f"另有 {left:,} 行未列，见 --json。", f"{left:,} more rows are in --json.")), of="more")
        )
    return found


def _proof(proof: Proof) -> list[Element]:
    found = [_el("h3", *_both(("树与根", "The tree and its root")))]
    if proof.subtrees:
        found += [_figure(forest(proof, _words), LEVELS), _subtrees(proof.subtrees)]
    else:
        found.append(
            _el(
                "p",
                *_both(("日志没有条目，根是空树的根。", "The log has no entries; the root is that of the empty tree.")),
            )
        )
    if proof.path is not None:
        found += _path(proof, proof.path)
    if proof.consistency is not None:
        found += _growth(proof, proof.consistency)
    return found


def _path(proof: Proof, path: Path) -> list[Element]:
    title = (
        ("问题条目到根的路径", "From the entry at fault to the root")
        if path.of_fault
        else ("一个条目到根的路径", "From an entry to the root")
    )
    found = [_el("h3", *_both(title))]
    if path.broken:
        zh, en = (
            f"第 {path.index:,} 条目的路径画不出来：{shown(path.broken)}",
            f"the path of entry {path.index:,} cannot be drawn: {shown(path.broken)}",
        )
        return [*found, _el("p", *_both((zh, en)), of="more")]
    how = OF_FAULT if path.of_fault else DRAWN
    says = ladder(proof, path, _words)
    return [*found, _figure(says, (f"{says.says[0]}。{how[0]}", f"{says.says[1]}. {how[1]}"), "tall"), _steps(path)]


def _growth(proof: Proof, of: Consistency) -> list[Element]:
    drawing = growth(of, proof.root, _words)
    zh, en = {True: ("成立", "holds"), False: ("不成立", "does not hold"), None: ("未能核对", "could not be checked")}[
        of.holds
    ]
    why = f": {shown(of.broken)}" if of.broken else ""
    hashes = of.proof_hashes
    holds = (
        f"RFC 6962 一致性证明（{hashes} 个哈希）{zh}{why}。",
        f"The consistency proof of RFC 6962 ({hashes} hashes) {en}{why}.",
    )
    caption = (f"{drawing.says[0]}。{holds[0]}", f"{drawing.says[1]}. {holds[1]}")
    title = _el("h3", *_both(("与上次所存检查点的一致性", "Consistency with the checkpoint saved last")))
    return [title, _figure(drawing, caption), _subtrees([*of.old, *of.new])]


def _subtrees(subtrees: Sequence[Subtree]) -> Element:
    rows = [
        _row(
            [str(number), entries_shown(one.begin, one.end), f"{one.end - one.begin:,}", _el("code", one.hash or "—")],
            _SUBTREE_COLUMNS,
        )
        for number, one in enumerate(subtrees, 1)
    ]
    return _table(_SUBTREE_COLUMNS, rows)


def _steps(path: Path) -> Element:
    rows = []
    for number, one in enumerate(path.steps):
        side = ("", "") if one.sibling is None else ("左", "left") if one.sibling_is_left else ("右", "right")
        beside: Child = "" if one.sibling is None else _el("code", one.sibling)
        reckoned = _el("code", one.reckoned, of="" if one.is_right else "bad")
        cells: list[Cell] = [str(number), entries_shown(one.begin, one.end), reckoned, _both(side), beside]
        rows.append(_row(cells, _STEP_COLUMNS))
    return _table(_STEP_COLUMNS, rows)


def _footer(made: Made) -> Element:
    zh = f"由 meterloop {shown(made.version)} 生成；本页不加载任何外部内容，可离线保存。"
    en = f"Made by meterloop {shown(made.version)}. This page loads nothing, and can be kept offline."
    return _el("p", *_both((zh, en)))


_WITNESS_COLUMNS: Final[tuple[Pair, ...]] = (("名称", "name"), ("密钥", "key"), ("联署时间", "cosigned"))
_CHECK_COLUMNS: Final[tuple[Pair, ...]] = (("项目", "check"), ("范围", "extent"), ("结果", "outcome"))
_ADVICE_COLUMNS: Final[tuple[Pair, ...]] = (("问题", "fault"), ("处数", "count"), ("下一步", "what to do next"))
_FINDING_COLUMNS: Final[tuple[Pair, ...]] = (
    ("序号", "no."),
    ("问题", "fault"),
    ("条目", "index"),
    ("事件流", "stream"),
    ("何处", "where"),
    ("证据", "evidence"),
)
_BALANCE_COLUMNS: Final[tuple[Pair, ...]] = (("站点", "site"), ("类别", "class"), ("结存", "closing"))
_SUBTREE_COLUMNS: Final[tuple[Pair, ...]] = (
    ("子树", "subtree"),
    ("条目", "entries"),
    ("条目数", "count"),
    ("哈希", "hash"),
)
_STEP_COLUMNS: Final[tuple[Pair, ...]] = (
    ("级", "level"),
    ("条目", "entries"),
    ("哈希", "hash"),
    ("侧", "side"),
    ("相邻", "beside it"),
)
_CLASSES: Final = {"处数": "figure", "结存": "figure", "条目数": "figure"} | dict.fromkeys(
    ("序号", "条目", "子树", "级", "侧", "联署时间"), "short"
)
"""Columns of numbers stand to the right; short ones are not broken."""


def _words(pair: Pair) -> str:
    return f"{pair[0]} {pair[1]}"


def _section(title: Pair, *children: Child) -> Element:
    return _el("section", _el("h2", *_both(title)), *children)


def _both(pair: Pair) -> list[Child]:
    """Chinese, and English marked as such; once where they are the same."""
    zh, en = pair
    return [zh] if zh == en else [zh, _el("span", en, lang="en")]


def _table(columns: Sequence[Pair], rows: Sequence[Element], caption: Pair | None = None) -> Element:
    """Roles are said: on a narrow page rows are shown as cards, which makes some readers forget that it is a table."""
    heads = [_el("th", *_both(one), scope="col", role="columnheader", of=_of(one)) for one in columns]
    parts = [_el("caption", *_both(caption))] if caption else []
    parts += [_el("thead", _el("tr", *heads, role="row"), role="rowgroup"), _el("tbody", *rows, role="rowgroup")]
    return _el("table", *parts, role="table", of="cards" if len(columns) > NARROW_COLUMNS else "")


def _row(cells: Sequence[Cell], columns: Sequence[Pair]) -> Element:
    made = []
    for number, (cell, column) in enumerate(zip(cells, columns, strict=True)):
        children = [cell] if isinstance(cell, str | Element) else list(cell)
        if number:
            made.append(_el("td", *children, role="cell", data_label=_words(column), of=_of(column)))
        else:
            made.append(_el("th", *children, scope="row", role="rowheader", of=_of(column)))
    return _el("tr", *made, role="row")


def _of(column: Pair) -> str:
    return _CLASSES.get(column[0], "")


def _figure(drawing: Drawing, caption: Pair, of: str = "") -> Element:
    canvas = _el("div", _svg(drawing, of), of="canvas", tabindex="0", role="group", aria_label=drawing.says[0])
    return _el("figure", canvas, _el("figcaption", *_both(caption)))


def _svg(drawing: Drawing, of: str) -> Element:
    marks = [_mark(one) for one in drawing.marks]
    box = f"0 0 {drawing.width:g} {drawing.height:g}"
    title = _el("title", f"{drawing.says[0]} {drawing.says[1]}")
    return _el("svg", title, *marks, viewBox=box, role="img", xmlns="http://www.w3.org/2000/svg", of=of)


def _mark(one: Line | Shape | Label) -> Element:
    match one:
        case Line():
            ends = {"x1": one.x1, "y1": one.y1, "x2": one.x2, "y2": one.y2}
            dashes = {"stroke-dasharray": "4 4"} if one.dashed else {}
            return _el("line", of=one.tone, **{name: f"{at:.1f}" for name, at in ends.items()}, **dashes)
        case Shape():
            return _el("polygon", of=one.tone, points=" ".join(f"{x:.1f},{y:.1f}" for x, y in one.points))
        case Label():
            place = {"x": f"{one.x:.1f}", "y": f"{one.y:.1f}", "text-anchor": one.anchor, "font-size": f"{one.size:g}"}
            return _el("text", one.text, of=f"{one.tone} exact" if one.is_exact else one.tone, **place)
        case _:
            assert_never(one)


def _el(tag: str, *children: Child, of: str = "", **attributes: str) -> Element:
    """An element. `of` is its class; names of attributes may be written with underscores."""
    made = Element(tag, {name.replace("_", "-"): value for name, value in attributes.items()})
    if of:
        made.set("class", of)
    last: Element | None = None
    for child in children:
        if isinstance(child, Element):
            made.append(child)
            last = child
        elif last is None:
            made.text = (made.text or "") + child
        else:
            last.tail = (last.tail or "") + child
    return made
