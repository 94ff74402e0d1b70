"""How services start Python of their own in a process beside them: what it sees of ours, and what it never runs."""

import os
import sys
from asyncio import StreamWriter
from contextlib import suppress
from typing import Final

_KEPT: Final = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "TZ", "SYSTEMROOT")


def command_of(module: str) -> tuple[str, ...]:
    """Runs this module. The working directory is not on its path: whatever lies there is not ours to run."""
    return (sys.executable, "-P", "-m", module)


def environment(**more: str) -> dict[str, str]:
    """All that a child sees of our environment: no address, no secret."""
    return {**{name: os.environ[name] for name in _KEPT if name in os.environ}, **more}


async def give(child: StreamWriter | None, content: bytes) -> None:
    """Write all of a child's input and close it. That it ended before it took everything is told by how it ended."""
    if child is None:
        raise AssertionError("the child was started with a pipe")
    # The last is uvloop's, of a pipe whose other end is gone already.
    with suppress(BrokenPipeError, ConnectionResetError, RuntimeError):
        child.write(content)
        await child.drain()
        child.close()
