"""Audits as tests ask for them."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from auditor.audit import Asked, Audit
from auditor.finding import Fault, Finding
from auditor.source import Place
from auditor.verdict import Report
from tests.auditor.logs import policy

POLICY = b"# the tests' policy\n" + policy().encoded()


def audited(folder: Path, *, now_us: int = 0, **asked: Any) -> Report:
    """The report on the log in a folder, by the tests' policy unless `asked` says otherwise."""
    how = {"place": Place(str(folder)), "policy": POLICY, "age_s_max": None, "jobs": 1} | asked
    return Audit(Asked(**how), lambda *_: None, lambda: now_us).run()


def named(report: Report, fault: Fault) -> list[Finding]:
    """The findings of this fault."""
    return [one for one in report.findings if one.fault is fault]


def faults(findings: Iterable[Finding]) -> set[Fault]:
    return {one.fault for one in findings}
