"""The auditor's own rules of a device's life, against those by which the registry shows it."""

from collections.abc import Callable, Iterable
from functools import partial

import msgspec
import pytest

from auditor.lives import KINDS, NOT_YET, Life, after, card_of, name_of, sample_of
from ledger.port import Recorded
from services.registry.meter import METER
from services.registry.views.card import folded
from tests.auditor.logs import TrueLog, every_kind, season

TYPES = {f"registry.{of.__name__}": of for of in METER.events}


def by_stream(events: Iterable[Recorded]) -> dict[str, list[Recorded]]:
    streams: dict[str, list[Recorded]] = {}
    for event in events:
        if event.stream.startswith("meter-"):
            streams.setdefault(event.stream, []).append(event)
    return streams


@pytest.mark.parametrize(
    "log", [every_kind, season, partial(season, 1_200, 2)], ids=["every kind", "season", "another"]
)
def test_a_device_is_what_the_registry_shows(log: Callable[[], TrueLog]):
    compared = 0
    for events in by_stream(log().events).values():
        life, told = Life(), []
        for event in events:
            life.take(event.version, event.type, event.data)
            told.append((msgspec.json.decode(event.data, type=TYPES[event.type]), event))
            card = folded(told)
            assert life.card == ({} if card is None else card_of(msgspec.to_builtins(card))), (event.stream, event.type)
            compared += card is not None
    assert compared > 50


def test_every_event_of_a_device_has_its_place_in_a_life():
    assert KINDS.keys() == TYPES.keys()
    assert [name_of(kind) for kind in KINDS.values()] == list(KINDS)


@pytest.mark.parametrize(
    "types",
    [
        ["Dismantled"],
        ["Registered", "Registered"],
        ["Registered", "Received"],
        ["Registered", "Dismantled", "Reinstalled"],
        ["Registered", "Dismantled", "Dispatched", "Stored"],
        ["Registered", "Dismantled", "Missing", "WrittenOff"],
        ["Registered", "Dismantled", "Released", "HandedToRecycler", "Destroyed", "HoldPlaced"],
        ["Registered", "Dismantled", "Released", "Destroyed"],
    ],
    ids=" ".join,
)
def test_what_cannot_follow_does_not(types: list[str]):
    phase: str | None = NOT_YET
    for name in types[:-1]:
        assert phase is not None
        phase = after(phase, KINDS[f"registry.{name}"])
    assert phase is not None
    assert after(phase, KINDS[f"registry.{types[-1]}"]) is None


def test_a_sample_is_as_large_as_asked_and_another_with_another_number():
    events = 1_000_000
    hashed = [number * 2_654_435_761 % 2**32 for number in range(50_000)]
    one, other = (
        {stream for stream in hashed if sample_of(200, events, drawn).has(stream)} for drawn in (12_345_677, 99_991)
    )
    assert 200 < len(one) < 1_000 > len(other) > 200
    assert len(one & other) < 50
    assert not any(sample_of(0, events, 1).has(stream) for stream in hashed)
    assert all(sample_of(200, 1_000, 7).has(stream) for stream in hashed[:1_000])
