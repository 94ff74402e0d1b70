"""The log over KurrentDB's protocol as a process: `meterloop ledger serve`, or `python -m cli.serving` with settings.

Whoever calls is known by Basic credentials and reads and writes what its role may (cli/grants.py); over TLS. Without
both there are two ways, on loopback alone, and each says so: one role for everybody, and an empty log in memory.
"""

import asyncio
import socket
import sys
from collections.abc import Callable, Mapping
from typing import Annotated, Final, TypeAlias
from urllib.parse import quote

import msgspec
import structlog
from msgspec import Meta

from cli.admitting import Admitting
from cli.basic import BasicCredentials
from cli.certificates import EVERYWHERE, ServerTls, server_tls
from cli.connection import note, warn
from cli.credentials import read_credentials
from cli.disclosing import DISCLOSURE
from cli.grants import EVERY_SERVICE, grant_of
from cli.open_files import connections_within, raise_open_files
from cli.platform import OWNERS_FOLDER, require_free
from kernel.clock import system_clock_us
from kernel.disclosure import Disclosure, DisclosureFile, load
from kernel.http_operations import operations_app
from kernel.identity_issuer import NotLoopback, require_loopback
from kernel.principal import Role
from kernel.process import Parts, Process, run, run_with
from kernel.quantity import instant_of_us
from kernel.readiness import Health
from kernel.redaction import redacted
from kernel.refusal import against_rules, unreadable
from kernel.settings import Settings, read_settings
from ledger.embedded import EmbeddedLedger
from ledger.memory import MemoryLedger
from ledger.open import embedded_file
from ledger.port import Unavailable
from ledger.server.access import Admission, Grant, admit_everybody
from ledger.server.running import Limits, Tls, serve
from ledger.sqlite import SqliteLedger

NAME: Final = "ledger"
LISTEN: Final = "127.0.0.1:2113"
"""Where clients of a KurrentDB look for one."""

RUNS_OUT_US: Final = 30 * 24 * 3_600 * 1_000_000
"""A certificate that ends so soon is told by the probe: starting the server again makes another."""

PORT_MAX: Final = 65_535

BAD_LISTEN = unreadable(
    "ledger_serve.listen",
    "“{given}”不是监听地址。请写作 主机:端口，如 127.0.0.1:2113 或 [::1]:2113。",
    "{given!r} is no address to listen at; write host:port, as 127.0.0.1:2113 or [::1]:2113",
)
NOT_LOOPBACK = against_rules(
    "ledger_serve.not_loopback",
    "{option} 不核验调用者、不加密，只能用于本机，而监听地址是 {host}。请去掉该选项，或改为 127.0.0.1。",
    "{option} asks nobody who he is and encrypts nothing: it is for this machine alone, and {host} is not; leave it"
    " out, or listen at 127.0.0.1",
)
NOT_EMBEDDED = against_rules(
    "ledger_serve.not_embedded",
    "{url} 不是本机的嵌入式台账。对外提供的只能是 sqlite:///path；KurrentDB 集群自己就讲这个协议，请直接连接它；"
    "要一个空的临时台账，请用 --scratch。",
    "{url} is no embedded log of this machine: what is served is sqlite:///path. A KurrentDB speaks this protocol"
    " itself, so connect to it; for an empty log in memory there is --scratch",
)
SCRATCH_ALONE = against_rules(
    "ledger_serve.scratch_alone",
    "--scratch 是没有访问规则的空台账，不能与 --ledger 或 --insecure-as 同用；--position-stride 只用于 --scratch。",
    "--scratch is an empty log without rules of access, and goes with neither --ledger nor --insecure-as;"
    " --position-stride goes with --scratch alone",
)

_LOG: Final = structlog.get_logger(NAME)


