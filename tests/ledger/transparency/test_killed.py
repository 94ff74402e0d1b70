"""A sequencer that is killed again and again, wherever it is: each next one goes on, and the log is whole."""

import os
import random
from pathlib import Path

import pytest

from ledger.proof.checkpoint import Checkpoint
from ledger.proof.note import Note
from ledger.sqlite import SqliteLedger
from ledger.transparency.fsck import check_log
from ledger.transparency.layout import CHECKPOINT
from tests.kernel.killable import Killable, die_after
from tests.ledger.transparency.logs import Clock, check, make_key, record, sequencer_of

KILLS = 24
LIFE_S = (0.01, 0.12)
CHECKED_EVERY = 6


async def sequence_until_killed(folder, life_s):
    folder = Path(folder)
    ledger = await SqliteLedger.open(folder / "ledger.sqlite")
    sequencer = await sequencer_of(ledger, folder, clock=Clock())
    die_after(float(life_s))
    for size in iter(lambda: os.urandom(1)[0], None):
        await record(ledger, size)
        await sequencer.round(refresh=True)


@pytest.mark.timeout(300)
async def test_killed_at_any_moment_it_goes_on(tmp_path):
    seed = random.SystemRandom().randrange(1 << 32)
    chance = random.Random(seed)
    make_key(tmp_path / "keys")
    with Killable("tests.ledger.transparency.test_killed", "sequence_until_killed", tmp_path) as killable:
        kept = []
        for kill in range(1, KILLS + 1):
            killable.start(chance.uniform(*LIFE_S))
            await killable.killed()
            kept += [newest] if (newest := readable(tmp_path)) else []
            if kill % CHECKED_EVERY == 0:
                kept = await recovered(tmp_path, kept, seed)


def readable(folder):
    file = folder / "proof" / CHECKPOINT
    return Checkpoint.parse(Note.parse(file.read_bytes()).text) if file.exists() else None


async def recovered(folder, kept, seed):
    ledger = await SqliteLedger.open(folder / "ledger.sqlite")
    sequencer = await sequencer_of(ledger, folder)
    while not (await sequencer.round(refresh=True)).at_head:
        pass
    await sequencer.close()
    checkpoints = await check(ledger, folder)
    assert [one for one in kept if one not in checkpoints] == [], f"seed {seed}"
    assert checkpoints[-1].size == await ledger.head(), f"seed {seed}"
    assert (await check_log(ledger, folder / "proof")).findings == [], f"seed {seed}"
    await ledger.close()
    return checkpoints
