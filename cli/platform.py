"""The platform on one machine: made ready, started, and a token for whoever sits at it."""

import asyncio
import fcntl
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Final

import httpx
import msgspec
import typer
from msgspec import Meta
from rich.console import Console

from cli.supervision import Program, supervised
from kernel.identity import Principal, Role
from kernel.identity_issuer import issue, write_keys
from kernel.keys import write_cursor_key
from kernel.settings import Settings, read_settings
from ledger.open import open_ledger

PORT: Final = 8700
"""Where the gateway answers unless told otherwise."""

READY_S_MAX: Final = 90
READY_POLL_S: Final = 0.1

console = Console(stderr=True)


class Endpoints(msgspec.Struct, frozen=True, kw_only=True):
    """Where the running platform answers; kept in the data folder so that other commands find it."""

    gateway: str
    operations: dict[str, str]


class NotReady(Exception):
    """The platform did not get ready."""


def init() -> None:
    """准备数据目录：密钥、台账 Make the data folder ready: keys and ledger. Safe to repeat."""
    settings = cli_settings()
    asyncio.run(make_ready(settings))
    console.print(f"[green]✓[/] 就绪 ready: {settings.data_dir}")


def token(
    role: Annotated[list[Role], typer.Option(help="角色，可重复 role; may be repeated")],
    subject: Annotated[str, typer.Option(help="主体编号 opaque subject id")] = "local",
    unit: Annotated[list[str] | None, typer.Option(help="管理单位，可重复 managing unit; may be repeated")] = None,
    organisation: Annotated[str | None, typer.Option(help="所属厂商或机构 maker, recycler or institute")] = None,
) -> None:
    """签发本机令牌，一小时有效 Print a token for this machine, good for an hour."""
    principal = Principal(
        subject=subject, roles=frozenset(role), units=frozenset(unit or ()), organisation=organisation
    )
    sys.stdout.write(issue(cli_settings().keys_dir, principal) + "\n")


def up(
    port: Annotated[int, typer.Option(help="网关端口，0 为任取 port of the gateway; 0 takes a free one")] = PORT,
) -> None:
    """启动平台，Ctrl-C 停止 Start the platform on loopback; Ctrl-C stops it."""
    with interruptible(), running(cli_settings(), port) as endpoints:
        console.print(
            f"[green]✓[/] 平台已启动 the platform is up: [bold]{endpoints.gateway}[/]（Ctrl-C 停止 stops it）"
        )
        wait_for_interrupt()


class CliSettings(Settings, frozen=True, kw_only=True):
    """What the command line has beside what every process has."""

    url: Annotated[
        str, Meta(description="平台地址，默认为本机运行中的平台 / the platform; by default the one running here")
    ] = ""
    token: Annotated[
        str, Meta(description="访问令牌，默认自行签发 / access token; by default one of this machine's own")
    ] = ""


def cli_settings() -> CliSettings:
    """The settings that every command shares."""
    return read_settings(CliSettings, "cli", os.environ)


async def make_ready(settings: Settings) -> None:
    """Keys, ledger and folders; under a lock, so that two at once do it once."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with (settings.data_dir / "init.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in ("run", "log", "spool"):
            (settings.data_dir / name).mkdir(exist_ok=True)
        if settings.issuer_file is None:
            write_keys(settings.keys_dir)
        write_cursor_key(settings.keys_dir)
        await (await open_ledger(settings.ledger)).close()


@contextmanager
def running(settings: Settings, port: int) -> Iterator[Endpoints]:
    """Start everything, wait until it is ready, and stop it when the block ends. Raises NotReady."""
    asyncio.run(make_ready(settings))
    gateway_port, registry_rpc, registry_rest, gateway_operations = port or _free_port(), *_free_ports(3)
    shared = {
        "METERLOOP_DATA_DIR": str(settings.data_dir.resolve()),
        "METERLOOP_REGISTRY__RPC_PORT": str(registry_rpc),
        "METERLOOP_REGISTRY__REST_PORT": str(registry_rest),
        "METERLOOP_GATEWAY__REST_PORT": str(gateway_port),
        "METERLOOP_GATEWAY__OPERATIONS_PORT": str(gateway_operations),
        "METERLOOP_GATEWAY__REGISTRY": f"127.0.0.1:{registry_rpc}",
    }
    programs = [
        Program("registry", "services.registry", 10, shared),
        Program("gateway", "gateway", 90, shared),
    ]
    endpoints = Endpoints(
        gateway=f"http://127.0.0.1:{gateway_port}",
        operations={
            "registry": f"http://127.0.0.1:{registry_rest}",
            "gateway": f"http://127.0.0.1:{gateway_operations}",
        },
    )
    found = settings.data_dir / "run" / "endpoints.json"
    with _alone(settings.data_dir), supervised(programs, settings.data_dir) as supervisor:
        deadline = time.monotonic() + READY_S_MAX
        for name, address in endpoints.operations.items():
            while not _answers(f"{address}/readyz"):
                if supervisor.poll() is not None or time.monotonic() > deadline:
                    raise NotReady(f"{name} 未就绪，见 / is not ready, see {settings.data_dir / 'log' / name}.log")
                time.sleep(READY_POLL_S)
        found.write_bytes(msgspec.json.encode(endpoints))
        try:
            yield endpoints
        finally:
            found.unlink(missing_ok=True)


def wait_for_interrupt() -> None:
    """Return on Ctrl-C or SIGTERM."""
    try:
        while True:
            signal.pause()
    except KeyboardInterrupt:
        console.print("\n停止中 stopping")


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C does, so that what was started is stopped."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _alone(data_dir: Path) -> Iterator[None]:
    """One platform a data folder."""
    with (data_dir / "run" / "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise NotReady(f"平台已在运行 the platform is running already: {data_dir}") from None
        yield


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).is_success
    except httpx.TransportError:
        return False


def _free_ports(number: int) -> list[int]:
    return [_free_port() for _ in range(number)]


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
