"""A log moved from one ledger to another: the same events in the same order, and nothing after the seal."""

import asyncio
import os
import random
from itertools import pairwise
from uuid import UUID

import pytest

from ledger.comparing import same
from ledger.copying import NotCopied, check_copy, copy_log, is_sealed, runs
from ledger.memory import MemoryLedger
from ledger.port import ANY, NO_STREAM, Append, Carried, Draft, Recorded, Sealed, Unavailable
from ledger.proof.commitment import entry_of
from ledger.proof.merkle import leaf_hashes, root_of
from ledger.sqlite import SqliteLedger
from tests.ledger.making import draft, everything, one


def silent(_step, _here, _whole):
    pass


async def copied(source, target):
    return await copy_log(source, target, told=silent)


async def lived_in(ledger, seed=1, calls=120):
    """A log as a platform writes it: many streams, now one event, now several streams in one call, odd bytes."""
    made = random.Random(seed)
    for _ in range(calls):
        streams = made.sample([f"meter-{number}" for number in range(40)], made.randint(1, 6))
        await ledger.append(
            [
                Append(
                    stream,
                    ANY,
                    [
                        Draft(
                            made.randbytes(16),
                            made.choice(["registry.Registered", "registry.Dismantled"]),
                            made.randbytes(made.randint(0, 300)),
                            made.choice([b"", b'{"actor": "a-1"}', made.randbytes(9)]),
                            made.choice(["application/json", "application/octet-stream", "text/plain"]),
                        )
                        for _ in range(made.randint(1, 3))
                    ],
                )
                for stream in streams
            ]
        )
    await ledger.append_beside(Append("$$meter-1", NO_STREAM, [draft(b'{"owner": "a"}', type="$metadata")]))
    await ledger.append_beside(Append("$$meter-1", 0, [draft(b'{"owner": "b"}', type="$metadata")]))


def without_place(events):
    return [[getattr(event, name) for name in Recorded.__struct_fields__ if name != "position"] for event in events]


async def beside(ledger, stream):
    return [(event.id, event.type, event.data) for event in (await ledger.read_beside(stream)).events]


async def test_a_log_moves_from_memory_to_a_file_to_another_and_stays_the_same(tmp_path):
    first = MemoryLedger(position_stride=7)
    second, third = (
        await SqliteLedger.open(tmp_path / "second.sqlite"),
        await SqliteLedger.open(tmp_path / "third.sqlite"),
    )
    await lived_in(first)
    events = await everything(first)
    root = root_of(leaf_hashes([entry_of(event) for event in events]))
    for source, target in ((first, second), (second, third)):
        done = await copied(source, target)
        assert (done.events, done.there, done.beside, done.root) == (len(events), 0, 1, root)
        assert without_place(await everything(target)) == without_place(events)
        assert await beside(target, "$$meter-1") == await beside(first, "$$meter-1")
        assert done.position == await target.head()
        assert await is_sealed(source)
        assert not await is_sealed(target)
        with pytest.raises(Sealed):
            await source.append(one("meter-1"))
    assert len({first.ledger_id, second.ledger_id, third.ledger_id}) == 3
    await third.append(one("meter-1"))
    await second.close()
    await third.close()


async def test_what_comes_while_it_is_copied_comes_along():
    source, target = MemoryLedger(), MemoryLedger()
    await source.append(one("a-stream", count=9_000))
    acknowledged = []

    async def go_on():
        try:
            while True:
                acknowledged.extend((await source.append(one("another", count=3))).positions)
                await asyncio.sleep(0)
        except Sealed:
            return

    task = asyncio.create_task(go_on())
    done = await copied(source, target)
    await task
    assert acknowledged
    assert done.events == 9_000 + len(acknowledged)
    assert without_place(await everything(target)) == without_place(await everything(source))


async def test_a_copy_goes_on_wherever_it_was_broken_off():
    """Cut off before each of its appends, and after each without having heard of it."""
    for written in (False, True):
        source, target = MemoryLedger(), MemoryLedger()
        await lived_in(source, seed=2, calls=90)
        cut, broken = 0, 0
        while True:
            try:
                done = await copied(source, CutOff(target, cut, written=written))
            except ConnectionAbortedError:
                broken += 1
                cut = 1
                assert (
                    without_place(await everything(target))
                    == without_place(await everything(source))[: done_by(target)]
                )
                continue
            break
        assert broken > 10
        assert done.there > 0
        assert without_place(await everything(target)) == without_place(await everything(source))


def done_by(ledger):
    return len(ledger._log)


class CutOff:
    """A door to a ledger that ends with everything at an append: before it, or after it was done."""

    def __init__(self, ledger, after, *, written):
        self._ledger, self._left, self._written = ledger, after, written

    def __getattr__(self, name):
        return getattr(self._ledger, name)

    async def append(self, appends):
        self._left -= 1
        if self._left >= 0:
            return await self._ledger.append(appends)
        if self._written:
            await self._ledger.append(appends)
        raise ConnectionAbortedError


class Troubled:
    """A door to a ledger that every other time does not say what became of an append."""

    def __init__(self, ledger):
        self._ledger, self._calls = ledger, 0

    def __getattr__(self, name):
        return getattr(self._ledger, name)

    async def append(self, appends):
        receipt = await self._ledger.append(appends)
        self._calls += 1
        if self._calls % 2:
            raise Unavailable("no answer")
        return receipt


async def test_an_append_without_an_answer_is_given_again_and_is_one():
    source, target = MemoryLedger(), MemoryLedger()
    await lived_in(source, calls=10)
    done = await copied(source, Troubled(target))
    assert done.events == done_by(target)
    assert without_place(await everything(target)) == without_place(await everything(source))


