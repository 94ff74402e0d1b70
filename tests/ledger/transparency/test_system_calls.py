"""A sequencer meets EIO at every system call that it makes of files, and is killed at every one: the log is whole after
each, has every entry, and no checkpoint that was ever published, signed or shown to a witness contradicts the last.
"""

import asyncio
import os
import random
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from ledger.proof.checkpoint import Checkpoint
from ledger.proof.note import Note
from ledger.sqlite import SqliteLedger
from ledger.transparency.fsck import check_log
from ledger.transparency.layout import CHECKPOINTS, STORE, notes_in
from ledger.transparency.store import SequencerStore
from tests.ledger.test_faults import WITHOUT_STRACE
from tests.ledger.transparency.logs import Clock, check, make_key, record, sequencer_of
from tests.ledger.transparency.stepped import Onlooker, Stepped, shown

pytestmark = pytest.mark.skipif(WITHOUT_STRACE is not None, reason=str(WITHOUT_STRACE))

STRIDE = int(os.environ.get("TEST_SYSTEM_CALLS", "7"))
"""1 for EIO and a kill at every call; else of all these points every so many, another set each time."""

HOURS = 30
"""From the log's beginning to the round in question: it is another day."""


TRIES_MAX = 4
"""SQLite makes a call more or less now and then."""


@pytest.fixture
def folder(tmp_path):
    """In memory where there is a place for it: what is durable is not what is asked here, and takes its time."""
    shared = Path("/dev/shm")
    with TemporaryDirectory(dir=shared if os.access(shared, os.W_OK) else tmp_path) as made:
        yield Path(made)


async def begin(folder, sizes, left):
    """A log of some rounds, and events that are not in it yet."""
    make_key(folder / "keys")
    ledger = await SqliteLedger.open(folder / "ledger.sqlite")
    if sizes:
        sequencer = await sequencer_of(ledger, folder, cosigner=Onlooker(folder), clock=(clock := Clock()))
        for size in sizes:
            await record(ledger, size)
            await sequencer.round(refresh=True)
            clock.pass_s(9 * 3_600)
        await sequencer.close()
    await record(ledger, left)
    await ledger.close()


ROUNDS = {"first": ((), 5), "over-the-end-of-a-tile-on-another-day": ((3, 250), 10), "without-growth": ((3, 250), 0)}
"""What the log has before, a round a number, and what was recorded since."""


def signed_or_published(folder):
    """What the sequencer's store and files say as they were left."""
    known = shown(folder)
    if (folder / "proof" / STORE).exists():
        store = SequencerStore(folder / "proof" / STORE)
        known += [checkpoint_in(kept.note) for kept in (store.cursor(), store.published()) if kept]
        store.close()
    published = folder / "proof" / "log" / "checkpoint"
    known += [checkpoint_in(published.read_bytes())] if published.exists() else []
    days = (folder / "proof" / CHECKPOINTS).glob("2*")
    # The last note of a day may have been cut off: it stands in the store, and is written again.
    return known + [checkpoint_in(note) for day in days for note in notes_in(day.read_bytes())[:-1]]


def checkpoint_in(note):
    return Checkpoint.parse(Note.parse(note).text)


async def must_go_on(folder, point):
    known = signed_or_published(folder)
    ledger = await SqliteLedger.open(folder / "ledger.sqlite")
    clock = Clock()
    clock.pass_s((HOURS + 1) * 3_600)
    sequencer = await sequencer_of(ledger, folder, clock=clock, cosigner=Onlooker(folder))
    while not (outcome := await sequencer.round(refresh=True)).at_head or outcome.published_size < outcome.signed_size:
        pass
    await sequencer.close()
    checkpoints = await check(ledger, folder)
    assert checkpoints[-1].size == await ledger.head(), point
    assert [one for one in (*known, *shown(folder)) if one not in checkpoints] == [], point
    assert (await check_log(ledger, folder / "proof")).findings == [], point
    await ledger.close()


@pytest.mark.timeout(900)
@pytest.mark.parametrize("before", ROUNDS)
def test_at_every_system_call(folder, before):
    begun = folder / before
    begun.mkdir()
    asyncio.run(begin(begun, *ROUNDS[before]))
    with Stepped() as stepped:
        calls = stepped.calls(shutil.copytree(begun, folder / "counted"), HOURS)
        points = [(point, kind) for point in calls for kind in (stepped.fail, stepped.kill)]
        begin_at = random.SystemRandom().randrange(STRIDE)
        for point, kind in points[begin_at::STRIDE]:
            go_through(begun, folder / "here", kind, point)
    assert len(points) > 600, "a round makes more than three hundred calls"


def go_through(begun, folder, kind, point):
    for _ in range(TRIES_MAX):
        shutil.copytree(begun, folder)
        came_to_it = kind(folder, HOURS, point)
        asyncio.run(must_go_on(folder, point))
        shutil.rmtree(folder)
        if came_to_it:
            return
    raise AssertionError(f"{point} was never made")
