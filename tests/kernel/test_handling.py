"""One path from a command to the log, and the same answer however often it is asked."""

import asyncio
from pathlib import Path
from uuid import UUID, uuid5

import msgspec
import pytest

from kernel.codec import Codec
from kernel.decider import Decider
from kernel.handling import (
    BATCH_COMMANDS_MAX,
    BUSY,
    CONFLICT_RETRIES_MAX,
    ID_REUSED,
    STALE_VERSION,
    Ask,
    Context,
    Handling,
    Metadata,
    Outcome,
    event_id,
)
from kernel.refusal import Refusal, against_rules
from ledger.memory import MemoryLedger
from ledger.port import ANY, NO_STREAM, PAGE_EVENTS_MAX, Append, Conflict, Draft
from ledger.sqlite import SqliteLedger
from tests.kernel.parcel import (
    CODEC,
    GONE,
    PARCEL,
    SENT_ALREADY,
    UNKNOWN,
    Deliver,
    Delivered,
    HandedOn,
    HandOn,
    Send,
    Sent,
)

SEND = Send(parcel="p1", place="A", weight_g=10)
SENT = Sent(parcel="p1", place="A", weight_g=10)
TO_B, TO_C = HandOn(parcel="p1", place="B"), HandOn(parcel="p1", place="C")
DELIVER = Deliver(parcel="p1")

# Deliver may begin a stream, and is refused on an empty one.
EAGER = Decider(category="parcel", initial=PARCEL.initial, key="parcel", begins=(Send, Deliver), parts=PARCEL.parts)


@pytest.fixture(params=["memory", "sqlite"])
async def ledger(request, tmp_path: Path):
    log = MemoryLedger(position_stride=3) if request.param == "memory" else await SqliteLedger.open(tmp_path / "log.db")
    yield log
    await log.close()


@pytest.fixture
def parcels(ledger):
    return Handling(ledger, PARCEL, CODEC)


def by(name, **more):
    """Who asks, under an id of this name."""
    return Context(command_id=uuid5(UUID(int=7), name), actor="subject-1", **more)


async def refused(handling, command, context):
    with pytest.raises(Refusal) as refusal:
        await handling.handle(command, context)
    return refusal.value.code


async def everything(ledger):
    return (await ledger.read_all()).events


async def test_a_batch_is_recorded_in_the_order_asked(ledger, parcels):
    names = [f"p{number}" for number in (5, 3, 9, 1, 7, 8, 2)]
    await parcels.handle_many([Ask(Send(parcel=name, place="A", weight_g=10), by(name)) for name in names])
    again = [Ask(HandOn(parcel=name, place="B"), by(f"{name} on")) for name in reversed(names)]
    await parcels.handle_many(again)
    order = [event.stream.removeprefix("parcel-") for event in await everything(ledger)]
    assert order == [*names, *reversed(names)]


async def test_an_outcome_says_what_was_recorded_and_where(ledger, parcels):
    sent = await parcels.handle(SEND, by("send"))
    assert sent == Outcome(stream="parcel-p1", version=0, position=await ledger.head(), events=(SENT,))
    handed = await parcels.handle(TO_B, by("b"))
    assert handed.version == 1
    assert handed.position == await ledger.head() > sent.position
    assert handed.events == (HandedOn(parcel="p1", place_before="A", place="B"),)
    assert await parcels.state("parcel-p1") == (PARCEL.fold([*sent.events, *handed.events]), 1)
    assert await parcels.state("parcel-p2") == (PARCEL.initial, -1)


async def test_what_is_so_already_leaves_nothing(ledger, parcels):
    await parcels.handle(SEND, by("send"))
    head = await ledger.head()
    again = await parcels.handle(HandOn(parcel="p1", place="A"), by("stay"))
    assert (again.events, again.position, again.version, again.repeated) == ((), 0, 0, False)
    assert await ledger.head() == head


