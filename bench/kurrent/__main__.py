"""`python -m bench.kurrent [--json]`: the embedded log over KurrentDB's protocol, as its official client meets it.

`meterloop ledger serve` on a log on this disk, in a process of its own; the client in this one. What gRPC itself takes
is measured in the same rounds, by calls and streams that do nothing, on grpc.aio like the server's, in a process like
it. Both are driven by the same kind of client: an event loop for calls, threads for streams.

Neither has TLS, and the log is served with `--insecure-as service`: to everybody, as the one role that reads all of it.
What `ledger serve` does by itself, TLS, Basic credentials and a filter by role, costs more than is measured here.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final
from uuid import UUID

import grpc
import msgspec
import uvloop
from kurrentdbclient import AsyncKurrentDBClient, KurrentDBClient, NewEvent, StreamState
from kurrentdbclient.protos.v1 import shared_pb2, streams_pb2

from bench.kurrent.empty_calls import STREAM, UNARY, asked
from bench.kurrent.servers import empty_calls, log_served
from bench.ledger import METADATA, Typical
from bench.measure import Measure, fsync_p50_us, interleave, report, scratch_folder

ROUNDS: Final = 7
IN_FLIGHT: Final = 32
CALLS_EACH: Final = 60
BATCH_EVENTS: Final = 500
BATCHES: Final = 20
BATCHES_IN_FLIGHT: Final = 4
READ_EVENTS: Final = 30_000
LIVE_PER_S: Final = 500
LIVE_S: Final = 20.0
LIVE_WARM_S: Final = 1.0
"""The beginning, of which latencies do not count."""

OPEN: Final = "without TLS or users"
"""Of what every figure is that is not of an empty call."""


class Extent(msgspec.Struct, frozen=True):
    """How much is measured. The limits hold for these defaults."""

    rounds: int = ROUNDS
    read_events: int = READ_EVENTS
    live_s: float = LIVE_S


class Events:
    """Typical events for the client, made before the clock starts; their values are made up."""

    def __init__(self) -> None:
        self._typical: Final = Typical()

    def singly(self, count: int) -> list[tuple[str, NewEvent]]:
        return [
            (append.stream, NewEvent(type=draft.type, data=draft.data, metadata=METADATA, id=UUID(bytes=draft.id)))
            for append in self._typical.appends(count)
            for draft in append.drafts
        ]

    def of_one_stream(self, count: int) -> tuple[str, list[NewEvent]]:
        made = self.singly(count)
        return made[0][0], [event for _, event in made]


async def _in_flight(number: int, each: int, call: Callable[[int], Awaitable[object]]) -> float:
    """Calls a second, so many at a time, each time another number."""

    async def caller(first: int) -> None:
        for index in range(first, first + each):
            await call(index)

    started = time.perf_counter()
    await asyncio.gather(*(caller(turn * each) for turn in range(number)))
    return number * each / (time.perf_counter() - started)


class Calls:
    """Single appends and batches by the official client's event loop, and calls that do nothing."""

    def __init__(self, client: AsyncKurrentDBClient, empty: grpc.aio.Channel, events: Events) -> None:
        self._client: Final = client
        self._empty: Final[grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]] = empty.unary_unary(UNARY)
        self._events: Final = events
        _, event = self._events.singly(1)[0]
        self._request: Final = bytes(_as_sent(event))

    async def append_one(self) -> float:
        events = self._events.singly(IN_FLIGHT * CALLS_EACH)

        async def append(index: int) -> None:
            stream, event = events[index]
            await self._client.append_to_stream(stream, events=event, current_version=StreamState.NO_STREAM)

        return await _in_flight(IN_FLIGHT, CALLS_EACH, append)

    async def empty(self) -> float:
        async def call(_index: int) -> None:
            await self._empty(self._request)

        return await _in_flight(IN_FLIGHT, CALLS_EACH, call)

    async def append_batches(self) -> float:
        batches = [self._events.of_one_stream(BATCH_EVENTS) for _ in range(BATCHES)]

        async def append(index: int) -> None:
            stream, events = batches[index]
            await self._client.append_to_stream(stream, events=events, current_version=StreamState.NO_STREAM)

        calls = await _in_flight(BATCHES_IN_FLIGHT, BATCHES // BATCHES_IN_FLIGHT, append)
        return calls * BATCH_EVENTS


class Reads:
    """The whole log by the official client, and as many messages of the same size that nobody made."""

    def __init__(self, client: KurrentDBClient, empty: grpc.Channel, read_events: int) -> None:
        self._client: Final = client
        self._read_events: Final = read_events
        self._empty: Final[grpc.UnaryStreamMultiCallable[bytes, bytes]] = empty.unary_stream(STREAM)
        with client.read_all(limit=1) as events:
            event = next(iter(events))
        self._message_bytes: Final = len(_as_read(event.stream_name, event.id, event.data, event.metadata))

    async def read_all(self) -> float:
        return await asyncio.to_thread(self._read_all)

    async def empty(self) -> float:
        return await asyncio.to_thread(self._read_empty)

    def _read_all(self) -> float:
        started = time.perf_counter()
        with self._client.read_all(limit=self._read_events) as events:
            read = sum(1 for _ in events)
        assert read == self._read_events
        return read / (time.perf_counter() - started)

    def _read_empty(self) -> float:
        started = time.perf_counter()
        read = sum(1 for _ in self._empty(asked(self._read_events, self._message_bytes)))
        assert read == self._read_events
        return read / (time.perf_counter() - started)


def _as_sent(event: NewEvent) -> bytes:
    """An append of this event, for its size."""
    message = streams_pb2.BatchAppendReq(
        options=streams_pb2.BatchAppendReq.Options(
            stream_identifier=shared_pb2.StreamIdentifier(stream_name=b"meter-99001010000000000000000")
        ),
        proposed_messages=[
            streams_pb2.BatchAppendReq.ProposedMessage(
                id=shared_pb2.UUID(string=str(event.id)),
                metadata={"type": event.type, "content-type": event.content_type},
                custom_metadata=event.metadata,
                data=event.data,
            )
        ],
    )
    return message.SerializeToString()


def _as_read(stream: str, event_id: UUID, data: bytes, metadata: bytes) -> bytes:
    """A read event as the protocol sends it, for its size."""
    recorded = streams_pb2.ReadResp.ReadEvent.RecordedEvent(
        id=shared_pb2.UUID(string=str(event_id)),
        stream_identifier=shared_pb2.StreamIdentifier(stream_name=stream.encode()),
        prepare_position=READ_EVENTS,
        commit_position=READ_EVENTS,
        metadata={"type": "registry.Received", "created": "1" * 17, "content-type": "application/json"},
        custom_metadata=metadata,
        data=data,
    )
    event = streams_pb2.ReadResp.ReadEvent(event=recorded, commit_position=READ_EVENTS)
    return streams_pb2.ReadResp(event=event).SerializeToString()


async def latencies_ms(address: str, made: Events, live_s: float) -> list[float]:
    """From before an append until a live subscription hands out its event, for each of those that count."""
    events = made.singly(int(LIVE_PER_S * live_s))
    sent: dict[UUID, float] = {}
    heard: list[float] = []
    async with AsyncKurrentDBClient(f"kurrentdb://{address}?tls=false") as client:
        subscription = await client.subscribe_to_all(from_end=True)

        async def listen() -> None:
            async for event in subscription:
                heard.append((time.perf_counter() - sent[event.id]) * 1_000)
                if len(heard) == len(events):
                    return

        async def append(stream: str, event: NewEvent) -> None:
            sent[event.id] = time.perf_counter()
            await client.append_to_stream(stream, events=event, current_version=StreamState.NO_STREAM)

        listening = asyncio.ensure_future(listen())
        begun = time.perf_counter()
        async with asyncio.TaskGroup() as appending:
            for number, (stream, event) in enumerate(events):
                await asyncio.sleep(max(0.0, begun + number / LIVE_PER_S - time.perf_counter()))
                appending.create_task(append(stream, event))
        await listening
        await subscription.stop()
    return heard[int(LIVE_PER_S * LIVE_WARM_S) :]


async def measure(folder: Path, extent: Extent) -> list[Measure]:
    fsync_us = fsync_p50_us(folder)
    events = Events()
    with log_served(folder) as address, empty_calls() as empty:
        url = f"kurrentdb://{address}?tls=false"
        async with AsyncKurrentDBClient(url) as client, grpc.aio.insecure_channel(empty) as channel:
            calls = Calls(client, channel, events)
            writing = await interleave(
                {"empty": calls.empty, "one": calls.append_one, "batches": calls.append_batches}, extent.rounds
            )
        with KurrentDBClient(url) as reader, grpc.insecure_channel(empty) as streams:
            reads = Reads(reader, streams, extent.read_events)
            reading = await interleave({"empty": reads.empty, "all": reads.read_all}, extent.rounds)
        live_ms = statistics.quantiles(await latencies_ms(address, events, extent.live_s), n=1_000)
    return measures(fsync_us, writing, reading, live_ms)


def measures(
    fsync_us: float, writing: Mapping[str, float], reading: Mapping[str, float], live_ms: Sequence[float]
) -> list[Measure]:
    """What was found, as it is told; `live_ms` are the thousandths."""
    return [
        Measure("fsync_p50_us", fsync_us, "one page made durable on this disk, median"),
        Measure(
            "append_ratio_empty_rpc",
            writing["one"] / writing["empty"],
            f"durable single appends by the official client {OPEN}, {IN_FLIGHT} in flight, against an empty unary call",
            at_least=0.3,
        ),
        Measure("append_per_s", writing["one"], "the same, a second"),
        Measure("empty_rpc_per_s", writing["empty"], "empty unary calls a second"),
        Measure(
            "append_batch_per_s",
            writing["batches"],
            f"events a second in batches of {BATCH_EVENTS}, {BATCHES_IN_FLIGHT} in flight, {OPEN}",
            at_least=25_000,
        ),
        Measure(
            "read_ratio_empty_stream",
            reading["all"] / reading["empty"],
            f"read_all by the official client {OPEN}, no filter, against an empty stream of messages of the same size",
            at_least=0.5,
        ),
        Measure("read_all_per_s", reading["all"], "the same, events a second", at_least=6_000),
        Measure("empty_stream_per_s", reading["empty"], "messages a second of the empty stream"),
        Measure(
            "live_p99_ms",
            live_ms[989],
            f"append to live subscription at {LIVE_PER_S} events a second, {OPEN}, no filter, p99",
            at_most=50,
        ),
        Measure("live_p50_ms", live_ms[499], "the same, median"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object with a key a measure")
    parser.add_argument(
        "--rounds", type=int, default=ROUNDS, help="of each measurement; the limits hold for the default"
    )
    parser.add_argument("--events", type=int, default=READ_EVENTS, help="events that are read, of those appended")
    parser.add_argument("--seconds", type=float, default=LIVE_S, help="for how long events are appended and heard")
    options = parser.parse_args()
    extent = Extent(options.rounds, options.events, options.seconds)
    with scratch_folder() as folder:
        measures = uvloop.run(measure(folder, extent))
    report(f"the log over KurrentDB's protocol, {OPEN}", measures, as_json=options.json)


if __name__ == "__main__":
    main()
