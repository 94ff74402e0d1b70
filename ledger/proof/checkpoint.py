"""Checkpoints (tlog-checkpoint): a log's name, its size and its root, as the text of a signed note."""

from collections.abc import Sequence

import msgspec

from ledger.proof.errors import Malformed, UnknownSigner
from ledger.proof.keys import SignerKey, VerifierKey
from ledger.proof.note import Note, Signed, sign, verified
from ledger.proof.strict import base64_hash, decimal, lines, to_base64, utf8


class Checkpoint(msgspec.Struct, frozen=True):
    """What a log says of itself (section Note text). Extension lines are taken and kept, and written by nobody here:
    monitors cannot audit them.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: bytes) -> "Checkpoint":
        found = lines(text, "a checkpoint")
        if len(found) < 3:  # noqa: PLR2004  origin, size, root
            raise Malformed("a checkpoint has an origin, a size and a root, a line each")
        if not all(found):
            raise Malformed("a checkpoint has no empty lines")
        origin, size, root, *extensions = found
        return cls(
            origin, decimal(size, "a checkpoint's size"), base64_hash(root, "a checkpoint's root"), tuple(extensions)
        )

    def text(self) -> bytes:
        said = [self.origin, str(self.size), to_base64(self.root), *self.extensions, ""]
        text = utf8("\n".join(said), "a checkpoint")
        if Checkpoint.parse(text) != self:
            raise Malformed("an origin and extensions are lines of text")
        return text

    def signed_by(self, signers: Sequence[SignerKey]) -> Note:
        """The note, signed by keys of the log. A log never signs two checkpoints without a proof from one to the other:
        that is for the caller to know.
        """
        return sign(self.text(), signers)


class Opened(msgspec.Struct, frozen=True):
    """A checkpoint that its log signed, with every signature of a known key."""

    checkpoint: Checkpoint
    note: Note
    signed: tuple[Signed, ...]


def opened(data: bytes, logs: Sequence[VerifierKey], others: Sequence[VerifierKey] = ()) -> Opened:
    """The checkpoint in this note. A key of `logs` whose name is the origin must have signed it; signatures of
    `others`, such as witnesses, are verified where they are there.
    """
    note = Note.parse(data)
    checkpoint = Checkpoint.parse(note.text)
    signed = verified(note, [*logs, *others])
    if not any(one.key in logs and one.key.name == checkpoint.origin for one in signed):
        raise UnknownSigner(f"no known key of the log {checkpoint.origin[:80]!r} signed its checkpoint")
    return Opened(checkpoint, note, signed)
