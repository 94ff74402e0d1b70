"""Backs up a data folder again and again, killed with -9 at one step after the other: python cut_off_backups.py TARGET.

Prints how many were killed before one came to its end. A process that has loaded everything is forked for each.
"""

import os
import signal
import sys
from pathlib import Path

from cli.backing_up import _backed_up
from cli.settings import cli_settings


def killed_at(step: int, target: Path) -> bool:
    pid = os.fork()
    if not pid:
        left = step

        def told(*_: object) -> None:
            nonlocal left
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

        _backed_up(cli_settings(), target, told, keys=True)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


def main() -> None:
    target = Path(sys.argv[1])
    step = 1
    while killed_at(step, target):
        if target.exists():
            sys.exit(f"a backup that was killed at step {step} looks like a whole one")
        step += 1
    if not target.exists():
        sys.exit("the last one was not made")
    sys.stdout.write(f"{step - 1}\n")


if __name__ == "__main__":
    main()
