"""The sequencer as a program: what its probe says while it works, in trouble, and stopped at a fault."""

import asyncio
import shutil

import pytest

from cli.at_work import AtWork
from cli.sequencing import STALE_US, Looking
from ledger.memory import MemoryLedger
from ledger.transparency.cosigning import Witnesses
from ledger.transparency.faults import LogFault
from ledger.transparency.sequencer import NO_POLICY
from tests.ledger.transparency.logs import Clock, record, sequencer_of


@pytest.fixture
async def following(tmp_path):
    clock, ledger = Clock(), MemoryLedger()
    await record(ledger, 10)
    sequencer = await sequencer_of(ledger, tmp_path, clock=clock)
    witnesses = Witnesses(NO_POLICY, clock)
    looking = Looking(sequencer, ledger, witnesses, clock)
    yield AtWork(sequencer, looking.look, looking.well), sequencer, clock
    await sequencer.close()
    await witnesses.close()


async def test_it_is_degraded_until_there_is_a_checkpoint_and_when_it_is_old(following):
    probe, sequencer, clock = following
    health = await probe.health()
    assert (health.ok, health.degraded, health.detail) == (True, True, "no new checkpoint")
    await sequencer.round()
    await sequencer.round()
    assert await probe.health() == type(health)(ok=True, detail="10 entries")
    clock.pass_s(STALE_US / 1e6 + 1)
    assert (await probe.health()).degraded
    await sequencer.round(refresh=True)
    assert not (await probe.health()).degraded


async def test_tiles_that_a_restored_log_lacks_are_made_again_while_it_serves(tmp_path):
    clock, ledger = Clock(), MemoryLedger()
    await record(ledger, 10)
    sequencer = await sequencer_of(ledger, tmp_path, clock=clock)
    await sequencer.round()
    await sequencer.round()
    await sequencer.close()
    shutil.rmtree(tmp_path / "proof/log/tile")
    sequencer, witnesses = await sequencer_of(ledger, tmp_path, clock=clock), Witnesses(NO_POLICY, clock)
    looking = Looking(sequencer, ledger, witnesses, clock)
    probe = AtWork(sequencer, looking.look, looking.well)
    await sequencer.load(remake=False)
    health = await probe.health()
    assert (health.ok, health.degraded, health.detail) == (True, True, "making the tiles again: 0 of 10 entries")
    assert not (tmp_path / "proof/log/tile").exists()
    await sequencer.round(refresh=True)
    assert (await probe.health()).detail == "10 entries"
    assert (tmp_path / "proof/log/tile/0/000.p/10").exists()
    await sequencer.close()
    await witnesses.close()


async def test_trouble_is_told_and_does_not_fail_the_probe(following):
    probe, sequencer, _ = following
    sequencer.trouble = "OSError: no space"
    health = await probe.health()
    assert (health.ok, health.degraded, health.detail) == (True, True, "OSError: no space")


async def test_a_fault_stops_the_log_and_not_the_process(following, tmp_path):
    probe, sequencer, _ = following
    await sequencer.round()
    (tmp_path / "proof/log/tile/0").mkdir(parents=True)
    (tmp_path / "proof/log/tile/0/000.p").mkdir()
    (tmp_path / "proof/log/tile/0/000.p/10").write_bytes(b"something else")
    task = asyncio.create_task(probe.run())
    while (await probe.health()).ok:  # noqa: ASYNC110  nobody says so
        await asyncio.sleep(0.01)
    assert (await probe.health()).detail == "log.file_differs"
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(LogFault):
        await sequencer.round()
