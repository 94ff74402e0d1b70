"""Whatever was done is answered as it was the first time, at any door and however much came after, and adds nothing."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import services.registry.access
import services.sorting.access
from kernel.commands import Commands
from kernel.handling import Ask, Context, Outcome
from kernel.identity_issuer import issue
from kernel.principal import Principal, Role
from services.registry.asset_number import compose
from services.registry.meter.identity import Description, Register
from services.sorting.review.committing import ProposeReview
from tests.doors.entrances import Entrances, bearer, said
from tests.doors.standing import Standing
from tests.registry.doors import season as registry_season
from tests.registry.doors.standing import standing as registry_standing
from tests.registry.stories import UNIT
from tests.sorting.doors import season as sorting_season
from tests.sorting.doors.standing import standing as sorting_standing

NOON = datetime(2026, 3, 5, 12, tzinfo=timezone(timedelta(hours=8)))
EVERYBODY = Principal(subject="u-1", roles=frozenset(Role), units=frozenset({"*"}))


class Told(msgspec.Struct, frozen=True):
    """A service and its season. `app` is what decides; `ways` are one command in several words."""

    standing: Callable[..., AbstractContextManager[Standing]]
    app: Callable[[Entrances], Any]
    every: Sequence[Any]
    inside: Collection[type]
    ways: tuple[Any, ...]

    @property
    def at_doors(self) -> list[int]:
        return [nth for nth, command in enumerate(self.every) if type(command) not in self.inside]


_REGISTERED = {"asset_no": compose(UNIT, "01", f"{77:014d}"), "device_class": "01", "unit": UNIT}
_PROPOSED = {"review": "RV-same", "criteria": sorting_season.CRITERIA, "plan": "8.0", "by": "u-1"}
SERVICES = {
    "registry": Told(
        standing=registry_standing,
        app=lambda entrances: entrances.platform.registry,
        every=registry_season.EVERY,
        inside=services.registry.access.INSIDE,
        ways=(
            Register(**_REGISTERED, occurred_at=NOON),
            Register(**_REGISTERED, occurred_at=NOON.astimezone(UTC)),
            Register(**_REGISTERED, occurred_at=NOON, description=Description(), origin="in_service"),
        ),
    ),
    "sorting": Told(
        standing=sorting_standing,
        app=lambda entrances: entrances.platform.sorting.sorting,
        every=sorting_season.EVERY,
        inside=services.sorting.access.INSIDE,
        ways=(
            ProposeReview(**_PROPOSED, occurred_at=NOON),
            ProposeReview(**_PROPOSED, occurred_at=NOON.astimezone(UTC)),
            ProposeReview(**_PROPOSED, occurred_at=NOON, reveal_within_h=72),
        ),
    ),
}


class Done(msgspec.Struct, frozen=True):
    """What was asked, under which key, and what came of it."""

    context: Context
    key: str
    outcome: Outcome


class Season:
    """A whole season, each command asked once under a key of its own."""

    def __init__(self, told: Told, platform: Standing) -> None:
        self.every, self.at_doors, self.ways = told.every, told.at_doors, told.ways
        self.platform, self.entrances, self.run = platform, platform.entrances, platform.run
        self.app = told.app(platform.entrances)
        self.done = self.run(self._done_once())

    async def _done_once(self) -> list[Done]:
        groups: dict[type, Commands] = {
            kind: group for group in self.entrances.offered.groups.values() for kind in group.decider.commands
        }
        done = []
        for nth, command in enumerate(self.every):
            key = f"k-{nth}"
            if (group := groups.get(type(command))) is not None:
                context = group.context(giver(command), command, key)
            else:
                # Of a stream that only policies write: no door takes its commands.
                context = Context(command_id=uuid5(NAMESPACE_OID, key), actor=EVERYBODY.subject)
            done.append(Done(context, key, await self.app.do(command, context)))
            assert done[-1].outcome.events
        await self._policies_are_through()
        return done

    async def _policies_are_through(self) -> None:
        """What follows from the season has followed, and adds nothing while the season is asked again."""
        policies = self.entrances.platform.sorting.policies
        while min(one.position for one in policies.standing()) < await self.entrances.ledger.head():  # noqa: ASYNC110  policies tell nobody how far they are
            await asyncio.sleep(0.01)

    def head(self) -> int:
        return self.run(self.entrances.ledger.head())

    def token(self, command: Any) -> str:
        return issue(self.entrances.platform.keys, giver(command))

    def is_answered_as_before(self, chosen: Sequence[int], app: Any) -> None:
        """Each of these, asked again."""
        head = self.head()
        answers = self.run(app.do_many([Ask(self.every[nth], self.done[nth].context) for nth in chosen]))
        for nth, answer in zip(chosen, answers, strict=True):
            first = self.done[nth].outcome
            assert isinstance(answer, Outcome), (self.every[nth], answer)
            assert (looks(answer), answer.events, answer.repeated) == (looks(first), first.events, True)
        assert self.head() == head


def giver(command: Any) -> Principal:
    """Who gives it: anybody, but everybody signs alone."""
    named = (getattr(command, name, None) for name in ("signer", "by", "verifier"))
    return msgspec.structs.replace(EVERYBODY, subject=next(filter(None, named), EVERYBODY.subject))


def looks(outcome: Outcome) -> tuple[str, int, int, int]:
    return outcome.stream, outcome.version, outcome.position, len(outcome.events)


@pytest.fixture(scope="module", params=SERVICES)
def season(request, tmp_path_factory):
    told = SERVICES[request.param]
    folder: Path = tmp_path_factory.mktemp("standing")
    with told.standing(folder, told=False) as platform:
        yield Season(told, platform)


@settings(max_examples=25, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_commands_again_in_any_order_add_nothing(season, data):
    chosen = data.draw(st.lists(st.sampled_from(range(len(season.every))), min_size=1, max_size=40))
    season.is_answered_as_before(chosen, season.app)


def test_every_command_again_after_a_restart(season):
    """What a process kept in memory was not what it answered by."""
    begun_anew = type(season.app)(season.app._ledger, season.app._projector)
    season.is_answered_as_before(range(len(season.every)), begun_anew)


def test_no_key_is_good_for_another_command(season):
    head = season.head()
    asks = [
        Ask(msgspec.structs.replace(command, occurred_on=command.day + timedelta(days=1)), done.context)
        for command, done in zip(season.every, season.done, strict=True)
    ]
    answers = season.run(season.app.do_many(asks))
    assert {answer.code for answer in answers} == {"command.id_reused"}
    assert season.head() == head


def test_every_command_again_at_every_door(season):
    head = season.head()
    for nth in season.at_doors:
        command, done = season.every[nth], season.done[nth]
        for entrance in season.entrances.all():
            answer = season.run(entrance.give(command, season.token(command), done.key))
            assert answer.code is None, (entrance.name, command, answer)
            told, first = answer.value, done.outcome
            assert (told["stream"], told["version"], told["position"], len(told["events"])) == looks(first)
            assert told["repeated"] is True
            # What began something the first time is told as begun.
            assert answer.status in {None, 201 if first.version == len(first.events) - 1 else 200}
    assert season.head() == head


def test_every_command_again_among_many(season):
    head = season.head()
    for nth in season.at_doors:
        command = season.every[nth]
        headers = bearer(season.token(command)) | {"Idempotency-Key": season.done[nth].key}
        path = season.entrances.offered.groups[type(command)].bulk_path(type(command))
        for client in (season.entrances.rest.client, season.entrances.gateway.client):
            answer = said(season.run(client.post(path, json=[msgspec.to_builtins(command)], headers=headers)))
            assert [each["outcome"] for each in answer.value["lines"]] == ["repeated"], (command, answer)
    assert season.head() == head


def test_what_is_equal_is_the_same_command_however_it_is_written(season):
    asked = [(entrance, way) for way in season.ways for entrance in season.entrances.all()]
    answers = [season.run(entrance.give(way, season.token(way), "same")) for entrance, way in asked]
    assert [answer.code for answer in answers] == [None] * len(asked)
    assert [answer.value["repeated"] for answer in answers] == [False] + [True] * (len(asked) - 1)
