"""The same over TLS, with the authority's certificate and credentials in the URL, and each user within its role."""

import os
import re

import pytest
from kurrentdbclient import StreamState
from kurrentdbclient.exceptions import (
    AccessDeniedError,
    NotFoundError,
    SSLError,
    UnauthenticatedError,
)

from cli.credentials import add_user, new_password
from kernel.principal import Role
from tests.ledger.clients.installing import installed_client, seen
from tests.ledger.clients.serving import Serving
from tests.ledger.clients.speaking import connected, ids, new, take

USERS = {"registry": (Role.SERVICE, "registry"), "outside": (Role.AUDITOR, None), "admin": (Role.ADMIN, None)}
CREATED_AT_US = 1_780_000_000_000_000


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A server over TLS, and a password for each of its users."""
    folder = tmp_path_factory.mktemp("tls")
    passwords = {name: new_password() for name in USERS}
    for name, role in USERS.items():
        add_user(folder / "keys", name, *role, passwords[name], CREATED_AT_US)
    with Serving(data=folder) as server:
        yield server.door, passwords


@pytest.fixture
def door(served):
    server, passwords = served
    return lambda name: server.of(f"{name}:{passwords[name]}")


@pytest.fixture(params=["sync", "async"])
async def client(request, door):
    found = await connected(request.param, door("registry").url())
    yield found
    await found.close()


@pytest.fixture
def named():
    prefix = os.urandom(6).hex()
    return lambda name: f"meter-{prefix}-{name}"


async def test_everything_is_as_without(client, named):
    subscription = await client.subscribe_to_all(from_end=True)
    one, two = new(), new()
    await client.append_to_stream(named("x"), events=one, current_version=StreamState.NO_STREAM)
    await client.append_to_stream(named("x"), events=[two], current_version=0)
    assert ids(await client.get_stream(named("x"))) == ids(await take(subscription, 2)) == [one.id, two.id]
    await subscription.stop()


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_metadata_of_streams_is_the_administrators(door, named, kind):
    stream = named("x")
    for name in ("registry", "outside"):
        client = await connected(kind, door(name).url())
        with pytest.raises(AccessDeniedError):
            await client.set_stream_metadata(stream, metadata={"a": name})
        await client.close()
    admin = await connected(kind, door("admin").url())
    await admin.set_stream_metadata(stream, metadata={"a": "b"}, current_version=StreamState.NO_STREAM)
    assert await admin.get_stream_metadata(stream) == ({"a": "b"}, 0)
    await admin.close()


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_the_server_is_discovered(door, named, kind):
    client = await connected(kind, door("registry").url("MaxDiscoverAttempts=1", scheme="kdb+discover"))
    await client.append_to_stream(named("x"), events=[new()], current_version=StreamState.NO_STREAM)
    await client.close()


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_who_is_not_known_is_told_so(served, named, kind):
    server, passwords = served
    for credentials in ("registry:wrong", "nobody:" + passwords["registry"]):
        client = await connected(kind, server.of(credentials).url())
        with pytest.raises(UnauthenticatedError):
            await client.get_stream(named("x"))
        with pytest.raises(UnauthenticatedError):
            await client.append_to_stream(named("x"), events=[new()], current_version=StreamState.ANY)
        with pytest.raises(UnauthenticatedError):
            await client.subscribe_to_all()
        await client.close()


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_a_certificate_of_somebody_elses_is_not_trusted(door, kind):
    url = re.sub(r"[?]tlsCaFile=[^&]*", "", door("registry").url())
    client = await connected(kind, url)
    with pytest.raises(SSLError):
        await client.get_commit_position(timeout=10)
    await client.close()


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_outside_credentials_append_to_streams_of_their_own(door, named, kind):
    registry, outside = await connected(kind, door("registry").url()), await connected(kind, door("outside").url())
    event = new()
    with pytest.raises(AccessDeniedError):
        await outside.append_to_stream(named("x"), events=event, current_version=StreamState.ANY)
    with pytest.raises(AccessDeniedError):
        await outside.append_to_stream(named("x"), events=[event], current_version=StreamState.ANY)
    with pytest.raises(NotFoundError):
        await registry.get_stream(named("x"))
    ours = named("x").replace("meter-", "ext-")
    for events in (event, [event]):
        await outside.append_to_stream(ours, events=events, current_version=StreamState.NO_STREAM)
        with pytest.raises(AccessDeniedError):
            await registry.append_to_stream(ours, events=events, current_version=StreamState.ANY)
    assert ids(await outside.get_stream(ours)) == ids(await registry.get_stream(ours)) == [event.id]
    await registry.close()
    await outside.close()


@pytest.fixture(scope="module")
def installed():
    return installed_client()


@pytest.mark.parametrize("scheme", ["kurrentdb", "kurrentdb+discover"])
def test_the_node_client_over_tls(installed, door, scheme):
    prefix = "meter-" + os.urandom(6).hex()
    saw = seen(installed, "append", door("registry").url(scheme=scheme), prefix)
    assert [result["nextExpectedRevision"] for result in saw["results"]] == [1, 2, 4, 5]
    assert [event["revision"] for event in saw["read"]] == list(range(6))
    subscribed = seen(installed, "subscribeStream", door("registry").url(scheme=scheme), prefix + "s")
    assert subscribed[0]["revisions"] == [0, 1, 2, 3, 4]


def test_the_node_client_without_a_known_name(installed, served):
    server, _ = served
    saw = seen(installed, "unknown", server.of("registry:wrong").url(), "meter-x")
    assert {told["kind"] for told in saw.values()} == {"AccessDeniedError"}, saw


def test_the_node_client_with_credentials_of_one_call(installed, door, served):
    """With them it uses Append instead of the BatchAppend that it keeps open."""
    _, passwords = served
    prefix = "meter-" + os.urandom(6).hex()
    saw = seen(installed, "credentials", door("outside").url(), prefix, "registry", passwords["registry"])
    assert saw["denied"]["kind"] == "AccessDeniedError"
    assert saw["result"]["nextExpectedRevision"] == 1
    assert saw["again"] == saw["result"]
    wrong = saw["wrong"]
    assert (wrong["kind"], wrong["expectedState"], wrong["actualState"]) == ("WrongExpectedVersionError", 7, 1)
    assert wrong["streamName"] == f"{prefix}-x"
    # A KurrentDB names the event that is too large, and the Node client knows no error of its own for that.
    assert "Maximum Append Event Size" in saw["tooLarge"]["message"]
    assert [event["revision"] for event in saw["read"]] == [0, 1]