async def test_every_command_answers_as_the_first_time_whatever_came_after(ledger, parcels):
    asked = [(SEND, by("send")), (TO_B, by("b")), (TO_C, by("c")), (DELIVER, by("deliver"))]
    first = [await parcels.handle(command, context) for command, context in asked]
    head = await ledger.head()
    again = [await parcels.handle(command, context) for command, context in asked]
    assert again == [msgspec.structs.replace(outcome, repeated=True) for outcome in first]
    many = await parcels.handle_many([Ask(command, context) for command, context in reversed(asked)])
    assert many == again[::-1]
    assert await ledger.head() == head


async def test_a_refusal_is_not_recorded_and_may_turn_into_an_outcome(parcels):
    assert await refused(parcels, TO_B, by("b")) == UNKNOWN.code
    await parcels.handle(SEND, by("send"))
    assert (await parcels.handle(TO_B, by("b"))).version == 1


async def test_an_id_belongs_to_one_command(ledger, parcels):
    await parcels.handle(SEND, by("send"))
    await parcels.handle(TO_B, by("b"))
    head = await ledger.head()
    assert await refused(parcels, TO_C, by("b")) == ID_REUSED.code
    assert await refused(parcels, DELIVER, by("send")) == ID_REUSED.code
    # Appended with NO_STREAM the first time, and found although it would begin the stream again.
    heavier = msgspec.structs.replace(SEND, weight_g=11)
    assert await refused(parcels, heavier, by("send")) == ID_REUSED.code
    assert await ledger.head() == head


async def test_a_stream_begins_once(parcels):
    await parcels.handle(SEND, by("send"))
    assert await refused(parcels, SEND, by("send again")) == SENT_ALREADY.code


async def test_the_version_seen_must_be_the_version_there(parcels):
    await parcels.handle(SEND, by("send"))
    assert await refused(parcels, TO_B, by("b", expected_version=1)) == STALE_VERSION.code
    assert await refused(parcels, TO_B, by("b", expected_version=-1)) == STALE_VERSION.code
    outcome = await parcels.handle(TO_B, by("b", expected_version=0))
    # Its own effect does not make a repetition stale.
    assert await parcels.handle(TO_B, by("b", expected_version=0)) == msgspec.structs.replace(outcome, repeated=True)
    assert await refused(parcels, TO_C, by("c", expected_version=0)) == STALE_VERSION.code


async def test_the_version_seen_counts_for_what_may_begin_a_stream_too(ledger):
    parcels = Handling(ledger, EAGER, CODEC)
    await parcels.handle(SEND, by("send", expected_version=-1))
    assert await refused(parcels, DELIVER, by("d", expected_version=-1)) == STALE_VERSION.code
    with pytest.raises(Refusal) as refusal:
        await parcels.handle(DELIVER, by("d", expected_version=5))
    assert refusal.value.details["actual"] == 0
    assert (await parcels.handle(DELIVER, by("d", expected_version=0))).version == 1


async def test_a_beginning_that_is_refused_on_nothing_is_decided_on_what_is_there(ledger):
    parcels = Handling(ledger, EAGER, CODEC)
    assert await refused(parcels, DELIVER, by("early")) == UNKNOWN.code
    await parcels.handle(SEND, by("send"))
    assert (await parcels.handle(DELIVER, by("late"))).events == (Delivered(parcel="p1", place_before="A"),)
    # With it in one batch, others on the stream are not decided on nothing either.
    at_gone = await parcels.handle_many([Ask(TO_B, by("b")), Ask(DELIVER, by("again"))])
    assert [answer.code for answer in at_gone] == [GONE.code, GONE.code]


async def test_commands_on_one_stream_see_each_other_in_their_order(ledger, parcels):
    asks = [Ask(SEND, by("send")), Ask(TO_B, by("b")), Ask(DELIVER, by("d")), Ask(TO_C, by("c"))]
    sent, handed, delivered, late = await parcels.handle_many(asks)
    assert [answer.version for answer in (sent, handed, delivered)] == [0, 1, 2]
    assert delivered.events == (Delivered(parcel="p1", place_before="B"),)
    assert late.code == GONE.code
    assert [one.version for one in await everything(ledger)] == [0, 1, 2]
    own = [one.position for one in await everything(ledger)]
    assert [answer.position for answer in (sent, handed, delivered)] == own


