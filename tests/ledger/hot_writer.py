"""A process that appends as fast as it can: `python -m tests.ledger.hot_writer LEDGER STREAM TASKS SECONDS`.

Says `ready`, begins at a line on standard input, and ends with one line: how many appends, the longest of them, and the
last position. A log that is sealed meanwhile ends it early.
"""

import asyncio
import sys
import time
from pathlib import Path

import msgspec

from ledger.port import Sealed
from ledger.sqlite import SqliteLedger
from tests.ledger.making import one


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def main(path: Path, stream: str, tasks: int, seconds: float) -> None:
    log = await SqliteLedger.open(path)
    await log.append(one(stream))
    say("ready")
    await asyncio.to_thread(sys.stdin.readline)
    elapsed_s: list[float] = []
    last = 0
    end_s = time.perf_counter() + seconds

    async def writer(own: str) -> None:
        nonlocal last
        while (started_s := time.perf_counter()) < end_s:
            try:
                receipt = await log.append(one(own))
            except Sealed:
                return
            last = max(last, receipt.position)
            elapsed_s.append(time.perf_counter() - started_s)

    await asyncio.gather(*(writer(f"{stream}-{task}") for task in range(tasks)))
    elapsed_s.sort()
    report = {"appends": len(elapsed_s), "median_s": elapsed_s[len(elapsed_s) // 2], "longest_s": elapsed_s[-1]}
    say(msgspec.json.encode(report | {"last": last, "early": time.perf_counter() < end_s}).decode())
    await log.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
