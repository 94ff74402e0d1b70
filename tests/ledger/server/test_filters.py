"""Filters of $all, harmless ones and others."""

import asyncio
import time

import grpc
import pytest
from kurrentdbclient.exceptions import NotFoundError

from ledger.kurrent_wire import EXPRESSION_CHARS_MAX as SENT_CHARS_MAX
from ledger.memory import MemoryLedger
from ledger.port import ANY, FILTER_NAMES_MAX, NAME_BYTES_MAX, Append
from ledger.server.filters import EXPRESSION_CHARS_MAX, Chosen, Filters
from tests.ledger.making import draft, drafts
from tests.ledger.server.asking import EMPTY, Options, filtering, options, read, refused
from tests.ledger.server.conftest import Door

STREAMS = ["meter-1", "meter-2", "meterage-1", "shipment-1"]
TYPES = ["registry.Received", "registry.Weighed", "tender.Opened"]


@pytest.fixture
async def filled(served: Door) -> Door:
    for stream in STREAMS:
        await served.ledger.append([Append(stream, ANY, [draft(type=name) for name in TYPES])])
    return served


async def seen(door: Door, **given) -> list[tuple[str, str]]:
    answers = await read(door.target, options(**given))
    events = [answer.event.event for answer in answers]
    return [(e.stream_identifier.stream_name.decode(), e.metadata["type"]) for e in events]


def all_of(streams=STREAMS, types=TYPES) -> list[tuple[str, str]]:
    return [(stream, name) for stream in STREAMS for name in TYPES if stream in streams and name in types]


@pytest.mark.parametrize(
    ("asked", "streams", "types"),
    [
        ({"stream": ["meter-", "ship"]}, ["meter-1", "meter-2", "shipment-1"], TYPES),
        ({"type": ["registry."]}, STREAMS, TYPES[:2]),
        ({"type": ["registry.W", "tender"]}, STREAMS, TYPES[1:]),
        ({"type": []}, [], TYPES),
        ({"stream": []}, [], TYPES),
        ({"stream": "-1"}, ["meter-1", "meterage-1", "shipment-1"], TYPES),
        ({"stream": "^meter-"}, ["meter-1", "meter-2"], TYPES),
        # Only the outer alternatives are anchored: so is kurrentdbclient's way to ask for several.
        ({"type": "^registry.R|tender$"}, STREAMS, TYPES[:1]),
        ({"type": "^(?!(registry.Weighed$|tender.*$))"}, STREAMS, TYPES[:1]),
        ({"type": "(?i)WEIGHED|(?<which>opened)"}, STREAMS, TYPES[1:]),
        ({"stream": ["$idx-ce-meter"]}, ["meter-1", "meter-2"], TYPES),
        ({"stream": ["$idx-et-tender.Opened"]}, STREAMS, TYPES[2:]),
    ],
)
async def test_what_passes(filled: Door, asked, streams, types):
    expected = all_of(streams, types)
    assert await seen(filled, filter=filtering(**asked)) == expected
    from_end = Options.AllOptions(end=EMPTY)
    backwards = await seen(filled, filter=filtering(**asked), read_direction=Options.Backwards, all=from_end)
    assert backwards == expected[::-1]


async def test_a_count_is_of_those_that_pass(filled: Door):
    assert await seen(filled, filter=filtering(type=["tender"]), count=3) == all_of(types=TYPES[2:])[:3]


async def test_the_client_s_own_filters(filled: Door):
    events = [e async for e in await filled.client.read_all(filter_exclude=["registry.*"])]
    assert {e.type for e in events} == {"tender.Opened"}
    events = [e async for e in await filled.client.read_all(filter_include=["meter-1"], filter_by_stream_name=True)]
    assert {e.stream_name for e in events} == {"meter-1"}
    events = [e async for e in await filled.client.read_index("ce-meter")]
    assert {e.stream_name for e in events} == {"meter-1", "meter-2"}
    with pytest.raises(NotFoundError):
        [e async for e in await filled.client.read_index("mine")]


@pytest.mark.parametrize(
    "expression",
    [
        "(",
        "[a",
        "a{99999999999}",
        "*",
        "(?<open>a)(?<-open>b)",
        "[a-z-[aeiou]]",
        "(?R)",
        "(a(?1))",
        "(?:a){e<=3}",
        # Flags and classes that mean something here, and nothing or something else to .NET.
        "(?f)strasse",
        "(?V1)a",
        "(?if:a)",
        "(?i-f:a)",
        "(?x)#[\n(?f)a#]",
        "(?#[)(?f)a(?#])",
        "[[:alpha:]]",
        "[a-z[:^digit:]_]",
        "(" * 2_000 + ")" * 2_000,
        "x" * 4_097,
    ],
)
async def test_an_expression_that_is_none_is_refused_at_once(filled: Door, expression):
    for asked in (
        options(filter=filtering(type=expression)),
        options(filter=filtering(stream=expression), subscription=Options.SubscriptionOptions()),
    ):
        error = await refused(filled.target, asked)
        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert "expression of the filter" in error.details()
    assert len(await seen(filled)) == 12


