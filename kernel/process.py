"""A service as a process: both doors on one event loop, ready when it can answer, stopped without losing a request.

    def main() -> None:
        sys.exit(run("registry", Settings, assemble))

    async def assemble(process: Process) -> Parts: ...     # open the ledger and the views, build the doors

On SIGTERM or SIGINT, in this order: no longer ready; wait, so that balancers notice; take no new requests; finish those
in flight; stop the followers; close views and ledger; send the last telemetry. A second signal ends it at once, which
is safe: whatever was acknowledged is in the log.
"""

import asyncio
import math
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from importlib.metadata import version
from typing import Any, Final, TypeAlias, TypeVar

import msgspec
import structlog
import uvicorn
import uvloop
from fastapi import FastAPI

from kernel.collector import calm
from kernel.grpc_server import RpcDoor
from kernel.http_protocol import BoundedHttp
from kernel.logs import configure_logs
from kernel.readiness import Readiness
from kernel.settings import BadSettings, Settings, read_settings
from kernel.telemetry import Telemetry, open_telemetry

T = TypeVar("T")

RETRY_S: Final = (0.1, 2.0)
"""Between attempts to reach what is needed at the start: the first pause, doubled up to the last."""

KEEP_ALIVE_S: Final = 75
"""Longer than balancers keep idle connections (60 s), so that it is never we who close one they are using."""

FLUSH_S_MAX: Final = 5.0

OWNER_ONLY: Final = 0o077
"""What a service writes, its views, uploads and files of errors, is for the user it runs as and for nobody else."""

SECOND_SIGNAL_STATUS: Final = 130

_LOG: Final = structlog.get_logger("process")


class NotStarted(Exception):
    """What is needed did not come in time."""


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What a service is made of. `operations` are probes and metrics at a door of their own. `followers` run until they
    are cancelled; one that ends before stops the service. `closing` is called last, in its order.
    """

    rest: FastAPI
    rpc: RpcDoor | None = None
    operations: FastAPI | None = None
    followers: Mapping[str, Callable[[], Awaitable[None]]] = {}
    closing: Sequence[Callable[[], Awaitable[None]]] = ()


class Process:
    """What a service is assembled with."""

    def __init__(self, service: str, settings: Any, readiness: Readiness, telemetry: Telemetry | None) -> None:
        self.service: Final = service
        self.settings: Final = settings
        self.readiness: Final = readiness
        self.telemetry: Final = telemetry

    async def wait_for(self, what: str, attempt: Callable[[], Awaitable[T]], *errors: type[Exception]) -> T:
        """The outcome of `attempt`, tried again while it raises one of these errors, visibly and not for ever.

        Raises NotStarted after `startup_s_max`.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + self.settings.startup_s_max
        pause_s, pause_s_max = RETRY_S
        while True:
            try:
                return await attempt()
            except errors as error:
                left_s = until - loop.time()
                if left_s <= 0:
                    raise NotStarted(f"{what} 未就绪 / {what} did not become ready: {error}") from error
                _LOG.warning("waiting", what=what, error=str(error), seconds_left=round(left_s, 1))
            await asyncio.sleep(min(pause_s, left_s))
            pause_s = min(2 * pause_s, pause_s_max)


SWITCH_S: Final = 0.0005
"""How long a thread computes while another wants to: with Python's own 5 ms, threads that fill views and write the log
keep the event loop from requests that take less than that in all.
"""

Assemble: TypeAlias = Callable[[Process], Coroutine[Any, Any, Parts]]


def run(service: str, kind: type[Settings], assemble: Assemble) -> int:
    """Run a service until it is told to stop. Exit status: 0 told to, 1 something broke, 2 the settings are wrong."""
    try:
        settings = read_settings(kind, service, os.environ)
    except BadSettings as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return run_with(service, settings, assemble)


def run_with(service: str, settings: Settings, assemble: Assemble) -> int:
    """The same with settings that come from elsewhere than the environment."""
    os.umask(OWNER_ONLY)
    configure_logs(service, level=settings.log_level, text=settings.log_format == "text")
    telemetry = open_telemetry(
        service, version("meterloop"), os.environ, instance=f"{socket.gethostname()}:{os.getpid()}"
    )
    process = Process(service, settings, Readiness(), telemetry)
    calm()
    sys.setswitchinterval(SWITCH_S)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(serve(process, assemble))


async def serve(process: Process, assemble: Assemble, stop: asyncio.Event | None = None) -> int:
    """Assemble, open the doors, run until a signal (or `stop`, for those without signals), and stop in order."""
    stop = stop or asyncio.Event()
    failed = False
    with _signals(stop):
        try:
            parts = await _unless(stop, assemble(process))
        except Exception:  # noqa: BLE001  whatever kept it from starting is logged and ends it
            _LOG.exception("not started")
            return 1
        if parts is None:
            _LOG.info("stopped before it had started")
            return 0
        running = _Running(process, parts)
        try:
            await running.open()
            await running.until(stop)
        except Exception:  # noqa: BLE001  whatever broke, the rest is still stopped in order
            failed = True
            _LOG.exception("stopping for a fault")
        await running.close()
    return 1 if failed or running.broken else 0


class _Server(uvicorn.Server):
    """uvicorn's server without its hold on signals: the process decides what happens when."""

    def capture_signals(self) -> Any:
        return nullcontext()


