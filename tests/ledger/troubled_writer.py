"""A process whose disk misbehaves: `python -m tests.ledger.troubled_writer LEDGER how`.

`injected`: strace makes some of its system calls fail. Each call that fails is repeated with the same ids, as a caller
would. `full`: files may not grow beyond a limit that is set while it runs (RLIMIT_FSIZE), and lifted again.
Ends with one line: what was acknowledged, and how often the ledger was unavailable.
"""

import asyncio
import resource
import sys
from pathlib import Path

import msgspec

from ledger.port import ANY, Append, Draft, Unavailable
from ledger.sqlite import SqliteLedger
from ledger.sqlite_lock import WriterTurn
from tests.ledger.making import draft

CALLS = 150
REPETITIONS_MAX = 100


async def injected(log: SqliteLedger) -> tuple[list[str], int]:
    acknowledged, troubles = [], 0
    for number in range(CALLS):
        call = [Append(f"s{number % 7}", ANY, [draft(b"x" * 2_000)]), Append("all", ANY, [draft(), draft()])]
        for _ in range(REPETITIONS_MAX):
            try:
                await log.append(call)
            except Unavailable:
                troubles += 1
            else:
                acknowledged += [event.id.hex() for append in call for event in append.drafts]
                break
        else:
            raise AssertionError("the writer does not recover")
    return acknowledged, troubles


async def full(log: SqliteLedger, path: Path) -> tuple[list[str], int]:
    small, large = [draft(b"x" * 10) for _ in range(40)], draft(b"x" * 900_000)
    acknowledged = await _appended(log, small[:10])
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    wal_bytes = path.with_name(path.name + "-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (wal_bytes + 400_000, unlimited[1]))
    turn = WriterTurn(path.with_name(path.name + "-lock"))
    with turn:
        calls = [[Append("s", ANY, [event])] for event in [*small[10:13], large, small[13]]]
        tasks = [asyncio.create_task(log.append(call)) for call in calls]
        await asyncio.sleep(0.05)
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    turn.close()
    assert [isinstance(outcome, Unavailable) for outcome in outcomes] == [False, False, False, True, False], outcomes
    acknowledged += [event.id.hex() for event in small[10:14]]
    assert len((await log.read("s")).events) == 14
    acknowledged += await _appended(log, small[14:20])
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_096, unlimited[1]))
    for event in small[20:25]:
        try:
            await log.append([Append("s", ANY, [event])])
        except Unavailable:
            continue
        raise AssertionError("nothing fits, yet it was acknowledged")
    assert len((await log.read("s")).events) == 20
    resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    acknowledged += await _appended(log, [large, *small[20:]])
    return acknowledged, 6


async def _appended(log: SqliteLedger, events: list[Draft]) -> list[str]:
    for event in events:
        await log.append([Append("s", ANY, [event])])
    return [event.id.hex() for event in events]


async def main(path: Path, how: str) -> None:
    log = await SqliteLedger.open(path)
    acknowledged, troubles = await (full(log, path) if how == "full" else injected(log))
    sys.stdout.write(msgspec.json.encode({"acknowledged": acknowledged, "troubles": troubles}).decode())
    await log.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