async def test_the_same_command_twice_in_a_batch_is_done_once(ledger, parcels):
    await parcels.handle(SEND, by("send"))
    first, twice, other = await parcels.handle_many([Ask(TO_B, by("b")), Ask(TO_B, by("b")), Ask(TO_C, by("b"))])
    assert twice == msgspec.structs.replace(first, repeated=True)
    assert other.code == ID_REUSED.code
    assert len(await everything(ledger)) == 2


async def test_a_refusal_concerns_its_own_command_only(ledger, parcels):
    asks = [Ask(Send(parcel=f"p{n}", place="A", weight_g=n), by(f"s{n}")) for n in range(4)]
    await parcels.handle(asks[2].command, by("before"))
    answers = await parcels.handle_many(asks)
    assert [isinstance(answer, Refusal) for answer in answers] == [False, False, True, False]
    assert answers[2].code == SENT_ALREADY.code
    assert {one.stream for one in await everything(ledger)} == {"parcel-p0", "parcel-p1", "parcel-p2", "parcel-p3"}


async def test_more_than_a_batch_is_done_in_parts_and_again_without_effect(ledger, parcels):
    count = 2 * BATCH_COMMANDS_MAX + 3
    asks = [Ask(Send(parcel=f"p{n}", place="A", weight_g=n), by(f"s{n}")) for n in range(count)]
    answers = await parcels.handle_many(asks)
    assert [answer.stream for answer in answers] == [f"parcel-p{n}" for n in range(count)]
    times = {one.recorded_at_us for one in (await ledger.read_all(limit=PAGE_EVENTS_MAX)).events}
    assert len(times) == 3, "one append a batch"
    head = await ledger.head()
    again = await parcels.handle_many(asks)
    assert again == [msgspec.structs.replace(answer, repeated=True) for answer in answers]
    assert await ledger.head() == head


async def test_nothing_asked_is_nothing_done(parcels):
    assert await parcels.handle_many([]) == []


async def test_metadata_says_who_why_and_what(ledger, parcels):
    why, cause = uuid5(UUID(int=7), "why"), uuid5(UUID(int=7), "cause")
    own = by("send").command_id
    await parcels.handle(SEND, by("send"))
    traced = by("b", correlation_id=why, causation_id=cause, traceparent="00-1-2-01")
    await parcels.handle(TO_B, traced)
    first, second = [msgspec.json.decode(one.metadata, type=Metadata) for one in await everything(ledger)]
    assert (first.correlation_id, first.causation_id, first.actor) == (own, own, "subject-1")
    assert (second.correlation_id, second.causation_id, second.traceparent) == (why, cause, "00-1-2-01")
    plain = msgspec.json.decode((await everything(ledger))[1].metadata)
    assert (plain["$correlationId"], plain["$causationId"]) == (str(why), str(cause))
    assert first.command_digest != second.command_digest
    made = UUID(bytes=(await everything(ledger))[0].id)
    assert (made.bytes, made) == (event_id(own, 0), uuid5(own, "0"))


class TwoEvents:
    """A decider's part that leads to more events than one, so that an outcome is a run."""

    @staticmethod
    def decide(command, state):
        (event,) = PARCEL.decide(command, state)
        return [event, HandedOn(parcel=command.parcel, place_before=command.place, place="depot")]


DOUBLE = Decider(
    category="parcel",
    initial=PARCEL.initial,
    key="parcel",
    begins=(Send,),
    parts=(msgspec.structs.replace(PARCEL.parts[0], decide=TwoEvents.decide),),
)


async def test_a_repeated_outcome_has_all_its_events_and_no_more(ledger):
    parcels = Handling(ledger, DOUBLE, CODEC)
    first = await parcels.handle(SEND, by("send"))
    await parcels.handle(TO_B, by("b"))
    assert (first.version, len(first.events)) == (1, 2)
    assert await parcels.handle(SEND, by("send")) == msgspec.structs.replace(first, repeated=True)


