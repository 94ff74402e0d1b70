"""`meterloop sorting nonce`: the supervisor's half of a draw, made and kept where the supervisor is."""

import os
import sys
from hashlib import sha256
from pathlib import Path
from secrets import token_bytes
from typing import Annotated

import typer

from cli.connection import USAGE, note, say
from ledger.proof.draw import NONCE_BYTES


def nonce(
    file: Annotated[Path, typer.Argument(help="新文件，只有本人可读 a new file, for oneself alone")],
) -> None:
    """生成复核抽样的随机数，写入文件，输出其摘要 Make a review's nonce, keep it in a file, print its SHA-256."""
    made = token_bytes(NONCE_BYTES)
    try:
        # A nonce that is there may have been entrusted: it is never written over.
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as kept:
            kept.write(f"{made.hex()}\n")
    except OSError as error:
        say(f"无法写入 {file}（{error.strerror}）。", f"{file} cannot be written ({error.strerror})")
        raise typer.Exit(USAGE) from None
    sys.stdout.write(f"{sha256(made).hexdigest()}\n")
    note(
        "请将此摘要托付给复核（entrust-nonce），文件自行保管；确认有检查点涵盖总体承诺之后才可揭示其内容。",
        "entrust this SHA-256 to the review (entrust-nonce) and keep the file; reveal what is in it only after you "
        "have seen a published checkpoint that covers the commitment",
    )
