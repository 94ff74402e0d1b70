"""What a check of the log found, and what to do about each of it."""

from typing import Final

import msgspec

FINDINGS_MAX: Final = 100
"""More than these say nothing new."""


class Remedy(msgspec.Struct, frozen=True):
    """What to do, in both languages. `mends`: the ledger and what was signed say what must stand there."""

    zh: str
    en: str
    mends: bool = False
    blocks: bool = False
    """Nothing at all is made again before this is done."""


MEND: Final = Remedy(
    "停止平台，运行 `meterloop ledger fsck --mend`", "stop the platform, `meterloop ledger fsck --mend`", mends=True
)
COPY: Final = Remedy("从备份或任何人的副本恢复此文件", "put the file back from a backup, or from anybody's copy")
REWRITTEN: Final = Remedy("定序程序启动后自行重写", "the sequencer writes it anew once it is started")
DISCLOSE_ANEW: Final = Remedy(
    "停止平台，移走 log/disclosed 与 supervisor，再启动：全部重新披露",
    "stop the platform, move log/disclosed and supervisor away, start it: everything is disclosed anew",
)
STORE_BACK: Final = Remedy(
    "停止平台，从最新的备份恢复此文件；没有它就不知道签过什么",
    "stop the platform and put it back from the newest backup; without it nobody knows what was signed",
    blocks=True,
)
LEDGER_BACK: Final = Remedy(
    "恢复原来完整的台账；在此之前什么也不重新生成",
    "put the whole former ledger back; nothing is made again before",
    blocks=True,
)


class Finding(msgspec.Struct, frozen=True):
    """Something that is not as it must be: the file, the first entry that it concerns where it concerns one."""

    path: str
    index: int | None
    zh: str
    en: str
    remedy: Remedy = MEND


class Report(msgspec.Struct, kw_only=True):
    """What was checked, and everything that is wrong, the first hundred. `blocked`: something of it keeps everything
    from being made again.
    """

    origin: str = ""
    size: int = 0
    files: int = 0
    checkpoints: int = 0
    disclosed: int = 0
    findings: list[Finding] = []
    blocked: bool = False

    def found(self, path: str, index: int | None, zh: str, en: str, remedy: Remedy = MEND) -> None:
        """Note it."""
        self.blocked |= remedy.blocks
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(Finding(path, index, zh, en, remedy))

    def blame_ledger(self) -> None:
        """What differs from this ledger is not to be made again from it."""
        self.findings = [
            msgspec.structs.replace(one, remedy=LEDGER_BACK) if one.remedy.mends else one for one in self.findings
        ]
