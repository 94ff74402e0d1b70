"""What a log sends a witness, and what it gets back (tlog-witness, section add-checkpoint).

A request is the line `old <size>`, the consistency proof from there, a hash a line, a blank line and the checkpoint.
The answer is signature lines, which `note.parse_signatures` reads, or after a conflict the size that the witness knows.
"""

from typing import Final

import msgspec

from ledger.proof.errors import Malformed
from ledger.proof.merkle import HASH_BYTES, SIZE_MAX
from ledger.proof.note import NOTE_BYTES_MAX
from ledger.proof.strict import base64_hash, decimal, lines, to_base64

HASHES_MAX: Final = 63
REQUEST_BYTES_MAX: Final = NOTE_BYTES_MAX + 4096
"""A whole request: 64 lines of at most 45 bytes, and a note."""

SIZE_CONTENT_TYPE: Final = "text/x.tlog.size"
"""Of the body that goes with 409."""


class AddCheckpoint(msgspec.Struct, frozen=True):
    """The checkpoint of a log, byte for byte, and the proof that it goes on from the one of `old_size` entries. Nothing
    is verified yet.
    """

    old_size: int
    proof: tuple[bytes, ...]
    checkpoint: bytes

    @classmethod
    def parse(cls, data: bytes) -> "AddCheckpoint":
        head, blank, checkpoint = data.partition(b"\n\n")
        if not blank or len(data) > REQUEST_BYTES_MAX:
            raise Malformed("a request to a witness has a blank line before its checkpoint, and is not so long")
        first, *hashes = lines(head + b"\n", "a request to a witness")
        if not first.startswith("old "):
            raise Malformed("a request to a witness begins with the old size")
        if len(hashes) > HASHES_MAX:
            raise Malformed(f"a consistency proof has at most {HASHES_MAX} hashes, not {len(hashes)}")
        old_size = decimal(first.removeprefix("old "), "the old size")
        return cls(old_size, tuple(base64_hash(line, "a hash of a consistency proof") for line in hashes), checkpoint)

    def encoded(self) -> bytes:
        if not 0 <= self.old_size <= SIZE_MAX or len(self.proof) > HASHES_MAX:
            raise Malformed(f"no request goes on from {self.old_size} entries with {len(self.proof)} hashes")
        if any(len(each) != HASH_BYTES for each in self.proof):
            raise Malformed(f"the hashes of a proof have {HASH_BYTES} bytes each")
        return (
            "\n".join([f"old {self.old_size}", *map(to_base64, self.proof), "", ""]).encode("ascii") + self.checkpoint
        )


def encode_size(size: int) -> bytes:
    """The body that goes with 409: the size of the newest checkpoint that the witness cosigned."""
    return b"%d\n" % size


def decode_size(data: bytes) -> int:
    """The size in the body of a 409."""
    found = lines(data, "a witness's size")
    if len(found) != 1:
        raise Malformed("a witness's size is one line")
    return decimal(found[0], "a witness's size")
