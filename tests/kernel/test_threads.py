"""Threads beside the event loop: one as long as that will do, more where it is held up."""

import asyncio
import threading
from collections import Counter
from contextvars import ContextVar

import pytest

from kernel.threads import Threads

MOST = 3


@pytest.fixture
def threads():
    threads = Threads("reading", 1, MOST)
    yield threads
    threads.close()


async def test_what_is_short_is_done_by_one_thread(threads):
    idents = await asyncio.gather(*(threads.run(threading.get_ident) for _ in range(100)))
    # A machine that is busy elsewhere may hold it up for a moment, and another helps with what waits then.
    [(ident, calls)] = Counter(idents).most_common(1)
    assert calls > 50
    assert ident != threading.get_ident()


async def test_others_help_while_it_is_held_up_and_no_more_than_there_may_be(threads):
    let_go, begun, at_work = threading.Event(), threading.Semaphore(0), []

    def held_up():
        at_work.append(threading.get_ident())
        begun.release()
        let_go.wait()

    waiting = [asyncio.create_task(threads.run(held_up)) for _ in range(MOST - 1)]
    for _ in range(3):
        assert await threads.run(lambda: "short") == "short"
    assert len(set(at_work)) == MOST - 1
    waiting += [asyncio.create_task(threads.run(held_up)) for _ in range(3)]
    for _ in range(MOST):
        await asyncio.to_thread(begun.acquire)
    await asyncio.sleep(0.1)
    assert len(at_work) == len(set(at_work)) == MOST
    let_go.set()
    await asyncio.gather(*waiting)


async def test_what_is_raised_comes_back_and_the_thread_goes_on(threads):
    def broken():
        raise KeyError("no")

    with pytest.raises(KeyError, match="no"):
        await threads.run(broken)
    assert await threads.run(lambda: 1) == 1


async def test_a_function_runs_in_its_callers_context(threads):
    name: ContextVar[str] = ContextVar("name")
    name.set("caller's")
    assert await threads.run(name.get) == "caller's"


async def test_who_is_cancelled_does_not_stop_it(threads):
    begun, let_go, done = threading.Event(), threading.Event(), threading.Event()

    def work():
        begun.set()
        let_go.wait()
        done.set()

    task = asyncio.create_task(threads.run(work))
    await asyncio.to_thread(begun.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    let_go.set()
    assert await threads.run(done.is_set)


async def test_closing_finishes_what_was_asked_and_takes_nothing_more(threads):
    asked = [asyncio.create_task(threads.run(lambda n=n: n)) for n in range(5)]
    await asyncio.sleep(0)
    await asyncio.to_thread(threads.close)
    assert await asyncio.gather(*asked) == list(range(5))
    with pytest.raises(RuntimeError, match="reading is closed"):
        await threads.run(int)
    threads.close()
