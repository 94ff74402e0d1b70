"""What an audit can find: the faults of a log that an outsider can name, and where."""

from enum import StrEnum
from typing import Final

import msgspec

FINDINGS_MAX: Final = 1_000
"""Findings that are kept one by one; beyond them they are counted. A log that is wrong everywhere is wrong."""


class Fault(StrEnum):
    """The kinds of fault. Each finding names the one that fits what was seen best: one forged byte may look like any
    of several.
    """

    REWRITTEN = "event_rewritten"
    DROPPED = "event_dropped"
    REORDERED = "events_reordered"
    INSERTED = "event_inserted"
    FORGED_TILE = "tile_forged"
    FORGED_WHOLE = "tile_and_entry_forged"
    CHECKPOINT_EDITED = "checkpoint_edited"
    WRONG_KEY = "wrong_key"
    MISSING = "file_missing"
    ROLLED_BACK = "rolled_back"
    SPLIT_VIEW = "split_view"
    STALE = "stale"
    BACKDATED = "backdated"
    STREAM_BROKEN = "stream_broken"
    SHOWN_DIFFERS = "shown_differs"
    RE_SIGNED = "history_re_signed"
    MALFORMED = "malformed"


class Named(msgspec.Struct, frozen=True):
    """A fault in words, and what to do about it."""

    zh: str
    en: str
    next_zh: str
    next_en: str


_ASK: Final = (
    "请保存整份副本与本次结果，要求运行方说明，并与其他审计者的副本比对。",
    "keep the whole copy and this result, ask the operator to account for it, and compare with other auditors' copies",
)
_AGAIN: Final = (
    "请重新下载该文件再审计一次；若仍如此，请要求运行方说明。",
    "fetch the file again and audit once more; if it stays so, ask the operator to account for it",
)
_WITNESS: Final = (
    "请向各见证方索取其最近的检查点，两相比对；在此之前不要采信此日志。",
    "ask the witnesses for the newest checkpoint that they know and compare; do not rely on the log before",
)

NAMES: Final[dict[Fault, Named]] = {
    Fault.REWRITTEN: Named("事件被改写", "an event was rewritten", *_ASK),
    Fault.DROPPED: Named("事件被删去或未披露", "an event was dropped, or is withheld", *_ASK),
    Fault.REORDERED: Named("事件次序被改", "events were reordered", *_ASK),
    Fault.INSERTED: Named("事件被插入或重复", "an event was inserted or repeated", *_ASK),
    Fault.FORGED_TILE: Named("哈希块被伪造", "a hash tile was forged", *_AGAIN),
    Fault.FORGED_WHOLE: Named("哈希块与条目一并被伪造", "a tile and its entries were forged together", *_ASK),
    Fault.CHECKPOINT_EDITED: Named("检查点被改动", "a checkpoint was edited", *_AGAIN),
    Fault.WRONG_KEY: Named(
        "签名密钥或日志名称不符",
        "a wrong key, or another log's name",
        "请核对策略文件是否取自可信之处、是否已列入更换后的密钥，以及地址是否为该日志。",
        "see that the policy is from a source you trust and lists keys that were changed, and that this is the log",
    ),
    Fault.MISSING: Named("文件缺失", "a file is missing", *_AGAIN),
    Fault.ROLLED_BACK: Named("日志被回退", "the log was rolled back", *_WITNESS),
    Fault.SPLIT_VIEW: Named("日志出现两种版本", "there are two views of the log", *_WITNESS),
    Fault.STALE: Named(
        "检查点过旧",
        "the newest checkpoint is too old",
        "日志可能已停，也可能只对您停止更新：请从别处再取检查点，并询问运行方。",
        "the log may have stopped, or be held back from you: fetch the checkpoint from elsewhere and ask the operator",
    ),
    Fault.BACKDATED: Named("时间被倒填", "a time was set back", *_ASK),
    Fault.STREAM_BROKEN: Named("事件流断裂或不合逻辑", "a stream is broken or makes no sense", *_ASK),
    Fault.SHOWN_DIFFERS: Named(
        "平台所示与日志不符",
        "the platform shows what its log does not say",
        "请要求运行方重建视图（meterloop rebuild）后再审计；若仍如此，以日志为准。",
        "ask the operator to rebuild the views (meterloop rebuild) and audit again; if it stays so, the log is right",
    ),
    Fault.RE_SIGNED: Named("历史被重新签署或见证不足", "history was signed again, or lacks its witnesses", *_WITNESS),
    Fault.MALFORMED: Named("格式不合规范", "not in the form that the specification gives", *_AGAIN),
}


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A fault, where it is, and what shows it. `index` is the entry's in the log, where one entry is at fault."""

    fault: Fault
    what: str
    index: int | None = None
    stream: str | None = None
    evidence: dict[str, str] = {}


class Findings:
    """Those of an audit, in the order in which they were found, the first so many kept."""

    def __init__(self) -> None:
        self.kept: list[Finding] = []
        self.count = 0

    def add(
        self, fault: Fault, what: str, *, index: int | None = None, stream: str | None = None, **evidence: object
    ) -> None:
        """Note a fault. Bytes among the evidence are shown in hexadecimal."""
        shown = {name: one.hex() if isinstance(one, bytes) else _text(one) for name, one in evidence.items()}
        self.extend([Finding(fault=fault, what=what, index=index, stream=stream, evidence=shown)], 1)

    def extend(self, found: list[Finding], count: int) -> None:
        """Take over those that another part of the audit found."""
        self.kept += found[: max(0, FINDINGS_MAX - len(self.kept))]
        self.count += count


def _text(one: object) -> str:
    """In characters that every encoding has: a policy's names may be bytes that are no text."""
    return str(one).encode("utf-8", "replace").decode("utf-8")