class ServingSettings(Settings, frozen=True, kw_only=True):
    """What serving the log needs beside what every process has."""

    listen: Annotated[
        str,
        Meta(description="按 KurrentDB 协议监听的地址 / where the log is served by KurrentDB's protocol"),
    ] = LISTEN
    names: Annotated[
        str,
        Meta(
            description="证书另含的主机名或地址，以逗号分隔；第一个会告知来发现集群的客户端 / further names or"
            " addresses in the certificate, parted by commas, by which clients reach this server; the first is told to"
            " those who discover"
        ),
    ] = ""
    insecure_as: Annotated[
        Role | None,
        Meta(
            description="不核验、不加密，所有调用者都是这个角色，仅限本机 / the role that everybody has who calls,"
            " unasked and not encrypted, on loopback alone"
        ),
    ] = None
    disclosure: DisclosureFile = None

    def names_of(self, host: str) -> list[str]:
        """What the certificate is for beside loopback: the host that is listened at, or the name of this machine where
        that is every address, which is then what clients that discover a cluster are told; and what was asked for.
        """
        return [socket.gethostname() if host in EVERYWHERE else host, *self.further_names]

    @property
    def further_names(self) -> list[str]:
        return [name.strip() for name in self.names.split(",") if name.strip()]


class Serving(msgspec.Struct, frozen=True, kw_only=True):
    """What a person who starts it says beside the settings."""

    scratch: bool = False
    position_stride: int = 1


