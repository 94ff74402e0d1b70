"""What a caller sees of the log who may not see all of it."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from ledger.memory import MemoryLedger
from ledger.port import ANY, Append, Ledger, StreamPage
from ledger.server.access import OPEN, Grant, NotAdmitted
from ledger.server.running import serve
from tests.ledger.making import draft
from tests.ledger.server.asking import (
    EMPTY,
    Options,
    filtering,
    first,
    kinds,
    options,
    positions,
    read,
    reading,
    refused,
    revisions,
    subscription,
)

GRANTS = {
    "reader": Grant(reads=frozenset({"open"}), all_streams=True),
    "named": Grant(reads=frozenset({"open"}), metadata=True),
    "blind": Grant(all_streams=True),
    "many": Grant(reads=frozenset({"open", *map(str, range(600))}), all_streams=True),
    "service": OPEN,
}


async def admit(authorization: str | None) -> Grant:
    if authorization not in GRANTS:
        raise NotAdmitted("nobody of this name")
    return GRANTS[authorization]


@pytest.fixture
async def target(ledger: Ledger) -> AsyncIterator[str]:
    """Streams: `mixed` of both types, `hidden` of what only services read."""
    server = await serve(ledger, "127.0.0.1:0", admit=admit)
    mixed = [draft(type=name, metadata=b"{}") for name in ("sealed", "open", "sealed", "open", "sealed")]
    await ledger.append([Append("mixed", ANY, mixed), Append("hidden", ANY, [draft(type="sealed")])])
    yield f"127.0.0.1:{server.port}"
    await server.stop(grace_s=0)


@pytest.mark.parametrize("reader", ["reader", "many"])
async def test_only_events_of_types_that_one_may_read(target: str, reader):
    last = Options.StreamOptions(end=EMPTY)
    for asked, seen in (
        (options("mixed"), [1, 3]),
        (options("mixed", count=1), [1]),
        (options("mixed", stream=last, read_direction=Options.Backwards), [3, 1]),
        (options(), [1, 3]),
        (options(all=Options.AllOptions(end=EMPTY), read_direction=Options.Backwards), [3, 1]),
        (options(filter=filtering(type=["sealed"])), []),
        (options(filter=filtering(type="e")), [1, 3]),
        (options(filter=filtering(stream=["mix"])), [1, 3]),
        (options(filter=filtering(stream=["$idx-et-sealed"])), []),
    ):
        answers = await read(target, asked, authorization=reader)
        assert revisions(answers) == seen
        assert {answer.event.event.custom_metadata for answer in answers} <= {b""}


async def test_a_stream_of_which_one_sees_nothing_looks_as_if_it_did_not_exist(target: str):
    control = Options.ControlOption(compatibility=1)
    for reader, stream in (("reader", "hidden"), ("blind", "mixed")):
        missing = await read(target, options("nothing", control_option=control), authorization=reader)
        assert kinds(missing) == ["stream_not_found"]
        assert kinds(await read(target, options(stream, control_option=control), authorization=reader)) == kinds(
            missing
        )
        for where in (Options.StreamOptions(start=EMPTY), Options.StreamOptions(end=EMPTY)):
            async with reading(target, subscription(stream, stream=where), authorization=reader) as call:
                answers = await first(call, 2)
                assert kinds(answers) == ["confirmation", "caught_up"]
                assert not answers[1].caught_up.HasField("stream_revision")


async def test_the_last_revision_told_is_one_that_is_seen(target: str):
    control = Options.ControlOption(compatibility=1)
    answers = await read(target, options("mixed", control_option=control), authorization="reader")
    assert answers[-1].last_stream_position == 3
    beyond = options("mixed", control_option=control, stream=Options.StreamOptions(revision=4))
    answers = await read(target, beyond, authorization="reader")
    assert kinds(answers) == ["last_stream_position"]


async def test_subscriptions_are_sent_what_one_may_read(target: str, ledger: Ledger):
    async with (
        reading(target, subscription("mixed"), authorization="reader") as stream,
        reading(target, subscription(), authorization="reader") as whole,
        reading(target, subscription(filter=filtering(type="e")), authorization="reader") as some,
        reading(target, subscription(), authorization="blind") as blind,
    ):
        assert revisions(await first(stream, 4)) == [1, 3]
        assert revisions(await first(whole, 4)) == [1, 3]
        assert kinds(await first(some, 5)) == ["confirmation", "event", "event", "checkpoint", "caught_up"]
        assert kinds(await first(blind, 2)) == ["confirmation", "caught_up"]
        later = [draft(type=name) for name in ("sealed", "open")]
        await ledger.append([Append("mixed", ANY, later)])
        for call in (stream, whole, some):
            assert revisions([await call.read()]) == [6]


async def test_metadata_is_shown_to_those_who_may_see_it(target: str):
    answers = await read(target, options("mixed"), authorization="named")
    assert {answer.event.event.custom_metadata for answer in answers} == {b"{}"}


async def test_what_one_may_not_ask_for_is_denied(target: str):
    for asked, headers in (
        (options(), {"authorization": "named"}),
        (subscription(), {"authorization": "named"}),
        (options("$$mixed"), {"authorization": "reader"}),
        (subscription("$$mixed"), {"authorization": "reader"}),
        (options("mixed"), {"authorization": "reader", "meterloop_ledger": "1"}),
    ):
        error = await refused(target, asked, **headers)
        assert error.code() == grpc.StatusCode.PERMISSION_DENIED
        assert ("exception", "access-denied") in tuple(error.trailing_metadata())


async def test_whoever_is_not_known_is_told_so(target: str):
    for headers in ({}, {"authorization": "somebody"}):
        for asked in (options("mixed"), subscription(), options("nothing")):
            error = await refused(target, asked, **headers)
            assert error.code() == grpc.StatusCode.UNAUTHENTICATED
            assert "nobody of this name" in error.details()


async def test_services_read_everything(target: str):
    answers = await read(target, options(), authorization="service")
    assert revisions(answers) == [0, 1, 2, 3, 4, 0]
    assert positions(answers) == sorted(positions(answers))


class Counting(MemoryLedger):
    """Counts the reads of streams that it is asked for."""

    reads = 0

    async def read(self, *asked: Any, **given: Any) -> StreamPage:
        self.reads += 1
        return await super().read(*asked, **given)


@pytest.mark.parametrize(("reader", "reads_max"), [("reader", 2), ("many", 16)])
async def test_what_one_does_not_see_is_not_read_event_by_event(reader, reads_max):
    """As many clients ask at which version a stream is: one event, from the end."""
    ledger = Counting()
    server = await serve(ledger, "127.0.0.1:0", admit=admit)
    await ledger.append([Append("ext-a", ANY, [draft(type="sealed") for _ in range(10_000)])])
    last = Options.StreamOptions(end=EMPTY)
    control = Options.ControlOption(compatibility=1)
    newest = options("ext-a", stream=last, read_direction=Options.Backwards, count=1, control_option=control)
    for asked in (newest, options("ext-a", count=1)):
        ledger.reads = 0
        answers = await read(f"127.0.0.1:{server.port}", asked, authorization=reader)
        assert kinds(answers) == ["stream_not_found"]
        assert 0 < ledger.reads <= reads_max
    await server.stop(grace_s=0)
