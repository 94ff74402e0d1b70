"""Whatever was done is answered as it was the first time, at any door and however much came after, and adds nothing."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import NAMESPACE_OID, uuid5

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel.commands import Commands
from kernel.handling import Ask, Context, Outcome
from kernel.identity_issuer import issue
from kernel.principal import Principal, Role
from services.registry.access import INSIDE
from services.registry.asset_number import compose
from services.registry.meter.identity import Description, Register
from tests.doors.entrances import bearer, said
from tests.registry.doors.entrances import Entrances
from tests.registry.doors.season import EVERY
from tests.registry.doors.standing import standing
from tests.registry.stories import UNIT

EVERYBODY = Principal(subject="u-1", roles=frozenset(Role), units=frozenset({UNIT, "99000", "99001"}))


def giver(command: msgspec.Struct) -> Principal:
    """Who gives it: anybody, but everybody signs alone."""
    return msgspec.structs.replace(EVERYBODY, subject=getattr(command, "signer", EVERYBODY.subject))


AT_DOORS = [nth for nth, command in enumerate(EVERY) if type(command) not in INSIDE]


class Done(msgspec.Struct, frozen=True):
    """What was asked, under which key, and what came of it."""

    context: Context
    key: str
    outcome: Outcome


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    with standing(tmp_path_factory.mktemp("standing"), told=False) as opened:
        yield opened


@pytest.fixture(scope="module")
def season(platform):
    """The whole season, each command asked once under a key of its own."""
    return platform.run(done_once(platform.entrances))


async def done_once(entrances: Entrances) -> list[Done]:
    groups = {kind: group for group in set_of(entrances) for kind in group.decider.commands}
    done = []
    for nth, command in enumerate(EVERY):
        key = f"k-{nth}"
        if (group := groups.get(type(command))) is not None:
            context = group.context(giver(command), command, key)
        else:
            # Of a stream that only policies write: no door takes its commands.
            context = Context(command_id=uuid5(NAMESPACE_OID, key), actor=EVERYBODY.subject)
        done.append(Done(context, key, await entrances.platform.registry.do(command, context)))
        assert done[-1].outcome.events
    return done


def set_of(entrances: Entrances) -> list[Commands]:
    return list({id(group): group for group in entrances.offered.groups.values()}.values())


def looks(outcome: Outcome) -> tuple[str, int, int, int]:
    return outcome.stream, outcome.version, outcome.position, len(outcome.events)


@settings(max_examples=25, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_commands_again_in_any_order_add_nothing(platform, season, data):
    chosen = data.draw(st.lists(st.sampled_from(range(len(EVERY))), min_size=1, max_size=40))
    registry, ledger = platform.entrances.platform.registry, platform.entrances.ledger
    head = platform.run(ledger.head())
    asks = [Ask(EVERY[nth], season[nth].context) for nth in chosen]
    answers = platform.run(registry.do_many(asks))
    for nth, answer in zip(chosen, answers, strict=True):
        first = season[nth].outcome
        assert isinstance(answer, Outcome), (EVERY[nth], answer)
        assert (looks(answer), answer.events, answer.repeated) == (looks(first), first.events, True)
    assert platform.run(ledger.head()) == head


def test_every_command_again_at_every_door(platform, season):
    head = platform.run(platform.entrances.ledger.head())
    for nth in AT_DOORS:
        token = issue(platform.entrances.platform.keys, giver(EVERY[nth]))
        for entrance in platform.entrances.all():
            answer = platform.run(entrance.give(EVERY[nth], token, season[nth].key))
            assert answer.code is None, (entrance.name, EVERY[nth], answer)
            told, first = answer.value, season[nth].outcome
            assert (told["stream"], told["version"], told["position"], len(told["events"])) == looks(first)
            assert told["repeated"] is True
            # What began something the first time is told as begun.
            assert answer.status in {None, 201 if first.version == len(first.events) - 1 else 200}
    assert platform.run(platform.entrances.ledger.head()) == head


def test_every_command_again_among_many(platform, season):
    head = platform.run(platform.entrances.ledger.head())
    for nth in AT_DOORS:
        command = EVERY[nth]
        headers = bearer(issue(platform.entrances.platform.keys, giver(command)))
        path = platform.entrances.offered.groups[type(command)].bulk_path(type(command))
        line = [msgspec.to_builtins(command)]
        for client in (platform.entrances.rest.client, platform.entrances.gateway.client):
            key = {"Idempotency-Key": season[nth].key}
            answer = said(platform.run(client.post(path, json=line, headers=headers | key)))
            assert [each["outcome"] for each in answer.value["lines"]] == ["repeated"], (command, answer)
    assert platform.run(platform.entrances.ledger.head()) == head


def test_what_is_equal_is_the_same_command_however_it_is_written(platform, season):
    assert season
    token = issue(platform.entrances.platform.keys, EVERYBODY)
    number = compose(UNIT, "01", f"{77:014d}")
    told = {"asset_no": number, "device_class": "01", "unit": UNIT}
    noon = datetime(2026, 3, 5, 12, tzinfo=timezone(timedelta(hours=8)))
    ways = [
        Register(**told, occurred_at=noon),
        Register(**told, occurred_at=noon.astimezone(UTC)),
        Register(**told, occurred_at=noon, description=Description(), origin="in_service"),
    ]
    asked = [(entrance, way) for way in ways for entrance in platform.entrances.all()]
    answers = [platform.run(entrance.give(way, token, "same")) for entrance, way in asked]
    assert [answer.code for answer in answers] == [None] * 9
    assert [answer.value["repeated"] for answer in answers] == [False] + [True] * 8
