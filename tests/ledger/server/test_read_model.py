"""Any read of a log made at random is what can be said of it in a few lines of Python."""

import os
import random
import re
from collections.abc import Callable
from typing import Any

import pytest
from kurrentdbclient.protos.v1 import streams_pb2

from ledger.port import ANY, Append, Recorded
from tests.ledger.making import draft, everything
from tests.ledger.server.asking import EMPTY, Options, filtering, kinds, options, read
from tests.ledger.server.conftest import Door

STREAMS = ["meter-1", "meter-2", "meter-10", "meter", "site-1", "a-b-c"]
TYPES = ["meter.Received", "meter.Weighed", "site.Opened", "Other"]
EXPRESSIONS = ["^meter", "-1$", "e", "[0-9]+", "^(?!meter)", "(a|b)-", "^meter.Received|Opened$", "x{2}", r"\.", "^$"]
PREFIXES = ["meter", "meter-1", "site", "m", "a-b", "meter.W", "zzz"]
READS = 400


def place(chance: random.Random, numbers: list[int]) -> int:
    """A number that is there, one close by, or one far away."""
    return max(0, chance.choice([*numbers, 0, 2**40]) + chance.choice([-1, 0, 0, 0, 1]))


def asked_of_stream(chance: random.Random, log: list[Recorded]) -> tuple[Options, list[Recorded] | None]:
    stream = chance.choice([*STREAMS, "nothing"])
    events = [event for event in log if event.stream == stream]
    begin, backwards, count = chance.choice(["start", "end", "revision"]), chance.random() < 0.5, chance.choice(COUNTS)
    at = place(chance, [event.version for event in events])
    where = Options.StreamOptions(revision=at) if begin == "revision" else Options.StreamOptions(**{begin: EMPTY})
    asked = options(stream, stream=where, count=count, read_direction=int(backwards))
    if not events:
        return asked, None
    first = {"start": 0, "end": 2**50, "revision": at}[begin]
    if backwards:
        return asked, [event for event in reversed(events) if event.version <= first][:count]
    return asked, [event for event in events if event.version >= first][:count]


def filter_of(chance: random.Random, by: str) -> tuple[dict[str, Any], Callable[[str], bool]]:
    """As an option of the read, or none, and as what it says of a name."""
    match chance.choice(["none", "expression", "prefixes"]):
        case "expression":
            expression = chance.choice(EXPRESSIONS)
            return {"filter": filtering(**{by: expression})}, lambda name: re.search(expression, name) is not None
        case "prefixes":
            prefixes = tuple(chance.sample(PREFIXES, chance.randrange(3)))
            return {"filter": filtering(**{by: prefixes})}, lambda name: name.startswith(prefixes)
        case _:
            return {}, lambda _name: True


def asked_of_all(chance: random.Random, log: list[Recorded]) -> tuple[Options, list[Recorded] | None]:
    begin, backwards, count = chance.choice(["start", "end", "position"]), chance.random() < 0.5, chance.choice(COUNTS)
    at = place(chance, [event.position for event in log])
    position = Options.Position(commit_position=at, prepare_position=at)
    where = Options.AllOptions(position=position) if begin == "position" else Options.AllOptions(**{begin: EMPTY})
    by = chance.choice(["stream", "type"])
    given, passes = filter_of(chance, by)
    asked = options(all=where, count=count, read_direction=int(backwards), **given)
    let = [event for event in log if passes(event.stream if by == "stream" else event.type)]
    first = {"start": 0, "end": 2**50, "position": at}[begin]
    if backwards:
        return asked, [event for event in reversed(let) if event.position < first][:count]
    return asked, [event for event in let if event.position >= first][:count]


COUNTS = [0, 1, 2, 5, 17, 1_000, 2**64 - 1]


@pytest.mark.parametrize("asked_of", [asked_of_stream, asked_of_all])
async def test_any_read(served: Door, asked_of):
    seed = int.from_bytes(os.urandom(4), "big")
    chance = random.Random(seed)
    for _ in range(60):
        made = [draft(type=chance.choice(TYPES)) for _ in range(chance.randrange(1, 6))]
        await served.ledger.append([Append(chance.choice(STREAMS), ANY, made)])
    log = await everything(served.ledger)
    for turn in range(READS):
        asked, expected = asked_of(chance, log)
        answers = await read(served.target, asked)
        told = f"seed {seed}, read {turn}: {streams_pb2.ReadReq(options=asked)}"
        if expected is None:
            assert kinds(answers) == ["stream_not_found"], told
            continue
        found = [(a.event.event.stream_identifier.stream_name.decode(), a.event.event.stream_revision) for a in answers]
        assert found == [(event.stream, event.version) for event in expected], told
