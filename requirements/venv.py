"""Make .venv with uv in it, from nothing but a Python. `make setup` runs this and fills .venv from the pinned lists.

.venv/.done says that the last setup ended well. Without it .venv may be half of one and is made anew; it is taken away
here before anything changes. Older Pythons must be able to read this file in order to be told that they are too old.
"""

import importlib.util
import subprocess
import sys
from pathlib import Path

OLDEST = (3, 11)
VENV = Path(".venv")
PYTHON = VENV / "bin" / "python"
INSTALL_UV = ("install", "--quiet", "--disable-pip-version-check", "uv")


def main() -> None:
    if sys.version_info[:2] < OLDEST:
        found = ".".join(map(str, sys.version_info[:2]))
        sys.exit(
            f"需要 Python 3.11 或更高版本，当前为 {found}。请指定一个：make PYTHON=python3.11 setup\n"
            f"Python 3.11 or later is needed, this is {found}. Name one: make PYTHON=python3.11 setup"
        )
    done = VENV / ".done"
    if done.exists() and (VENV / "bin" / "uv").exists():
        done.unlink()
    elif importlib.util.find_spec("ensurepip"):
        run(sys.executable, "-m", "venv", "--clear", VENV)
        run(PYTHON, "-m", "pip", *INSTALL_UV)
    elif importlib.util.find_spec("pip"):
        run(sys.executable, "-m", "venv", "--clear", "--without-pip", VENV)
        run(sys.executable, "-m", "pip", "--python", PYTHON, *INSTALL_UV)
    else:
        sys.exit(
            f"{sys.executable} 缺少 ensurepip 和 pip，无法建立 .venv。请安装其一"
            "（Debian：apt install python3-venv；其他系统：python3-pip），再运行一次。\n"
            f"{sys.executable} has neither ensurepip nor pip, so .venv cannot be made. Install one of them "
            "(Debian: apt install python3-venv; elsewhere: python3-pip) and run this again."
        )


def run(*command: object) -> None:
    """Run a step of the setup; where it fails it has said why itself."""
    status = subprocess.call([str(part) for part in command])  # noqa: S603  our own words, no shell
    if status:
        sys.exit(status)


if __name__ == "__main__":
    main()
