"""The discloser of the proof log as a process: `python -m cli.disclosing`, or `meterloop ledger disclose`."""

import sys
from pathlib import Path
from typing import Final

import structlog

from cli.at_work import AtWork
from kernel.disclosure import OUTSIDE, Disclosure, DisclosureFile, load
from kernel.process import Parts, Process, run
from kernel.readiness import Health
from kernel.settings import Settings
from kernel.telemetry import METER
from ledger.open import open_ledger
from ledger.port import Unavailable
from ledger.transparency.discloser import LOCK, STAGING, Discloser, Labels
from ledger.transparency.lock import SingleWriter
from ledger.transparency.storage import DirectoryStorage

NAME: Final = "discloser"
DISCLOSURE: Final = Path(__file__).with_name("disclosure.yaml")
"""A link to docs/disclosure.yaml, so that the file comes along wherever the program is installed."""

_COVERED: Final = METER.create_gauge(
    "disclosed.entries", unit="{entry}", description="entries of the proof log that both sets of disclosures cover"
)
_UNCOVERED: Final = METER.create_gauge(
    "disclosed.lag", unit="{entry}", description="published entries that the sets of disclosures do not cover yet"
)
_UNLABELLED: Final = METER.create_gauge(
    "disclosed.unlabelled",
    unit="{event}",
    description="events since the start whose type has no label in the disclosure file, shown to supervisors alone",
)
_LOG: Final = structlog.get_logger(NAME)


class DiscloserSettings(Settings, frozen=True, kw_only=True):
    """What the discloser has beside what every process has."""

    disclosure: DisclosureFile = None


def labels_of(disclosure: Disclosure) -> Labels:
    """What the discloser is to know of the file."""
    return Labels(disclosure.public, frozenset(disclosure.events), OUTSIDE)


def at_work(discloser: Discloser) -> AtWork:
    """The discloser with its metrics, its probe, and what it logs: which types have no label, each once."""
    told: set[str] = set()

    async def look() -> None:
        for name in sorted(discloser.unlabelled.keys() - told):
            told.add(name)
            _LOG.warning("no label", type=name)
        _COVERED.set(discloser.covered)
        _UNCOVERED.set(discloser.published - discloser.covered)
        for name, count in discloser.unlabelled.items():
            _UNLABELLED.set(count, {"type": name})

    def well() -> Health:
        if discloser.unlabelled:
            return Health(ok=True, degraded=True, detail=f"no label: {', '.join(sorted(discloser.unlabelled))}")
        return Health(ok=True, detail=f"{discloser.covered} entries")

    return AtWork(discloser, look, well)


async def assemble(process: Process) -> Parts:
    """Open the ledger and the folder of the log. Whether there is a log yet does not matter: it is waited for."""
    settings: DiscloserSettings = process.settings
    labels = load(settings.disclosure or DISCLOSURE)
    ledger = await process.wait_for("ledger", lambda: open_ledger(settings.ledger), Unavailable)
    lock = SingleWriter(settings.proof / LOCK)
    storage = DirectoryStorage(settings.proof, staging=STAGING)
    discloser = Discloser(ledger, storage, labels_of(labels))
    working = at_work(discloser)
    process.readiness.add("disclosures", working.health)

    async def unlock() -> None:
        lock.close()

    return working.parts(process, NAME, [unlock, ledger.close])


def main() -> int:
    """Run until told to stop."""
    return run(NAME, DiscloserSettings, assemble)


if __name__ == "__main__":
    sys.exit(main())
