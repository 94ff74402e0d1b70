"""One device's evidence: a ZIP of a proof file an event, checked by whoever holds it, without the log and the platform.

What the holder may not read is not in it. Versions of a stream follow each other without a gap, so that what is left
out before the last is seen, and named; it is no fault. What came after the last cannot be told from the evidence, which
is said beside the sentence.
"""

import io
import re
import zipfile
import zlib
from typing import Any, Final

import msgspec

from auditor.audit import SKEW_S, TOLERANCE_S
from auditor.finding import Fault, Finding, Findings
from auditor.lives import DEVICES
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
    """What a device's evidence comes to. `left_out` are the runs of versions that it does not have, first and last;
    `notes` say in both languages of what the verdict is, and of what it is not.
    """

    stream: str
    verdict: Verdict
    origin: str | None = None
    tree_size: int = 0
    witnesses: dict[str, int] = {}
    proven: list[Proven] = []
    left_out: list[tuple[int, int]] = []
    notes: list[str] = []
    findings: list[Finding] = []
    findings_count: int = 0


def audit_device(archive: bytes, stream: str | None, policy: bytes | None, title: str) -> DeviceReport:
    """Check the evidence in a ZIP for a device's stream, else for the one that its first event is of, by the policy
    given, called `title`, else by the one in it, which is the operator's own.
    """
    report = DeviceReport(stream=stream or "", verdict=verdict(SELF_CONSISTENT))
    findings = Findings()
    try:
        files = _files(archive)
        trusted = Policy.parse(files.get(POLICY_IN_ZIP, b"") if policy is None else policy)
    except (zipfile.BadZipFile, Malformed, RuntimeError, ValueError, OSError, EOFError, zlib.error) as error:
        report.verdict = unreadable(Trouble.NO_EVIDENCE, str(error))
        return report
    checked = _Checked(stream, trusted, report, findings)
    for name, data in sorted(files.items(), key=lambda file: (len(file[0]), file[0])):
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
    report.notes = _notes(report)
    report.findings, report.findings_count = findings.kept, findings.count
    return report


class _Checked:
    """The proofs of one archive, by rising version."""

    def __init__(self, stream: str | None, policy: Policy, report: DeviceReport, findings: Findings) -> None:
        self._stream = stream
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
        if self._stream is None:
            self._stream = report.stream = envelope.stream
            if not envelope.stream.startswith(DEVICES):
                self._findings.add(Fault.MALFORMED, name, **shown, why="not the stream of a device")
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
        if before is not None and envelope.recorded_at_us < before.recorded_at_us - SKEW_S * 1_000_000:
            self._findings.add(
                Fault.BACKDATED, name, **shown, at_us=envelope.recorded_at_us, before_us=before.recorded_at_us
            )
        cosigned_s = self._policy.met_by_s(found.cosigned_at_s)
        if cosigned_s is not None and envelope.recorded_at_us > (cosigned_s + TOLERANCE_S) * 1_000_000:
            self._findings.add(Fault.BACKDATED, name, **shown, at_us=envelope.recorded_at_us, there_at_s=cosigned_s)
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


def _notes(report: DeviceReport) -> list[str]:
    """What is proven, and what is not in the evidence, or cannot be."""
    if not report.proven:
        return []
    count, last = len(report.proven), max(one.version for one in report.proven)
    notes = [
        f"版本 {first} 至 {last} 未出示：或为此持有者所不能阅览，或被留下。"
        f"versions {first} to {last} are not shown: whoever holds this may not read them, or they were left out"
        for first, last in report.left_out
    ]
    notes.append(
        f"证明了 {count} 个事件，至版本 {last}；此后是否另有事件，本存证无从得知。"
        f"events proven: {count}, up to version {last}; whether others came after it, this evidence cannot tell"
    )
    return notes


def _gaps(versions: list[int]) -> list[tuple[int, int]]:
    """The runs of versions before the last that are not there."""
    found, expected = [], 0
    for version in versions:
        if version > expected:
            found.append((expected, version - 1))
        expected = version + 1
    return found
