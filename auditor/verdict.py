"""What an audit says in the end: one sentence, and the status with which the program ends."""

from typing import Final, Literal, TypeAlias

import msgspec

from auditor.balance import Stock
from auditor.finding import Finding
from auditor.report_proof import Proof
from auditor.span import Part
from auditor.trouble import TROUBLES, Trouble

Status: TypeAlias = Literal[0, 1, 2, 3]

VERIFIED: Final[Status] = 0
FAULT: Final[Status] = 1
UNREADABLE: Final[Status] = 2
SELF_CONSISTENT: Final[Status] = 3

SENTENCES: Final[dict[Status, tuple[str, str]]] = {
    VERIFIED: ("已验证，依据：{zh}", "verified under {en}"),
    FAULT: ("不可信：发现 {count} 处问题", "not to be relied on; faults found: {count}"),
    UNREADABLE: ("无法读取：{zh}（{detail}）", "could not read: {en} ({detail})"),
    SELF_CONSISTENT: (
        "自身一致；未排除回退与两种版本并存",
        "consistent with itself; rollback and split view not ruled out",
    ),
}


class Verdict(msgspec.Struct, frozen=True):
    """`status` is the exit status: 0 verified, 1 a fault, 2 could not read, 3 consistent with itself only. `code` says
    why it could not be read.
    """

    status: Status
    zh: str
    en: str
    code: Trouble | None = None


def verdict(status: Status, **said: object) -> Verdict:
    zh, en = SENTENCES[status]
    return Verdict(status, zh.format(**said), en.format(**said))


def unreadable(trouble: Trouble, detail: str) -> Verdict:
    """What could not be read, and why."""
    named = TROUBLES[trouble]
    said = verdict(UNREADABLE, zh=named.zh, en=named.en, detail=detail)
    return msgspec.structs.replace(said, code=trouble)


class Believed(msgspec.Struct, frozen=True, kw_only=True):
    """Whom the audit believed: the policy's first line where that is a comment, and its hash; whether it was `given`,
    `remembered` from the last audit or is the `log`'s own, which proves nothing. Keys as they are written in a policy,
    those of witnesses by name.
    """

    title: str
    policy: Literal["given", "remembered", "log"]
    policy_sha256: str
    quorum: str
    log_key: str
    witnesses: dict[str, str]


class Seen(msgspec.Struct, frozen=True):
    """The checkpoint of this auditor's last complete audit."""

    size: int
    root: str


class Report(msgspec.Struct, kw_only=True):
    """What an audit found, for whoever reads it and for machines. `broken_off` is why it could not be finished,
    `age_s` how old the newest checkpoint was, where that was checked; `taken_...` is what was verified in an earlier
    audit, and not again.
    """

    source: str
    verdict: Verdict
    origin: str | None = None
    tree_size: int = 0
    root: str = ""
    part: Part = "public"
    disclosed: int = 0
    events: int = 0
    streams: int = 0
    devices: int = 0
    checkpoints: int = 0
    taken_entries: int = 0
    taken_checkpoints: int = 0
    witnesses: dict[str, int] = {}
    balances: list[Stock] = []
    compared: dict[str, int] = {}
    notes: list[str] = []
    findings: list[Finding] = []
    findings_count: int = 0
    seconds: float = 0.0
    broken_off: str = ""
    age_s: int | None = None
    as_of: str = ""
    believed: Believed | None = None
    remembered: Seen | None = None
    proof: Proof | None = None
