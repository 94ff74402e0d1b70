"""Many reports on one call: the order of answers, batches, bounds, and whoever goes away."""

import asyncio

import pytest

from kernel.grpc_streaming import BATCH_MAX, WAITING_BYTES_MAX, WAITING_MAX, answered

MANY = 2 * BATCH_MAX + 7


class Taking:
    """Answers each report with itself, and remembers what was taken together. It waits where it is told to."""

    def __init__(self):
        self.batches, self.may_go_on = [], asyncio.Event()
        self.may_go_on.set()

    async def take(self, batch):
        self.batches.append(list(batch))
        await self.may_go_on.wait()
        return list(batch)

    @property
    def taken(self):
        return [one for batch in self.batches for one in batch]


@pytest.fixture
async def taking():
    return Taking()


def numbered(count):
    return [b"%d" % nth for nth in range(count)]


async def arriving(bodies, *, pause_s=None, cut_off=None):
    for body in bodies:
        if pause_s is not None:
            await asyncio.sleep(pause_s)
        yield body
    if cut_off is not None:
        raise cut_off


async def test_answers_come_in_the_order_of_the_reports_and_batches_are_bounded(taking):
    bodies = numbered(MANY)
    assert [answer async for answer in answered(arriving(bodies), taking.take)] == taking.taken == bodies
    assert max(map(len, taking.batches)) <= BATCH_MAX
    assert len(taking.batches) < MANY / 10


async def test_nothing_arrives_and_nothing_is_taken(taking):
    assert [answer async for answer in answered(arriving([]), taking.take)] == []
    assert taking.batches == []


async def test_what_drips_in_is_not_kept_waiting_for_more(taking):
    """Each comes within what a batch waits after the one before; a batch does not wait for ever all the same."""
    bodies = numbered(300)
    assert [answer async for answer in answered(arriving(bodies, pause_s=0.001), taking.take)] == bodies
    assert len(taking.batches) > 10


async def test_whoever_is_cut_off_has_what_came_before_taken(taking):
    bodies = numbered(30)
    answers = answered(arriving(bodies, cut_off=ConnectionError()), taking.take)
    assert [await anext(answers) for _ in bodies] == taking.taken == bodies
    with pytest.raises(ConnectionError):
        await anext(answers)


async def test_what_fails_in_taking_ends_the_call_and_reads_no_further():
    read = []

    async def endless():
        for nth in range(10**9):
            read.append(nth)
            yield b"x"

    async def take(_batch):
        raise LookupError("no log")

    answers = answered(endless(), take)
    with pytest.raises(LookupError, match="no log"):
        await anext(answers)
    before = len(read)
    await asyncio.sleep(0.05)
    assert len(read) == before <= WAITING_MAX + BATCH_MAX + 1


async def test_what_is_taken_while_the_caller_goes_away_is_taken_all_the_same():
    begun, done, may_go_on = asyncio.Event(), [], asyncio.Event()

    async def take(batch):
        begun.set()
        await may_go_on.wait()
        done.extend(batch)
        return batch

    call = asyncio.create_task(anext(answered(arriving(numbered(3)), take)))
    await begun.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    may_go_on.set()
    await asyncio.sleep(0.01)
    assert done == numbered(3)


@pytest.mark.parametrize(("body", "most"), [(b"x", WAITING_MAX + BATCH_MAX + 1), (b"x" * 2**20, 2 * 16 + 2)])
async def test_who_sends_without_reading_is_read_no_further(taking, body, most):
    """A report that waits behind those being taken is held in memory: so many, and of so many bytes, and no more."""
    assert WAITING_BYTES_MAX == 16 * 2**20
    read = []

    async def endless():
        for nth in range(10**9):
            read.append(nth)
            yield body

    taking.may_go_on.clear()
    answers = answered(endless(), taking.take)
    first = asyncio.create_task(anext(answers))
    async with asyncio.timeout(30):
        while len(read) < most // 2:  # noqa: ASYNC110  what is read tells nobody
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.2)
    assert len(read) <= most
    # Once it is answered it is read on, a batch at a time.
    taking.may_go_on.set()
    await first
    read_by_then = len(read)
    async with asyncio.timeout(30):
        for _ in range(2 * most):
            await anext(answers)
    assert read_by_then <= len(read) <= read_by_then + 4 * most
    await answers.aclose()