async def test_a_long_stream_is_read_to_its_end(ledger, parcels):
    await parcels.handle(SEND, by("send"))
    places = [f"place-{n}" for n in range(5_000)]
    drafts = [
        Draft(
            event_id(UUID(int=n + 1), 0),
            "sample.HandedOn",
            CODEC.encode(HandedOn(parcel="p1", place_before="x", place=at)),
        )
        for n, at in enumerate(places)
    ]
    await ledger.append([Append("parcel-p1", ANY, drafts)])
    assert (await parcels.handle(DELIVER, by("d"))).events == (Delivered(parcel="p1", place_before="place-4999"),)
    assert (await parcels.handle(SEND, by("send"))).repeated


async def test_writers_at_once_all_get_through(tmp_path):
    doors = [await SqliteLedger.open(tmp_path / "log.db") for _ in range(2)]
    handlings = [Handling(door, PARCEL, CODEC) for door in doors]
    await handlings[0].handle(SEND, by("send"))
    asked = [(handlings[n % 2], HandOn(parcel="p1", place=f"place-{n}"), by(f"h{n}")) for n in range(24)]
    outcomes = await asyncio.gather(*(handling.handle(command, context) for handling, command, context in asked))
    assert sorted(outcome.version for outcome in outcomes) == list(range(1, 25))
    moves = [CODEC.decode(one) for one in await everything(doors[0])][1:]
    assert [move.place_before for move in moves] == ["A", *(move.place for move in moves[:-1])]
    for door in doors:
        await door.close()


async def test_the_same_command_at_once_from_everywhere_is_done_once(ledger):
    handlings = [Handling(ledger, PARCEL, CODEC) for _ in range(5)]
    outcomes = await asyncio.gather(*(handling.handle(SEND, by("send")) for handling in handlings))
    assert {(outcome.version, outcome.position, outcome.events) for outcome in outcomes} == {
        (0, await ledger.head(), (SENT,))
    }
    assert len(await everything(ledger)) == 1


class Meanwhile:
    """A ledger to which somebody else writes just before each of the first appends."""

    def __init__(self, ledger, *writes):
        self._ledger, self._writes = ledger, list(writes)
        self.read, self.read_many = ledger.read, ledger.read_many

    async def append(self, appends):
        if self._writes:
            await self._writes.pop(0)()
        return await self._ledger.append(appends)


async def test_a_conflict_is_decided_again_on_what_is_there_now(ledger, parcels):
    await parcels.handle(SEND, by("send"))

    async def deliver():
        await parcels.handle(DELIVER, by("deliver"))

    late = Handling(Meanwhile(ledger, deliver), PARCEL, CODEC)
    assert await refused(late, TO_B, by("b")) == GONE.code


async def test_the_same_id_for_another_command_at_the_same_moment_is_noticed(ledger, parcels):
    await parcels.handle(SEND, by("send"))

    async def first():
        await parcels.handle(TO_B, by("x"))

    second = Handling(Meanwhile(ledger, first), PARCEL, CODEC)
    assert await refused(second, TO_C, by("x")) == ID_REUSED.code
    assert [CODEC.decode(one) for one in await everything(ledger)][1:] == [
        HandedOn(parcel="p1", place_before="A", place="B")
    ]


async def test_the_same_command_at_the_same_moment_answers_with_what_was_recorded(ledger, parcels):
    await parcels.handle(SEND, by("send"))

    async def first():
        await parcels.handle(TO_B, by("x"))

    second = Handling(Meanwhile(ledger, first), PARCEL, CODEC)
    again = await second.handle(TO_B, by("x"))
    assert again.repeated
    assert (again.version, again.position) == (1, await ledger.head())


