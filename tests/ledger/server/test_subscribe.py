"""Subscriptions: from where, in which order with what is recorded meanwhile, and what they say besides events."""

import asyncio
from pathlib import Path

import pytest
from kurrentdbclient import CaughtUp, Checkpoint

from ledger.port import ANY, Append
from ledger.server.access import admit_everybody
from ledger.server.running import serve
from ledger.sqlite import SqliteLedger
from tests.ledger.making import draft, drafts, everything
from tests.ledger.server.asking import (
    EMPTY,
    Options,
    filtering,
    first,
    kinds,
    positions,
    reading,
    revisions,
    subscription,
)
from tests.ledger.server.conftest import Door


async def test_a_stream_is_followed_from_its_start(served: Door):
    await served.ledger.append([Append("thing-1", ANY, drafts(100))])
    async with reading(served.target, subscription("thing-1")) as call:
        answers = await first(call, 102)
        assert kinds(answers) == ["confirmation", *["event"] * 100, "caught_up"]
        assert answers[0].confirmation.subscription_id
        assert answers[-1].caught_up.stream_revision == 99
        assert answers[-1].caught_up.timestamp.seconds > 0
        await served.ledger.append([Append("thing-2", ANY, drafts(3)), Append("thing-1", ANY, drafts(3))])
        assert revisions(await first(call, 3)) == [100, 101, 102]


@pytest.mark.parametrize(
    ("where", "expected"),
    [({"revision": 3}, [4, 5]), ({"end": EMPTY}, [5]), ({"revision": 2**64 - 1}, None), ({"revision": 4}, [5])],
)
async def test_a_stream_is_followed_from_after_a_revision(served: Door, where, expected):
    await served.ledger.append([Append("thing-1", ANY, drafts(5))])
    asked = subscription("thing-1", stream=Options.StreamOptions(**where))
    async with reading(served.target, asked) as call:
        assert kinds([await call.read()]) == ["confirmation"]
        await served.ledger.append([Append("thing-1", ANY, drafts(1))])
        if expected is None:
            assert kinds([await call.read()]) == ["caught_up"]
            return
        answers = await first(call, len(expected) + 1)
        assert revisions(answers) == expected


async def test_a_stream_that_does_not_exist_yet_is_followed(served: Door):
    for where in ({"start": EMPTY}, {"end": EMPTY}):
        stream = f"thing-{next(iter(where))}"
        async with reading(served.target, subscription(stream, stream=Options.StreamOptions(**where))) as call:
            answers = await first(call, 2)
            assert kinds(answers) == ["confirmation", "caught_up"]
            assert not answers[1].caught_up.HasField("stream_revision")
            await served.ledger.append([Append(stream, ANY, drafts(2))])
            assert revisions(await first(call, 2)) == [0, 1]


async def test_a_stream_that_cannot_exist_is_silent(served: Door):
    async with reading(served.target, subscription("$ce-thing")) as call:
        assert kinds(await first(call, 2)) == ["confirmation", "caught_up"]


async def test_the_log_is_followed(served: Door):
    receipt = await served.ledger.append([Append("thing-1", ANY, drafts(100))])
    async with reading(served.target, subscription()) as call:
        answers = await first(call, 102)
        assert kinds(answers) == ["confirmation", *["event"] * 100, "caught_up"]
        assert answers[-1].caught_up.position.commit_position == receipt.position
        later = await served.ledger.append([Append("thing-2", ANY, drafts(3))])
        assert positions(await first(call, 3)) == list(later.positions)


async def test_the_log_is_followed_from_after_a_position_or_its_end(served: Door):
    receipt = await served.ledger.append([Append("thing-1", ANY, drafts(5))])
    place = Options.Position(commit_position=receipt.positions[2], prepare_position=receipt.positions[2])
    async with (
        reading(served.target, subscription(all=Options.AllOptions(position=place))) as after,
        reading(served.target, subscription(all=Options.AllOptions(end=EMPTY))) as end,
    ):
        assert positions(await first(after, 4)) == list(receipt.positions[3:])
        assert kinds(await first(end, 2)) == ["confirmation", "caught_up"]
        later = await served.ledger.append([Append("thing-2", ANY, drafts(1))])
        assert positions(await first(after, 1)) == positions(await first(end, 1)) == list(later.positions)


async def test_what_was_recorded_before_the_end_is_not_sent_from_it(tmp_path: Path):
    """Also while other subscriptions are yet to hear of it, for another process has recorded it."""
    ledger, other = await SqliteLedger.open(tmp_path / "ledger.db"), await SqliteLedger.open(tmp_path / "ledger.db")
    server = await serve(ledger, "127.0.0.1:0", admit=admit_everybody)
    target = f"127.0.0.1:{server.port}"
    at_end = Options.AllOptions(end=EMPTY)
    async with reading(target, subscription()) as hearing:
        await first(hearing, 2)
        for _ in range(10):
            await other.append([Append("thing-1", ANY, drafts(1))])
            async with reading(target, subscription(all=at_end)) as call:
                assert kinds(await first(call, 2)) == ["confirmation", "caught_up"]
                after = await other.append([Append("marked", ANY, drafts(1))])
                assert positions([await call.read()]) == [after.position]
    await server.stop(grace_s=0)
    await ledger.close()
    await other.close()


async def test_an_empty_log_has_no_position_to_be_caught_up_with(served: Door):
    async with reading(served.target, subscription()) as call:
        answers = await first(call, 2)
        assert kinds(answers) == ["confirmation", "caught_up"]
        assert not answers[1].caught_up.HasField("position")