class _HttpDoor:
    """An app on a port."""

    def __init__(self, app: FastAPI, host: str, port: int, stop_s_max: float, proxies: str = "") -> None:
        self._socket: Final = _listen(host, port)
        _look_for_reads_first(app)
        config = uvicorn.Config(
            app,
            http=BoundedHttp,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            # Otherwise uvicorn believes whoever calls from this machine, so a proxy that passes the header on too.
            proxy_headers=bool(proxies),
            forwarded_allow_ips=proxies,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=math.ceil(stop_s_max),
        )
        self._server: Final = _Server(config)
        self._task: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        host, port = self._socket.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def open(self) -> asyncio.Task[None]:
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]), name="http")
        return self._task

    async def close(self) -> None:
        """Take no new connections and finish what is in flight."""
        if self._task is None:
            self._socket.close()
            return
        self._server.should_exit = True
        await asyncio.gather(self._task, return_exceptions=True)


class _Running:
    """A service from its first open door to its last closed file."""

    def __init__(self, process: Process, parts: Parts) -> None:
        self._process: Final = process
        self._settings: Final[Settings] = process.settings
        self._parts: Final = parts
        self._doors: Final[list[_HttpDoor]] = []
        self._tasks: Final[dict[str, asyncio.Task[None]]] = {}
        self.broken = False

    async def open(self) -> None:
        settings, parts = self._settings, self._parts
        rest = _HttpDoor(parts.rest, settings.rest_host, settings.rest_port, settings.stop_s_max, settings.proxies)
        self._doors.append(rest)
        addresses = {"rest": rest.address}
        if parts.operations is not None:
            # First in the list, so closed last: probes still see that we are draining.
            operations = _HttpDoor(
                parts.operations, settings.operations_host, settings.operations_port, settings.stop_s_max
            )
            self._doors.insert(0, operations)
            addresses["operations"] = operations.address
        if parts.rpc is not None:
            port = await parts.rpc.start(settings.rpc_host, settings.rpc_port, settings.rpc_socket)
            addresses["rpc"] = f"{settings.rpc_host}:{port}"
        for name, follower in parts.followers.items():
            self._tasks[name] = asyncio.create_task(_awaited(follower), name=name)
        for door in self._doors:
            self._tasks[f"http {door.address}"] = door.open()
        self._process.readiness.started = True
        if parts.rpc is not None:
            await parts.rpc.say(serving_now=True)
        _LOG.info("listening", **addresses)

    async def until(self, stop: asyncio.Event) -> None:
        """Wait until told to stop, or until something that should run for ever has ended."""
        told = asyncio.create_task(stop.wait(), name="stop")
        done, _ = await asyncio.wait([told, *self._tasks.values()], return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        for task in done - {told}:
            self.broken = True
            _LOG.error("ended by itself", part=task.get_name(), exc_info=task.exception() or False)

    async def close(self) -> None:
        settings, parts = self._settings, self._parts
        self._process.readiness.drain()
        if parts.rpc is not None:
            await parts.rpc.say(serving_now=False)
        _LOG.info("draining", seconds=settings.drain_s)
        await asyncio.sleep(0 if self.broken else settings.drain_s)
        closing = [door.close() for door in self._doors[-1:]]
        if parts.rpc is not None:
            closing.append(parts.rpc.stop(settings.stop_s_max))
        await asyncio.gather(*closing)
        followers = [self._tasks[name] for name in parts.followers if name in self._tasks]
        for task in followers:
            task.cancel()
        await asyncio.gather(*followers, return_exceptions=True)
        for door in self._doors[:-1]:
            await door.close()
        for close in parts.closing:
            try:
                await close()
            except Exception:  # noqa: BLE001  the others are still closed
                self.broken = True
                _LOG.exception("not closed cleanly")
        _LOG.info("stopped")
        if self._process.telemetry is not None:
            await _within(FLUSH_S_MAX, asyncio.to_thread(self._process.telemetry.close))


def _look_for_reads_first(app: FastAPI) -> None:
    """Routes are tried one after the other, and a service has a hundred commands before its questions: looking past
    them would cost a read several times its own routing. Which of them answers does not change, their methods differ.
    """
    app.router.routes.sort(key=lambda route: "GET" not in (getattr(route, "methods", None) or ()))


def _listen(host: str, port: int) -> socket.socket:
    """A socket that listens, so that the port is known, and taken, before the first request."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listening = socket.socket(family, kind, protocol)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(2_048)
    except OSError as error:
        listening.close()
        raise OSError(error.errno, f"the REST door cannot listen at {host}:{port}: {error.strerror}") from error
    return listening


@contextmanager
def _signals(stop: asyncio.Event) -> Generator[None]:
    """SIGTERM and SIGINT set `stop`; the second one ends the process."""
    loop = asyncio.get_running_loop()

    def told() -> None:
        if stop.is_set():
            os._exit(SECOND_SIGNAL_STATUS)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """What the work came to, or None where we were told to stop before it was done."""
    told, doing = asyncio.create_task(stop.wait()), asyncio.create_task(work)
    await asyncio.wait([told, doing], return_when=asyncio.FIRST_COMPLETED)
    told.cancel()
    if doing.done():
        return await doing
    doing.cancel()
    await asyncio.gather(doing, return_exceptions=True)
    return None


async def _awaited(follower: Callable[[], Awaitable[None]]) -> None:
    await follower()


async def _within(seconds: float, work: Awaitable[None]) -> None:
    try:
        async with asyncio.timeout(seconds):
            await work
    except TimeoutError:
        _LOG.warning("telemetry not sent in time")
