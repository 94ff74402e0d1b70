"""A platform whose registry is killed while a file is being sent: the upload goes on, and nothing is done twice."""

import os
import signal
from pathlib import Path

import pytest

from cli.platform import Log, log_beside, running
from cli.uploading import run_import
from client import Client
from client.types import NewImport
from kernel.identity_issuer import issue
from kernel.principal import Principal, Role
from kernel.settings import Settings
from services.registry.asset_number import compose

UNIT = "99401"
DEVICES = 4_000
PADDING = 1_200
"""Characters of a remark, so that the file goes in several pieces."""


def registry_of(folder: Path) -> int:
    """The process id of the registry whose data is in this folder."""
    told = str(folder).encode()
    for place in Path("/proc").glob("[0-9]*"):
        try:
            words = (place / "cmdline").read_bytes().split(b"\0")
            if b"services.registry" in words and told in (place / "environ").read_bytes():
                return int(place.name)
        except OSError:
            continue
    raise AssertionError("no registry is running")


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are looked up in /proc")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("log", Log)
def test_an_upload_outlives_the_registry(tmp_path, monkeypatch, log):
    for name in [name for name in os.environ if name.startswith("METERLOOP_")]:
        monkeypatch.delenv(name)
    settings = Settings(data_dir=tmp_path / "var")
    path = tmp_path / "devices.csv"
    remark = "x" * PADDING
    rows = [f"{compose(UNIT, '01', f'{serial:014d}')},01,{UNIT},{remark}" for serial in range(DEVICES)]
    path.write_text("\n".join(["资产编号,设备类别,管理单位,备注", *rows]), "utf-8")
    killed, sent = [], []

    def watch(what: str, done: int, _total: int) -> None:
        if what == "upload":
            sent.append(done)
            if not killed:
                killed.append(registry_of(settings.data_dir))
                os.kill(killed[0], signal.SIGKILL)

    with running(settings, 0, *log_beside(log, settings)) as here:
        who = Principal(subject="u-1", roles=frozenset({Role.OPERATOR}), units=frozenset({UNIT}))
        with Client(here.endpoints.gateway, issue(settings.keys_dir, who)) as platform:
            announced = NewImport(kind="devices", name=path.name, bytes=path.stat().st_size)
            stands = run_import(platform, path, announced, watch)
            again = run_import(platform, path, announced, lambda *_: None)
        assert registry_of(settings.data_dir) != killed[0]
    assert (stands.state, stands.accepted, stands.refused) == ("done", DEVICES, 0)
    assert sent == sorted(set(sent))
    assert len(sent) > 2
    assert (again.accepted, again.unchanged) == (0, DEVICES)
