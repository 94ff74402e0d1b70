"""What `make setup` says where it cannot go on, and what an interrupted one leaves."""

import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path

from cli.reference import ROOT
from gateway.assembly import DISCLOSURE

SCRIPT = ROOT / "requirements" / "venv.py"


def run_on(machine: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """The script on a Python of which `machine` says, in Python, what is different."""
    code = f"import runpy, sys\n{machine}\nrunpy.run_path({str(SCRIPT)!r}, run_name='__main__')"
    return subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)


def test_a_python_that_is_too_old_is_told_so(tmp_path):
    done = run_on("sys.version_info = (3, 9, 2)", tmp_path)
    assert done.returncode == 1
    assert "Python 3.11 或更高版本，当前为 3.9" in done.stderr
    assert "Python 3.11 or later is needed, this is 3.9" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_python_with_neither_ensurepip_nor_pip_is_told_what_to_install(tmp_path):
    done = run_on("sys.modules['ensurepip'] = sys.modules['pip'] = None", tmp_path)
    assert done.returncode == 1
    assert "请安装其一" in done.stderr
    assert "Install one of them" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_setup_that_ends_well_is_kept_and_marked_as_begun_again(tmp_path):
    """The mark of the last setup goes first: interrupted from here on, the next setup begins from nothing."""
    binaries = tmp_path / ".venv" / "bin"
    binaries.mkdir(parents=True)
    (binaries / "uv").touch()
    (tmp_path / ".venv" / ".done").touch()
    done = run_on("", tmp_path)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / ".venv" / ".done").exists()
    assert (binaries / "uv").exists()


def test_half_a_setup_is_not_built_upon(tmp_path):
    """Without the mark .venv is made anew: what an interrupted setup left is gone, even where making it fails."""
    left = tmp_path / ".venv" / "lib" / "half-a-package"
    left.mkdir(parents=True)
    (tmp_path / ".venv" / "bin").mkdir()
    (tmp_path / ".venv" / "bin" / "uv").touch()
    nowhere = "import os; os.environ.update(PIP_NO_INDEX='1', PIP_FIND_LINKS='', PIP_CONFIG_FILE=os.devnull)"
    run_on(nowhere, tmp_path)
    assert not left.exists()


def test_whatever_the_packages_hold_beside_python_comes_along():
    """A wheel has the files that pyproject.toml names, and the program needs all that git keeps in its packages."""
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
    packages = [pattern.removesuffix("*") for pattern in tool["packages"]["find"]["include"]]
    named = [
        f"{package.replace('.', '/')}/{pattern}"
        for package, patterns in tool["package-data"].items()
        for pattern in patterns
    ]
    kept = subprocess.run(["git", "ls-files", *packages], cwd=ROOT, capture_output=True, text=True, check=False)
    beside = [file for file in kept.stdout.splitlines() if not file.endswith(".py")]
    assert "gateway/disclosure.yaml" in beside
    assert [file for file in beside if not any(fnmatch(file, pattern) for pattern in named)] == []


def test_the_list_of_what_is_public_is_found_from_any_folder():
    assert DISCLOSURE.is_absolute()
    assert DISCLOSURE.read_bytes() == (ROOT / "docs" / "disclosure.yaml").read_bytes()
