"""What time events are recorded at, where the ledger's clock can be set."""

from datetime import UTC, datetime

import pytest

from ledger.memory import MemoryLedger
from ledger.port import ANY, Append
from ledger.sqlite import SqliteLedger
from tests.ledger.making import drafts, everything, one


class SetClock:
    """Shows what it is told to."""

    def __init__(self, now_us):
        self.now_us = now_us

    def __call__(self):
        return self.now_us


@pytest.fixture
def clock():
    return SetClock(1_700_000_000_000_001)


@pytest.fixture(params=["memory", "sqlite"])
async def log(request, clock, tmp_path):
    if request.param == "memory":
        ledger = MemoryLedger(clock=clock)
    else:
        ledger = await SqliteLedger.open(tmp_path / "ledger.db", clock=clock)
    yield ledger
    await ledger.close()


async def test_recorded_at_is_the_clocks_to_the_microsecond(log, clock):
    await log.append([Append("s", ANY, drafts(2))])
    clock.now_us += 1
    await log.append([Append("s", ANY, drafts(1))])
    events = await everything(log)
    assert [e.recorded_at_us for e in events] == [1_700_000_000_000_001] * 2 + [1_700_000_000_000_002]
    assert events[0].recorded_at == datetime(2023, 11, 14, 22, 13, 20, 1, tzinfo=UTC)


async def test_recorded_at_never_goes_back(log, clock):
    shown = []
    for step_us in (0, 5, -3, -1_000_000, 2, 999_999, 10_000_000, -1):
        clock.now_us += step_us
        await log.append([*one("s"), *one("t")])
        shown.append(clock.now_us)
    recorded = [e.recorded_at_us for e in await everything(log)]
    assert recorded == sorted(recorded)
    assert recorded[0] == shown[0]
    assert recorded[-1] == max(shown)


async def test_recorded_at_never_goes_back_across_processes_with_clocks_that_differ(tmp_path):
    path = tmp_path / "ledger.db"
    fast, slow = SetClock(2_000_000), SetClock(1_000_000)
    first = await SqliteLedger.open(path, clock=fast)
    second = await SqliteLedger.open(path, clock=slow)
    for ledger in (first, second, first, second):
        await ledger.append(one("s"))
        fast.now_us += 10
    await first.close()
    await second.close()
    late = await SqliteLedger.open(path, clock=SetClock(5))
    await late.append(one("s"))
    assert [e.recorded_at_us for e in await everything(late)] == [2_000_000, 2_000_000, 2_000_020, 2_000_020, 2_000_020]
    await late.close()
