"""Gossip and ServerFeatures: what a client asks before anything else. Both are answered to everybody."""

from typing import Final
from uuid import UUID

from google.protobuf.message import Message
from kurrentdbclient.protos.v1 import gossip_pb2, shared_pb2

from ledger.recording import system_time_us
from ledger.server.calling import Call, Service, unary
from ledger.server.features import KEEPS_THE_PORT, METHOD, SERVICE, SupportedMethod, SupportedMethods
from ledger.server.messages import TICKS_PER_US

SERVER_VERSION: Final = "26.1.0"

_FEATURES: Final = {
    "read": ("position", "events"),
    "append": (),
    "batchappend": ("deadline_duration",),
    "delete": (),
    "tombstone": (),
}

_SUBSCRIPTIONS: Final = ("create", "update", "delete", "read", "getinfo", "replayparked", "list", "restartsubsystem")
"""Of persistent subscriptions, which this server has none of. Node's client asks by another protocol what is not named
here, or says itself that the server is too old: neither would tell its caller what the matter is.
"""


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

    return Service(SERVICE, {METHOD: unary(shared_pb2.Empty, read, public=True)})


def _supported_methods() -> Message:
    """Names in lower case: clients look them up so."""
    streams = [
        SupportedMethod(method_name=name, service_name="event_store.client.streams.streams", features=features)
        for name, features in _FEATURES.items()
    ]
    subscriptions = [
        SupportedMethod(
            method_name=name,
            service_name="event_store.client.persistent_subscriptions.persistentsubscriptions",
            features=("stream", "all"),
        )
        for name in _SUBSCRIPTIONS
    ]
    sessions = [
        SupportedMethod(method_name=name, service_name="kurrentdb.protocol.v2.streams.streamsservice")
        for name in ("appendsession", "appendrecords")
    ]
    ours = SupportedMethod(method_name="append", service_name=KEEPS_THE_PORT)
    return SupportedMethods(
        methods=[*streams, *subscriptions, *sessions, ours], event_store_server_version=SERVER_VERSION
    )
