"""Reports for the tests of how they are made: of true logs and untrue ones, and one in which every text is hostile."""

import functools
import shutil
import tempfile
from pathlib import Path

from auditor.balance import Stock
from auditor.finding import FINDINGS_MAX, Fault, Finding
from auditor.report_content import Made
from auditor.verdict import FAULT, Report, verdict
from tests.auditor.auditing import audited
from tests.auditor.logs import log_of, season

MADE = Made(at_us=1_779_000_000_000_000, version="0.1.0")

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</style></svg><b>bold</b>",
    "]]><!-- & &amp; -->",
    '#read("/etc/passwd") *strong* $x$ @ref `raw` \\',
    '#eval("1") ] } #pagebreak()',
    "\u202egnp.exe\u2066",
    "\x00\x1b[2J\ud800\uffff",
    "\U0001f600 \u200b\u200d",
    "W" * 5_000,
    "合成" * 3_000,
]


@functools.cache
def verified() -> Report:
    """By a policy, and by what was remembered of its first 300 entries."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        log_of(season().events[:300]).write(place / "log")
        audited(place / "log", state=place / "state")
        season().write(place / "log")
        return audited(place / "log", state=place / "state", with_proof=True)


@functools.cache
def self_consistent() -> Report:
    with tempfile.TemporaryDirectory() as folder:
        return audited(season().write(Path(folder)), policy=None, with_proof=True)


@functools.cache
def faulty() -> Report:
    """One entry rewritten in its bundle, and everything that a supervisor's set disclosed gone."""
    with tempfile.TemporaryDirectory() as folder:
        place = season().write(Path(folder))
        bundle = place / "log/tile/entries/001"
        data = bytearray(bundle.read_bytes())
        data[34 * 7 + 2] ^= 1
        bundle.write_bytes(data)
        for file in (place / "supervisor/disclosed").glob("*.zst"):
            file.unlink()
        return audited(place, with_proof=True)


@functools.cache
def unreadable() -> Report:
    with tempfile.TemporaryDirectory() as folder:
        shutil.rmtree(season().write(Path(folder)) / "log")
        return audited(Path(folder), policy=None, with_proof=True)


def hostile() -> Report:
    """As whoever writes a log might wish: what it may decide, in every place."""
    every = " ".join(HOSTILE)
    findings = [
        Finding(fault=fault, what=text, index=number, stream=text, evidence={text: text, "own": text})
        for number, text in enumerate(HOSTILE)
        for fault in Fault
    ]
    before = faulty()
    told = before.believed
    assert told is not None
    return Report(
        source=every,
        verdict=verdict(FAULT, count=len(findings)),
        origin=every,
        tree_size=before.tree_size,
        root=before.root,
        part="supervisor",
        witnesses=dict.fromkeys(HOSTILE, 1),
        balances=[Stock(text, text, number) for number, text in enumerate(HOSTILE)],
        notes=HOSTILE,
        findings=findings,
        findings_count=len(findings),
        broken_off=every,
        proof=before.proof,
    )


def million() -> Report:
    """As many findings as there can be, of the longest that there can be, and more of them counted."""
    evidence = {f"name {number} " + "n" * 200: "v" * 100_000 for number in range(20)}
    one = Finding(fault=Fault.REWRITTEN, what="w" * 100_000, index=2**62, stream="s" * 100_000, evidence=evidence)
    return Report(
        source="synthetic",
        verdict=verdict(FAULT, count=1_234_567),
        origin="log.example/synthetic",
        balances=[Stock(f"site-{number}", "01", number) for number in range(20_000)],
        notes=["n" * 100_000] * 10_000,
        findings=[one] * FINDINGS_MAX,
        findings_count=1_234_567,
    )


EVERY_VERDICT = {
    "verified": verified,
    "self-consistent": self_consistent,
    "fault": faulty,
    "unreadable": unreadable,
    "hostile": hostile,
    "a million findings": million,
}
