"""Streams beside the log, `$$s`, where the protocol keeps the metadata of stream `s`.

This log does not forget: metadata that would have a KurrentDB truncate the stream is refused, and so is what only a
lenient reader could take for metadata. Everything else is kept byte for byte, and means nothing here: access is a
matter of the caller's grant.
"""

from collections.abc import Sequence

from ledger.beside import NotStrict, truncating_member
from ledger.port import BESIDE, Draft
from ledger.server.access import Grant
from ledger.server.errors import Refused, access_denied, invalid


def check_may_append(grant: Grant, stream: str) -> None:
    """Streams beside the log are for administrators; others that begin with `$` are for nobody."""
    if stream.startswith(BESIDE):
        if not grant.administers:
            raise access_denied(f"不可写流的元数据 {stream}。Access Denied: this caller may not write {stream}")
    elif stream.startswith("$"):
        raise access_denied(f"流 {stream} 属于系统。Access Denied: stream {stream} belongs to the system")
    elif not grant.may_append_to(stream):
        raise access_denied(f"不可追加到流 {stream}。Access Denied: this caller may not append to stream {stream}")
    elif not grant.may_name(stream):
        raise _unseen(stream)


def check_may_append_type(grant: Grant, event_type: str) -> None:
    """Types of the ledger's owner stand for what the owner says, whatever the stream."""
    if not grant.may_name(event_type):
        raise _unseen(event_type)
    if not grant.may_append(event_type):
        raise access_denied(
            f"不可写类型为 {event_type} 的事件，或看上去与之相同的类型。"
            f"Access Denied: this caller may not append events of type {event_type}, nor of what looks like such a type"
        )


def _unseen(name: str) -> Refused:
    return invalid(
        f"流名和事件类型不可含控制字符、格式字符等看不见的字符：{name!a}。"
        f"Names of streams and types have no control, format or other invisible characters, as {name!a} has"
    )


def check_keeps_everything(drafts: Sequence[Draft]) -> None:
    """What may or may not truncate, for want of a reader as lenient as a KurrentDB's, is refused as what does."""
    for draft in drafts:
        try:
            key = truncating_member(draft)
        except NotStrict as error:
            raise access_denied(
                "流的元数据须为空或严格的 JSON 对象。"
                f"Access Denied: metadata of a stream is empty or a JSON object, to the letter: {error}"
            ) from error
        if key is not None:
            raise access_denied(
                f"台账不遗忘：流的元数据不可含 {key}。"
                f"Access Denied: this log does not forget, and metadata with {key} would truncate the stream"
            )
