"""Settings come from the environment, each named right or refused, and never show a secret."""

from pathlib import Path
from typing import Annotated

import msgspec
import pytest
from msgspec import Meta

from kernel.settings import BadSettings, Settings, read_settings, settings_table


class RegistrySettings(Settings, frozen=True, kw_only=True):
    rows_max: Annotated[int, Meta(ge=1, description="rows in one file")] = 10


def test_defaults_keep_everything_on_loopback_and_in_one_folder():
    settings = read_settings(Settings, "registry", {"HOME": "/root", "PATH": "x"})
    assert settings.data_dir == Path("var")
    assert settings.ledger == "sqlite:///var/ledger.sqlite"
    assert settings.database("registry") == "sqlite:///var/registry.sqlite"
    assert set(settings.hosts) == {"127.0.0.1"}


def test_a_service_s_own_variable_goes_before_the_shared_one():
    environ = {
        "METERLOOP_REST_PORT": "8000",
        "METERLOOP_REGISTRY__REST_PORT": "8001",
        "METERLOOP_REGISTRY__ROWS_MAX": "7",
        "METERLOOP_SORTING__ANYTHING": "x",
        "LEDGER_URL": "memory:",
        "METERLOOP_DATA_DIR": "/srv/data",
        "METERLOOP_DRAIN_S": "1.5",
    }
    settings = read_settings(RegistrySettings, "registry", environ)
    assert (settings.rest_port, settings.rows_max, settings.ledger) == (8001, 7, "memory:")
    assert (settings.keys_dir, settings.drain_s) == (Path("/srv/data/keys"), 1.5)


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"METERLOOP_REST_PROT": "1"}, "METERLOOP_REST_PROT"),
        ({"METERLOOP_REGISTRY__REST_PROT": "1"}, "METERLOOP_REGISTRY__REST_PROT"),
        ({"METERLOOP_ROWS_MAX": "1"}, "METERLOOP_ROWS_MAX"),
        ({"METERLOOP_REST_PORT": "70000"}, "METERLOOP_REST_PORT"),
        ({"METERLOOP_REST_PORT": "80a"}, "METERLOOP_REST_PORT"),
        ({"METERLOOP_LOG_LEVEL": "LOUD"}, "METERLOOP_LOG_LEVEL"),
        ({"METERLOOP_REFLECTION": "perhaps"}, "METERLOOP_REFLECTION"),
        ({"METERLOOP_DATA_DIR": ""}, "METERLOOP_DATA_DIR"),
        ({"METERLOOP_PROXIES": "*"}, "METERLOOP_PROXIES"),
        ({"METERLOOP_PROXIES": "proxy.example"}, "METERLOOP_PROXIES"),
        *(
            ({"METERLOOP_REGISTRY__RPC_SOCKET": socket}, "METERLOOP_REGISTRY__RPC_SOCKET")
            for socket in (
                "localhost:9000",
                "0.0.0.0:9000",
                "[::]:9000",
                "dns:///registry:9000",
                "ipv4:0.0.0.0:9000",
                "unix-abstract:registry",
                "unix:registry.sock",
                "registry.sock",
                "\n",
                "/run/registry.sock\n0.0.0.0:9000",
                "/run/registry.sock\n",
            )
        ),
    ],
)
def test_what_is_misspelt_or_impossible_is_refused_by_name(environ, said):
    with pytest.raises(BadSettings) as refused:
        read_settings(RegistrySettings, "registry", environ)
    assert said in str(refused.value)


@pytest.mark.parametrize("socket", ["", "/run/a b/registry.sock", "unix:/run/%E6%95%B0/registry.sock"])
def test_a_socket_is_a_file_at_an_absolute_path(socket):
    settings = read_settings(Settings, "registry", {"METERLOOP_REGISTRY__RPC_SOCKET": socket})
    assert settings.rpc_socket == socket


def test_every_wrong_variable_is_named_at_once():
    with pytest.raises(BadSettings) as refused:
        read_settings(Settings, "registry", {"METERLOOP_A": "1", "METERLOOP_REST_PORT": "x", "METERLOOP_DRAIN_S": "-1"})
    assert all(name in str(refused.value) for name in ("METERLOOP_A", "METERLOOP_REST_PORT", "METERLOOP_DRAIN_S"))


def test_passwords_are_not_shown():
    settings = read_settings(Settings, "registry", {"DATABASE_URL": "postgresql://centre:hunter2@db/views"})
    assert settings.database("registry") == "postgresql://centre:hunter2@db/views"
    assert "hunter2" not in repr(settings)
    assert "centre" in repr(settings)


def test_every_setting_is_described():
    for field in msgspec.structs.fields(Settings):
        row = next(line for line in settings_table(Settings).splitlines() if f"{field.name.upper()}`" in line)
        assert " / " in row.split("|")[3], field.name
