"""What a report says of one audit, in both languages, whatever it is made as: facts, findings, balances.

Every text that comes from the log goes through `report_text.shown` here or where it is drawn. How many rows there are
is bounded by whoever asks, and what is left out is counted.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from typing import Final
from urllib.parse import urlsplit, urlunsplit

import msgspec

from auditor.balance import BUSINESS_ZONE
from auditor.finding import NAMES, Fault, Finding
from auditor.report_text import shown
from auditor.report_words import BELIEVED, NO_WITNESSES, NOT_SAID, PARTS, WHO_RUNS_THEM, Pair
from auditor.verdict import Believed, Report
from ledger.proof.keys import VerifierKey
from ledger.proof.policy import NONE

EVIDENCE_MAX: Final = 8
"""Pieces of evidence of one finding that are shown; findings have fewer."""

KEY_MAX: Final = 400
NOTES_MAX: Final = 40
NOTHING: Final[Pair] = ("—", "—")


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """When a report was made, and by which version of this program."""

    at_us: int
    version: str


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """A named value. `is_exact`: to be compared letter by letter, and so set in a fixed width."""

    name: Pair
    value: Pair
    is_exact: bool = False


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """A finding as a report lists it."""

    number: int
    fault: Pair
    index: str
    stream: str
    what: str
    evidence: list[tuple[str, str]]


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of fault, how many of those kept are of it, and what to do next."""

    fault: Pair
    count: int
    then: Pair


class Witnessed(msgspec.Struct, frozen=True, kw_only=True):
    """A witness of the policy, and when it cosigned the newest checkpoint."""

    name: str
    key: str
    cosigned: Pair


def facts(report: Report, made: Made) -> list[Fact]:
    """What was audited, by whom it was believed, and with what."""
    return [
        *_log_facts(report),
        *_trust_facts(report),
        _said("结存截至", "balances as of", report.as_of or "—"),
        _fact("审计用时", "took", (f"{report.seconds:.1f} 秒", f"{report.seconds:.1f} s")),
        _said("工具版本", "tool", f"meterloop {shown(made.version)}"),
        _said("报告时间", "report made", moment(made.at_us // 1_000_000)),
    ]


def _log_facts(report: Report) -> Iterator[Fact]:
    yield Fact(name=("来源", "source"), value=_both(source_of(report)), is_exact=True)
    if report.origin is None:
        return
    yield Fact(name=("日志名称", "origin"), value=_both(shown(report.origin)), is_exact=True)
    if report.believed is not None:
        yield Fact(name=("日志密钥", "log key"), value=_both(shown(report.believed.log_key, KEY_MAX)), is_exact=True)
        yield Fact(name=("密钥指纹", "its SHA-256"), value=_both(fingerprint(report.believed.log_key)), is_exact=True)
    yield _said("条目", "entries", f"{report.tree_size:,}")
    yield Fact(name=("根", "root"), value=_both(report.root), is_exact=True)
    yield _fact("检查点时间", "checkpoint cosigned", checkpoint_time(report))
    yield _said("历次检查点", "checkpoints", f"{report.checkpoints:,}")
    zh, en = PARTS[report.part]
    covered = f"{report.disclosed:,}"
    yield _fact("披露范围", "disclosed", (f"{zh}，至第 {covered} 条", f"{en}, up to entry {covered}"))
    yield _said("事件", "events", f"{report.events:,}")
    yield _said("事件流", "streams", f"{report.streams:,}")
    yield _said("器具", "devices", f"{report.devices:,}")


def _trust_facts(report: Report) -> Iterator[Fact]:
    told = report.believed
    if told is None:
        return
    yield _fact("依据的策略", "policy", BELIEVED[told.policy])
    yield Fact(name=("策略 SHA-256", "policy SHA-256"), value=_both(told.policy_sha256), is_exact=True)
    none = ("不要求见证", "no witness is asked for")
    yield _fact("法定数", "quorum", none if told.quorum == NONE else _both(shown(told.quorum)))
    yield _fact("见证方由谁运行", "who runs the witnesses", _runners(told))
    if report.remembered is None:
        yield _fact("上次所存", "remembered", ("无", "nothing"))
    else:
        size, root = f"{report.remembered.size:,}", report.remembered.root
        yield Fact(
            name=("上次所存", "remembered"),
            value=(f"{size} 条，根 {root}", f"{size} entries, root {root}"),
            is_exact=True,
        )


def _runners(told: Believed) -> Pair:
    """A policy lists keys and not who holds them; at most its first line, a comment, says so."""
    if not told.witnesses:
        return NO_WITNESSES
    if not told.title:
        return NOT_SAID
    return f"{WHO_RUNS_THEM[0]}：{shown(told.title)}", f"{WHO_RUNS_THEM[1]}: {shown(told.title)}"


def witnesses(report: Report) -> list[Witnessed]:
    """Those of the policy, in its order."""
    if report.believed is None:
        return []
    return [
        Witnessed(name=shown(name), key=shown(key, KEY_MAX), cosigned=_cosigned(report.witnesses.get(name)))
        for name, key in report.believed.witnesses.items()
    ]


def _cosigned(at_s: int | None) -> Pair:
    return ("未签", "did not") if at_s is None else _both(moment(at_s))


def finding_rows(report: Report, most: int) -> list[Shown]:
    """The first so many findings."""
    return [_row(number, one) for number, one in enumerate(report.findings[:most], 1)]


def _row(number: int, one: Finding) -> Shown:
    named = NAMES[one.fault]
    return Shown(
        number=number,
        fault=(named.zh, named.en),
        index="" if one.index is None else f"{one.index:,}",
        stream=shown(one.stream or ""),
        what=shown(one.what),
        evidence=[(shown(name, 60), shown(value)) for name, value in list(one.evidence.items())[:EVIDENCE_MAX]],
    )


def advice(report: Report) -> list[Advice]:
    """What to do about each kind of fault that was found, in order of finding."""
    counts: Counter[Fault] = Counter(one.fault for one in report.findings)
    return [
        Advice(fault=(named.zh, named.en), count=count, then=(named.next_zh, named.next_en))
        for named, count in ((NAMES[fault], count) for fault, count in counts.items())
    ]


def notes(report: Report) -> list[str]:
    """What the audit remarked, as it said it."""
    return [shown(one) for one in report.notes[:NOTES_MAX]]


def source_of(report: Report) -> str:
    """The source without a name or a password that its URL may hold: a report is handed on."""
    parts = urlsplit(report.source) if "://" in report.source else None
    if parts is None or "@" not in parts.netloc:
        return shown(report.source)
    return shown(urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])))


def checkpoint_time(report: Report) -> Pair:
    """When the newest checkpoint was last cosigned. Without a witness it says no time."""
    if not report.witnesses:
        return "无见证，检查点自身不带时间", "no witness; a checkpoint itself says no time"
    return _both(moment(max(report.witnesses.values())))


def fingerprint(vkey: str) -> str:
    """SHA-256 of the public key, in hexadecimal."""
    return sha256(VerifierKey.parse(vkey).public).hexdigest()


def moment(at_s: int) -> str:
    """An instant as clocks in China show it."""
    return f"{datetime.fromtimestamp(at_s, BUSINESS_ZONE):%Y-%m-%d %H:%M:%S} +08:00"


def _both(text: str) -> Pair:
    return text, text


def _said(zh: str, en: str, value: str) -> Fact:
    return Fact(name=(zh, en), value=_both(value))


def _fact(zh: str, en: str, value: Pair) -> Fact:
    return Fact(name=(zh, en), value=value)
