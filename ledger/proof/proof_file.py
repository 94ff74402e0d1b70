"""Proofs in a file (tlog-proof): one entry, its place, the way to the root, and the checkpoint with its signatures.

All that is needed to check, without the log, that an entry is in it; beside the policy that says whom to trust.
"""

from typing import Final

import msgspec

from ledger.proof.errors import Malformed
from ledger.proof.merkle import HASH_BYTES, SIZE_MAX, leaf_hash, verify_inclusion
from ledger.proof.note import NOTE_BYTES_MAX
from ledger.proof.policy import Policy, Standing, satisfied
from ledger.proof.strict import base64, base64_hash, decimal, lines, to_base64

SUFFIX: Final = ".tlog-proof"
HASHES_MAX: Final = 63
EXTRA_BYTES_MAX: Final = 2 << 20
"""Room for the envelope of an event, whose data may have 1 MiB."""

_FIRST_LINE: Final = "c2sp.org/tlog-proof@v1"
_HEAD_BYTES_MAX: Final = 2 * EXTRA_BYTES_MAX


class LogProof(msgspec.Struct, frozen=True):
    """What the file says (section Format); nothing is verified yet.

    `hashes` go from the leaf's sibling to the root's child, `checkpoint` is a signed note byte for byte. `extra` is
    what its maker put beside: nobody signed it.
    """

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None

    @classmethod
    def parse(cls, data: bytes) -> "LogProof":
        head, blank, checkpoint = data.partition(b"\n\n")
        if not blank or len(head) > _HEAD_BYTES_MAX or len(checkpoint) > NOTE_BYTES_MAX:
            raise Malformed("a proof has a blank line before its checkpoint, and neither part is so long")
        first, *found = lines(head + b"\n", "a proof")
        if first != _FIRST_LINE:
            raise Malformed(f"a proof begins with the line {_FIRST_LINE}")
        extra = None
        if found and found[0].startswith("extra "):
            extra = base64(found.pop(0).removeprefix("extra "), "what is extra in a proof")
            if not 1 <= len(extra) <= EXTRA_BYTES_MAX:
                raise Malformed(f"what is extra in a proof has from 1 to {EXTRA_BYTES_MAX} bytes, not {len(extra)}")
        if not found or not found[0].startswith("index "):
            raise Malformed("a proof says the index of its entry")
        index = decimal(found.pop(0).removeprefix("index "), "a proof's index")
        if len(found) > HASHES_MAX:
            raise Malformed(f"a proof has at most {HASHES_MAX} hashes, not {len(found)}")
        return cls(index, tuple(base64_hash(line, "a hash of a proof") for line in found), checkpoint, extra)

    def encoded(self) -> bytes:
        """The file. The checkpoint goes in as it is."""
        if not 0 <= self.index <= SIZE_MAX or len(self.hashes) > HASHES_MAX:
            raise Malformed(f"no proof is of entry {self.index} with {len(self.hashes)} hashes")
        if any(len(each) != HASH_BYTES for each in self.hashes):
            raise Malformed(f"the hashes of a proof have {HASH_BYTES} bytes each")
        if self.extra is not None and not 1 <= len(self.extra) <= EXTRA_BYTES_MAX:
            raise Malformed(f"what is extra in a proof has from 1 to {EXTRA_BYTES_MAX} bytes")
        extra = [] if self.extra is None else [f"extra {to_base64(self.extra)}"]
        head = [_FIRST_LINE, *extra, f"index {self.index}", *map(to_base64, self.hashes), "", ""]
        return "\n".join(head).encode("ascii") + self.checkpoint


def verify(proof: LogProof, entry: bytes, policy: Policy) -> Standing:
    """What stands behind the entry, once everything holds: one of the policy's logs signed the checkpoint, its
    witnesses are the quorum, and the hashes lead from the entry to the checkpoint's root.

    Raises whatever of `errors` is wrong first.
    """
    found = satisfied(policy, proof.checkpoint)
    checkpoint = found.checkpoint
    verify_inclusion(leaf_hash(entry), proof.index, checkpoint.size, proof.hashes, checkpoint.root)
    return found
