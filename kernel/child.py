"""How services start Python of their own in a process beside them: what it sees of ours, and what it never runs."""

import os
import sys
from typing import Final

_KEPT: Final = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "TZ", "SYSTEMROOT")


def command_of(module: str) -> tuple[str, ...]:
    """Runs this module. The working directory is not on its path: whatever lies there is not ours to run."""
    return (sys.executable, "-P", "-m", module)


def environment(**more: str) -> dict[str, str]:
    """All that a child sees of our environment: no address, no secret."""
    return {**{name: os.environ[name] for name in _KEPT if name in os.environ}, **more}
