"""Whether a process is ready for requests: named checks, and whether it is on its way out."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

import msgspec
import structlog

CHECK_S_MAX: Final = 2.0
"""A check that takes longer has failed: probes come every few seconds."""

_LOG: Final = structlog.get_logger("readiness")


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """What a check found. `degraded`: something is wrong that does not keep requests from being answered."""

    ok: bool
    detail: str = ""
    degraded: bool = False


HEALTHY: Final = Health(ok=True)

Check: TypeAlias = Callable[[], Awaitable[Health]]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All checks. `ready` where none of them failed and the process is not draining."""

    ready: bool
    degraded: bool
    draining: bool
    checks: dict[str, Health]


class Readiness:
    """The named checks of a process."""

    def __init__(self) -> None:
        self._checks: Final[dict[str, Check]] = {}
        self._draining: Final = asyncio.Event()
        self.started = False

    @property
    def draining(self) -> bool:
        """Whether the process is on its way out."""
        return self._draining.is_set()

    def drain(self) -> None:
        """Say that the process is on its way out. There is no way back."""
        self._draining.set()

    async def until_draining(self) -> None:
        """Wait for that: answers without end, such as streams of events, then end by themselves."""
        await self._draining.wait()

    def add(self, name: str, check: Check) -> None:
        """Ask this too, from now on."""
        if name in self._checks:
            raise ValueError(f"there is a check {name} already")
        self._checks[name] = check

    async def report(self) -> Report:
        """Ask every check, all at once."""
        found = await asyncio.gather(*(_ask(name, check) for name, check in self._checks.items()))
        checks = dict(zip(self._checks, found, strict=True))
        return Report(
            ready=self.started and not self.draining and all(health.ok for health in found),
            degraded=any(health.degraded for health in found),
            draining=self.draining,
            checks=checks,
        )


async def _ask(name: str, check: Check) -> Health:
    try:
        async with asyncio.timeout(CHECK_S_MAX):
            return await check()
    except TimeoutError:
        return Health(ok=False, detail=f"no answer within {CHECK_S_MAX} s")
    except Exception as error:  # noqa: BLE001  a check that breaks has found something, whatever it is
        _LOG.warning("check failed", check=name, exc_info=True)
        return Health(ok=False, detail=type(error).__name__)