async def test_checkpoints_come_after_as_many_events_as_were_asked_for(served: Door):
    """Window 4 times 2: one after every eighth event looked at, whether it passed or not."""
    kept = [draft(type="kept" if index % 10 == 0 else "other") for index in range(50)]
    receipt = await served.ledger.append([Append("thing-1", ANY, kept)])
    at = receipt.positions
    async with reading(served.target, subscription(filter=filtering(type=["kept"]))) as call:
        answers = await first(call, 14)
        told = [answer.checkpoint.commit_position for answer in answers if answer.HasField("checkpoint")]
        assert told == [at[7], at[15], at[23], at[31], at[39], at[47], at[49]]
        assert positions(answers) == list(at[::10])
        assert kinds(answers)[-2:] == ["checkpoint", "caught_up"]
        # Live they are counted on from the last one.
        live = await served.ledger.append([Append("thing-2", ANY, drafts(17))])
        answers = await first(call, 2)
        assert kinds(answers) == ["checkpoint", "checkpoint"]
        assert [a.checkpoint.commit_position for a in answers] == [live.positions[7], live.positions[15]]


async def test_after_every_event_is_as_often_as_it_is_of_use(served: Door):
    """Who asks for that knows after each append how far the log is, and is not told a thousand times of a thousand."""
    asked = subscription(filter=filtering(type="^kept$", max=1, multiplier=1))
    async with reading(served.target, asked) as call:
        await first(call, 2)
        for names in (["other"], ["kept"], ["other", "kept", "other"], ["kept"] * 50, ["other"] * 1_000):
            receipt = await served.ledger.append([Append("thing-1", ANY, [draft(type=name) for name in names])])
            answers = []
            while not answers or answers[-1].checkpoint.commit_position < receipt.position:
                answers.append(await call.read())
            assert answers[-1].checkpoint.commit_position == receipt.position
            kept = [at for at, name in zip(receipt.positions, names, strict=True) if name == "kept"]
            assert positions(answers) == kept
            assert len(answers) <= len(kept) + 2 + len(names) // 10


async def test_no_checkpoint_is_ahead_of_the_log(served: Door):
    """Of one who asks from beyond the end there is nothing that could be remembered yet."""
    beyond = Options.Position(commit_position=10_000, prepare_position=10_000)
    asked = subscription(all=Options.AllOptions(position=beyond), filter=filtering(type=["x"], max=1, multiplier=1))
    async with reading(served.target, asked) as call:
        assert kinds(await first(call, 2)) == ["confirmation", "caught_up"]
        await served.ledger.append([Append("thing-1", ANY, drafts(3))])
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(call.read(), 0.2)


async def test_a_checkpoint_parts_what_was_sent_from_what_comes(served: Door):
    """Whoever begins anew after any of them misses nothing and gets nothing twice, catching up or live."""
    kinds_of_event = ["kept", "other", "other"]

    async def write(rounds: int) -> None:
        for _ in range(rounds):
            await served.ledger.append([Append("thing-1", ANY, [draft(type=name) for name in kinds_of_event])])
            await asyncio.sleep(0)

    await write(50)
    writing = asyncio.ensure_future(write(50))
    sent: list[int] = []
    checkpoints: list[tuple[int, int]] = []
    async with reading(served.target, subscription(filter=filtering(type="^kept$"))) as call:
        while len(sent) < 100:
            answer = await call.read()
            sent += positions([answer])
            if answer.HasField("checkpoint"):
                checkpoints.append((answer.checkpoint.commit_position, len(sent)))
                assert answer.checkpoint.commit_position <= await served.ledger.head()
    await writing
    recorded = [event.position for event in await everything(served.ledger) if event.type == "kept"]
    assert sent == recorded
    assert len(checkpoints) >= 300 // 8
    for position, already in checkpoints:
        assert sent[:already] == [at for at in recorded if at <= position]


async def test_nothing_is_missed_while_a_subscription_goes_live(served: Door):
    """Writers go on while subscriptions of either kind catch up, from the start and from the end."""
    await served.ledger.append([Append("thing-1", ANY, drafts(500))])

    async def write() -> None:
        for _ in range(100):
            await served.ledger.append([Append("thing-1", ANY, drafts(5)), Append("other-1", ANY, drafts(1))])
            await asyncio.sleep(0)

    async def follow(stream: str | None, last: int) -> list[int]:
        found: list[int] = []
        async with reading(served.target, subscription(stream)) as call:
            while not found or found[-1] < last:
                found += [
                    answer.event.event.stream_revision
                    for answer in [await call.read()]
                    if answer.event.event.stream_identifier.stream_name == b"thing-1"
                ]
        return found

    writing = asyncio.ensure_future(write())
    followed = await asyncio.gather(follow("thing-1", 999), follow(None, 999), follow("thing-1", 999))
    await writing
    assert followed == [list(range(1_000))] * 3


async def test_a_subscription_beside_the_log_hears_of_changes(served: Door):
    async with reading(served.target, subscription("$$thing-1")) as call:
        assert kinds(await first(call, 2)) == ["confirmation", "caught_up"]
        await served.ledger.append_beside(Append("$$thing-1", ANY, [draft(type="$metadata")]))
        assert revisions([await call.read()]) == [0]


async def test_the_client_s_own_subscriptions(served: Door):
    await served.ledger.append([Append("thing-1", ANY, drafts(3))])
    subscribed = await served.client.subscribe_to_all(include_checkpoints=True, include_caught_up=True)
    got = [await anext(subscribed) for _ in range(5)]
    await subscribed.stop()
    assert [type(event) for event in got[3:]] == [Checkpoint, CaughtUp]
    subscribed = await served.client.subscribe_to_stream("thing-1", stream_position=1)
    assert (await anext(subscribed)).stream_position == 2
    await subscribed.stop()
