"""The sequencer of the proof log as a process: `python -m cli.sequencing`, or `meterloop ledger sequence`."""

import sys
from pathlib import Path
from typing import Annotated, Final

import structlog
from msgspec import Meta

from cli.at_work import AtWork
from kernel.clock import Clock, system_clock_us
from kernel.process import Parts, Process, run
from kernel.quantity import instant_of_us
from kernel.readiness import Health
from kernel.settings import Settings
from kernel.telemetry import METER
from ledger.open import open_ledger
from ledger.port import Ledger, LedgerError, Unavailable
from ledger.proof.errors import Malformed
from ledger.proof.policy import Policy
from ledger.transparency.cosigning import Witnesses, WitnessStanding, read_policy
from ledger.transparency.faults import Fault
from ledger.transparency.moving import kept_origin
from ledger.transparency.sequencer import NO_POLICY, PUBLISHED_EVERY_US_MAX, Sequencer

NAME: Final = "sequencer"
STALE_US: Final = 3 * PUBLISHED_EVERY_US_MAX
"""A checkpoint older than this should have been followed by another."""

_SIZE: Final = METER.create_gauge("log.size", unit="{entry}", description="entries of the proof log that are signed")
_LAG: Final = METER.create_gauge(
    "log.lag", unit="{position}", description="positions of the ledger beyond the last entry of the proof log"
)
_UNPUBLISHED: Final = METER.create_gauge(
    "log.unpublished", unit="{entry}", description="signed entries that no published checkpoint covers"
)
_AGE: Final = METER.create_gauge("log.checkpoint.age", unit="s", description="age of the newest published checkpoint")
_WITNESS_UP: Final = METER.create_gauge("log.witness.up", unit="1", description="1 where the witness cosigns")
_WITNESSES_MISSING: Final = METER.create_gauge(
    "log.witness.missing", unit="{witness}", description="witnesses of the policy that do not cosign"
)
_WITNESS_BEHIND: Final = METER.create_gauge(
    "log.witness.behind", unit="{entry}", description="signed entries that the witness has not cosigned"
)
_WITNESS_AGE: Final = METER.create_gauge(
    "log.witness.age", unit="s", description="age of the newest cosignature of the witness"
)

BAD_POLICY: Final = Fault(
    "log.bad_policy",
    "信任策略文件 {file} 有误：{why}",
    "the policy file {file} is not one: {why}",
)

_LOG: Final = structlog.get_logger(NAME)


class SequencerSettings(Settings, frozen=True, kw_only=True):
    """What the sequencer has beside what every process has."""

    policy: Annotated[
        Path | None,
        Meta(
            description="信任策略文件（C2SP tlog-policy）：见证人与法定人数；没有则不要求见证 / trust policy (C2SP"
            " tlog-policy): the witnesses and the quorum without which no checkpoint is published; none by default"
        ),
    ] = None


class Looking:
    """What a sequencer and its witnesses are at, for probes and metrics."""

    def __init__(self, sequencer: Sequencer, ledger: Ledger, witnesses: Witnesses, clock: Clock) -> None:
        self._sequencer: Final = sequencer
        self._witnesses: Final = witnesses
        self._ledger: Final = ledger
        self._clock: Final = clock
        # In trouble the sequencer knows nothing until it has read it again; what was known last is still told.
        self._cursor = sequencer.cursor
        self._published = sequencer.published

    async def look(self) -> None:
        """Set the metrics."""
        cursor = self._cursor = self._sequencer.cursor or self._cursor
        published = self._published = self._sequencer.published or self._published
        self._look_at_witnesses()
        if cursor is not None:
            _SIZE.set(cursor.size)
            _UNPUBLISHED.set(cursor.size - (published.size if published else 0))
            try:
                _LAG.set(max(0, await self._ledger.head() - cursor.position))
            except LedgerError as error:
                _LOG.warning("the ledger is away", error=str(error))
        if published is not None:
            _AGE.set((self._clock() - published.published_at_us) / 1e6)

    def _look_at_witnesses(self) -> None:
        _WITNESSES_MISSING.set(sum(bool(one.trouble) for one in self._witnesses.standing))
        for one in self._witnesses.standing:
            labels = {"witness": one.name}
            _WITNESS_UP.set(0 if one.trouble else 1, labels)
            _WITNESS_BEHIND.set(max(0, self._witnesses.size - one.size), labels)
            if one.cosigned_at_s:
                _WITNESS_AGE.set(self._clock() / 1e6 - one.cosigned_at_s, labels)

    async def witnessed(self) -> Health:
        """Degraded where a witness does not cosign: who, why, since when."""
        if missing := [one for one in self._witnesses.standing if one.trouble]:
            return Health(ok=True, degraded=True, detail="; ".join(map(_missing, missing)))
        return Health(ok=True, detail=f"{len(self._witnesses.standing)} witnesses")

    def well(self) -> Health:
        """Degraded where the log says nothing new, or lacks tiles."""
        if self._sequencer.remaking is not None:
            made, size = self._sequencer.remaking
            return Health(ok=True, degraded=True, detail=f"making the tiles again: {made} of {size} entries")
        published = self._sequencer.published
        if published is None or self._clock() - published.published_at_us > STALE_US:
            return Health(ok=True, degraded=True, detail="no new checkpoint")
        return Health(ok=True, detail=f"{published.size} entries")


def _missing(one: WitnessStanding) -> str:
    since = instant_of_us(one.since_us).isoformat(timespec="seconds")
    return f"{one.name}: {one.trouble}, since {since}, at {one.size} entries"


def _policy(file: Path | None) -> tuple[Policy, bytes]:
    """The policy and its heading. Raises LogFault, OSError."""
    if file is None:
        return NO_POLICY, b""
    try:
        return read_policy(file.read_bytes())
    except Malformed as error:
        raise BAD_POLICY(file=file, why=error) from error


async def assemble(process: Process) -> Parts:
    """Open the ledger and the log, and hold one against the other before anything is said to be ready."""
    settings: SequencerSettings = process.settings
    ledger = await process.wait_for("ledger", lambda: open_ledger(settings.ledger), Unavailable)
    policy, heading = _policy(settings.policy)
    witnesses = Witnesses(policy, system_clock_us)
    sequencer = await Sequencer.open(
        ledger,
        settings.proof,
        settings.keys_dir,
        origin=settings.log_origin or kept_origin(settings.proof) or settings.origin(ledger.ledger_id),
        clock=system_clock_us,
        cosigner=witnesses,
        policy=policy,
        heading=heading,
    )
    # A restored log comes without its tiles. They are made again while the platform serves, however many they are.
    await process.wait_for("log", lambda: sequencer.load(remake=False), Unavailable, OSError)
    if sequencer.published is not None:
        witnesses.remember(sequencer.published.note)
    looking = Looking(sequencer, ledger, witnesses, system_clock_us)
    working = AtWork(sequencer, looking.look, looking.well)
    process.readiness.add("log", working.health)
    process.readiness.add("witnesses", looking.witnessed)
    return working.parts(process, NAME, [sequencer.close, witnesses.close, ledger.close])


def main() -> int:
    """Run until told to stop."""
    return run(NAME, SequencerSettings, assemble)


if __name__ == "__main__":
    sys.exit(main())
