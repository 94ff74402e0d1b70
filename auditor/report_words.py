"""What a report says that does not depend on the log: what each verdict means, and what no audit can find."""

from typing import Final, TypeAlias

from auditor.verdict import FAULT, SELF_CONSISTENT, UNREADABLE, VERIFIED, Report, Status

Pair: TypeAlias = tuple[str, str]
"""The same in Chinese and in English."""


def said(zh: str, en: str) -> Pair:
    """A pair whose texts may each go over several lines."""
    return zh, en


TITLE: Final[Pair] = ("存证日志审计报告", "Audit report on a proof log")

MEANINGS: Final[dict[Status, Pair]] = {
    VERIFIED: said(
        "日志中的每一条目、每一项已披露的事件都与检查点的根相符；历次检查点属同一棵只增不减的树；签名符合上述依据。"
        "此结论仅及于已披露的内容与所列检查。",
        "Every entry of the log and every disclosed event leads to the root of the checkpoint; all checkpoints are of "
        "one tree that only grew; the signatures meet what is named above. It covers what was disclosed and the checks "
        "listed.",
    ),
    FAULT: said(
        "至少有一处与日志应有的样子不符。在运行方说明清楚、并与其他审计者的副本比对之前，请勿依据此日志作出判断。",
        "At least one thing is not as it must be in a log. Do not rely on the log before the operator has accounted "
        "for it and copies of other auditors have been compared.",
    ),
    UNREADABLE: said(
        "所需文件未能取得，审计没有完成。对日志的真伪不作任何结论；排除原因后请再审计一次。",
        "What was needed could not be had, and the audit is not complete. Nothing is said of whether the log is right; "
        "mend the cause and audit again.",
    ),
    SELF_CONSISTENT: said(
        "所见的文件彼此相符。但没有见证方的法定数，也没有上次审计的记录，运行方仍可能回退日志，或向他人出示另一版本。"
        "请以取自别处的策略（--policy）再审计，并用 --state 记住所见。",
        "The files that were seen agree with each other. No quorum of witnesses and no earlier audit stands behind "
        "them, so the operator may have rolled the log back, or show others another one. Audit again by a policy from "
        "elsewhere (--policy), and remember what was seen (--state).",
    ),
}

CANNOT: Final[tuple[Pair, ...]] = (
    said(
        "从未记入日志的事件。没有记下的，任何日志都显不出来；要靠封印、盘点、地磅与现场的人。",
        "An event that was never recorded. No log shows it; seals, counts, weighbridges and people do.",
    ),
    said(
        "如实记入的虚假事件。日志证明当时这样记了且此后未改，不证明所记属实。",
        "A false event that was truthfully recorded. A log proves that it was recorded so and not changed since, not "
        "that it is true.",
    ),
    said(
        "未披露的内容是否无害。未披露的事件只见其承诺。",
        "Whether what is not disclosed is harmless. Of an event that is not disclosed only its commitment is seen.",
    ),
    said(
        "见证方彼此串通，或与运行方同属一家。由谁运行见证方，须另行确认。",
        "Witnesses that collude, or are the operator's own. Who runs them is to be confirmed elsewhere.",
    ),
)

BELIEVED: Final[dict[str, Pair]] = {
    "given": ("审计者给出的策略", "the policy that the auditor gave"),
    "remembered": ("上次审计时所记的策略", "the policy remembered from the last audit"),
    "log": ("日志自带的策略，不能证明任何事", "the log's own policy, which proves nothing"),
}

PARTS: Final[dict[str, Pair]] = {
    "public": ("公开集", "the public set"),
    "supervisor": ("监管集（公开集一并核对）", "the supervisor set, and the public set with it"),
}

WHO_RUNS_THEM: Final[Pair] = said(
    "须另行确认；策略文件的首行注释称",
    "to be confirmed elsewhere; the first line of the policy says",
)

NOT_SAID: Final[Pair] = ("策略文件未说明，须另行确认", "the policy does not say; to be confirmed elsewhere")
NO_WITNESSES: Final[Pair] = ("策略没有见证方", "the policy has no witnesses")

LEVELS: Final[Pair] = said(
    "树越高，条目越多；宽度不按比例。叶 = SHA-256(0x00 ‖ 承诺)，上级 = SHA-256(0x01 ‖ 左 ‖ 右)（RFC 6962）。",
    "Higher trees have more entries; widths are not to scale. A leaf is SHA-256(0x00 ‖ commitment), a node "
    "SHA-256(0x01 ‖ left ‖ right) (RFC 6962).",
)

OF_FAULT: Final[Pair] = said(
    "图示的是首个列有条目号的问题。红色处，由条目算得的哈希与哈希块所载不同。",
    "Drawn is the first finding that names an entry. Where it is red, the hash reckoned from the entry is not that "
    "of the tiles.",
)

DRAWN: Final[Pair] = said(
    "此条目由根抽取（根作为整数，除以条目数的余数），无人能选。",
    "The root drew this entry (as a number, modulo the entries), so that nobody chose it.",
)

NOT_RELIED_ON: Final[Pair] = said(
    "日志有问题时，结存只是由读得出的事件算得，不可据以判断。",
    "Where the log is at fault, balances are reckoned from what could be read of it, and are not to be relied on.",
)


PUBLIC_ALONE: Final[Pair] = said(
    "只审计了公开集：未披露的事件有无、为何，均未核对。",
    "The public set alone was audited: nothing is said of what it leaves out.",
)


def is_public_alone(report: Report) -> bool:
    """Whether the verdict is of the public set alone, which is to be said beside it."""
    return report.part == "public" and report.verdict.status in {VERIFIED, SELF_CONSISTENT}


def meaning_of(report: Report) -> Pair:
    meaning = MEANINGS[report.verdict.status]
    if not is_public_alone(report):
        return meaning
    return meaning[0] + PUBLIC_ALONE[0], f"{meaning[1]} {PUBLIC_ALONE[1]}"