async def test_a_stream_that_is_always_written_to_is_busy(ledger, parcels):
    await parcels.handle(SEND, by("send"))

    def write(n):
        async def hand_on():
            await parcels.handle(HandOn(parcel="p1", place=f"place-{n}"), by(f"h{n}"))

        return hand_on

    busy = Handling(Meanwhile(ledger, *(write(n) for n in range(CONFLICT_RETRIES_MAX))), PARCEL, CODEC)
    assert await refused(busy, TO_B, by("b")) == BUSY.code
    # The rest of its batch says the same, and nothing of it was recorded.
    other = Ask(Send(parcel="p2", place="A", weight_g=1), by("p2"))
    busy = Handling(Meanwhile(ledger, *(write(n) for n in range(100, 100 + CONFLICT_RETRIES_MAX))), PARCEL, CODEC)
    answers = await busy.handle_many([Ask(TO_C, by("c")), other])
    assert [answer.code for answer in answers] == [BUSY.code, BUSY.code]
    assert await parcels.state("parcel-p2") == (PARCEL.initial, -1)


async def test_a_part_of_a_batch_recorded_by_somebody_else_is_found(ledger, parcels):
    """Two files with the same rows at the same moment: every row once, and everybody is answered."""
    rows = [Ask(Send(parcel=f"p{n}", place="A", weight_g=n), by(f"s{n}")) for n in range(6)]

    async def first_half():
        await parcels.handle_many(rows[:3])

    second = Handling(Meanwhile(ledger, first_half), PARCEL, CODEC)
    answers = await second.handle_many(rows)
    assert [answer.repeated for answer in answers] == [True, True, True, False, False, False]
    assert len(await everything(ledger)) == 6


async def test_an_unreadable_stream_is_not_decided_on(ledger):
    strange = Codec("sample", [Sent])
    await Handling(ledger, PARCEL, CODEC).handle_many([Ask(SEND, by("send")), Ask(TO_B, by("b"))])
    with pytest.raises(Exception, match=r"sample\.HandedOn at position \d+ of parcel-p1"):
        await Handling(ledger, PARCEL, strange).handle(DELIVER, by("d"))


NOT_HERE = against_rules("parcel.not_here", "不在 {place}。", "not at {place}")


def only_at(place):
    """Lets commands be given while the parcel is there, or before it was sent."""

    def permit(_command, state):
        return None if state.place in {None, place} else NOT_HERE(place=place)

    return permit


async def test_who_may_is_judged_by_what_is_recorded_at_the_moment_of_deciding(parcels):
    await parcels.handle(SEND, by("s"), only_at("A"))
    await parcels.handle(TO_B, by("b"), only_at("A"))
    with pytest.raises(Refusal, match=r"parcel\.not_here"):
        await parcels.handle(DELIVER, by("d"), only_at("A"))
    assert (await parcels.handle(DELIVER, by("d"), only_at("B"))).version == 2


async def test_within_a_batch_too(parcels):
    asks = [Ask(one, by(str(n)), only_at("A")) for n, one in enumerate((SEND, TO_B, TO_C))]
    first, second, third = await parcels.handle_many(asks)
    assert (first.version, second.version, third.code) == (0, 1, "parcel.not_here")
    # The parcel is at B by now; what this caller has done is told as then.
    again = await parcels.preview(asks)
    assert [one.repeated for one in again[:2]] == [True, True]
    assert again[2].code == "parcel.not_here"


async def test_whoever_begins_a_stream_that_is_there_is_judged_by_what_is_there(parcels):
    await parcels.handle(SEND, by("s"))
    again = msgspec.structs.replace(SEND, place="B")
    with pytest.raises(Refusal, match=r"parcel\.not_here"):
        await parcels.handle(again, by("other"), only_at("B"))


async def test_who_may_not_is_told_nothing_else(parcels):
    await parcels.handle(SEND, by("s"))
    never = msgspec.structs.replace(by("t"), expected_version=99)
    with pytest.raises(Refusal, match=r"parcel\.not_here"):
        await parcels.handle(SEND, never, only_at("B"))


