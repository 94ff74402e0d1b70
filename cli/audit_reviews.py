"""The audit of a review on the command line: what the supervisor keeps by itself, and what it came to, as a table."""

import re
from pathlib import Path
from typing import Annotated, Final, TypeAlias

import typer
from rich.table import Table
from rich.text import Text

from auditor.review_audit import Held, ReviewReport

SIZE_AND_ROOT: Final = re.compile(r"([0-9]{1,18}):([0-9a-f]{64})")
DIGEST: Final = re.compile(r"[0-9a-f]{64}")

KeptNonce: TypeAlias = Annotated[
    str | None, typer.Option("--nonce-sha256", help="自行保存的随机数摘要 the SHA-256 of the nonce as you keep it")
]
KeptCheckpoint: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--checkpoint", help="自行保存的检查点：大小:根，或签名文件 a checkpoint you keep, SIZE:ROOT or its signed file"
    ),
]


def held_of(nonce_sha256: str | None, checkpoint: str | None) -> Held:
    """What was kept, as it is typed. Raises typer.BadParameter."""
    if nonce_sha256 is not None and DIGEST.fullmatch(nonce_sha256) is None:
        raise typer.BadParameter(
            "须为 64 个小写十六进制数字 64 lower-case hexadecimal digits", param_hint="--nonce-sha256"
        )
    if checkpoint is None:
        return Held(nonce_sha256)
    if (said := SIZE_AND_ROOT.fullmatch(checkpoint)) is not None:
        return Held(nonce_sha256, (int(said[1]), bytes.fromhex(said[2])))
    try:
        return Held(nonce_sha256, Path(checkpoint).read_bytes())
    except OSError as error:
        why = f"既非“大小:根”，也无法读取 neither SIZE:ROOT nor a file that can be read ({error.strerror})"
        raise typer.BadParameter(why, param_hint="--checkpoint") from None


def facts_of(report: ReviewReport) -> Table:
    """What the log makes of the review."""
    found, facts = report.redrawn, Table.grid(padding=(0, 2))
    for name, value in (
        ("复核 review", report.review),
        ("进程 phase", found.phase),
        ("成员 members", f"{found.members:,}"),
        ("未列入 left out", ", ".join(f"{why} {count:,}" for why, count in found.left_out.items()) or "—"),
        ("补记的结论 verdicts that came late", f"{found.late_count:,}"),
        ("层 strata", f"{found.strata:,}"),
        ("总体的根 population root", found.root),
        ("检查点 checkpoint", f"{found.checkpoint_size:,}  {found.checkpoint_root}"),
        ("样本与备样 samples, spares", f"{found.samples:,} + {found.spares:,}"),
        ("结果、一致 results, agreed", f"{found.recorded:,}, {found.agreed:,}"),
        ("后果 consequence", found.consequence or "—"),
    ):
        facts.add_row(name, Text(value))
    return facts
