"""Where demonstrations are: each in a numbered folder of its own, of which the last few are kept."""

import shutil
from itertools import count
from pathlib import Path
from typing import Final

from cli.connection import note, say
from cli.platform import OWNERS_FOLDER, NotReady, alone

EARLIER_KEPT: Final = 3
"""To be looked at and compared; each has some ten megabytes, and whoever shows it often would fill a disk."""


def fresh(folder: Path) -> Path:
    """A data folder that nobody has used, made beside those of earlier demonstrations: the oldest of these go. Two
    demonstrations at one moment have one each.
    """
    earlier = _numbers(folder)
    _tidy([folder / str(number) for number in earlier[:-EARLIER_KEPT]])
    for number in count(earlier[-1] + 1 if earlier else 1):
        path = folder / str(number)
        try:
            path.mkdir(OWNERS_FOLDER, parents=True)
        except FileExistsError:
            continue
        return path
    raise AssertionError("there is always a next number")


def say_how_long(path: Path) -> None:
    """What whoever goes on working there would otherwise learn from a later demonstration only."""
    note(
        f"数据在 {path}。此后再演示满 {EARLIER_KEPT + 1} 次时随旧演示删除；要保留请复制。",
        f"the data is in {path}; it goes with the demonstration that is {EARLIER_KEPT + 1} later, and with it all"
        " that is done in it: copy it to keep it",
    )


def _numbers(folder: Path) -> list[int]:
    """The oldest first. What has another name is somebody's own."""
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return sorted(int(name) for name in names if name.isdecimal() and name == str(int(name)))


def _tidy(oldest: list[Path]) -> None:
    """Remove these and say so. One on which a platform runs stays, and so does one on which none ever ran."""
    removed = []
    for path in oldest:
        if path.is_symlink() or not (path / "run" / "up.lock").is_file():
            continue
        try:
            # While this holds its lock, no platform starts on it.
            with alone(path):
                shutil.rmtree(path)
        except NotReady:
            continue
        except OSError as error:
            say(
                f"未能删除早先的演示 {path}（{error.strerror}）。",
                f"{path}, an earlier demonstration, could not be removed",
            )
        else:
            removed.append(path.name)
    if removed:
        named = ", ".join(removed)
        note(
            f"已删除较早的演示 {named}：除本次外保留最近 {EARLIER_KEPT} 次，正在运行的不删除。",
            f"removed the older demonstrations {named}: beside this one the last {EARLIER_KEPT} are kept, and any that "
            "runs",
        )
