"""What this server does not do, as both Python clients are told of it; and how they find it."""

import pytest
from kurrentdbclient import KurrentDBClient, StreamState
from kurrentdbclient.exceptions import (
    AccessDeniedError,
    DiscoveryFailedError,
    FollowerNotFoundError,
    KurrentDBClientError,
    ReadOnlyReplicaNotFoundError,
    ServiceUnavailableError,
)

from tests.ledger.clients.speaking import connected, ids, new


@pytest.mark.parametrize("what", ["delete_stream", "tombstone_stream"])
@pytest.mark.parametrize("expected", [StreamState.ANY, StreamState.EXISTS, 1, 7])
async def test_no_stream_is_deleted(client, named, what, expected):
    stream = named("x")
    events = [new(), new()]
    await client.append_to_stream(stream, events=events, current_version=StreamState.NO_STREAM)
    with pytest.raises(AccessDeniedError):
        await getattr(client, what)(stream, current_version=expected)
    assert ids(await client.get_stream(stream)) == ids(events)
    await client.append_to_stream(stream, events=new(), current_version=1)
    with pytest.raises(AccessDeniedError):
        await getattr(client, what)(named("never"), current_version=expected)


async def test_there_are_no_persistent_subscriptions(client, named):
    await client.append_to_stream(named("x"), events=new(), current_version=StreamState.NO_STREAM)
    assert list(await client.list_subscriptions()) == []
    assert list(await client.list_subscriptions_to_stream(named("x"))) == []
    for creating in (
        client.create_subscription_to_stream(group_name="group", stream_name=named("x")),
        client.create_subscription_to_all(group_name="group"),
        client.delete_subscription(group_name="group", stream_name=named("x")),
    ):
        with pytest.raises(KurrentDBClientError, match="UNIMPLEMENTED"):
            await creating
    with pytest.raises(KurrentDBClientError):
        await client.get_subscription_info(group_name="group", stream_name=named("x"))


async def test_there_are_no_projections(client):
    for asking in (
        client.create_projection(name="p", query="fromAll()"),
        client.get_projection_statistics(name="p"),
        client.list_continuous_projection_statistics(),
        client.enable_projection(name="p"),
        client.restart_projections_subsystem(),
    ):
        with pytest.raises(KurrentDBClientError, match="UNIMPLEMENTED"):
            await asking


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("scheme", ["kurrentdb+discover", "kdb+discover", "esdb+discover"])
async def test_the_server_is_discovered(door, named, kind, scheme):
    client = await connected(kind, door.url("MaxDiscoverAttempts=1", scheme=scheme))
    await client.append_to_stream(named("x"), events=[new()], current_version=StreamState.NO_STREAM)
    assert await client.get_current_version(named("x")) == 0
    await client.close()


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_it_is_the_leader_of_a_cluster_of_one(door, named, kind):
    two = f"kdb://{door.address},{door.address}?Tls=false&MaxDiscoverAttempts=1&DiscoveryInterval=0"
    for preference in ("leader", "random"):
        client = await connected(kind, f"{two}&NodePreference={preference}")
        await client.append_to_stream(named(preference), events=[new()], current_version=StreamState.NO_STREAM)
        await client.close()
    with pytest.raises(FollowerNotFoundError):
        await connected(kind, f"{two}&NodePreference=follower")
    with pytest.raises(ReadOnlyReplicaNotFoundError):
        await connected(kind, f"{two}&NodePreference=readonlyreplica")


def test_gossip_names_its_address(door):
    with KurrentDBClient(door.url()) as client:
        [member] = client.read_gossip()
    assert (member.state, member.address, member.port) == ("NODE_STATE_LEADER", "127.0.0.1", door.port)


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_where_nobody_listens(kind):
    client = await connected(kind, "kdb://127.0.0.1:1?Tls=false")
    with pytest.raises(ServiceUnavailableError):
        await client.get_commit_position(timeout=5)
    await client.close()
    with pytest.raises(DiscoveryFailedError):
        await connected(
            kind, "kdb+discover://127.0.0.1:1?Tls=false&MaxDiscoverAttempts=1&DiscoveryInterval=0&GossipTimeout=1"
        )
