"""What KurrentDB offers and this log does not."""

import grpc
import pytest
from kurrentdbclient import NewEvent, NewEvents, StreamState
from kurrentdbclient.exceptions import AccessDeniedError, BadRequestError, FailedPreconditionError, GrpcError

from ledger.port import ANY, Append
from tests.ledger.making import drafts
from tests.ledger.server.conftest import Door

SERVICE = "/event_store.client.streams.Streams/"


async def test_no_stream_is_deleted(served: Door):
    await served.ledger.append([Append("thing-1", ANY, drafts(1))])
    for stream in ("thing-1", "thing-2"):
        for forget in (served.client.delete_stream, served.client.tombstone_stream):
            with pytest.raises(AccessDeniedError, match="does not forget"):
                await forget(stream, current_version=StreamState.ANY)
    assert len(await served.client.get_stream("thing-1")) == 1


async def test_there_are_no_persistent_subscriptions(served: Door):
    """Which the client takes from NOT_FOUND."""
    assert list(await served.client.list_subscriptions()) == []
    assert list(await served.client.list_subscriptions_to_stream("thing-1")) == []
    for refused in (
        served.client.create_subscription_to_stream("group", "thing-1"),
        served.client.create_subscription_to_all("group"),
        served.client.get_subscription_info("group", "thing-1"),
        served.client.read_subscription_to_stream("group", "thing-1"),
    ):
        with pytest.raises(GrpcError, match="persistent subscriptions"):
            await refused


async def test_there_are_no_projections(served: Door):
    with pytest.raises(GrpcError, match="projections"):
        await served.client.create_projection(name="sums", query="fromAll()")
    with pytest.raises(GrpcError, match="projections"):
        await served.client.list_all_projection_statistics()


@pytest.mark.parametrize(
    "method",
    [
        "/event_store.client.persistent_subscriptions.PersistentSubscriptions/Read",
        "/event_store.client.projections.Projections/Result",
        "/event_store.client.users.Users/Create",
        "/event_store.client.operations.Operations/StartScavenge",
        "/event_store.client.monitoring.Monitoring/Stats",
        "/event_store.client.redaction.Redaction/SwitchChunks",
        "/kurrentdb.protocol.v2.indexes.IndexesService/CreateIndex",
    ],
)
async def test_whatever_is_lacking_is_said_in_two_languages(served: Door, method):
    async with grpc.aio.insecure_channel(served.target) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary(method)(b"\xff")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    chinese, english = caught.value.details().split("。", 1)
    assert chinese.startswith("本服务不提供")
    assert english.startswith("This server does not offer")


async def test_a_method_that_nobody_knows(served: Door):
    async with grpc.aio.insecure_channel(served.target) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary("/no.such.Service/Method")(b"")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("how", ["list", "session"])
async def test_a_sealed_log_says_so(served: Door, how):
    await served.ledger.seal(b'{"to":"elsewhere"}')
    event = NewEvent("test.Happened", b"{}")
    if how == "list":
        with pytest.raises(BadRequestError, match="sealed"):
            await served.client.append_to_stream("thing-1", current_version=StreamState.ANY, events=[event])
    else:
        with pytest.raises(FailedPreconditionError, match="sealed"):
            await served.client.multi_append_to_stream([NewEvents("thing-1", [event], StreamState.ANY)])
    assert await served.ledger.head() == 0
