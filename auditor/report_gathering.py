"""What a report needs to know of an audit beside its findings: whom it believed, and which proof is to be drawn."""

from collections.abc import Sequence
from hashlib import sha256

from auditor.checkpoints import Remembered, Trust
from auditor.finding import Finding
from auditor.report_proof import Wanted
from auditor.verdict import Believed, Report
from ledger.proof.policy import Standing


def believed(trust: Trust, found: Standing, given: bytes | None, remembered: Remembered | None) -> Believed:
    """Whom the audit believed. `given` is the policy's file, where one was given."""
    told = given if given is not None else trust.policy.encoded()
    return Believed(
        title=trust.title if told.startswith(b"#") else "",
        policy="given" if given is not None else "log" if remembered is None else "remembered",
        policy_sha256=sha256(told).hexdigest(),
        quorum=printable(trust.policy.quorum),
        log_key=str(found.log.key),
        witnesses={printable(name): str(one.key) for name, one in trust.policy.witnesses.items()},
    )


def wanted(report: Report, findings: Sequence[Finding]) -> Wanted:
    """The proof to be drawn: of the first entry that is at fault, where one is."""
    first = next((one for one in findings if one.index is not None and one.index < report.tree_size), None)
    seen = report.remembered
    return Wanted(
        size=report.tree_size,
        root=bytes.fromhex(report.root),
        fault_index=None if first is None else first.index,
        disclosed_leaf=None if first is None else first.evidence.get("own"),
        old_size=None if seen is None else seen.size,
        old_root=b"" if seen is None else bytes.fromhex(seen.root),
    )


def printable(name: str) -> str:
    """A name out of a policy, whose bytes need not be UTF-8."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
