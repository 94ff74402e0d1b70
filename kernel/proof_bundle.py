"""Proofs of events as a file that a party keeps: a ZIP of one `.tlog-proof` an event, the log's key and the policy."""

import io
import zipfile
from typing import Final

from ledger.proof.proof_file import SUFFIX
from ledger.transparency.evidence import Evidence

MEDIA_TYPE: Final = "application/zip"
KEY_NAME: Final = "log.vkey"
POLICY_NAME: Final = "policy"

_UNDATED: Final = (1980, 1, 1, 0, 0, 0)
_UNIX: Final = 3
_READABLE: Final = 0o644 << 16


def bundle(evidence: Evidence) -> bytes:
    """The same bytes for the same evidence: no file in it has a date. Stored, so that it is read without unpacking.

    An event's file is called by its version in its stream, six digits at least.
    """
    files = {f"{event.version:06d}{SUFFIX}": proof.encoded() for event, proof in evidence.proofs}
    files |= {KEY_NAME: f"{evidence.vkey}\n".encode(), POLICY_NAME: evidence.policy}
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name, _UNDATED)
            entry.create_system, entry.external_attr = _UNIX, _READABLE
            archive.writestr(entry, content)
    return whole.getvalue()
