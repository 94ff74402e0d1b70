"""Messages of ServerFeatures, which kurrentdbclient does not bring. They are described here, in a descriptor pool of
their own: a client in the same process may have its own of the same name.
"""

from typing import Final, Protocol, cast

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

PACKAGE: Final = "event_store.client.server_features"
SERVICE: Final = f"{PACKAGE}.ServerFeatures"
METHOD: Final = "GetSupportedMethods"

KEEPS_THE_PORT: Final = "meterloop.ledger"
"""A service in the list of a server that has a ledger of ours behind it, and with it all that `ledger.port` promises: a
KurrentDB notices a repetition only where it expects one.
"""


class Method(Protocol):
    """A method of a server, all names in lower case."""

    method_name: str
    service_name: str


class Supported(Protocol):
    """What a server can do, and which version it is."""

    event_store_server_version: str

    @property
    def methods(self) -> list[Method]: ...


def _described() -> dict[str, type[Message]]:
    def message(name: str, *fields: FieldDescriptorProto) -> DescriptorProto:
        return DescriptorProto(name=name, field=fields)

    def text(number: int, name: str, label: "FieldDescriptorProto.Label.ValueType") -> FieldDescriptorProto:
        return FieldDescriptorProto(name=name, number=number, label=label, type=FieldDescriptorProto.TYPE_STRING)

    one, many = FieldDescriptorProto.LABEL_OPTIONAL, FieldDescriptorProto.LABEL_REPEATED
    methods = FieldDescriptorProto(
        name="methods",
        number=1,
        label=many,
        type=FieldDescriptorProto.TYPE_MESSAGE,
        type_name=f".{PACKAGE}.SupportedMethod",
    )
    file = FileDescriptorProto(
        name="serverfeatures.proto",
        package=PACKAGE,
        syntax="proto3",
        message_type=[
            message("SupportedMethods", methods, text(2, "event_store_server_version", one)),
            message(
                "SupportedMethod",
                text(1, "method_name", one),
                text(2, "service_name", one),
                text(3, "features", many),
            ),
        ],
    )
    pool = DescriptorPool()
    pool.Add(file)
    return {m.name: GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{m.name}")) for m in file.message_type}


_MESSAGES: Final = _described()

SupportedMethod: Final = _MESSAGES["SupportedMethod"]
SupportedMethods: Final = _MESSAGES["SupportedMethods"]


def supported(body: bytes) -> Supported:
    """What a server answers."""
    return cast("Supported", SupportedMethods.FromString(body))
