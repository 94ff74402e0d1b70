"""The discloser of the proof log as a process: `python -m cli.disclosing`, or `meterloop ledger disclose`."""

import asyncio
import sys
from pathlib import Path
from typing import Final

import structlog

from kernel.disclosure import DisclosureFile, load
from kernel.http_operations import operations_app
from kernel.process import Parts, Process, run
from kernel.readiness import Health
from kernel.settings import Settings
from kernel.telemetry import METER
from ledger.open import open_ledger
from ledger.port import Unavailable
from ledger.transparency.discloser import LOCK, STAGING, Discloser, Labels
from ledger.transparency.faults import LogFault
from ledger.transparency.lock import SingleWriter
from ledger.transparency.storage import DirectoryStorage

NAME: Final = "discloser"
DISCLOSURE: Final = Path(__file__).with_name("disclosure.yaml")
"""A link to docs/disclosure.yaml, so that the file comes along wherever the program is installed."""

WATCH_S: Final = 1.0

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
_STOPPED: Final = METER.create_gauge(
    "disclosed.stopped", unit="1", description="1 where the discloser has stopped at a fault"
)
_LOG: Final = structlog.get_logger(NAME)


class DiscloserSettings(Settings, frozen=True, kw_only=True):
    """What the discloser has beside what every process has."""

    disclosure: DisclosureFile = None


class Following:
    """A discloser at work: what it is at, for probes and metrics."""

    def __init__(self, discloser: Discloser) -> None:
        self._discloser: Final = discloser
        self._fault: LogFault | None = None
        self._told: set[str] = set()

    async def run(self) -> None:
        """Disclose until cancelled. A fault stops this and not the process: the probe and the metric say so, and the
        log says which entry it was.
        """
        try:
            await self._discloser.run()
        except LogFault as fault:
            self._fault = fault
            _LOG.exception("stopped", code=fault.code)
        await asyncio.Event().wait()

    async def watch(self) -> None:
        """Keep the metrics, and log when trouble comes and goes, and which types have no label."""
        trouble = None
        while True:
            await asyncio.sleep(WATCH_S)
            discloser = self._discloser
            if discloser.trouble != trouble:
                trouble = discloser.trouble
                _LOG.warning("in trouble" if trouble else "out of trouble", error=trouble)
            for name in sorted(discloser.unlabelled.keys() - self._told):
                self._told.add(name)
                _LOG.warning("no label", type=name)
            _COVERED.set(discloser.covered)
            _UNCOVERED.set(discloser.published - discloser.covered)
            _STOPPED.set(0 if self._fault is None else 1)
            for name, count in discloser.unlabelled.items():
                _UNLABELLED.set(count, {"type": name})

    async def health(self) -> Health:
        """Fails where disclosing has stopped; degraded where it is in trouble, or shows what nobody has labelled."""
        discloser = self._discloser
        if self._fault is not None:
            return Health(ok=False, detail=self._fault.code)
        if discloser.trouble is not None:
            return Health(ok=True, degraded=True, detail=discloser.trouble)
        if discloser.unlabelled:
            return Health(ok=True, degraded=True, detail=f"no label: {', '.join(sorted(discloser.unlabelled))}")
        return Health(ok=True, detail=f"{discloser.covered} entries")


async def assemble(process: Process) -> Parts:
    """Open the ledger and the folder of the log. Whether there is a log yet does not matter: it is waited for."""
    settings: DiscloserSettings = process.settings
    labels = load(settings.disclosure or DISCLOSURE)
    ledger = await process.wait_for("ledger", lambda: open_ledger(settings.ledger), Unavailable)
    lock = SingleWriter(settings.proof / LOCK)
    storage = DirectoryStorage(settings.proof, staging=STAGING)
    discloser = Discloser(ledger, storage, Labels(labels.public, frozenset(labels.events)))
    following = Following(discloser)
    process.readiness.add("disclosures", following.health)
    assert process.telemetry is not None

    async def unlock() -> None:
        lock.close()

    return Parts(
        rest=operations_app(process.readiness, process.telemetry),
        followers={"discloser": following.run, "metrics": following.watch},
        closing=[unlock, ledger.close],
    )


def main() -> int:
    """Run until told to stop."""
    return run(NAME, DiscloserSettings, assemble)


if __name__ == "__main__":
    sys.exit(main())
