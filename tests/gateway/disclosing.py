"""What is recorded, sequenced and disclosed at once, as the platform's own programs do a second later."""

from pathlib import Path

from kernel.clock import system_clock_us
from kernel.keys import OWNER_ONLY, write_file
from ledger.port import Ledger
from ledger.transparency.discloser import STAGING, Discloser, Labels
from ledger.transparency.keys import KEY_FILE, new_key
from ledger.transparency.sequencer import Sequencer
from ledger.transparency.storage import DirectoryStorage


async def sequence(ledger: Ledger, folder: Path) -> int:
    """Everything recorded, in the log in `folder / "proof"` and published. Returns its size."""
    keys = folder / "keys"
    if not (keys / KEY_FILE).exists():
        keys.mkdir(exist_ok=True)
        write_file(keys / KEY_FILE, new_key(), OWNER_ONLY)
    origin = f"meterloop.local/{ledger.ledger_id}"
    sequencer = await Sequencer.open(ledger, folder / "proof", keys, origin=origin, clock=system_clock_us)
    while (outcome := await sequencer.round()).added or not outcome.at_head:
        pass
    await sequencer.close()
    return outcome.published_size


async def disclose(ledger: Ledger, folder: Path, public: frozenset[str]) -> int:
    """The same, and disclosed. Returns how much is."""
    await sequence(ledger, folder)
    discloser = Discloser(ledger, DirectoryStorage(folder / "proof", staging=STAGING), Labels(public, public))
    while (done := await discloser.step()).covered < done.published:
        pass
    return done.covered
