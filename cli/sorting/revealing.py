"""What the supervisor looks at before it reveals a nonce: the checkpoint that decides the draw, as it is published."""

from pathlib import Path

from auditor.basis import title_of
from auditor.review_audit import audit_review
from auditor.source import Place
from auditor.verdict import UNREADABLE
from cli.connection import REFUSED, CannotGoOn, note
from client import types


def first_covering(row: types.ReviewRow, place: Place, policy: Path | None) -> tuple[int, str]:
    """Size and root of the first published checkpoint that covers the commitment, signed by the log and leading to the
    population as its own events make it. Raises CannotGoOn where there is none, or where anything differs.
    """
    trusted = policy.read_bytes() if policy else None
    report = audit_review(place, row.review, trusted, title_of(trusted or b""))
    found = report.redrawn
    if report.verdict.status == UNREADABLE:
        raise CannotGoOn(
            f"{place.where} 无法审计，随机数未送出：{report.verdict.zh}。",
            f"{place.where} cannot be audited, and the nonce was not sent: {report.verdict.en}",
        )
    if report.findings_count or found.differences_count:
        raise CannotGoOn(
            f"公布的内容与复核 {row.review} 不符，随机数未送出。请运行 meterloop audit review {row.review} --from "
            f"{place.where}。",
            f"what is published disagrees with review {row.review}, and the nonce was not sent: see meterloop audit "
            f"review {row.review} --from {place.where}",
            REFUSED,
        )
    first = (found.checkpoint_size, found.checkpoint_root)
    if found.phase != "committed" or not first[0]:
        raise CannotGoOn(
            "尚无已公布、已披露的检查点涵盖总体承诺，随机数未送出。请稍候再试。",
            "nothing published and disclosed covers the commitment yet, and the nonce was not sent; try again",
            REFUSED,
        )
    if row.checkpoint_root is not None and (row.checkpoint_size, row.checkpoint_root) != first:
        raise CannotGoOn(
            f"平台登记的检查点（大小 {row.checkpoint_size}）不是所公布的第一个（大小 {first[0]}），随机数未送出。",
            f"the checkpoint on record (size {row.checkpoint_size}) is not the first published one (size {first[0]}), "
            "and the nonce was not sent",
            REFUSED,
        )
    note(
        f"最先涵盖承诺的检查点：大小 {first[0]:,}，根 {first[1]}。请与您自行保存的对照；是否曾扣下更早的检查点，见 "
        "meterloop audit --state。",
        f"the first checkpoint that covers the commitment has size {first[0]:,} and root {first[1]}; compare it with "
        "what you keep. Whether an earlier one was withheld: see meterloop audit --state",
    )
    return first
