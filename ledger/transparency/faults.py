"""What makes the proof log stop rather than say something else than before: each with a stable code, both languages.

A fault is nothing that trying again mends. Whatever may pass by itself, such as a full disk, is an OSError, an
apsw.Error or the ledger's own Unavailable.
"""

from typing import Final

import msgspec


class LogFault(Exception):
    """The proof log stops here. Nothing was signed or published that contradicts what was."""

    def __init__(self, code: str, zh: str, en: str) -> None:
        super().__init__(f"{code}: {zh} / {en}")
        self.code, self.zh, self.en = code, zh, en


class Fault(msgspec.Struct, frozen=True):
    """A declared fault. Calling it with what its messages name makes the exception to raise."""

    code: str
    zh: str
    en: str

    def __call__(self, **details: object) -> LogFault:
        return LogFault(self.code, self.zh.format_map(details), self.en.format_map(details))


LOCKED: Final = Fault(
    "log.locked",
    "另一个进程正在写这份存证日志（{lock}）。一份日志只能有一个写者。",
    "another process is writing this proof log ({lock}); a log has a single writer",
)
OTHER_LEDGER: Final = Fault(
    "log.other_ledger",
    "存证日志属于台账 {kept}，而现在打开的是 {found}。台账若已搬迁，请运行 `meterloop ledger map`；否则请恢复原台账，"
    "新的台账须用新的存证目录（METERLOOP_PROOF_DIR）。",
    "the proof log is of ledger {kept}, and {found} is open; if the log was moved, run `meterloop ledger map`, if not"
    " put the former back: a new ledger needs a proof folder of its own (METERLOOP_PROOF_DIR)",
)
OTHER_ORIGIN: Final = Fault(
    "log.other_origin",
    "存证日志的名称是 {kept}，设置为 {found}。名称是签名的一部分，不能更改；请恢复设置，或换用新的存证目录。",
    "the proof log is called {kept}, and the settings say {found}; the name is part of every signature and cannot"
    " change: put the setting back, or take another proof folder",
)
LEDGER_SHORTER: Final = Fault(
    "log.ledger_shorter",
    "台账止于位置 {head}，而存证日志已签名到位置 {position}（第 {size} 项）。台账缺少已签名的事件，请恢复完整的台账。",
    "the ledger ends at position {head}, and the proof log has signed up to {position} (entry {size}); events that were"
    " signed are missing, put the whole ledger back",
)
LEDGER_DIFFERS: Final = Fault(
    "log.ledger_differs",
    "台账位置 {position} 的事件与存证日志第 {index} 项的承诺不符。台账被改动或被替换，请恢复原台账。",
    "the event at position {position} of the ledger is not the one that entry {index} of the proof log commits to; the"
    " ledger was changed or replaced, put the former back",
)
FILE_DIFFERS: Final = Fault(
    "log.file_differs",
    "{name} 已存在而内容不同。发布过的文件永不改写；请用 `meterloop ledger fsck` 查明。",
    "{name} is there with other content, and what was published is never rewritten; see `meterloop ledger fsck`",
)
FILE_SHORT: Final = Fault(
    "log.file_short",
    "{name} 只有 {found} 字节，应至少有 {length} 字节。请从备份恢复此文件。",
    "{name} has {found} bytes and had {length}; put it back from a backup",
)
FILE_LONGER: Final = Fault(
    "log.file_longer",
    "{name} 有 {found} 字节，至多应有 {length} 字节：其中有 private/sequencer.sqlite 所不知道的检查点，不会被覆盖。"
    "请恢复最新的 private/。",
    "{name} has {found} bytes and had {length} at most: it holds checkpoints that private/sequencer.sqlite does not"
    " know of, and they are not written over; put the newest private/ back",
)
NOT_AS_WRITTEN: Final = Fault(
    "log.not_as_written",
    "{name} 读回的内容与写入的不符，没有签名。请检查磁盘与内存。",
    "{name} does not read back as it was written, and nothing was signed; check the disk and the memory",
)
TREE_DIFFERS: Final = Fault(
    "log.tree_differs",
    "磁盘上的树与已签名的第 {size} 项根不符。请用 `meterloop ledger fsck` 查明。",
    "the tree on disk does not lead to the root that was signed for {size} entries; see `meterloop ledger fsck`",
)
STORE_MISSING: Final = Fault(
    "log.store_missing",
    "已有发布的检查点，而 private/sequencer.sqlite 不在。没有它就不知道签过什么，不再签名；请从备份恢复。",
    "there is a published checkpoint and no private/sequencer.sqlite; without it nobody knows what was signed, so"
    " nothing more is: put it back from a backup",
)
STORE_OLDER: Final = Fault(
    "log.store_older",
    "private/sequencer.sqlite 只知道 {size} 项，而已公布的有 {published} 项。请恢复最新的，或恢复一份完整的备份。",
    "private/sequencer.sqlite knows of {size} entries, and {published} are published; put the newest back, or restore a"
    " whole backup",
)
MOVED: Final = Fault(
    "log.moved",
    "存证日志的游标已被别的写者移动，没有发布任何内容。",
    "the cursor of the proof log was moved by another writer; nothing was published",
)
KEY_MISSING: Final = Fault(
    "log.key_missing",
    "密钥文件 {file} 不存在、可被他人读取或不是日志所记的密钥。请从备份恢复，或用 `meterloop ledger rotate-key` 更换。",
    "the key file {file} is missing, open to others, or not the key that the log knows; put it back from a backup, or"
    " change the key by `meterloop ledger rotate-key`",
)
DISCLOSURE_DIFFERS: Final = Fault(
    "log.disclosure_differs",
    "台账位置 {position} 的事件与存证日志第 {index} 项不符，没有披露。台账被改动或被替换，请恢复原台账。",
    "the event at position {position} of the ledger is not the one that entry {index} of the proof log commits to, and"
    " was not disclosed; the ledger was changed or replaced, put the former back",
)
DISCLOSURE_OF_OTHER_LOG: Final = Fault(
    "log.disclosure_of_other_log",
    "已披露的文件属于日志 {kept}，而检查点属于 {found}。请恢复原检查点；另一份日志须用新的证明目录。",
    "what is disclosed is of the log {kept}, and the checkpoint is of {found}; put the former back, another log needs a"
    " proof folder of its own",
)
DISCLOSURE_AHEAD: Final = Fault(
    "log.disclosure_ahead",
    "已披露到第 {covered} 项，而检查点只有 {size} 项。检查点被换成旧的，请恢复。",
    "{covered} entries are disclosed, and the checkpoint has {size}; it was replaced by an older one: put it back",
)
DISCLOSURE_INCOMPLETE: Final = Fault(
    "log.disclosure_incomplete",
    "{name} 缺失或缺少记录，而已宣布披露到第 {covered} 项。请从备份恢复此文件，或删除全部披露文件后重新披露。",
    "{name} is missing or lacks records, and {covered} entries are said to be disclosed; put it back from a backup, or"
    " remove everything that is disclosed to have it disclosed anew",
)
DISCLOSURE_TOO_LARGE: Final = Fault(
    "log.disclosure_too_large",
    "一个披露文件将有 {length} 字节，审计程序最多读取 {most} 字节，故不再披露。请换用放宽此限的版本。",
    "a file of disclosures would have {length} bytes, and auditors read {most} at most: nothing more is disclosed;"
    " change to a version that allows more",
)
LOG_DOES_NOT_HOLD: Final = Fault(
    "log.does_not_hold",
    "存证日志或已披露的文件本身不成立（{why}），没有披露。请用 `meterloop ledger fsck` 查明。",
    "the proof log's own files, or what is disclosed, do not hold ({why}), and nothing was disclosed; see"
    " `meterloop ledger fsck`",
)
