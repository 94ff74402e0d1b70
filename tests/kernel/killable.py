"""Projectors and policies in processes that a test may kill.

Run as `python -m tests.kernel.killable MODULE FUNCTION ARGUMENT...`: everything is imported once, and each line on
standard input forks a child that awaits the function of these arguments, and of those on the line, until it is killed.
"""

import asyncio
import importlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Self

ROOT = Path(__file__).parents[2]


class Killable:
    """A warm process that forks children. Use: `with Killable("tests.kernel.x", "work", url) as killable`."""

    def __init__(self, module: str, function: str, *arguments: object) -> None:
        command = [sys.executable, "-m", "tests.kernel.killable", module, function, *map(str, arguments)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def start(self, *arguments: object) -> int:
        """The process id of a new child."""
        self._say(" ".join(map(str, arguments)))
        return int(self._process.stdout.readline())

    def kill(self, pid: int) -> None:
        """Kill the child and wait until it is gone. A child that ended by itself fails the test."""
        os.kill(pid, signal.SIGKILL)
        assert self._process.stdout.readline().split() == ["ended", str(-signal.SIGKILL)]

    async def killed(self) -> None:
        """Wait until the child has died of `die_after`."""
        answer = await asyncio.to_thread(self._process.stdout.readline)
        assert answer.split() == ["ended", str(-signal.SIGALRM)]

    def ended(self) -> int:
        """Wait until the child is gone. Its exit status, or the signal that ended it, negative."""
        word, status = self._process.stdout.readline().split()
        assert word == "ended"
        return int(status)

    def _say(self, word: str) -> None:
        self._process.stdin.write(word + "\n")
        self._process.stdin.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


def die_after(seconds: float) -> None:
    """Let the kernel end this process at that moment, wherever it is."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)


def main(module: str, function: str, *arguments: str) -> None:
    work = getattr(importlib.import_module(module), function)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    # What the children log is not an answer.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            try:
                asyncio.run(work(*arguments, *line.split()))
            finally:
                os._exit(1)
        answers.write(f"{pid}\n")
        answers.flush()
        _, status = os.waitpid(pid, 0)
        answers.write(f"ended {os.waitstatus_to_exitcode(status)}\n")
        answers.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
