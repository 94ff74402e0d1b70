"""One device's evidence: a ZIP of a proof file an event, checked by whoever holds it, without the log and the platform.

What the holder may not read is not in it. Versions of a stream follow each other without a gap, so that what is left
out is seen, and named; it is no fault.
"""

import io
import re
import zipfile
import zlib
from typing import Any, Final

import msgspec

from auditor.finding import Fault, Finding, Findings
from auditor.saying import must_say_one_thing
from auditor.trouble import Trouble
from auditor.verdict import FAULT, SELF_CONSISTENT, VERIFIED, Verdict, unreadable, verdict
from ledger.proof.commitment import Envelope, commitment, decode_envelope
from ledger.proof.errors import BadSignature, Malformed, NoQuorum, ProofFault, UnknownSigner
from ledger.proof.policy import NONE, Policy, Standing
from ledger.proof.proof_file import EXTRA_BYTES_MAX, LogProof, verify

POLICY_IN_ZIP: Final = "policy"
KEY_IN_ZIP: Final = "log.vkey"
FILES_MAX: Final = 100_000
FILE_BYTES_MAX: Final = 4 * EXTRA_BYTES_MAX

_PROOF: Final = re.compile(r"[0-9]{6,}\.tlog-proof", re.ASCII)
_FAULTS: Final[tuple[tuple[type[ProofFault], Fault], ...]] = (
    (BadSignature, Fault.CHECKPOINT_EDITED),
    (UnknownSigner, Fault.WRONG_KEY),
    (NoQuorum, Fault.RE_SIGNED),
    (Malformed, Fault.MALFORMED),
    (ProofFault, Fault.REWRITTEN),
)


class Proven(msgspec.Struct, frozen=True):
    """An event that is in the log: which version of its stream, its entry, what happened and when it was recorded."""

    version: int
    index: int
    type: str
    recorded_at_us: int


class DeviceReport(msgspec.Struct, kw_only=True):
    """What a device's evidence comes to. `left_out` are the runs of versions that it does not have, first and last."""

    stream: str
    verdict: Verdict
    origin: str | None = None
    tree_size: int = 0
    witnesses: dict[str, int] = {}
    proven: list[Proven] = []
    left_out: list[tuple[int, int]] = []
    findings: list[Finding] = []
    findings_count: int = 0


def audit_device(archive: bytes, stream: str, policy: bytes | None, title: str) -> DeviceReport:
    """Check the evidence in a ZIP for a device's stream, by the policy given, called `title`, else by the one in it,
    which is the operator's own.
    """
    report = DeviceReport(stream=stream, verdict=verdict(SELF_CONSISTENT))
    findings = Findings()
    try:
        files = _files(archive)
        trusted = Policy.parse(files.get(POLICY_IN_ZIP, b"") if policy is None else policy)
    except (zipfile.BadZipFile, Malformed, RuntimeError, ValueError, OSError, EOFError, zlib.error) as error:
        report.verdict = unreadable(Trouble.NO_EVIDENCE, str(error))
        return report
    checked = _Checked(stream, trusted, report, findings)
    for name, data in sorted(files.items()):
        if _PROOF.fullmatch(name):
            checked.check(name, data)
        elif name not in {POLICY_IN_ZIP, KEY_IN_ZIP}:
            findings.add(Fault.MALFORMED, name, why="no file of a device's evidence")
    if not report.proven and not findings.count:
        report.verdict = unreadable(Trouble.NO_EVIDENCE, "there is no proof in the file")
    elif findings.count:
        report.verdict = verdict(FAULT, count=findings.count)
    elif policy is not None and trusted.quorum != NONE:
        report.verdict = verdict(VERIFIED, zh=title, en=title)
    report.left_out = _gaps([one.version for one in report.proven])
    report.findings, report.findings_count = findings.kept, findings.count
    return report


class _Checked:
    """The proofs of one archive, by rising version."""

    def __init__(self, stream: str, policy: Policy, report: DeviceReport, findings: Findings) -> None:
        self._stream: Final = stream
        self._policy: Final = policy
        self._report: Final = report
        self._findings: Final = findings
        self._checkpoint: bytes | None = None
        self._ids: Final[set[bytes]] = set()

    def check(self, name: str, data: bytes) -> None:
        """One proof file: envelope, commitment, entry, leaf, root, signature, quorum."""
        try:
            proof = LogProof.parse(data)
            extra = proof.extra or b""
            envelope = decode_envelope(extra)
            must_say_one_thing(envelope.data)
            found = verify(proof, commitment(extra), self._policy)
        except (ProofFault, msgspec.DecodeError) as error:
            fault = next((fault for kind, fault in _FAULTS if isinstance(error, kind)), Fault.MALFORMED)
            self._findings.add(fault, name, why=error)
            return
        self._take(name, proof, envelope, found)

    def _take(self, name: str, proof: LogProof, envelope: Envelope, found: Standing) -> None:
        report = self._report
        shown: dict[str, Any] = {"index": proof.index, "stream": envelope.stream}
        if envelope.stream != self._stream:
            self._findings.add(Fault.INSERTED, name, **shown, expected=self._stream)
        if name != f"{envelope.version:06d}.tlog-proof":
            self._findings.add(Fault.REORDERED, name, **shown, version=envelope.version)
        if self._checkpoint not in {None, proof.checkpoint}:
            self._findings.add(Fault.SPLIT_VIEW, name, **shown, why="the proofs are not all against one checkpoint")
        if envelope.id in self._ids:
            self._findings.add(Fault.INSERTED, name, **shown, id=envelope.id)
        before = report.proven[-1] if report.proven else None
        if before is not None and proof.index <= before.index:
            self._findings.add(Fault.REORDERED, name, **shown, index_before=before.index)
        if before is not None and envelope.recorded_at_us < before.recorded_at_us:
            self._findings.add(
                Fault.BACKDATED, name, **shown, at_us=envelope.recorded_at_us, before_us=before.recorded_at_us
            )
        self._checkpoint = proof.checkpoint
        self._ids.add(envelope.id)
        report.origin, report.tree_size = found.checkpoint.origin, found.checkpoint.size
        report.witnesses = dict(found.cosigned_at_s)
        report.proven.append(Proven(envelope.version, proof.index, envelope.type, envelope.recorded_at_us))


def _files(archive: bytes) -> dict[str, bytes]:
    """Raises BadZipFile, Malformed, and what zipfile raises of archives that it cannot read."""
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        members = opened.infolist()
        if len(members) > FILES_MAX or len({one.filename for one in members}) < len(members):
            raise Malformed(f"a device's evidence has at most {FILES_MAX} files, each name once")
        if any(one.compress_type != zipfile.ZIP_STORED or one.file_size > FILE_BYTES_MAX for one in members):
            raise Malformed(f"the files of a device's evidence are stored, of at most {FILE_BYTES_MAX} bytes each")
        return {one.filename: opened.read(one) for one in members}


def _gaps(versions: list[int]) -> list[tuple[int, int]]:
    """The runs of versions before the last that are not there."""
    found, expected = [], 0
    for version in versions:
        if version > expected:
            found.append((expected, version - 1))
        expected = version + 1
    return found
