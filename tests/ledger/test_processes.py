"""Several processes at one embedded ledger: fair hand-over, nothing skipped, and what kill -9 leaves."""

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from contextlib import aclosing

import pytest

from ledger.port import OWN_STREAM
from ledger.sqlite import SqliteLedger
from ledger.sqlite_lock import WriterTurn
from tests.ledger import version_1
from tests.ledger.making import first_events, one

KILLS = int(os.environ.get("TEST_KILLS", "120"))
WAIT_S = 60


class HotWriter:
    """A process that runs `hot_writer`."""

    def __init__(self, path, stream, tasks, seconds):
        command = [sys.executable, "-m", "tests.ledger.hot_writer", path, stream, tasks, seconds]
        self.process = subprocess.Popen(
            [str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ready(self):
        assert self.process.stdout.readline() == "ready\n"

    def begin(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def report(self):
        out, _ = self.process.communicate(timeout=WAIT_S)
        assert self.process.returncode == 0
        return json.loads(out)


def test_who_has_just_written_lets_the_one_who_waits_go_first(tmp_path):
    """Without the turnstile the first to release takes the lock again long before a waiter has woken up."""
    mine, theirs = WriterTurn(tmp_path / "lock"), WriterTurn(tmp_path / "lock")
    order = []

    def wait_once():
        with theirs:
            order.append("theirs")

    for _ in range(30):
        order.clear()
        mine.__enter__()
        waiter = threading.Thread(target=wait_once)
        waiter.start()
        time.sleep(0.01)
        for _ in range(3):
            mine.__exit__(None, None, None)
            mine.__enter__()
            order.append("mine")
        mine.__exit__(None, None, None)
        waiter.join()
        assert order[0] == "theirs"
    mine.close()
    theirs.close()


def test_one_who_writes_little_is_not_starved_by_those_who_write_much(tmp_path):
    path = tmp_path / "ledger.db"
    writers = [HotWriter(path, "much", 64, 1.5), HotWriter(path, "more", 64, 1.5), HotWriter(path, "little", 1, 1.5)]
    for step in (HotWriter.ready, HotWriter.begin):
        for writer in writers:
            step(writer)
    *_, little = (writer.report() for writer in writers)
    assert little["appends"] >= 10
    assert little["longest_s"] < 1


async def test_a_follower_sees_every_position_in_order_while_tasks_and_processes_append(tmp_path):
    path = tmp_path / "ledger.db"
    log = await SqliteLedger.open(path)
    writers = [HotWriter(path, f"process{index}", 8, 1) for index in range(2)]
    for writer in writers:
        await asyncio.to_thread(writer.ready)
    seen = []
    stop = asyncio.Event()

    async def follow():
        async with aclosing(log.follow(limit=100)) as pages:
            async for page in pages:
                seen.extend(page.events)
                if any(event.stream == "end" for event in page.events):
                    return

    async def append(task):
        while not stop.is_set():
            await log.append([*one(f"task{task}"), *one("shared", count=2)])

    follower = asyncio.create_task(follow())
    for writer in writers:
        writer.begin()
    tasks = [asyncio.create_task(append(task)) for task in range(64)]
    reports = [await asyncio.to_thread(writer.report) for writer in writers]
    stop.set()
    await asyncio.gather(*tasks)
    end = await log.append(one("end"))
    await asyncio.wait_for(follower, WAIT_S)
    assert [event.position for event in seen] == list(range(1, end.position + 1))
    assert end.position > sum(report["appends"] for report in reports) + 64 * 3
    heads = {}
    for event in seen:
        assert event.version == heads.get(event.stream, -1) + 1
        heads[event.stream] = event.version
    await log.close()


async def test_commits_of_another_process_are_noticed_at_once(tmp_path):
    path = tmp_path / "ledger.db"
    log = await SqliteLedger.open(path)
    writer = HotWriter(path, "s", 1, 0.2)
    await asyncio.to_thread(writer.ready)
    following = asyncio.create_task(first_events(log.follow(1), 1))
    await asyncio.sleep(0.1)
    assert not following.done()
    writer.begin()
    await asyncio.wait_for(following, 2)
    await asyncio.to_thread(writer.report)
    await log.close()


async def test_sealed_in_one_process_is_sealed_in_all_at_once(tmp_path):
    path = tmp_path / "ledger.db"
    writers = [HotWriter(path, f"process{index}", 8, 30) for index in range(2)]
    for step in (HotWriter.ready, HotWriter.begin):
        for writer in writers:
            await asyncio.to_thread(step, writer)
    log = await SqliteLedger.open(path)
    await first_events(log.follow(), 200)
    head = await log.seal(b"{}")
    reports = [await asyncio.to_thread(writer.report) for writer in writers]
    assert all(report["early"] for report in reports)
    assert await log.head() == head == max(report["last"] for report in reports)
    assert head == sum(report["appends"] for report in reports) + len(writers)
    await log.close()


async def test_processes_that_open_a_file_of_version_1_at_once_upgrade_it_once(tmp_path):
    path = tmp_path / "ledger.db"
    version_1.make(path, events=3)
    writers = [HotWriter(path, f"process{index}", 4, 0.2) for index in range(4)]
    for step in (HotWriter.ready, HotWriter.begin):
        for writer in writers:
            await asyncio.to_thread(step, writer)
    appends = [(await asyncio.to_thread(writer.report))["appends"] + 1 for writer in writers]
    log = await SqliteLedger.open(path)
    assert log.ledger_id == version_1.LEDGER_ID
    assert await log.head() == sum(appends) + 3
    assert len((await log.read_beside(OWN_STREAM)).events) == 1
    await log.close()


def test_an_upgrade_that_is_broken_off_leaves_one_version_or_the_other(tmp_path):
    breaking = [sys.executable, "-m", "tests.ledger.break_upgrades", str(tmp_path)]
    done = subprocess.run(breaking, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    (killed, upgraded), *others = json.loads(done.stdout)
    assert 0 < upgraded < killed
    assert len(others) == 3
    assert min(broken for broken, _ in others) > 5


@pytest.mark.timeout(60 + KILLS)
def test_kills_lose_nothing_that_was_acknowledged(tmp_path):
    seed = int.from_bytes(os.urandom(4), "big")
    killing = [sys.executable, "-m", "tests.ledger.kill_writers", str(tmp_path), str(KILLS), str(seed)]
    done = subprocess.run(killing, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"seed {seed}: {done.stderr[-2000:]}"
    report = json.loads(done.stdout)
    assert report["kills"] >= KILLS
    assert report["acknowledged"] > KILLS
