"""What the documents of any service are made of: words in both languages, moments, what a reader checks a paper by, and
the boxes that are signed.

Dates that decide how a document looks come in as well: the same value always makes the same document.
Texts are shown as they are. None of them is ever read as markup or as a formula.
"""

import msgspec

from kernel.quantity import CivilDate, Count, Instant, Sha256


class Label(msgspec.Struct, frozen=True):
    """A word in both languages. Without an English one the Chinese stands alone, as names of firms mostly do."""

    zh: str
    en: str = ""


class Coded(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of a code list: device class, unit, site. Without a name on record the code stands for it."""

    code: str
    zh: str = ""
    en: str = ""


class When(msgspec.Struct, frozen=True, kw_only=True):
    """A moment as its source knows it: an instant, shown in Asia/Shanghai, or only the day."""

    at: Instant | None = None
    on: CivilDate | None = None


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """What lets a reader check the paper against the log; printed at the foot of every page."""

    ledger_id: str
    position: Count
    """The document shows the state after this position of the log."""
    instruction: str
    """The command or the address with which anybody can check, as text."""
    qr: str
    """What the QR code says: an address or urn with the id and, for a shipment, the manifest's hash."""
    event_ids: tuple[str, ...] = ()
    """The events that the document rests on, in their order."""


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """One party's box. Unsigned, it leaves room for pen and stamp."""

    role: Label
    party: str
    signed: When | None = None
    signer: str | None = None
    event_id: str | None = None
    document_sha256: Sha256 | None = None
    """Of the document that was signed, where the party said which."""
