"""Writers and servers that are killed while appends are under way."""

import asyncio
import random
import signal
import subprocess
import sys
import time

import pytest
from kurrentdbclient import AsyncKurrentDBClient, KurrentDBClient, StreamState
from kurrentdbclient.exceptions import KurrentDBClientError, NotFoundError, ServiceUnavailableError

from tests.ledger.clients.serving import Serving
from tests.ledger.clients.speaking import connected, ids, new
from tests.ledger.clients.writing import events_of

SEED = random.randrange(1 << 32)
"""Of the moments at which processes are killed; told where a test fails."""

CLIENT_KILLS, APPENDS = 8, 150
SERVER_KILLS, WRITERS = 2, 8


def test_a_client_killed_in_mid_append_and_retried_leaves_one_copy(door, named):
    chance, stream, first = random.Random(SEED), named("x"), 0
    command = [sys.executable, "-m", "tests.ledger.clients.writing", door.url(), stream]
    for left in range(CLIENT_KILLS, -1, -1):
        with subprocess.Popen([*command, str(first), str(APPENDS)], stdout=subprocess.PIPE, text=True) as writer:
            doomed = first + chance.randrange(1, 20) if left else APPENDS
            for line in writer.stdout:
                announced = int(line)
                if announced >= doomed:
                    time.sleep(chance.uniform(0, 0.006))
                    writer.send_signal(signal.SIGKILL)
                    break
            ended = writer.wait()
        assert ended == (-signal.SIGKILL if left else 0), f"seed {SEED}"
        # The next one knows what was announced, and not whether it was made: it makes it, and one before it, again.
        first = max(0, announced - 1)
    expected = [event.id for number in range(APPENDS) for event in events_of(stream, number)]
    with KurrentDBClient(door.url()) as client:
        assert ids(client.get_stream(stream)) == expected, f"seed {SEED}"


class Writer:
    """Appends to a stream of its own until the server is gone, and remembers what it was told."""

    def __init__(self, stream):
        self.stream = stream
        self.acknowledged = []
        self.unknown = None

    async def write(self, client, chance):
        while True:
            events = [new(data=bytes(chance.randrange(5_000))) for _ in range(chance.randrange(1, 30))]
            version = len(self.acknowledged) - 1 if self.acknowledged else StreamState.NO_STREAM
            try:
                await client.append_to_stream(self.stream, events=events, current_version=version)
            except (KurrentDBClientError, ValueError):
                # A ValueError: another thread has had the client connect anew, and closed the channel of this one.
                self.unknown = (events, version)
                return
            self.acknowledged.extend(ids(events))

    async def look(self, client):
        """What was acknowledged is there, the rest whole or not at all; made again it is there once."""
        events, version = self.unknown
        try:
            found = ids(await client.get_stream(self.stream))
        except NotFoundError:
            found = []
        assert found in (self.acknowledged, self.acknowledged + ids(events)), f"seed {SEED}"
        await client.append_to_stream(self.stream, events=events, current_version=version)
        self.acknowledged.extend(ids(events))
        assert ids(await client.get_stream(self.stream)) == self.acknowledged, f"seed {SEED}"


async def reached(client):
    """Once it is: a client that met nobody waits a while before it looks again."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return await client.get_commit_position(timeout=10)
        except (KurrentDBClientError, ValueError):
            assert time.monotonic() < deadline, "the client does not find the server again"
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("kind", ["sync", "async"])
async def test_a_server_killed_with_appends_in_flight_keeps_what_it_acknowledged(tmp_path, kind):
    """One client lives through it all, and finds the server again at the same address."""
    chance = random.Random(SEED)
    writers = [Writer(f"ext-{at}") for at in range(WRITERS)]
    client, port = None, 0
    for killed in range(SERVER_KILLS + 1):
        with Serving("--insecure-as", "auditor", data=tmp_path, port=port) as server:
            port = server.door.port
            client = client or await connected(kind, server.door.url())
            if killed:
                await reached(client)
                await asyncio.gather(*[writer.look(client) for writer in writers])
                positions = [event.commit_position async for event in await client.read_all()]
                assert positions == sorted(set(positions)), f"seed {SEED}"
                assert len(positions) == sum(len(writer.acknowledged) for writer in writers)
            if killed < SERVER_KILLS:
                writing = [asyncio.create_task(writer.write(client, chance)) for writer in writers]
                await asyncio.sleep(chance.uniform(0.1, 0.6))
                server.kill()
                await asyncio.wait_for(asyncio.gather(*writing), 30)
    await client.close()
    assert sum(len(writer.acknowledged) for writer in writers) > WRITERS * SERVER_KILLS


async def test_a_server_that_is_asked_to_end_ends_its_subscriptions(tmp_path):
    with Serving("--scratch", data=tmp_path) as server:
        client = AsyncKurrentDBClient(server.door.url())
        await client.connect()
        subscription = await client.subscribe_to_all()
        began = time.monotonic()
        await asyncio.to_thread(server.stop)
        assert time.monotonic() - began < 5.0, "it waited for what ends never"
        with pytest.raises(ServiceUnavailableError):
            await asyncio.wait_for(anext(subscription), 20)
        await client.close()
