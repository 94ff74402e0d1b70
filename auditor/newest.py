"""The newest checkpoint: how old it is, and that it stands in the log's history, at its end."""

import time
from collections.abc import Mapping
from typing import Final

from auditor.checkpoints import CHECKPOINT, DAYS, GAP_S_MAX, LISTED, History, Past, Trust
from auditor.finding import Fault, Findings
from auditor.source import Missing, Source
from ledger.proof.policy import Standing

BEHIND_S_MAX: Final = 300
"""By how much a copy's history may end before its newest checkpoint: who copies takes one after the other."""

LISTED_AFTER_S: Final = (0.1, 0.3, 0.6, 1.0)
"""A checkpoint is at its own name before it is in its day's file. So long that is waited for."""

_JUST_NOW_S: Final = 60
_DAYS_LOOKED_AT: Final = 2


def age_of(
    found: Standing, trust: Trust, now_s: int, *, age_s_max: int, tolerance_s: int, findings: Findings
) -> int | None:
    """How old the newest checkpoint is: by the last time such that those who cosigned then or later are the quorum, so
    that no witness makes it newer who is not. Times of what is to come do not count. None where nobody cosigned.
    """
    if not found.cosigned_at_s:
        return None
    until_now = {name: at_s for name, at_s in found.cosigned_at_s.items() if at_s <= now_s + tolerance_s}
    cosigned = trust.policy.met_since_s(until_now)
    if cosigned is None:
        ahead = _shown(found.cosigned_at_s, until_now)
        findings.add(Fault.STALE, CHECKPOINT, cosigned_in_time_to_come=ahead, now_s=now_s)
        return None
    age_s = now_s - cosigned
    if age_s > age_s_max:
        findings.add(Fault.STALE, CHECKPOINT, cosigned_at_s=cosigned, age_s=age_s, age_s_max=age_s_max)
    return age_s


def _shown(cosigned_at_s: Mapping[str, int], but: Mapping[str, int]) -> str:
    return ", ".join(f"{name}: {at_s}" for name, at_s in sorted(cosigned_at_s.items()) if name not in but)


def wait_until_listed(source: Source, found: Standing, now_s: int) -> None:
    """Give a log that runs the time to write a checkpoint of just now into its day's file."""
    newest_s = max(found.cosigned_at_s.values(), default=now_s)
    if abs(now_s - newest_s) > _JUST_NOW_S:
        return
    for pause_s in LISTED_AFTER_S:
        if _is_listed(source, found.note.text):
            return
        time.sleep(pause_s)


def _is_listed(source: Source, text: bytes) -> bool:
    try:
        days = source.get(LISTED).decode("ascii", "replace").split()
        return any(text in source.get(f"{DAYS}/{day}") for day in days[-_DAYS_LOOKED_AT:])
    except Missing:
        return False


def hold_to_history(found: Standing, trust: Trust, history: History, *, listed: bool, findings: Findings) -> None:
    """The newest checkpoint ends the history of those that were published: its tree is in it, and was cosigned there
    not long before. `listed`: the tree is.
    """
    now, past = found.checkpoint, history.past
    newest_s = trust.policy.met_since_s(found.cosigned_at_s)
    witnessed = bool(newest_s and past.cosigned_s)
    behind_s = (newest_s or 0) - past.cosigned_s if witnessed else 0
    follows = listed or (witnessed and past.size < now.size)
    without_list = any(one.fault is Fault.MISSING and one.what == LISTED for one in findings.kept)
    if without_list or (follows and behind_s <= BEHIND_S_MAX):
        return
    findings.add(
        Fault.MISSING,
        f"{DAYS}/{history.last_day}" if history.last_day else LISTED,
        size=now.size,
        root=now.root,
        why="the newest checkpoint is not in the history of those that were published",
        history_ends_with_size=past.size,
        history_ends_at_s=past.cosigned_s,
        cosigned_at_s=newest_s,
    )


def note_of_gaps(past: Past) -> list[str]:
    """What is to be said of times without a checkpoint."""
    gaps = past.gaps
    if not gaps.count:
        return []
    begin, end = (time.strftime("%Y-%m-%d %H:%M", time.gmtime(at_s)) for at_s in (gaps.from_s, gaps.to_s))
    minutes = GAP_S_MAX // 60
    said = (
        f"有 {gaps.count} 处相邻检查点相隔逾 {minutes} 分钟，最长自 {begin} 至 {end}（UTC）："
        "日志其时未运行，或检查点未列出；其间的记录时间只受前后见证时间约束。"
        f"{gaps.count} times more than {minutes} minutes passed between checkpoints, at most from {begin} to {end} "
        "(UTC): the log did not run, or checkpoints are left out; cosignatures around them alone bound the times of "
        "what was recorded then"
    )
    return [said]
