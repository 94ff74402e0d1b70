"""Implementations of tlog-tiles and signed notes that know nothing of this project, as programs that verify a log."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
GO_SOURCES = Path("/usr/share/gocode")
"""Where Debian's packages of Go libraries put them."""


def without_go() -> str | None:
    """Why golang.org/x/mod cannot be used here, or None."""
    if shutil.which("go") is None or not (GO_SOURCES / "src/golang.org/x/mod/sumdb/tlog").is_dir():
        return "golang.org/x/mod is not here: apt-get install golang-go golang-golang-x-mod-dev"
    return None


def build_go(folder: Path) -> list[str]:
    """The command of the verifier on golang.org/x/mod, compiled into this folder."""
    program = folder / "verify"
    environ = {"GO111MODULE": "off", "GOPATH": str(GO_SOURCES), "GOCACHE": str(folder / "cache"), "GOFLAGS": ""}
    command = ["go", "build", "-o", str(program), str(HERE / "verify.go")]
    subprocess.run(command, env={**os.environ, **environ}, check=True, timeout=100)
    return [str(program)]


def tlog_scales(_folder: Path) -> list[str]:
    """The command of the verifier on tlog-scales."""
    return [sys.executable, str(HERE / "verify.py")]


VERIFIERS: dict[str, tuple[Callable[[Path], list[str]], Callable[[], str | None]]] = {
    "golang.org/x/mod": (build_go, without_go),
    "tlog-scales": (tlog_scales, lambda: None),
}


def verify(command: list[str], log: Path, vkeys: list[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*command, str(log), *vkeys], capture_output=True, text=True, check=False, timeout=100)


def figures(told: str) -> dict[str, int]:
    """What a verifier counted."""
    words = told.split()
    return dict(zip(words[::2], map(int, words[1::2]), strict=True))