async def test_a_finished_copy_again_changes_nothing():
    source, target = MemoryLedger(), MemoryLedger()
    await lived_in(source, calls=10)
    first = await copied(source, target)
    again = await copied(source, target)
    assert again.there == again.events == first.events
    assert again.root == first.root


@pytest.mark.parametrize("before", ["other", "reordered", "more", "salt", "beside", "beside_other"])
async def test_a_target_that_is_something_else_is_refused_and_left_as_it_is(before):
    source, target = MemoryLedger(), MemoryLedger()
    await lived_in(source, calls=4)
    events = await everything(source)
    code = "copy.target_other"
    if before == "other":
        await target.append(one("a-stream"))
    elif before == "reordered":
        await carry(target, [events[0]])
        await carry(
            target, [event for event in events[2:] if event.stream != events[0].stream and not event.version][:1]
        )
    elif before == "more":
        await carry(target, events)
        await target.append(one("a-stream"))
    elif before == "salt":
        await target.append(
            [Append(events[0].stream, NO_STREAM, [Draft(events[0].id, events[0].type, events[0].data)])]
        )
    else:
        code = "copy.target_beside"
        stream = "$$meter-1" if before == "beside" else "$$elsewhere"
        await target.append_beside(Append(stream, NO_STREAM, [draft(b"{}", type="$metadata")]))
    found = await everything(target)
    with pytest.raises(NotCopied) as refused:
        await copied(source, target)
    assert refused.value.code == code
    assert await everything(target) == found
    assert not await is_sealed(source)
    with pytest.raises(NotCopied):
        await check_copy(source, target, told=silent)


async def carry(ledger, events):
    for run in runs(events):
        for group in run:
            await ledger.append(
                [
                    Append(
                        group[0].stream,
                        ANY,
                        [
                            Carried(
                                event.id, event.type, event.data, event.metadata, event.content_type,
                                salt=event.salt, recorded_at_us=event.recorded_at_us,
                            )
                            for event in group
                        ],
                    )
                ]
            )  # fmt: skip


async def test_the_same_log_and_a_sealed_target_are_refused(tmp_path):
    source, target = MemoryLedger(), MemoryLedger()
    await target.seal(b"{}")
    for other, code in ((source, "copy.same_log"), (target, "copy.target_sealed")):
        with pytest.raises(NotCopied) as refused:
            await copied(source, other)
        assert refused.value.code == code
    first = await SqliteLedger.open(tmp_path / "one.sqlite")
    again = await SqliteLedger.open(tmp_path / "one.sqlite")
    with pytest.raises(NotCopied):
        await copied(first, again)
    await first.close()
    await again.close()


async def test_an_event_of_tomorrow_is_not_written_with_another_time():
    source, target = MemoryLedger(clock=lambda: 2_000_000_000_000_000), MemoryLedger()
    await source.append(one("a-stream"))
    with pytest.raises(NotCopied) as refused:
        await copied(source, target)
    assert refused.value.code == "copy.from_the_future"
    assert await target.head() == 0
    assert not await is_sealed(source)


async def test_a_target_whose_clock_is_behind_is_found_out():
    source, target = MemoryLedger(), MemoryLedger(clock=lambda: 1_000_000_000_000_000)
    await source.append(one("a-stream"))
    with pytest.raises(NotCopied) as refused:
        await copied(source, target)
    assert refused.value.code == "copy.not_the_same"


class Unheeding(MemoryLedger):
    """A ledger to which somebody writes past its seal, once the copy has all that it looked for."""

    def _check_unsealed(self):
        pass

    async def streams_beside(self):
        if not self._left and await is_sealed(self):
            self._left = True
            await self.append(one("a-stream"))
        return await super().streams_beside()

    _left = False


async def test_what_is_written_past_the_seal_is_found_and_comes_along_the_next_time():
    source, target = Unheeding(), MemoryLedger()
    await source.append(one("a-stream"))
    with pytest.raises(NotCopied) as refused:
        await copied(source, target)
    assert refused.value.code == "copy.source_grew"
    assert (await copied(source, target)).events == 2


async def test_a_log_without_events_moves_as_well():
    source, target = MemoryLedger(), MemoryLedger()
    assert (await copied(source, target)).events == 0
    assert await is_sealed(source)


def recorded(stream, version, position):
    return Recorded(
        UUID(int=position).bytes,
        stream,
        version,
        position,
        "test.Happened",
        "application/json",
        b"{}",
        b"",
        1,
        os.urandom(32),
    )


def test_runs_keep_the_order_and_name_a_stream_once():
    made = random.Random(7)
    versions = {}
    events = []
    for position in range(1, 3_000):
        stream = f"stream-{made.randint(0, 60)}"
        for _ in range(made.randint(1, 3)):
            versions[stream] = versions.get(stream, -1) + 1
            events.append(recorded(stream, versions[stream], position))
    cut = list(runs(events))
    assert [event for run in cut for group in run for event in group] == events
    for run in cut:
        assert len({group[0].stream for group in run}) == len(run)
    # No run could have taken the first event of the next one as well.
    for run, following in pairwise(cut):
        assert following[0][0].stream in {group[0].stream for group in run[:-1]}


def test_every_field_but_the_position_counts():
    event = recorded("a-stream", 0, 1)
    others = {
        "id": b"x" * 16, "stream": "b", "version": 1, "type": "t", "content_type": "c", "data": b"d", "metadata": b"m",
        "recorded_at_us": 2, "salt": b"s" * 32,
    }  # fmt: skip
    assert set(others) | {"position"} == set(Recorded.__struct_fields__)
    for name, value in others.items():
        fields = {field: getattr(event, field) for field in Recorded.__struct_fields__} | {name: value}
        assert not same(event, Recorded(**fields))
