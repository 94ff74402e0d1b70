"""The discloser as a process tells what it is at: degraded where a type has no label, not ready at a fault."""

import asyncio

import pytest
from structlog.testing import capture_logs

from cli.at_work import WATCH_S
from cli.disclosing import DISCLOSURE, at_work
from kernel.disclosure import load
from ledger.memory import MemoryLedger
from tests.ledger.transparency.disclosures import OPEN, UNKNOWN, Forged, discloser_of, record, sequence


@pytest.fixture
async def set_to_work(tmp_path):
    """A function that sets a discloser of this ledger to work."""
    tasks = []

    def begin(ledger):
        following = at_work(discloser_of(ledger, tmp_path))
        tasks.extend(asyncio.create_task(part()) for part in (following.run, following.watch))
        return following

    yield begin
    for task in tasks:
        assert not task.done(), "what is wrong with the log does not end the process"
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def until(holds):
    async with asyncio.timeout(20):
        while not await holds():  # noqa: ASYNC110  it tells nobody
            await asyncio.sleep(0.02)


async def test_what_has_no_label_is_told_once_and_by_its_type(tmp_path, set_to_work):
    ledger = MemoryLedger()
    await record(ledger, 8)
    await sequence(ledger, tmp_path)
    with capture_logs() as logs:
        following = set_to_work(ledger)

        async def degraded():
            return (await following.health()).degraded

        await until(degraded)
        health = await following.health()
        assert (health.ok, health.detail) == (True, f"no label: {UNKNOWN}")
        await asyncio.sleep(2.5 * WATCH_S)
    assert [log["type"] for log in logs if log["event"] == "no label"] == [UNKNOWN]


async def test_a_fault_stops_it_loudly_with_the_index(tmp_path, set_to_work):
    ledger = Forged()
    await record(ledger, 8)
    await sequence(ledger, tmp_path)
    ledger.forged = 6
    with capture_logs() as logs:
        following = set_to_work(ledger)

        async def stopped():
            return not (await following.health()).ok

        await until(stopped)
    assert (await following.health()).detail == "log.disclosure_differs"
    (told,) = [log for log in logs if log["event"] == "stopped"]
    assert (told["code"], told["log_level"], told["exc_info"]) == ("log.disclosure_differs", "error", True)


def test_the_labels_that_come_along_are_those_of_the_documents():
    labels = load(DISCLOSURE)
    assert "registry.SiteOpened" in labels.public
    assert OPEN not in labels.events
