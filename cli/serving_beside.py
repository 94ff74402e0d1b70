"""The platform on a log that is served: `meterloop up --ledger kurrentdb`.

The log of the data folder is served over KurrentDB's protocol on loopback by a program of its own, and every other
program reads and writes it there, each by credentials of its own, as it would on a cluster.
"""

import os
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from cli.certificates import server_tls
from cli.credentials import add_user, new_password
from cli.platform import Beside, free_ports
from cli.serving import NAME, Address, ServingSettings, url_of
from cli.supervision import Program
from kernel.clock import system_clock_us
from kernel.principal import Role
from kernel.refusal import against_rules
from kernel.settings import Settings, read_settings

USERS: Final = ("registry", "sorting", "sequencer", "discloser")
"""The services that open the log."""

FIRST: Final = 5
"""Before everything that needs it, and stopped after."""

LISTENS: Final = "METERLOOP_LEDGER__LISTEN"
NO_PROXY: Final = "no_grpc_proxy"

INSECURE = against_rules(
    "ledger_serve.insecure_platform",
    "平台的各个服务以各自的凭证使用台账，不能设 METERLOOP_LEDGER__INSECURE_AS。请去掉该设置。",
    "the services of a platform use the log by credentials of their own: leave out METERLOOP_LEDGER__INSECURE_AS",
)


def served_log(settings: Settings) -> Beside:
    """The program that serves the log, and where each of the others finds it. Its users are given new passwords, which
    nobody knows but this platform while it runs. Raises Refusal, BadSettings, OSError.
    """
    serving = read_settings(ServingSettings, NAME, os.environ)
    if serving.insecure_as is not None:
        raise INSECURE()
    port, probed = free_ports(2)
    # An operator who says where opens the log to others by that.
    address = Address.parse(serving.listen) if LISTENS in os.environ else Address("127.0.0.1", port)
    address = Address(address.host, address.port or port)
    tls = server_tls(settings.keys_dir, serving.names_of(address.host), system_clock_us())
    own: dict[str, Mapping[str, str]] = {
        NAME: {
            "METERLOOP_LEDGER__LEDGER_URL": settings.ledger,
            LISTENS: str(address),
            "METERLOOP_LEDGER__REST_PORT": str(probed),
        }
    }
    for service in USERS:
        name, password = f"meterloop-{service}", new_password()
        add_user(settings.keys_dir, name, Role.SERVICE, service, password, system_clock_us(), replace=True)
        url = url_of(address, tls, f"{name}:{quote(password, safe='')}")
        own[service] = {f"METERLOOP_{service.upper()}__LEDGER_URL": url, NO_PROXY: _no_proxy(os.environ)}
    program = Program(NAME, "cli.serving", FIRST, {})
    return Beside([program], operations={NAME: f"http://127.0.0.1:{probed}"}, own=own, log=url_of(address, tls))


def _no_proxy(environ: Mapping[str, str]) -> str:
    """GRPC would ask a proxy of the environment for this machine too."""
    before = environ.get(NO_PROXY) or environ.get("no_proxy")
    return ",".join([*filter(None, [before]), "localhost", "127.0.0.1", "::1"])