class Address(msgspec.Struct, frozen=True):
    """A host and a port. The host of an IPv6 address has no brackets."""

    host: str
    port: int

    @classmethod
    def parse(cls, given: str) -> "Address":
        """Raises BAD_LISTEN."""
        host, separator, port = given.rpartition(":")
        bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        if not (separator and bare and port.isascii() and port.isdigit() and int(port) <= PORT_MAX):
            raise BAD_LISTEN(given=given)
        if (":" in bare) is not (bare != host):
            raise BAD_LISTEN(given=given)
        return cls(bare, int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


Told: TypeAlias = Callable[[ServingSettings, Address, ServerTls | None], None]
"""Hears of the address that it came to listen at."""


def serve_here(settings: ServingSettings, serving: Serving) -> int:
    """Serve until told to stop, and say on standard output what to connect to. Raises Refusal, NotReady, LedgerError.

    What is wrong is found before anything listens: a person is told plainly, not in a log.
    """
    address = Address.parse(settings.listen)
    _require_allowed(settings, serving, address)
    if address.port:
        require_free(address.port, address.host, "--listen")
    if not serving.scratch:
        settings.data_dir.mkdir(OWNERS_FOLDER, parents=True, exist_ok=True)
        asyncio.run(_opened_and_closed(settings.ledger))
        _tls(settings, address)

    async def assembled(process: Process) -> Parts:
        return await _assembled(process, serving, introduce)

    return run_with(NAME, settings, assembled)


async def assemble(process: Process) -> Parts:
    """Open the log and serve it, as the settings say."""
    return await _assembled(process, Serving(), _logged)


def introduce(settings: ServingSettings, address: Address, tls: ServerTls | None) -> None:
    """What to connect to, on standard output; what goes with that, beside."""
    if tls is not None:
        note(
            f"客户端须信任此 CA 证书，请通过可靠途径交给它们：{tls.authority}",
            f"clients are to trust this CA certificate, and to get it by a way they can rely on: {tls.authority}",
        )
        if not read_credentials(settings.keys_dir).users:
            warn(
                "还没有用户，任何调用都会被拒绝。请用 `meterloop ledger user add` 增加。",
                "there are no users yet, and every call is refused: add them by `meterloop ledger user add`",
            )
    elif (role := settings.insecure_as) is None:
        warn(
            "临时台账：在内存中，停止即消失；不加密，无访问规则，本机任何程序都可读写。",
            "a scratch log: in memory, gone when this stops; nothing is encrypted, and any program of this machine may"
            " read and write",
        )
    else:
        warn(
            f"不安全：不加密，也不核验，本机任何程序都以角色 {role.value} 读写这份台账！",
            f"INSECURE: nothing is encrypted and nobody is asked: any program of this machine is {role.value} to this"
            " log",
        )
    note("请连接以下地址（Ctrl-C 停止）：", "connect to (Ctrl-C stops it):")
    sys.stdout.write(url_of(address, tls) + "\n")
    sys.stdout.flush()


def url_of(address: Address, tls: ServerTls | None, user: str = "") -> str:
    """What clients connect to. `user`: name and password as they stand in a URL."""
    query = "tls=false" if tls is None else f"tlsCaFile={quote(str(tls.authority.resolve()), safe='/')}"
    # Who listens everywhere is found on this machine too.
    host = Address("localhost", address.port) if address.host in EVERYWHERE else address
    return f"kurrentdb://{user + '@' if user else ''}{host}?{query}"


def settings_of(environ: Mapping[str, str], **said: object) -> ServingSettings:
    """The settings of the environment, and before them what was said. Raises BadSettings."""
    settings = read_settings(ServingSettings, NAME, environ)
    given = {name: value for name, value in said.items() if value}
    return msgspec.structs.replace(settings, log_format="text", log_level="WARNING", **given)


def admission(settings: ServingSettings, disclosure: Disclosure) -> Admission:
    """Who may do what: everybody what one role may, or each what the role of its credentials may."""
    if settings.insecure_as is not None:
        return _everybody(settings.insecure_as, disclosure)
    return Admitting(BasicCredentials(settings.keys_dir), disclosure)


def _everybody(role: Role, disclosure: Disclosure) -> Admission:
    grant = grant_of(role, EVERY_SERVICE if role is Role.SERVICE else None, disclosure)

    async def admit(_authorization: str | None) -> Grant:
        return grant

    return admit


async def _assembled(process: Process, serving: Serving, told: Told) -> Parts:
    settings: ServingSettings = process.settings
    address = Address.parse(settings.listen)
    _require_allowed(settings, serving, address)
    ledger: EmbeddedLedger
    admit: Admission = admit_everybody
    if serving.scratch:
        tls = None
        ledger = MemoryLedger(position_stride=serving.position_stride)
    else:
        disclosure = load(settings.disclosure or DISCLOSURE)
        tls, admit = _tls(settings, address), admission(settings, disclosure)
        ledger = await process.wait_for("ledger", lambda: _open(settings.ledger), Unavailable)
    # A name that was asked for is how others find this server, through whatever lies between; without TLS it is on this
    # machine alone.
    found_at = settings.further_names[0] if tls and settings.further_names else None
    served = await serve(
        ledger,
        str(address),
        admit=admit,
        tls=Tls(tls.key, tls.chain) if tls else None,
        limits=Limits(connections_max=connections_within(raise_open_files(), Limits().connections_max)),
        found_at=found_at,
    )
    told(settings, Address(address.host, served.port), tls)

    async def log() -> Health:
        return Health(ok=True, detail=f"head {await ledger.head()}")

    async def certificate() -> Health:
        assert tls is not None
        soon = tls.until < instant_of_us(system_clock_us() + RUNS_OUT_US)
        return Health(ok=True, degraded=soon, detail=f"until {tls.until.isoformat(timespec='seconds')}")

    async def stop() -> None:
        await served.stop(settings.stop_s_max)

    process.readiness.add("ledger", log)
    if tls is not None:
        process.readiness.add("certificate", certificate)
    assert process.telemetry is not None
    return Parts(rest=operations_app(process.readiness, process.telemetry), closing=[stop, ledger.close])


def _logged(settings: ServingSettings, address: Address, tls: ServerTls | None) -> None:
    if tls is None:
        _LOG.warning("insecure", role=settings.insecure_as)
    _LOG.info("serving", url=url_of(address, tls))


def _require_allowed(settings: ServingSettings, serving: Serving, address: Address) -> None:
    """Raises NOT_LOOPBACK, NOT_EMBEDDED."""
    if serving.scratch or settings.insecure_as is not None:
        option = "--scratch" if serving.scratch else "--insecure-as"
        try:
            require_loopback([address.host])
        except NotLoopback:
            raise NOT_LOOPBACK(option=option, host=address.host) from None
    if not serving.scratch:
        require_embedded(settings)


def require_embedded(settings: Settings) -> None:
    """Raises NOT_EMBEDDED."""
    if embedded_file(settings.ledger) is None:
        raise NOT_EMBEDDED(url=redacted(settings.ledger))


def _tls(settings: ServingSettings, address: Address) -> ServerTls | None:
    """None where nobody is asked who he is."""
    if settings.insecure_as is not None:
        return None
    return server_tls(settings.keys_dir, settings.names_of(address.host), system_clock_us())


async def _open(url: str) -> SqliteLedger:
    file = embedded_file(url)
    assert file is not None
    return await SqliteLedger.open(file)


async def _opened_and_closed(url: str) -> None:
    await (await _open(url)).close()


def main() -> int:
    """Run until told to stop."""
    return run(NAME, ServingSettings, assemble)


if __name__ == "__main__":
    sys.exit(main())
