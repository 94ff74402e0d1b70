"""What an audit checked: a row a check, with how much of it there was and what came of it.

A check has found what findings say of it. Findings beyond those that are kept are only counted, so where there are
more, a check without one is said to be without one among the first so many, and not to have passed.
"""

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Final

import msgspec

from auditor.finding import Fault, Finding
from auditor.report_words import Pair
from auditor.verdict import Report
from ledger.proof.policy import NONE
from ledger.proof.tiles import FULL_WIDTH, LEVEL_BITS


class Outcome(StrEnum):
    """What came of a check."""

    PASSED = "passed"
    FAULT = "fault"
    NOT_DONE = "not_done"
    UNFINISHED = "unfinished"
    UNKNOWN = "unknown"


OUTCOMES: Final[dict[Outcome, Pair]] = {
    Outcome.PASSED: ("符合", "holds"),
    Outcome.FAULT: ("发现问题", "fault found"),
    Outcome.NOT_DONE: ("未执行", "not done"),
    Outcome.UNFINISHED: ("未完成", "not finished"),
    Outcome.UNKNOWN: ("所列问题中无", "none among those listed"),
}


class Check(msgspec.Struct, frozen=True):
    """A check: its name, how much of what was checked, what came of it, and how many findings are of it."""

    code: str
    name: Pair
    extent: Pair
    outcome: Outcome
    findings: int = 0


class _Kind(msgspec.Struct, frozen=True):
    """`extent` says of a report how much was checked, or why nothing was: then `done` is false."""

    code: str
    zh: str
    en: str
    extent: Callable[[Report], Pair]
    done: Callable[[Report], bool] = lambda _: True


def checks_of(report: Report) -> list[Check]:
    """Every check, in the order in which an audit makes them."""
    found = counted(report.findings)
    return [_check(kind, report, found.get(kind.code, 0)) for kind in _KINDS]


def counted(findings: Iterable[Finding]) -> dict[str, int]:
    """How many findings there are of each check, by its code."""
    found: dict[str, int] = {}
    for one in findings:
        code = check_of(one)
        found[code] = found.get(code, 0) + 1
    return found


def check_of(finding: Finding) -> str:
    """The code of the check that a finding is of."""
    what = finding.what
    match finding.fault:
        case Fault.FORGED_TILE | Fault.FORGED_WHOLE:
            return "tiles"
        case Fault.CHECKPOINT_EDITED | Fault.WRONG_KEY:
            return "signatures"
        case Fault.RE_SIGNED:
            return "quorum"
        case Fault.STALE:
            return "age"
        case Fault.ROLLED_BACK | Fault.SPLIT_VIEW:
            return "saved" if "remembered_size" in finding.evidence or what == "log/checkpoint" else "history"
        case Fault.BACKDATED:
            return "times"
        case Fault.REWRITTEN:
            return "metadata" if "metadata" in what else "tiles" if what.startswith("tile/") else "disclosures"
        case Fault.DROPPED | Fault.REORDERED:
            return "dense"
        case Fault.INSERTED:
            return "ids"
        case Fault.STREAM_BROKEN:
            return what if what in {"custody", "life"} else "versions"
        case Fault.SHOWN_DIFFERS:
            return "cards" if what.startswith("v1/meters") else "holds" if what.startswith("v1/holds") else "balances"
        case Fault.MISSING | Fault.MALFORMED:
            return _of_file(what)


def _of_file(what: str) -> str:
    """By the file that is missing or malformed; what is no file is an event's type."""
    if what.startswith("log/checkpoint"):
        return "signatures"
    if what.startswith("tile/"):
        return "tiles"
    if "/metadata" in what:
        return "metadata"
    return "disclosures" if "/" in what else "replay"


def _check(kind: _Kind, report: Report, found: int) -> Check:
    extent = ("—", "—") if report.origin is None else kind.extent(report)
    return Check(kind.code, (kind.zh, kind.en), extent, _outcome(kind, report, found), found)


def _outcome(kind: _Kind, report: Report, found: int) -> Outcome:
    if found:
        return Outcome.FAULT
    if report.origin is None or not kind.done(report):
        return Outcome.NOT_DONE
    if report.broken_off:
        return Outcome.UNFINISHED
    return Outcome.PASSED if report.findings_count <= len(report.findings) else Outcome.UNKNOWN


def _signatures(report: Report) -> Pair:
    return f"检查点 {report.checkpoints:,} 个", f"{report.checkpoints:,} checkpoints"


def _quorum(report: Report) -> Pair:
    if report.believed is None or report.believed.quorum == NONE:
        return "策略不要求见证", "the policy asks for no witness"
    there, known = len(report.witnesses), len(report.believed.witnesses)
    return (
        f"见证 {there} / {known}，法定数 {report.believed.quorum}",
        f"{there} of {known}, quorum {report.believed.quorum}",
    )


def _has_quorum(report: Report) -> bool:
    return report.believed is not None and report.believed.quorum != NONE


