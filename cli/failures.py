"""What is left when a command has failed: a file, the disk or the data folder of this machine, or a fault of ours."""

import errno
import tempfile
import traceback
from pathlib import Path
from typing import Final

import typer
from rich.text import Text

from cli.connection import REFUSED, console, explained, say
from cli.platform import NotReady
from kernel.database import DatabaseUnavailable, MissingTable
from kernel.door import refusal_of
from kernel.refusal import Refusal
from kernel.settings import BadSettings
from ledger.port import LedgerError, Sealed
from ledger.transparency.faults import LogFault

KEYS: Final = "keys"


def told(error: Exception) -> int:
    """Say what went wrong. Returns the exit status."""
    try:
        with explained():
            raise error  # noqa: TRY301  so that it is told as if it had happened there
    except typer.Exit as ended:
        return ended.exit_code
    except (NotReady, OSError, LedgerError, DatabaseUnavailable, MissingTable, BadSettings, Refusal, LogFault):
        _say_machine(error)
    except Exception:  # noqa: BLE001  the traceback is kept for those who mend it
        _say_fault(error)
    return REFUSED


def _say_machine(error: Exception) -> None:
    match error:
        case NotReady():
            console.print(Text.assemble(("✗ ", "red"), str(error)))
        case OSError(errno=errno.ENOSPC):
            say("磁盘已满。请腾出空间后再执行同一命令。", "the disk is full; make room, then the same command again")
        case FileNotFoundError(filename=str(name)) if Path(name).parent.name == KEYS:
            say("本机还没有密钥，请先 `meterloop init`。", "no keys on this machine yet: `meterloop init` first")
        case OSError(strerror=str(why)):
            said = f"{why}: {error.filename}" if error.filename else why
            say(f"本机文件或网络不可用（{said}）。", f"a file or the network of this machine cannot be used ({said})")
        case MissingTable():
            say("数据目录还是空的，请先 `meterloop up`。", "the data folder has nothing yet: `meterloop up` first")
        case LogFault():
            say(error.zh, error.en, error.code)
        case Refusal(zh=str(zh), en=str(en), code=str(code)):
            say(zh, en, code)
        case Sealed():
            sealed = refusal_of(error)
            say(sealed.zh, sealed.en, sealed.code)
        case LedgerError():
            say(f"台账无法使用：{error}。", f"the log cannot be used: {error}")
        case BadSettings():
            say(f"设置有误：{error}。", f"the settings are wrong: {error}; see docs/reference/settings.md")
        case _:
            say(f"数据目录无法使用：{error}。", f"the data folder cannot be used: {error}")


def _say_fault(error: Exception) -> None:
    with tempfile.NamedTemporaryFile("w", prefix="meterloop-", suffix=".log", delete=False, encoding="utf-8") as log:
        log.write("".join(traceback.format_exception(error)))
    kind = type(error).__name__
    say(f"程序出错（{kind}），详情见 {log.name}。", f"a fault of this program ({kind}); the details are in {log.name}")
