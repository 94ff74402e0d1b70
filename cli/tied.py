"""Runs a program that is told to stop when whoever started it is gone: python -m cli.tied NICENESS PROGRAM
ARGUMENT...

What is killed with -9 stops nothing that it started. Linux tells a child of its parent's death where the child asked
for that (prctl(2), PR_SET_PDEATHSIG), and goes on doing so when the child becomes another program by exec. Elsewhere
the program runs untied. NICENESS is how far it stands back for others where the processor is short, 0 to 19 (nice(1)).
"""

import ctypes
import os
import signal
import sys
from typing import Final

PR_SET_PDEATHSIG: Final = 1
OWNER_ONLY: Final = 0o077
"""Logs, too, are for the user that the platform runs as and for nobody else."""


def main() -> None:
    """Tie this process to its parent, and become the program."""
    started_by = os.getppid()
    os.umask(OWNER_ONLY)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() == started_by:
        os.nice(int(sys.argv[1]))
        os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606  no shell is wanted


if __name__ == "__main__":
    main()
