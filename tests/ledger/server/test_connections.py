"""What connections may cost of which nobody knows whose they are, and what becomes of one whose other end is gone."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import grpc
import pytest
from kurrentdbclient import AsyncKurrentDBClient, StreamState
from kurrentdbclient.protos.v1 import streams_pb2

from cli.certificates import server_tls
from ledger.memory import MemoryLedger
from ledger.port import ANY, Append
from ledger.server.access import admit_everybody
from ledger.server.running import Limits, Tls, serve
from tests.ledger.clients.speaking import new
from tests.ledger.making import drafts
from tests.ledger.server.asking import READ, first, kinds, options, reading, subscription

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
"""With which a client begins to speak, and its settings, of which there are none."""

PONG = bytes([0, 0, 8, 6, 1, 0, 0, 0, 0])
NOW_US = 1_780_000_000_000_000
WITHIN_S = 30.0

SUBSCRIBER = """
import asyncio, sys
from tests.ledger.server.asking import first, reading, subscription

async def main():
    async with reading(sys.argv[1], subscription()) as call:
        await first(call, 2)
        print("subscribed", flush=True)
        await call.read()

asyncio.run(main())
"""


@asynccontextmanager
async def serving(tls: Tls | None = None, **limits: Any) -> AsyncIterator[tuple[MemoryLedger, str]]:
    ledger = MemoryLedger()
    server = await serve(ledger, "127.0.0.1:0", admit=admit_everybody, tls=tls, limits=Limits(**limits))
    yield ledger, f"127.0.0.1:{server.port}"
    await server.stop(grace_s=0)


@asynccontextmanager
async def connected(target: str, said: bytes) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    host, port = target.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(said)
    yield reader, writer
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def hung_up(reader: asyncio.StreamReader) -> bool:
    try:
        async with asyncio.timeout(WITHIN_S):
            while await reader.read(1 << 12):
                pass
    except ConnectionError:
        pass
    return True


async def answering_pings(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """As long as the server is there, one is: what it sends is framed in nine bytes and a body."""
    while True:
        head = await reader.readexactly(9)
        body = await reader.readexactly(int.from_bytes(head[:3], "big"))
        if head[3] == PONG[3] and not head[4] & 1:
            writer.write(PONG + body)


async def test_a_connection_without_a_call_is_closed_and_one_with_a_call_is_not():
    async with serving(idle_s_max=1.0, ping_s=0.5) as (ledger, target), reading(target, subscription()) as call:
        await first(call, 2)
        async with asyncio.timeout(WITHIN_S), connected(target, PREFACE) as connection:
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await answering_pings(*connection)
        await ledger.append([Append("thing-1", ANY, drafts(1))])
        assert kinds([await call.read()]) == ["event"]


async def test_a_client_notices_nothing_of_that():
    async with serving(idle_s_max=0.4) as (_, target):
        client = AsyncKurrentDBClient(f"kurrentdb://{target}?tls=false")
        await client.connect()
        for count in range(1, 4):
            await client.append_to_stream("thing-1", events=[new()], current_version=StreamState.ANY)
            assert len(await client.get_stream("thing-1")) == count
            await asyncio.sleep(1.2)
        await client.close()


@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01"])
async def test_who_does_not_begin_to_speak_is_hung_up_on(tmp_path: Path, said: bytes):
    made = server_tls(tmp_path, ["localhost"], NOW_US)
    tls = Tls(made.key, made.chain)
    async with serving(tls, handshake_s_max=0.5) as (_, target), connected(target, said) as (reader, _):
        assert await hung_up(reader)


async def test_who_connects_beyond_the_limit_is_hung_up_on_and_the_others_are_not():
    async with serving(connections_max=4) as (ledger, target), reading(target, subscription()) as call:
        await first(call, 2)
        async with AsyncExitStack() as three:
            for _ in range(3):
                reader, _ = await three.enter_async_context(connected(target, PREFACE))
                assert await reader.read(1)
            async with connected(target, PREFACE) as (reader, _):
                assert await hung_up(reader)
            assert await answered(target) is grpc.StatusCode.UNAVAILABLE
            await ledger.append([Append("thing-1", ANY, drafts(1))])
            assert kinds([await call.read()]) == ["event"]
        async with asyncio.timeout(WITHIN_S):
            while await answered(target):
                pass


async def test_calls_beyond_those_of_a_connection_wait_for_one_to_end():
    async with serving(connection_calls_max=2) as (_, target), grpc.aio.insecure_channel(target) as channel:
        method = channel.unary_stream("/grpc.health.v1.Health/Watch")
        calls = [method(b"") for _ in range(2)]
        for call in calls:
            await call.read()
        waiting = asyncio.create_task(method(b"").read())
        assert not (await asyncio.wait([waiting], timeout=0.5))[0]
        calls[0].cancel()
        async with asyncio.timeout(WITHIN_S):
            assert await waiting is not grpc.aio.EOF


async def test_the_place_of_a_subscriber_that_vanished_becomes_free():
    """It is stopped, so that nothing of it closes its connection, and nothing is recorded that it would not take."""
    async with serving(calls_max=1, ping_s=0.5) as (_, target):
        subscriber = await asyncio.create_subprocess_exec(
            sys.executable, "-c", SUBSCRIBER, target, stdout=asyncio.subprocess.PIPE
        )
        assert subscriber.stdout is not None
        assert await subscriber.stdout.readline() == b"subscribed\n"
        assert await answered(target) is grpc.StatusCode.RESOURCE_EXHAUSTED
        subscriber.send_signal(signal.SIGSTOP)
        try:
            async with asyncio.timeout(WITHIN_S):
                while await answered(target):
                    pass
        finally:
            subscriber.kill()
            await subscriber.wait()


async def answered(target: str) -> grpc.StatusCode | None:
    """What a read over a connection of its own is refused with, None where it is answered."""
    own = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.insecure_channel(target, options=own) as channel:
        try:
            await channel.unary_stream(READ)(streams_pb2.ReadReq(options=options()).SerializeToString()).read()
        except grpc.aio.AioRpcError as error:
            return error.code()
    return None
