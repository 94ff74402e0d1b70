"""Gossip and ServerFeatures: what a client asks before anything else. Both are answered to everybody.

kurrentdbclient brings no messages of ServerFeatures, so they are described here, in a descriptor pool of their own:
a client in the same process may have its own of the same name.
"""

from typing import Final
from uuid import UUID

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from kurrentdbclient.protos.v1 import gossip_pb2, shared_pb2

from ledger.recording import system_time_us
from ledger.server.calling import Call, Service, unary

SERVER_VERSION: Final = "26.1.0"

_PACKAGE: Final = "event_store.client.server_features"

_FEATURES: Final = {
    "read": ("position", "events"),
    "append": (),
    "batchappend": ("deadline_duration",),
    "delete": (),
    "tombstone": (),
}

TICKS_PER_US: Final = 10
"""KurrentDB counts time in 100 ns."""


def gossip(ledger_id: str, host: str, port: int) -> Service:
    """A cluster of this one server, which leads it and is found at `host` and `port`."""
    instance = shared_pb2.UUID(string=str(UUID(ledger_id)))

    async def read(_asked: shared_pb2.Empty, _call: Call) -> Message:
        member = gossip_pb2.MemberInfo(
            instance_id=instance,
            time_stamp=system_time_us() * TICKS_PER_US,
            state=gossip_pb2.MemberInfo.Leader,
            is_alive=True,
            http_end_point=gossip_pb2.EndPoint(address=host, port=port),
        )
        return gossip_pb2.ClusterInfo(members=[member])

    return Service("event_store.client.gossip.Gossip", {"Read": unary(shared_pb2.Empty, read, public=True)})


def server_features() -> Service:
    supported = _supported_methods()

    async def read(_asked: shared_pb2.Empty, _call: Call) -> Message:
        return supported

    return Service(f"{_PACKAGE}.ServerFeatures", {"GetSupportedMethods": unary(shared_pb2.Empty, read, public=True)})


def _supported_methods() -> Message:
    """Names in lower case: clients look them up so."""
    described = _described()
    method = described["SupportedMethod"]
    streams = [
        method(method_name=name, service_name="event_store.client.streams.streams", features=features)
        for name, features in _FEATURES.items()
    ]
    return described["SupportedMethods"](methods=streams, event_store_server_version=SERVER_VERSION)


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
        type_name=f".{_PACKAGE}.SupportedMethod",
    )
    file = FileDescriptorProto(
        name="serverfeatures.proto",
        package=_PACKAGE,
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
    return {m.name: GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{m.name}")) for m in file.message_type}
