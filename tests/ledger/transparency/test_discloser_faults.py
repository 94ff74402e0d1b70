"""The discloser broken off at every step of a round, done or not: what the heads cover is whole, the next goes on."""

import asyncio
import errno
import shutil
from contextlib import suppress

import pytest

from ledger.memory import MemoryLedger
from ledger.port import Unavailable
from ledger.transparency.disclosed import METADATA, PUBLIC, RANGE_ENTRIES, SUPERVISOR, range_name
from ledger.transparency.discloser import STAGING, Discloser
from ledger.transparency.storage import DirectoryStorage, Disk
from tests.ledger.transparency.disclosures import LABELS, check, disclose, discloser_of, record, sequence

BEFORE, MORE = RANGE_ENTRIES - 10, 30
"""Disclosed before, and to be disclosed by the round that is broken off: a range is filled, another begun."""


class Broken(BaseException):
    """As a process that is gone: nothing catches it."""


class Fails:
    """Fails at the step of this number, counted from 0, having done it or not."""

    def __init__(self, at, error, *, done):
        self.at, self.error, self.done, self.steps = at, error, done, 0

    def __call__(self, step, *arguments):
        fails, self.steps = self.steps == self.at, self.steps + 1
        if fails and not self.done:
            raise self.error
        answer = step(*arguments)
        if fails:
            raise self.error
        return answer


def failing(kind, names, fails):
    """An object of this kind, whose steps of these names fail as told."""

    def wrapped(name):
        def step(self, *arguments):
            return fails(getattr(super(made, self), name), *arguments)

        return step

    made = type(f"Failing{kind.__name__}", (kind,), {name: wrapped(name) for name in names})
    return made


DISK = ("create", "synchronise", "rename", "make_folder", "synchronise_folder")


@pytest.fixture
async def begun(tmp_path):
    """A log of which something is disclosed and something is not."""
    ledger = MemoryLedger(position_stride=3)
    (tmp_path / "begun").mkdir()
    await record(ledger, BEFORE)
    await sequence(ledger, tmp_path / "begun")
    await disclose(discloser_of(ledger, tmp_path / "begun"))
    await record(ledger, MORE)
    await sequence(ledger, tmp_path / "begun")
    return ledger


def copied(folder, number):
    """The same log again."""
    return shutil.copytree(folder / "begun", folder / f"copy-{number}")


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize("error", [OSError(errno.EIO, "injected"), Broken()], ids=["error", "gone"])
async def test_broken_off_at_every_write(begun, tmp_path, error, done):
    points, finished = 0, False
    while not finished:
        folder = copied(tmp_path, points)
        fails = Fails(points, error, done=done)
        storage = DirectoryStorage(folder / "proof", failing(Disk, DISK, fails)(), STAGING)
        following = Discloser(begun, storage, LABELS)
        with suppress(OSError, Broken):
            await disclose(following)
            finished = True
        covered = await check(begun, folder)
        assert covered in {BEFORE, BEFORE + MORE}
        fails.at = -1
        # The same discloser, or another where that one is gone, goes on.
        again = discloser_of(begun, folder) if isinstance(error, Broken) else following
        assert await disclose(again) == await check(begun, folder) == BEFORE + MORE
        left = sorted((folder / "proof" / "private" / "disclosing").iterdir())
        assert all(path.name.isdigit() for path in left), "nothing of ours is left where anybody looks"
        shutil.rmtree(folder)
        points += 1
    assert points > 30


async def test_broken_off_at_every_read(begun, tmp_path):
    points, finished = 0, False
    while not finished:
        folder = copied(tmp_path, points)
        fails = Fails(points, OSError(errno.EIO, "injected"), done=False)
        storage = failing(DirectoryStorage, ("read",), fails)(folder / "proof", staging=STAGING)
        following = Discloser(begun, storage, LABELS)
        with suppress(OSError):
            await disclose(following)
            finished = True
        fails.at = -1
        assert await check(begun, folder) == (BEFORE + MORE if finished else BEFORE)
        assert await disclose(following) == await check(begun, folder) == BEFORE + MORE
        shutil.rmtree(folder)
        points += 1
    assert points > 10


class Away(MemoryLedger):
    """A ledger that cannot be read now and then."""

    away = 0

    async def read_all(self, after=0, **more):
        if self.away:
            self.away -= 1
            raise Unavailable("injected")
        return await super().read_all(after, **more)


async def test_what_passes_is_told_and_tried_again(tmp_path):
    ledger = Away()
    await record(ledger, 10)
    await sequence(ledger, tmp_path)
    ledger.away = 2
    following = discloser_of(ledger, tmp_path)
    running = asyncio.create_task(following.run())
    troubles = set()
    try:
        async with asyncio.timeout(20):
            while following.covered < 10:
                troubles.add(following.trouble)
                await asyncio.sleep(0.01)
        assert "Unavailable: injected" in troubles
        assert following.trouble is None
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert await check(ledger, tmp_path) == 10


async def test_a_range_whose_files_were_written_and_not_covered_is_written_again(begun, tmp_path):
    """Whatever lies there: no head covered it."""
    folder = copied(tmp_path, 0)
    for of in (PUBLIC, SUPERVISOR, METADATA):
        (folder / "proof" / range_name(of, 1)).write_bytes(b"torn")
    assert await disclose(discloser_of(begun, folder)) == await check(begun, folder) == BEFORE + MORE
