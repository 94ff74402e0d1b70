"""Reads that come to an end: where they begin, which way, how far, and what they show of an event."""

from uuid import UUID

import grpc
import pytest
from kurrentdbclient.exceptions import NotFoundError
from kurrentdbclient.protos.v1 import streams_pb2

from ledger.carrying import taken_off
from ledger.port import ANY, Append, Draft
from tests.ledger.making import draft, drafts, everything
from tests.ledger.server.asking import EMPTY, Options, kinds, options, positions, read, refused, revisions
from tests.ledger.server.conftest import Door

BACKWARDS = Options.Backwards
FAR = 2**64 - 1


async def test_a_stream_is_read(served: Door):
    recorded = drafts(300)
    await served.ledger.append([Append("thing-1", ANY, recorded), Append("thing-2", ANY, drafts(1))])
    events = await served.client.get_stream("thing-1")
    assert [event.id for event in events] == [UUID(bytes=draft.id) for draft in recorded]
    assert [event.stream_position for event in events] == list(range(300))


async def test_everything_of_an_event_comes_back(served: Door):
    sent = draft(b'{"\xff', metadata=b"\x00anything", type="test.Weighed")
    receipt = await served.ledger.append([Append("thing-1", ANY, [sent])])
    [kept] = (await served.ledger.read("thing-1")).events
    [event] = await served.client.get_stream("thing-1")
    assert (event.data, event.metadata, event.type) == (sent.data, sent.metadata, sent.type)
    assert (event.stream_name, event.content_type) == ("thing-1", "application/json")
    assert event.commit_position == event.prepare_position == receipt.position
    assert event.recorded_at == kept.recorded_at


async def test_the_metadata_carries_salt_and_content_type_for_those_who_ask(served: Door):
    sent = Draft(id=b"i" * 16, type="test.Weighed", data=b"x", metadata=b"\xff", content_type="text/plain")
    await served.ledger.append([Append("thing-1", ANY, [sent])])
    [kept] = (await served.ledger.read("thing-1")).events
    [answer] = await read(served.target, options("thing-1"), meterloop_ledger="1")
    event = answer.event.event
    assert event.metadata["content-type"] == "application/octet-stream"
    found = taken_off(event.custom_metadata, event.metadata["content-type"])
    assert (found.salt, found.metadata, found.content_type) == (kept.salt, b"\xff", "text/plain")
    [plain] = await read(served.target, options("thing-1"))
    assert plain.event.event.custom_metadata == b"\xff"


async def test_an_id_comes_as_text_or_as_two_numbers(served: Door):
    event_id = UUID("ffeeddcc-bbaa-9988-7766-554433221100")
    await served.ledger.append([Append("thing-1", ANY, [draft(id=event_id.bytes)])])
    structured = Options.UUIDOption(structured=EMPTY)
    [answer] = await read(served.target, options("thing-1", uuid_option=structured))
    number = answer.event.event.id.structured
    bits = (number.most_significant_bits % 2**64) << 64 | number.least_significant_bits % 2**64
    assert UUID(int=bits) == event_id
    [answer] = await read(served.target, options("thing-1"))
    assert answer.event.event.id.string == str(event_id)


async def test_a_stream_that_does_not_exist_is_not_found(served: Door):
    with pytest.raises(NotFoundError):
        await served.client.get_stream("thing-1")
    for stream in ("thing-1", "$thing", "$$thing", "x" * 300, "a\0b"):
        answers = await read(served.target, options(stream))
        assert kinds(answers) == ["stream_not_found"]
        assert answers[0].stream_not_found.stream_identifier.stream_name == stream.encode()


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"revision": 0}, [0, 1, 2, 3, 4]),
        ({"revision": 3}, [3, 4]),
        ({"revision": 9}, []),
        ({"revision": FAR}, []),
        ({"end": EMPTY}, []),
    ],
)
async def test_a_stream_is_read_from_a_revision_on(served: Door, where, expected):
    await served.ledger.append([Append("thing-1", ANY, drafts(5))])
    answers = await read(served.target, options("thing-1", stream=Options.StreamOptions(**where)))
    assert set(kinds(answers)) <= {"event"}
    assert revisions(answers) == expected


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"end": EMPTY}, [4, 3, 2, 1, 0]),
        ({"revision": 2}, [2, 1, 0]),
        ({"revision": 9}, [4, 3, 2, 1, 0]),
        ({"revision": FAR}, [4, 3, 2, 1, 0]),
        ({"start": EMPTY}, [0]),
    ],
)
async def test_a_stream_is_read_backwards(served: Door, where, expected):
    await served.ledger.append([Append("thing-1", ANY, drafts(5))])
    asked = options("thing-1", read_direction=BACKWARDS, stream=Options.StreamOptions(**where))
    assert revisions(await read(served.target, asked)) == expected


