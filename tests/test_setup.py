"""What `make setup` says where it cannot go on, and what an interrupted one leaves."""

import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from cli.disclosing import DISCLOSURE
from cli.reference import ROOT

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


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of a copy of what git keeps and what is made from proto/, as `make wheel` makes it."""
    copy, into = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("dist")
    for name in [*kept("."), *made_from_proto()]:
        if (ROOT / name).exists():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name, follow_symlinks=False)
    options = ["--quiet", "--offline", "--wheel", "--no-build-isolation", "--python", sys.executable]
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "build", *options, "--out-dir", into, copy], check=True, capture_output=True)
    (file,) = into.glob("*.whl")
    with zipfile.ZipFile(file) as archive:
        yield archive


def kept(*places):
    command = ["git", "-c", "core.quotepath=off", "ls-files", "--cached", "--others", "--exclude-standard", *places]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()


def made_from_proto():
    wire = ROOT / "kernel" / "wire"
    return [path.relative_to(ROOT).as_posix() for path in wire.rglob("*.py*") if "__pycache__" not in path.parts]


def test_a_wheel_has_all_that_its_packages_hold_and_nothing_else(wheel):
    """Templates, policies, mappings, pages, what is made from proto/: a program without one fails where it is run."""
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
    packages = [pattern.removesuffix("*") for pattern in tool["packages"]["find"]["include"]]
    wanted = {name for name in kept(*packages) if (ROOT / name).exists()} | set(made_from_proto())
    assert {"cli/disclosure.yaml", "kernel/wire/registry/v1/registry_pb2.py"} < wanted
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert packed == wanted


def test_a_wheel_holds_the_files_themselves(wheel):
    assert wheel.read("cli/disclosure.yaml") == (ROOT / "docs" / "disclosure.yaml").read_bytes()
    (entry,) = [name for name in wheel.namelist() if name.endswith("entry_points.txt")]
    assert b"meterloop = cli.__main__:main" in wheel.read(entry)


def test_the_list_of_what_is_public_is_found_from_any_folder():
    assert DISCLOSURE.is_absolute()
    assert DISCLOSURE.read_bytes() == (ROOT / "docs" / "disclosure.yaml").read_bytes()
