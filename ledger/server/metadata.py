"""Streams beside the log, `$$s`, where the protocol keeps the metadata of stream `s`.

This log does not forget: metadata that would have a KurrentDB truncate the stream is refused. Everything else is kept
byte for byte, and means nothing here: access is a matter of the caller's grant.
"""

import codecs
from collections.abc import Sequence
from typing import Final

import msgspec

from ledger.port import BESIDE, Draft
from ledger.server.access import Grant
from ledger.server.errors import access_denied

TRUNCATING: Final = ("$maxAge", "$maxCount", "$tb")

_decode: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def check_may_append(grant: Grant, stream: str) -> None:
    """Streams beside the log are for administrators; others that begin with `$` are for nobody."""
    if stream.startswith(BESIDE):
        if not grant.administers:
            raise access_denied(f"不可写流的元数据 {stream}。Access Denied: this caller may not write {stream}")
    elif stream.startswith("$"):
        raise access_denied(f"流 {stream} 属于系统。Access Denied: stream {stream} belongs to the system")
    elif not grant.may_append_to(stream):
        raise access_denied(f"不可追加到流 {stream}。Access Denied: this caller may not append to stream {stream}")


def check_may_append_type(grant: Grant, event_type: str) -> None:
    """Types of the ledger's owner stand for what the owner says, whatever the stream."""
    if not grant.may_append(event_type):
        raise access_denied(
            f"不可写类型为 {event_type} 的事件。Access Denied: this caller may not append events of type {event_type}"
        )


def check_keeps_everything(drafts: Sequence[Draft]) -> None:
    """Whatever their types are: a KurrentDB goes by the last event of the stream, and by nothing that is not JSON."""
    for draft in drafts:
        try:
            members = _decode(draft.data.removeprefix(codecs.BOM_UTF8))
        except msgspec.DecodeError:
            continue
        for key in TRUNCATING:
            if key in members:
                raise access_denied(
                    f"台账不遗忘：流的元数据不可含 {key}。"
                    f"Access Denied: this log does not forget, and metadata with {key} would truncate the stream"
                )
