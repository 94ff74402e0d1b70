"""What KurrentDB offers and this log does not: to forget, and to work on the events itself."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final, Never

import grpc
from google.protobuf.message import Message
from kurrentdbclient.protos.v1 import shared_pb2, streams_pb2

from ledger.server.access import Admission
from ledger.server.calling import Call, conversing
from ledger.server.errors import Refused, access_denied

_CLIENT: Final = "/event_store.client."

_LACKING: Final = {
    f"{_CLIENT}persistent_subscriptions.": ("持久订阅", "persistent subscriptions; subscribe to a stream or to $all"),
    f"{_CLIENT}projections.": ("投影", "projections"),
    f"{_CLIENT}users.": ("用户管理", "users by this protocol; they are those of the platform"),
    f"{_CLIENT}operations.": ("运维操作", "operations by this protocol; see its command line"),
    f"{_CLIENT}monitoring.": ("监控", "monitoring by this protocol; see its metrics"),
    f"{_CLIENT}redaction.": ("遮盖", "redaction: what is recorded stays as it is"),
    "/kurrentdb.protocol.v2.indexes.": ("二级索引", "secondary indexes"),
    "/kurrentdb.protocol.v2.registry.": ("模式登记", "a registry of schemas"),
}

_LIST: Final = f"{_CLIENT}persistent_subscriptions.PersistentSubscriptions/List"


async def delete(_asked: streams_pb2.DeleteReq, _call: Call) -> Never:
    raise _does_not_forget("删除", "deleted")


async def tombstone(_asked: streams_pb2.TombstoneReq, _call: Call) -> Never:
    raise _does_not_forget("删除", "tombstoned")


def _does_not_forget(done: str, done_in_english: str) -> Refused:
    return access_denied(
        f"台账不遗忘，流不可{done}。Access Denied: this log does not forget, no stream is {done_in_english}"
    )


class Lacking(grpc.GenericRpcHandler):
    """Answers every method of the services that are not here, whatever it is sent."""

    def __init__(self, admit: Admission) -> None:
        self._none = conversing(shared_pb2.Empty, _no_subscriptions)(admit)
        self._lacking = {
            prefix: conversing(shared_pb2.Empty, _unimplemented(*names))(admit) for prefix, names in _LACKING.items()
        }

    def service(self, details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes] | None":
        method: str = details.method
        if method == _LIST:
            return self._none
        return next((handler for prefix, handler in self._lacking.items() if method.startswith(prefix)), None)


async def _no_subscriptions(_asked: AsyncIterator[Message], _call: Call) -> None:
    raise Refused(
        grpc.StatusCode.NOT_FOUND,
        "没有持久订阅。There are no persistent subscriptions.",
        (("exception", "persistent-subscription-does-not-exist"),),
    )


def _unimplemented(what: str, in_english: str) -> Callable[[AsyncIterator[Message], Call], Awaitable[None]]:
    async def refuse(_asked: AsyncIterator[Message], _call: Call) -> None:
        details = f"本服务不提供{what}。This server does not offer {in_english}."
        raise Refused(grpc.StatusCode.UNIMPLEMENTED, details)

    return refuse
