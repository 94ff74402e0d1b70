"""The contracts of .importlinter hold (`make check` says so), leave nothing out, and each notices when it is broken."""

import configparser
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cli.reference import ROOT

CONFIG = configparser.ConfigParser()
CONFIG.read(ROOT / ".importlinter", "utf-8")
PACKAGES = CONFIG["importlinter"]["root_packages"].split()
CONTRACTS = [section.rpartition(":")[2] for section in CONFIG if section.startswith("importlinter:contract:")]

BREAKS = {
    "layers": [
        {"ledger/port.py": "import kernel.codec"},
        {"kernel/clock.py": "import services"},
        {"services/__init__.py": "import gateway"},
        {"gateway/__init__.py": "import cli"},
    ],
    "services": [
        {"services/sorting/__init__.py": "import services.registry.app"},
        {"services/registry/policies.py": "import services.tender"},
        {"services/other/__init__.py": "import services.registry.app"},
    ],
    "service": [
        {"services/registry/plan.py": "import services.registry.site"},
        {"services/registry/views/tables.py": "import services.registry.app"},
        {"services/registry/meter/state.py": "import services.registry.views"},
        {"services/registry/drawer.py": "import msgspec"},
    ],
    "nouns": [
        {"services/registry/plan.py": "import kernel.handling"},
        {"services/registry/meter/state.py": "import sqlmodel"},
        {"services/registry/vocabulary.py": "import kernel.clock"},
    ],
    "kernel-core": [{"kernel/quantity.py": "import kernel.clock"}, {"kernel/decider.py": "import structlog"}],
    "wire": [{"services/registry/app.py": "import kernel.wire"}, {"cli/__init__.py": "import kernel.wire"}],
    "kurrent": [
        {"ledger/sqlite.py": "import kurrentdbclient"},
        {"ledger/carrying.py": "import kurrentdbclient"},
        {"ledger/open.py": "from kurrentdbclient import KurrentDBClient"},
        {"services/registry/app.py": "import kurrentdbclient"},
    ],
    "proof": [{"ledger/proof/merkle.py": "import ledger.port"}, {"ledger/proof/merkle.py": "import httpx"}],
    "proof-pure": [{"ledger/proof/merkle.py": "import time"}, {"ledger/proof/errors.py": "from pathlib import Path"}],
    "client": [{"client/__init__.py": "import kernel.refusal"}, {"client/__init__.py": "import fastapi"}],
    "auditor": [{"auditor/__init__.py": "import ledger.port"}, {"auditor/__init__.py": "import kernel.codec"}],
}  # fmt: skip


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the house's code, to be broken."""
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "tests").mkdir()
    shutil.copy(ROOT / "tests" / "contracts.py", tmp_path / "tests")
    shutil.copy(ROOT / ".importlinter", tmp_path)
    return tmp_path


def lint(house: Path, *contracts: str) -> subprocess.CompletedProcess[str]:
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"]
    chosen = [word for contract in contracts for word in ("--contract", contract)]
    environ = {**os.environ, "PYTHONPATH": str(house)}
    return subprocess.run([*command, *chosen], cwd=house, env=environ, capture_output=True, text=True, check=False)


def test_every_package_is_in_the_contracts():
    packages = sorted(path.parent.name for path in ROOT.glob("*/__init__.py"))
    assert sorted(PACKAGES) == packages
    layers = CONFIG["importlinter:contract:layers"]["layers"]
    assert sorted(layers.replace("|", " ").split()) == packages


def test_every_service_is_in_the_contracts():
    services = sorted(f"services.{path.parent.name}" for path in (ROOT / "services").glob("*/__init__.py"))
    assert CONFIG["importlinter:contract:service"]["containers"].split() == services


def test_every_contract_is_broken_on_purpose_here():
    assert sorted(BREAKS) == sorted(CONTRACTS)


def test_the_copy_itself_keeps_every_contract(house):
    done = lint(house)
    assert done.returncode == 0, done.stdout + done.stderr


def break_in(house: Path, lines: dict[str, str]) -> None:
    for name, line in lines.items():
        path = house / name
        path.parent.mkdir(exist_ok=True)
        path.write_text((path.read_text("utf-8") if path.exists() else "") + f"\n{line}\n", "utf-8")


def test_what_a_contract_lets_through_it_lets_through(house):
    (house / "ledger" / "server").mkdir(exist_ok=True)
    break_in(
        house,
        {
            "ledger/kurrent.py": "import kurrentdbclient",
            "ledger/server/__init__.py": "",
            "ledger/server/streams.py": "import kurrentdbclient",
            "services/registry/foreign.py": "import kernel.wire.registry",
            "services/sorting/app.py": "import kernel.handling",
        },
    )
    done = lint(house)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("contract", "lines"),
    [
        pytest.param(contract, lines, id=f"{contract}-{'-'.join(lines)}")
        for contract, breaks in BREAKS.items()
        for lines in breaks
    ],
)
def test_a_broken_contract_is_noticed(house, contract, lines):
    break_in(house, lines)
    done = lint(house, contract)
    assert done.returncode != 0, done.stdout
    assert "BROKEN" in done.stdout, done.stdout + done.stderr