def _age(report: Report) -> Pair:
    if report.age_s is None:
        return "副本不核对时效，或无见证", "not of a copy, or no witness"
    return f"{report.age_s:,} 秒前联署", f"cosigned {report.age_s:,} s ago"


def _saved(report: Report) -> Pair:
    if report.remembered is None:
        return "无上次的记录", "nothing remembered"
    before = f"{report.remembered.size:,}"
    return f"{before} → {report.tree_size:,} 条", f"{before} → {report.tree_size:,} entries"


def files_of(size: int) -> tuple[int, int]:
    """How many tiles and entry bundles a tree of this size has."""
    bundles = -(-size // FULL_WIDTH)
    tiles = 0
    while size:
        tiles += -(-size // FULL_WIDTH)
        size >>= LEVEL_BITS
    return tiles, bundles


def _tiles(report: Report) -> Pair:
    tiles, bundles = files_of(report.tree_size)
    return f"哈希块 {tiles:,}，条目包 {bundles:,}", f"{tiles:,} tiles, {bundles:,} bundles"


def _events(report: Report) -> Pair:
    return f"事件 {report.events:,} 个", f"{report.events:,} events"


def _entries(report: Report) -> Pair:
    return f"条目 {report.disclosed:,} 条", f"{report.disclosed:,} entries"


def _in_order(extent: Pair, report: Report) -> Pair:
    """Of the public set alone nobody can tell what is left out, but how much."""
    if report.part == "public":
        shown, of = f"{report.events:,}", f"{report.disclosed:,}"
        return (
            f"公开集出示 {shown} / {of}，只核对递增；其余无从得知",
            f"the public set shows {shown} of {of}: rising only, of the rest nothing can be told",
        )
    return extent


def _metadata(report: Report) -> Pair:
    if report.part == "public":
        return "公开集不含元数据", "not in the public set"
    return _entries(report)


def _streams(report: Report) -> Pair:
    return f"事件流 {report.streams:,} 条", f"{report.streams:,} streams"


def _devices(report: Report) -> Pair:
    return f"器具 {report.devices:,} 件", f"{report.devices:,} devices"


def _is_compared(name: str) -> Callable[[Report], bool]:
    return lambda report: name in report.compared


def _compared(name: str, zh: str, en: str) -> Callable[[Report], Pair]:
    def extent(report: Report) -> Pair:
        if name in report.compared:
            return f"{report.compared[name]:,} {zh}", f"{report.compared[name]:,} {en}"
        return "未向平台询问", "the platform was not asked"

    return extent


def _is_supervisor(report: Report) -> bool:
    return report.part == "supervisor"


_KINDS: Final = (
    _Kind("signatures", "检查点签名与格式", "signatures and form of checkpoints", _signatures),
    _Kind("quorum", "见证法定数", "quorum of witnesses", _quorum, _has_quorum),
    _Kind("age", "最新检查点的时效", "age of the newest checkpoint", _age, lambda report: report.age_s is not None),
    _Kind("history", "历次检查点同属一棵树", "every published checkpoint is of this tree", _signatures),
    _Kind(
        "saved",
        "与上次所存检查点一致",
        "consistent with the checkpoint saved last",
        _saved,
        lambda report: report.remembered is not None,
    ),
    _Kind("tiles", "哈希块与条目包逐一核对至根", "tiles and bundles, down to each entry, lead to the root", _tiles),
    _Kind("disclosures", "披露内容与承诺相符", "disclosures open their commitments", _events),
    _Kind("metadata", "元数据与事件相符", "metadata opens what its event says", _metadata, _is_supervisor),
    _Kind(
        "dense",
        "次序连续、无缺无改",
        "dense order, nothing left out",
        lambda report: _in_order(_entries(report), report),
        _is_supervisor,
    ),
    _Kind(
        "versions",
        "各事件流版本衔接",
        "versions of every stream follow each other",
        lambda report: _in_order(_streams(report), report),
        _is_supervisor,
    ),
    _Kind("ids", "事件编号在流内唯一", "event ids unique within their stream", _events),
    _Kind("times", "时间单调且与见证时间相容", "times rise, and agree with the witnesses'", _events),
    _Kind("replay", "按公开格式重演", "schemas replayed", _events),
    _Kind("custody", "器具逐次移动前后相接", "each device leaves from where it is", _devices, _is_supervisor),
    _Kind("life", "器具状态按规则重演", "states of devices replayed by their rules", _devices, _is_supervisor),
    _Kind(
        "balances",
        "结存与平台所示比对",
        "balances compared with the platform's",
        _compared("balances", "项", "figures"),
        _is_compared("balances"),
    ),
    _Kind(
        "cards",
        "器具状态与平台所示比对",
        "states of devices compared with the platform's",
        _compared("cards", "张档案卡", "cards"),
        _is_compared("cards"),
    ),
    _Kind(
        "holds",
        "留存与平台所示比对",
        "holds compared with the platform's",
        _compared("holds", "项留存", "holds"),
        _is_compared("holds"),
    ),
)
