"""What a newcomer types: the lines that both READMEs show, as they stand there, on a platform that is empty."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from cli.platform import running
from cli.reference import ROOT
from cli.settings import CliSettings

pytestmark = pytest.mark.timeout(300)


def lines_of(readme):
    """The lines of both examples."""
    first, then = re.findall(r"```sh\n((?:export PATH|meterloop site)[^`]*)```", (ROOT / readme).read_text("utf-8"))
    return first + then


def test_the_lines_of_the_readme_do_what_they_say(tmp_path_factory):
    folder = tmp_path_factory.mktemp("try")
    shutil.copytree(ROOT / "examples", folder / "examples")
    assert lines_of("README.md") == lines_of("README.zh-CN.md")
    environ = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "METERLOOP_DATA_DIR": str(folder / "var"),
    }
    with running(msgspec.structs.replace(CliSettings(), data_dir=folder / "var"), 0):
        said = subprocess.run(
            ["bash", "-e", "-c", lines_of("README.md")],
            cwd=folder,
            env=environ,
            capture_output=True,
            text=True,
            timeout=200,
            check=False,
        )
    assert said.returncode == 0, said.stderr
    assert re.findall(r"(\d+) +已入账 accepted", said.stderr) == ["3"] * 4
    assert "被拒 refused" not in said.stderr
    printed = r"^http://127\.0\.0\.1:8700/station#bench=B1&site=centre-1&token=[\w-]+\.[\w-]+\.[\w-]+$"
    assert re.search(printed, said.stdout, re.MULTILINE)
    assert [path.suffix for path in folder.iterdir() if path.is_file()] == [".pdf"]
