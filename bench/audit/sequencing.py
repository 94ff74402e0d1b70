"""Events a second from a ledger in SQLite into a proof log on disk: rounds one after the other, as a sequencer that is
far behind takes them, without the pause between two checkpoints.
"""

import time
from pathlib import Path
from typing import Final

from bench.ledger import Typical
from kernel.clock import system_clock_us
from ledger.sqlite import SqliteLedger
from ledger.transparency.keys import KEY_FILE, new_key
from ledger.transparency.sequencer import Sequencer

EVENTS: Final = 1_000_000
BATCH_EVENTS: Final = 5_000


async def sequence_per_s(folder: Path, events: int) -> float:
    """Sequence so many events into an empty log in this folder."""
    ledger = await SqliteLedger.open(folder / "sequenced.db")
    typical = Typical()
    for _ in range(-(-events // BATCH_EVENTS)):
        await ledger.append(typical.appends(BATCH_EVENTS))
    keys = folder / "keys"
    keys.mkdir()
    (keys / KEY_FILE).write_bytes(new_key())
    (keys / KEY_FILE).chmod(0o600)
    sequencer = await Sequencer.open(ledger, folder / "proof", keys, origin="log.example/bench", clock=system_clock_us)
    await sequencer.round()
    started = time.perf_counter()
    added = 0
    while not (outcome := await sequencer.round()).at_head:
        added += outcome.added
    added += outcome.added
    elapsed_s = time.perf_counter() - started
    await sequencer.close()
    await ledger.close()
    return added / elapsed_s