async def test_what_has_moved_out_of_its_callers_reach_since_is_answered_as_the_first_time(ledger, parcels):
    sent = await parcels.handle(SEND, by("s"), only_at("A"))
    moved = await parcels.handle(TO_B, by("b"), only_at("A"))
    head = await ledger.head()
    for command, context, first in ((SEND, by("s"), sent), (TO_B, by("b"), moved)):
        again = await parcels.handle(command, context, only_at("A"))
        assert again == msgspec.structs.replace(first, repeated=True)
        with pytest.raises(Refusal, match=r"parcel\.not_here"):
            await parcels.handle(command, by("new"), only_at("A"))
    assert await ledger.head() == head


async def test_nobody_else_is_told_by_an_id_what_was_done(ledger, parcels):
    """Rows of a table have one id whoever imports them; who may not give them learns nothing by it."""
    await parcels.handle(SEND, by("s"))
    await parcels.handle(TO_B, by("b"))
    head = await ledger.head()
    somebody = msgspec.structs.replace(by("s"), actor="subject-2")
    other = msgspec.structs.replace(SEND, weight_g=11)
    for command, context in ((SEND, somebody), (other, somebody), (other, by("s"))):
        with pytest.raises(Refusal, match=r"parcel\.not_here"):
            await parcels.handle(command, context, only_at("A"))
    assert (await parcels.handle(SEND, somebody, only_at("B"))).repeated
    assert await ledger.head() == head


async def test_what_other_streams_have_against_a_command_does_not_undo_what_was_done(parcels):
    hindrance = NOT_HERE(place="C")
    hindered = [Ask(SEND, by("s"), None, hindrance)]
    assert await parcels.handle_many(hindered) == [hindrance]
    sent = await parcels.handle(SEND, by("s"))
    (again,) = await parcels.handle_many(hindered)
    assert (again.repeated, again.position) == (True, sent.position)


async def test_a_command_to_which_something_was_added_is_recognised_as_it_was_given(parcels):
    heavier = msgspec.structs.replace(SEND, weight_g=SEND.weight_g + 1)
    (sent,) = await parcels.handle_many([Ask(heavier, by("s"), asked=SEND)])
    assert sent.events[0].weight_g == heavier.weight_g
    again = [Ask(SEND, by("s")), Ask(msgspec.structs.replace(SEND, weight_g=9_000), by("s"), asked=SEND)]
    assert [(one.repeated, one.position) for one in await parcels.handle_many(again)] == [(True, sent.position)] * 2
    (refused,) = await parcels.handle_many([Ask(heavier, by("s"))])
    assert refused.code == ID_REUSED.code


def stamp(name, index=0):
    """An append to a stream that is no parcel's, which must not be there yet."""
    return Append(name, NO_STREAM, [Draft(event_id(UUID(int=9), index), "parcel.Sent", b"{}", b"{}")])


async def test_what_goes_along_is_recorded_with_the_command_or_not_at_all(ledger, parcels):
    asks = [Ask(SEND, by(name), along=lambda _, name=name: stamp(name)) for name in ("stamp-1", "stamp-2")]
    done, not_done = await parcels.handle_many(asks)
    recorded = await everything(ledger)
    assert [one.stream for one in recorded] == ["parcel-p1", "stamp-1"]
    assert (done.position, not_done.code) == (recorded[0].position, "parcel.sent_already")
    (repeated,) = await parcels.handle_many(asks[:1])
    assert (repeated.repeated, await everything(ledger)) == (True, recorded)


async def test_what_goes_along_may_refuse_the_command(ledger, parcels):
    def never(_events):
        raise GONE(parcel="p1")

    (answer,) = await parcels.handle_many([Ask(SEND, by("s"), along=never)])
    assert answer.code == GONE.code
    assert await everything(ledger) == []


async def test_what_goes_along_to_a_stream_that_has_moved_on_is_for_the_caller_to_decide_anew(ledger, parcels):
    await ledger.append([stamp("stamp-1")])
    with pytest.raises(Conflict, match="stamp-1"):
        await parcels.handle_many([Ask(SEND, by("s"), along=lambda _: stamp("stamp-1", 1))])
    assert [one.stream for one in await everything(ledger)] == ["stamp-1"]
