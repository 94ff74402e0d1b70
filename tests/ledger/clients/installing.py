"""The official Node client, installed by npm from the lock file beside it, once for a virtual environment."""

import fcntl
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent / "node"
FILES = ("package.json", "package-lock.json")
INSTALLED_S, ANSWERED_S = 300, 60


def installed_client() -> Path:
    """The folder that holds it. Workers wait for the one that installs; a folder that is not finished is not found."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("there is no node or no npm on this machine")
    digest = hashlib.sha256(b"".join((HERE / name).read_bytes() for name in FILES)).hexdigest()[:16]
    folder = Path(sys.prefix) / "node-clients" / digest
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            _install(folder)
            (folder / "done").touch()
    return folder


def _install(folder: Path) -> None:
    for name in FILES:
        shutil.copyfile(HERE / name, folder / name)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=INSTALLED_S, check=False)
    assert ended.returncode == 0, f"npm could not install the client: {ended.stderr[-2_000:]}"


def seen(folder: Path, scenario: str, url: str, prefix: str, *more: str) -> Any:
    """What the driver's scenario saw."""
    command = ["node", str(HERE / "driver.mjs"), str(folder), scenario, url, prefix, *more]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=ANSWERED_S, check=False)
    assert ended.returncode == 0, f"{scenario}: {ended.stderr[-4_000:]}"
    return json.loads(ended.stdout.splitlines()[-1])