@pytest.mark.parametrize(
    "expression", [r"[[\]-]", r"\{x", r"a\[-[b]", r"\p{Lu}{2,3}", "^[^]x]+$", "[[:]", "[:alpha:]", "(?i-s:x)(?#(?f)y"]
)
async def test_brackets_and_braces_that_mean_what_they_mean_to_everybody_are_taken(filled: Door, expression):
    await seen(filled, filter=filtering(type=expression))


@pytest.mark.parametrize(
    ("ledger", "expression"), [("memory", "(a|aa)+" * 50 + "$"), ("sqlite", "(.*a){40}b")], indirect=["ledger"]
)
async def test_an_expression_without_end_is_given_up_and_nobody_waits_for_it(served: Door, expression):
    await served.ledger.append([Append(f"thing-{'a' * 150}{index}", ANY, drafts(1)) for index in range(50)])
    evil = [asyncio.ensure_future(refused(served.target, options(filter=filtering(stream=expression)))) for _ in "abc"]
    waits_s = []
    while not all(task.done() for task in evil):
        begun_s = time.monotonic()
        answers = await read(served.target, options(f"thing-{'a' * 150}7"))
        waits_s.append(time.monotonic() - begun_s)
        assert len(answers) == 1
        await served.ledger.append([Append("other-1", ANY, drafts(1))])
        assert len(await read(served.target, options(filter=filtering(stream="^other"), count=1))) == 1
        await asyncio.sleep(0.02)
    for error in [task.result() for task in evil]:
        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert "takes too long" in error.details()
    assert len(waits_s) > 10
    assert sorted(waits_s)[len(waits_s) // 2] < 0.2


async def test_more_names_than_are_kept_are_judged_rightly(served: Door):
    """The verdicts of one filter are let go when they are too many, in the middle of a page as well."""
    for start in range(0, 20_000, 5_000):
        names = range(start, start + 5_000)
        await served.ledger.append([Append(f"thing-{index}", ANY, drafts(1)) for index in names])
    answers = await read(served.target, options(filter=filtering(stream="7$")))
    assert len(answers) == 2_000


MANY = [f"nope-{index}" for index in range(FILTER_NAMES_MAX)]


@pytest.mark.parametrize("by", ["stream", "type"])
async def test_as_many_prefixes_as_a_filter_may_have(filled: Door, by):
    """No more: each event is held to each of them while everybody waits."""
    assert await seen(filled, filter=filtering(**{by: [*MANY[1:], ""]})) == all_of()
    longest = f"$idx-et-{'t' * NAME_BYTES_MAX}"
    assert await seen(filled, filter=filtering(stream=[longest])) == []
    for prefixes, word in [([*MANY, ""], "500 prefixes"), (["", longest + "t"], "208 bytes")]:
        for given in ({}, {"subscription": Options.SubscriptionOptions()}):
            error = await refused(filled.target, options(filter=filtering(**{by: prefixes}), **given))
            assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
            assert word in error.details()


async def test_a_long_request_is_not_looked_into(filled: Door):
    """One of this size takes the event loop longer to take apart than to refuse."""
    error = await refused(filled.target, options(filter=filtering(type=[""] * (4 << 20))))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "The request has 8388" in error.details()


async def test_an_expression_in_use_does_not_wait_until_others_are_made_ready():
    """And the longest that the adapter of this house sends is taken."""
    filters = Filters()
    try:
        ready = await filters.of(Chosen(by_stream=True, expression="^thing", prefixes=()))
        long = [f"{'a?' * 2_000}{index}" for index in range(20)]
        made = [
            asyncio.ensure_future(filters.of(Chosen(by_stream=False, expression=each, prefixes=()))) for each in long
        ]
        await asyncio.sleep(0)
        ledger = MemoryLedger()
        await ledger.append([Append("thing-1", ANY, drafts(1))])
        assert await ready.passing((await ledger.read_all()).events) == [True]
        assert not all(task.done() for task in made)
        await asyncio.gather(*made)
    finally:
        filters.close()
    assert SENT_CHARS_MAX <= EXPRESSION_CHARS_MAX
