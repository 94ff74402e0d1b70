"""Files over gRPC: a stream of parts, because one message holds only so much.

message FilePart {
  optional FileHead head = 1;    // in the first part, and in no other
  bytes content = 2;
}
message FileHead { string name = 1; string media_type = 2; int64 size_bytes = 3; string sha256 = 4;
  optional int64 left_out = 5; }
"""

from collections.abc import Iterator
from typing import Any, Final

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

from kernel.grpc_messages import message_of, plain_of_message
from kernel.http_files import FileHead, head_of
from kernel.questions import File

PART_BYTES: Final = 256 * 1024
"""Of the content, in one message: long enough that a large file is few messages, short enough to come steadily."""

_PART: Final = {"head", "content"}


def require_parts(method: MethodDescriptor) -> None:
    """ValueError unless the method streams file parts."""
    fields = {field.name for field in method.output_type.fields}
    if not method.server_streaming or fields != _PART or method.output_type.fields_by_name["head"].message_type is None:
        raise ValueError(f"{method.full_name} answers with a file and must return a stream of FilePart")


def parts_of(method: MethodDescriptor, file: File) -> Iterator[bytes]:
    """The messages of a file, each as bytes. An empty file is one message too."""
    kind = GetMessageClass(method.output_type)
    head = method.output_type.fields_by_name["head"].message_type
    assert head is not None, "require_parts has seen that it is a message"
    yield kind(head=message_of(head, head_of(file)), content=file.content[:PART_BYTES]).SerializeToString()
    for begin in range(PART_BYTES, len(file.content), PART_BYTES):
        yield kind(content=file.content[begin : begin + PART_BYTES]).SerializeToString()


def head_in(part: Any) -> FileHead:
    """The head of a file, from its first part."""
    return FileHead(**plain_of_message(part.head))
