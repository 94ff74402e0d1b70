"""Kill processes that write to one embedded ledger, again and again, and see what is left.

`python -m tests.ledger.kill_writers FOLDER KILLS SEED`. A process of its own, single-threaded and with everything
imported, so that it can fork a writer in a millisecond. Each round forks two; each writer acknowledges, through a pipe
and only after `append` has returned, what it appended; both are killed at random moments. Then:

* what was acknowledged is there, whole;
* what was not acknowledged is there whole or not at all;
* nothing is there twice, positions and versions have no gap, and time does not run backwards.
"""

import asyncio
import os
import random
import select
import signal
import sys
import time
from collections import defaultdict
from pathlib import Path

import apsw
import msgspec

from ledger.port import ANY, NO_STREAM, Append, Draft
from ledger.sqlite import SqliteLedger

READY_S = 20.0
LIFE_MS_MAX = 60
VERIFIED_EVERY = 5


class Called(msgspec.Struct, frozen=True):
    """An event's data: which call it belongs to, and how many events that call has."""

    call: str
    of: int


def write_until_killed(path: Path, writer: str, acknowledged: int) -> None:
    async def appending(kind: str, spread: int) -> None:
        for turn in range(1_000_000):
            call = f"{writer}-{kind}-{turn}"
            data = msgspec.json.encode(Called(call, spread * 2))
            drafts = [Draft(os.urandom(16), "test.Written", data) for _ in range(spread * 2)]
            if kind == "bulk":
                appends = [Append(f"{call}-{n}", NO_STREAM, drafts[2 * n : 2 * n + 2]) for n in range(spread)]
            else:
                appends = [Append(f"{kind}-{n}", ANY, drafts[2 * n : 2 * n + 2]) for n in range(spread)]
            await log.append(appends)
            os.write(acknowledged, f"{call}\n".encode())

    async def main() -> None:
        nonlocal log
        log = await SqliteLedger.open(path)
        await asyncio.gather(appending("own" + writer, 1), appending("shared", 3), appending("bulk", 25))

    log: SqliteLedger
    asyncio.run(main())


def forked_writer(path: Path, writer: str) -> tuple[int, int]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            write_until_killed(path, writer, writing)
        finally:
            os._exit(1)
    os.close(writing)
    return child, reading


def until_closed(reading: int) -> list[str]:
    """Whole lines only: a line cut short by the kill was never an acknowledgement."""
    received = b""
    while chunk := os.read(reading, 1 << 16):
        received += chunk
    os.close(reading)
    return received.decode().split("\n")[:-1]


def round_of_kills(path: Path, number: int, chance: random.Random) -> list[str]:
    writers = [forked_writer(path, f"{number}{name}") for name in "ab"]
    for _, reading in writers:
        assert select.select([reading], [], [], READY_S)[0], "a writer did not come to write"
    for child, _ in chance.sample(writers, 2):
        time.sleep(chance.uniform(0, LIFE_MS_MAX) / 1_000)
        os.kill(child, signal.SIGKILL)
    for child, _ in writers:
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), f"a writer ended by itself: {os.waitstatus_to_exitcode(status)}"
    return [call for _, reading in writers for call in until_closed(reading)]


class Log:
    """What was seen of the log so far; each look takes in what is new."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.position = 0
        self.recorded_at_us = 0
        self.heads: dict[str, int] = defaultdict(lambda: -1)
        self.calls: set[str] = set()

    def look(self, acknowledged: list[str]) -> None:
        connection = apsw.Connection(str(self.path))
        counts: dict[Called, int] = defaultdict(int)
        rows = connection.execute(
            "SELECT position, stream, version, recorded_at_us, data FROM event WHERE position > ? ORDER BY position",
            (self.position,),
        )
        for position, stream, version, recorded_at_us, data in rows:
            assert position == self.position + 1, f"a gap before position {position}"
            assert version == self.heads[stream] + 1, f"{stream} goes from {self.heads[stream]} to {version}"
            assert recorded_at_us >= self.recorded_at_us, f"time runs backwards at {position}"
            self.position, self.heads[stream], self.recorded_at_us = position, version, recorded_at_us
            counts[msgspec.json.decode(data, type=Called)] += 1
        for called, count in counts.items():
            assert count == called.of, f"{called.call} has {count} of {called.of} events"
            assert called.call not in self.calls, f"{called.call} is there twice"
            self.calls.add(called.call)
        missing = set(acknowledged) - self.calls
        assert not missing, f"acknowledged and lost: {sorted(missing)[:5]}"
        connection.close()

    def check_file(self) -> None:
        connection = apsw.Connection(str(self.path))
        assert connection.pragma("integrity_check") == "ok"
        connection.close()


def main(folder: Path, kills: int, seed: int) -> None:
    path = folder / "ledger.db"
    chance = random.Random(seed)
    log = Log(path)
    acknowledged: list[str] = []
    rounds = (kills + 1) // 2
    for number in range(rounds):
        acknowledged += round_of_kills(path, number, chance)
        # Most rounds begin on what the kills have left, so that the writers themselves recover it.
        if number % VERIFIED_EVERY == 0 or number == rounds - 1:
            log.look(acknowledged)
    log.check_file()
    report = {"kills": rounds * 2, "acknowledged": len(acknowledged), "events": log.position}
    sys.stdout.write(msgspec.json.encode(report).decode())


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