async def test_a_read_ends_with_its_count(served: Door):
    await served.ledger.append([Append("thing-1", ANY, drafts(100))])
    for count in (0, 1, 16, 17, 99, 100, 101):
        assert revisions(await read(served.target, options("thing-1", count=count))) == list(range(min(count, 100)))
        assert len(await read(served.target, options(count=count))) == min(count, 100)
        assert len(await read(served.target, options(count=count, read_direction=BACKWARDS))) == 0
        from_end = Options.AllOptions(end=EMPTY)
        backwards = options(count=count, read_direction=BACKWARDS, all=from_end)
        assert len(await read(served.target, backwards)) == min(count, 100)


async def test_the_last_revision_is_told_to_those_who_ask(served: Door):
    await served.ledger.append([Append("thing-1", ANY, drafts(5))])
    control = Options.ControlOption(compatibility=1)
    answers = await read(served.target, options("thing-1", control_option=control, count=2))
    assert kinds(answers) == ["event", "event", "last_stream_position"]
    assert answers[-1].last_stream_position == 4
    answers = await read(served.target, options("thing-2", control_option=control))
    assert kinds(answers) == ["stream_not_found"]


async def test_all_is_read_both_ways(served: Door):
    for index in range(40):
        await served.ledger.append([Append(f"thing-{index % 3}", ANY, drafts(10))])
    recorded = await everything(served.ledger)
    events = [event async for event in await served.client.read_all()]
    assert [(e.stream_name, e.stream_position) for e in events] == [(e.stream, e.version) for e in recorded]
    assert [e.commit_position for e in events] == [e.position for e in recorded]
    back = [event async for event in await served.client.read_all(backwards=True)]
    assert [e.commit_position for e in back] == [e.position for e in reversed(recorded)]


async def test_all_is_read_from_a_position_and_backwards_from_before_it(served: Door):
    receipt = await served.ledger.append([Append("thing-1", ANY, drafts(5))])
    at = receipt.positions

    async def read_from(position: int, **given: object) -> list[int]:
        where = Options.Position(commit_position=position, prepare_position=position)
        return positions(await read(served.target, options(all=Options.AllOptions(position=where), **given)))

    assert await read_from(at[2]) == list(at[2:])
    assert await read_from(at[2], read_direction=BACKWARDS) == [at[1], at[0]]
    assert await read_from(at[4] + 1) == []
    assert await read_from(at[4] + 1, read_direction=BACKWARDS) == list(reversed(at))
    assert await read_from(0) == list(at)
    assert await read_from(0, read_direction=BACKWARDS) == []
    assert await read_from(FAR) == []
    assert await read_from(FAR, read_direction=BACKWARDS) == list(reversed(at))


async def test_the_position_of_the_end_is_told(served: Door):
    receipt = await served.ledger.append([Append("thing-1", ANY, drafts(3))])
    assert await served.client.get_commit_position() == receipt.position


async def test_what_the_log_says_of_itself_is_read_beside_it(served: Door):
    [answer] = await read(served.target, options("$$meterloop"), meterloop_ledger="1")
    assert served.ledger.ledger_id.encode() in answer.event.event.data
    assert answer.event.event.custom_metadata == b""
    assert answer.event.event.metadata["type"] == "$metadata"


COMBINED = "The combination of ({}) is invalid."
FILTER = Options.FilterOptions(event_type=Options.FilterOptions.Expression(regex="x"), checkpointIntervalMultiplier=1)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (options("s", filter=FILTER), COMBINED.format("Stream, Count, Forwards, Filter")),
        (
            options("s", subscription=Options.SubscriptionOptions(), read_direction=BACKWARDS),
            COMBINED.format("Stream, Subscription, Backwards, NoFilter"),
        ),
        (
            options(subscription=Options.SubscriptionOptions(), read_direction=BACKWARDS),
            COMBINED.format("All, Subscription, Backwards, NoFilter"),
        ),
        (options(read_direction=7), COMBINED.format("All, Count, 7, NoFilter")),
        (options(subscription=Options.SubscriptionOptions(), filter=FILTER), "WindowOneofCase"),
        (options(filter=Options.FilterOptions(max=1)), "FilterOneofCase"),
        (Options(count=1, no_filter=EMPTY, uuid_option=Options.UUIDOption(string=EMPTY)), "StreamOptionOneofCase"),
        (Options(count=1, no_filter=EMPTY, all=Options.AllOptions(start=EMPTY)), "'uuidOption' is a required argument"),
        (options(""), "'streamIdentifier' is a required argument"),
    ],
)
async def test_what_does_not_go_together_is_refused(served: Door, asked, sentence):
    error = await refused(served.target, asked)
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert sentence in error.details()


async def test_options_that_nobody_knows_are_passed_over(served: Door):
    """As protobuf has it: a newer client may say more than this server understands."""
    await served.ledger.append([Append("thing-1", ANY, drafts(1))])
    unknown = b"\xf8\x07\x01"
    asked = streams_pb2.ReadReq.Options.FromString(options("thing-1", resolve_links=True).SerializeToString() + unknown)
    assert revisions(await read(served.target, asked)) == [0]
