"""A program of the proof log at work in its process: a fault stops it and not the process, and both are told."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

import structlog

from kernel.http_operations import operations_app
from kernel.process import Parts, Process
from kernel.readiness import Health
from kernel.telemetry import METER
from ledger.transparency.faults import LogFault

WATCH_S: Final = 1.0

_ROUNDS: Final = METER.create_gauge(
    "proof.rounds", unit="{round}", description="rounds of the sequencer, or of the discloser, since its start"
)
_TROUBLE: Final = METER.create_gauge(
    "proof.trouble",
    unit="1",
    description="1 where the sequencer, or the discloser, waits for what keeps it from working",
)
_STOPPED: Final = METER.create_gauge(
    "proof.stopped", unit="1", description="1 where the sequencer, or the discloser, has stopped at a fault"
)
_LOG: Final = structlog.get_logger("proof")


class Program(Protocol):
    """The sequencer, or the discloser. `run` raises LogFault at what does not pass; `trouble` is what it waits for to
    pass.
    """

    rounds: int
    trouble: str | None

    async def run(self) -> None: ...


class AtWork:
    """`look` keeps the program's other metrics; `well` says how it is where there is no fault and no trouble."""

    def __init__(self, program: Program, look: Callable[[], Awaitable[None]], well: Callable[[], Health]) -> None:
        self._program: Final = program
        self._look: Final = look
        self._well: Final = well
        self._fault: LogFault | None = None

    async def run(self) -> None:
        """Work until cancelled. A fault stops this alone: the rest of the platform goes on, and the probe says why."""
        try:
            await self._program.run()
        except LogFault as fault:
            self._fault = fault
            _LOG.exception("stopped", code=fault.code)
        await asyncio.Event().wait()

    async def watch(self) -> None:
        """Keep the metrics, and log when trouble comes and goes."""
        trouble = None
        while True:
            await asyncio.sleep(WATCH_S)
            if self._program.trouble != trouble:
                trouble = self._program.trouble
                _LOG.warning("in trouble" if trouble else "out of trouble", error=trouble)
            _ROUNDS.set(self._program.rounds)
            _TROUBLE.set(0 if trouble is None else 1)
            _STOPPED.set(0 if self._fault is None else 1)
            await self._look()

    async def health(self) -> Health:
        """Fails at a fault; degraded in trouble."""
        if self._fault is not None:
            return Health(ok=False, detail=self._fault.code)
        if self._program.trouble is not None:
            return Health(ok=True, degraded=True, detail=self._program.trouble)
        return self._well()

    def parts(self, process: Process, name: str, closing: Sequence[Callable[[], Awaitable[None]]]) -> Parts:
        """What the process is made of."""
        assert process.telemetry is not None
        return Parts(
            rest=operations_app(process.readiness, process.telemetry),
            followers={name: self.run, "metrics": self.watch},
            closing=closing,
        )
