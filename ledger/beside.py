"""What a log says of itself in `$$meterloop`, the same in every ledger; and what may stand beside a log in a KurrentDB.

Event 0 names the log. The event that seals it has an id made of that name, so that whoever seals it again writes the
same event.
"""

import codecs
from collections.abc import Iterable
from typing import Final
from uuid import UUID, uuid5

import msgspec

from ledger.port import IDENTITY_TYPE, JSON, NO_STREAM, OWN_STREAM, SEALED_TYPE, Append, Draft, Recorded, Rejected

METADATA_TYPE: Final = "$metadata"
TRUNCATING: Final = ("$maxAge", "$maxCount", "$tb")

_decode: Final = msgspec.json.Decoder().decode
_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class _Identity(msgspec.Struct, frozen=True):
    ledger_id: str


def identity_draft(ledger_id: str) -> Draft:
    """The first event of `$$meterloop`."""
    return Draft(id=UUID(ledger_id).bytes, type=IDENTITY_TYPE, data=msgspec.json.encode(_Identity(ledger_id)))


def identity_append(ledger_id: str) -> Append:
    """Names a log that has no name yet: of several who try, one succeeds."""
    return Append(OWN_STREAM, NO_STREAM, [identity_draft(ledger_id)])


def ledger_id_in(event: Recorded) -> str | None:
    """What the first event of `$$meterloop` names the log; None where it is not such an event."""
    if event.type != IDENTITY_TYPE:
        return None
    try:
        named = msgspec.json.decode(event.data, type=_Identity).ledger_id
        return named if str(UUID(named)) == named else None
    except ValueError:
        return None


def seal_draft(ledger_id: str, note: bytes) -> Draft:
    """The event that ends the log. Raises Rejected where `note` is not JSON."""
    try:
        msgspec.json.decode(note)
    except ValueError as error:
        raise Rejected(f"the note of a seal is JSON: {error}") from error
    return Draft(id=uuid5(UUID(ledger_id), SEALED_TYPE).bytes, type=SEALED_TYPE, data=note)


def seal_in(events: Iterable[Recorded]) -> Recorded | None:
    """The event that has ended the log, among those of `$$meterloop`."""
    return next((event for event in events if event.type == SEALED_TYPE), None)


class NotStrict(ValueError):
    """What a lenient reader may take for metadata of a stream, and a strict one cannot read."""


def truncating_member(event: Draft | Recorded) -> str | None:
    """By which member a KurrentDB would truncate the stream whose metadata this event beside the log is, if by any.

    Raises NotStrict where that cannot be told: such a server reads more than JSON, with comments, single quotes, bare
    names, and other encodings. It goes by whatever event is last, of any type, unless that says it is no JSON.
    """
    data = event.data.removeprefix(codecs.BOM_UTF8)
    if not data:
        return None
    is_metadata = event.type == METADATA_TYPE
    try:
        members = _members(data)
    except (msgspec.DecodeError, RecursionError) as error:
        if is_metadata or (event.content_type == JSON and not _is_json(data)):
            raise NotStrict(str(error)) from error
        return None
    return next((name for name in TRUNCATING if name in members), None)


def _is_json(data: bytes) -> bool:
    try:
        _decode(data)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True
