"""A disk and a store that fail at a step of one's choosing, before it is done or after.

A loss of power takes along what was not synchronised: files whose names are not durable lose them, and names that were
changed get back what they stood for. That is played here, so nothing is really synchronised, which takes its time.
"""

import os
import random
import shutil
from pathlib import Path

from ledger.transparency.storage import Disk
from ledger.transparency.store import SequencerStore


class Failed(OSError):
    """What was asked for is said to have failed."""


class Steps:
    """Counts the steps, and fails at the one chosen: `before` or `after` it is done."""

    def __init__(self, fails_at: int = 0, when: str = "after") -> None:
        self.taken = 0
        self.names: list[str] = []
        self._fails_at = fails_at
        self._when = when

    @property
    def failed(self) -> bool:
        return 0 < self._fails_at <= self.taken

    def arm(self, steps: int, when: str) -> None:
        """Fail so many steps from here."""
        self._fails_at, self._when = self.taken + steps, when

    def step(self, name: str, action):
        self.taken += 1
        self.names.append(name)
        if self.taken == self._fails_at and self._when == "before":
            raise Failed(f"{name} is not done")
        done = action()
        if self.taken == self._fails_at:
            if name == "create":
                os.close(done)
            raise Failed(f"{name} is done")
        return done


class FaultyDisk(Disk):
    """The real disk, step by step; it remembers what a loss of power would take back."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._undoing: dict[Path, list] = {}

    def create(self, path, data):
        return self._steps.step("create", lambda: Disk.create(self, path, data))

    def synchronise(self, descriptor):  # noqa: ARG002  nothing is synchronised here
        self._steps.step("synchronise", lambda: None)

    def rename(self, old, new):
        def renamed():
            self._note(new)
            Disk.rename(self, old, new)

        self._steps.step("rename", renamed)

    def make_folder(self, path):
        def made():
            if not path.exists():
                self._undo(path.parent, lambda: shutil.rmtree(path, ignore_errors=True))
            Disk.make_folder(self, path)

        self._steps.step("make folder", made)

    def synchronise_folder(self, path):
        def synchronised():
            self._undoing.pop(path, None)

        self._steps.step("synchronise folder", synchronised)

    def overwrite(self, path, length, data):
        def overwritten():
            if not path.exists():
                self._note(path)
            with path.open("r+b" if path.exists() else "wb") as file:
                file.truncate(length)
                file.seek(length)
                file.write(data)

        self._steps.step("overwrite", overwritten)

    def remove(self, path):
        def removed():
            self._note(path)
            Disk.remove(self, path)

        self._steps.step("remove", removed)

    def remove_folder(self, path):
        def removed():
            self._undo(path.parent, lambda: path.mkdir(exist_ok=True))
            Disk.remove_folder(self, path)

        self._steps.step("remove folder", removed)

    def lose_power(self, chance: random.Random) -> None:
        """Of every folder, some of its last changes are gone."""
        for undoing in self._undoing.values():
            kept = chance.randrange(len(undoing) + 1)
            for undo in reversed(undoing[kept:]):
                undo()
        self._undoing.clear()

    def _note(self, path: Path) -> None:
        before = path.read_bytes() if path.exists() else None

        def undo():
            if before is None:
                path.unlink(missing_ok=True)
            elif path.parent.exists():
                path.write_bytes(before)

        self._undo(path.parent, undo)

    def _undo(self, folder: Path, undo) -> None:
        self._undoing.setdefault(folder, []).append(undo)


class FaultyStore(SequencerStore):
    """The real store; a change that fails is made or not."""

    def __init__(self, path: Path, steps: Steps) -> None:
        super().__init__(path)
        self._connection.pragma("synchronous", "OFF")
        self._steps = steps

    def begin(self, cursor):
        self._steps.step("begin", lambda: SequencerStore.begin(self, cursor))

    def swap(self, old, new):
        self._steps.step("swap", lambda: SequencerStore.swap(self, old, new))

    def publish(self, published):
        self._steps.step("publish", lambda: SequencerStore.publish(self, published))

    def add_key(self, *arguments):
        self._steps.step("add key", lambda: SequencerStore.add_key(self, *arguments))
