"""The platform on one machine: made ready, started, and a token for whoever sits at it."""

import asyncio
import fcntl
import os
import re
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from enum import StrEnum
from functools import reduce
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias
from urllib.parse import quote

import httpx
import msgspec
import typer
from rich.console import Console

from cli.settings import Endpoints, cli_settings
from cli.supervision import Program, Supervisor, supervised
from kernel.identity_issuer import NotLoopback, issue, require_loopback, write_keys
from kernel.keys import OWNER_ONLY, write_cursor_key, write_file
from kernel.principal import Principal, Role
from kernel.settings import OWN, PREFIX, Settings, read_settings
from ledger.open import open_ledger
from ledger.transparency.keys import KEY_FILE, new_key

PORT: Final = 8700
"""Where the gateway answers unless told otherwise."""

READY_S_MAX: Final = 90
READY_POLL_S: Final = 0.1

WATCH_S: Final = 1.0
"""How often a running platform looks whether it still is."""

STARTING_WATCH_S: Final = 0.3
"""The same while it starts."""

SERVICES: Final = ("registry", "sorting", "gateway")
STANDING_BACK: Final = 10
"""The niceness of what may be some seconds late: people wait for the answers of the others."""

LAST_LINES: Final = 5
"""Of a service's log, where it could not start."""

LOG_TAIL_BYTES: Final = 64 << 10
OWNERS_FOLDER: Final = 0o700

_COMMENT: Final = re.compile(r"\s;|[\r\n]")
_OF_A_URL: Final = re.compile(r"[?#,]")
"""What ends a path in the URL of a ledger or of a database; at a comma gRPC parts one address from the next."""

console = Console(stderr=True)


class Log(StrEnum):
    """How a platform of this machine has its log: opened by every service, or served to them by one program."""

    EMBEDDED = "embedded"
    KURRENTDB = "kurrentdb"


LogOption: TypeAlias = Annotated[
    Log,
    typer.Option(
        "--ledger",
        help="台账由各服务直接打开，或按 KurrentDB 的协议提供 opened by each service, or served to them",
    ),
]


class Beside(msgspec.Struct, frozen=True):
    """What runs along with the platform: its processes, variables for all processes and for those of a name, and where
    they tell whether they are ready. `log`: where the log is served, if it is.
    """

    programs: Sequence[Program] = ()
    shared: Mapping[str, str] = {}
    operations: Mapping[str, str] = {}
    own: Mapping[str, Mapping[str, str]] = {}
    log: str | None = None

    def also(self, other: "Beside") -> "Beside":
        """Both."""
        return Beside(
            [*self.programs, *other.programs],
            {**self.shared, **other.shared},
            {**self.operations, **other.operations},
            {**self.own, **other.own},
            self.log or other.log,
        )


class NotReady(Exception):
    """The platform did not get ready, or is no longer; what to do about it, in both languages."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(f"{zh}\n  {en}")


class Running:
    """The platform while it runs."""

    def __init__(
        self, endpoints: Endpoints, supervisor: Supervisor, log_dir: Path, said_before: Mapping[Path, int]
    ) -> None:
        self.endpoints: Final = endpoints
        self._supervisor: Final = supervisor
        self._log_dir: Final = log_dir
        self._said_before: Final = said_before

    def get_ready(self) -> None:
        """Return when every service answers that it is ready. Raises NotReady as soon as one of them has ended: each
        waits by itself for what it needs, so what ends a first start ends the next one too.
        """
        begun = looked = time.monotonic()
        with httpx.Client(timeout=2) as http:
            for name, address in self.endpoints.operations.items():
                while not _answers(http, f"{address}/readyz"):
                    now = time.monotonic()
                    if now - looked > STARTING_WATCH_S:
                        looked = now
                        self._look()
                        if ended := self._supervisor.ended():
                            first, why = next(iter(ended.items()))
                            raise self._not_ready(first, "未能启动", "could not start", why)
                    if now - begun > READY_S_MAX:
                        raise self._not_ready(name, "未在规定时间内就绪", "did not get ready in time")
                    time.sleep(READY_POLL_S)

    def wait(self) -> None:
        """Return on Ctrl-C or SIGTERM. Raises NotReady where it ended by itself."""
        try:
            while True:
                time.sleep(WATCH_S)
                self._look()
        except KeyboardInterrupt:
            console.print("\n停止中 stopping")

    def _look(self) -> None:
        """Raises NotReady where nobody keeps the services running any more, or one of them cannot be kept."""
        if not self._supervisor.alive:
            raise NotReady(
                f"监管进程意外结束，各服务随之停止。详见 {self._log_dir / 'supervisord.log'}；请重新启动。",
                f"the supervisor has ended, and the services with it, see {self._log_dir / 'supervisord.log'}; "
                "start again",
            )
        if given_up := self._supervisor.given_up():
            raise self._not_ready(given_up[0], "屡次启动失败", "failed each time it was started")

    def _not_ready(self, name: str, zh: str, en: str, otherwise: str = "") -> NotReady:
        """`otherwise` is why, where the service said nothing."""
        log = self._log_dir / f"{name}.log"
        lines = last_lines(log, self._said_before.get(log, 0))
        why = lines[-1] if lines else otherwise
        shown = "".join(f"\n    {line}" for line in lines[:-1])
        before = f"\n  日志末尾 the end of its log:{shown}" if shown else ""
        return NotReady(f"{name} {zh}：{why}。详见 {log}", f"{name} {en}: {why}; see {log}{before}")


def init() -> None:
    """准备数据目录：密钥、台账 Make the data folder ready: keys and ledger. Safe to repeat."""
    settings = cli_settings()
    asyncio.run(make_ready(settings))
    console.print(f"[green]✓[/] 就绪 ready: {settings.data_dir}")


def token(
    role: Annotated[list[Role], typer.Option(help="角色，可重复 role; may be repeated")],
    subject: Annotated[str, typer.Option(help="主体编号 opaque subject id")] = "local",
    unit: Annotated[
        list[str] | None, typer.Option(help="管理单位，可重复，* 为全部 managing unit; may be repeated, * for all")
    ] = None,
    organisation: Annotated[str | None, typer.Option(help="所属厂商或机构 maker, recycler or institute")] = None,
) -> None:
    """签发本机令牌，一小时有效 Print a token for this machine, good for an hour."""
    principal = Principal(
        subject=subject, roles=frozenset(role), units=frozenset(unit or ()), organisation=organisation
    )
    settings = cli_settings()
    sys.stdout.write(issue(settings.keys_dir, principal) + "\n")
    if settings.issuer_file is not None:
        console.print(
            f"[yellow]![/] 已由 METERLOOP_ISSUER_FILE 指定签发方，各入口都不接受此令牌。\n"
            f"  no door will take this token: METERLOOP_ISSUER_FILE names another issuer, {settings.issuer_file}"
        )


def up(
    port: Annotated[int, typer.Option(help="网关端口，0 为任取 port of the gateway; 0 takes a free one")] = PORT,
    ledger: LogOption = Log.EMBEDDED,
) -> None:
    """启动平台，Ctrl-C 停止 Start the platform on loopback; Ctrl-C stops it."""
    settings = cli_settings()
    with interruptible(), running(settings, port, *log_beside(ledger, settings)) as platform:
        console.print(
            f"[green]✓[/] 平台已启动 the platform is up: [bold]{platform.endpoints.gateway}[/]（Ctrl-C 停止 stops it）"
        )
        if platform.endpoints.log:
            console.print(
                f"  台账以 KurrentDB 协议提供于 its log is served at: {platform.endpoints.log}\n"
                "  用户 users: meterloop ledger user add NAME --role ROLE",
                soft_wrap=True,
                markup=False,
            )
        platform.wait()


async def make_ready(settings: Settings) -> None:
    """Keys, ledger and folders; under a lock, so that two at once do it once. Raises NotReady before it makes any where
    the data folder cannot be.
    """
    require_configurable(settings.data_dir)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    # What is in it concerns people, and whoever reads the keys is whoever they like.
    settings.data_dir.chmod(OWNERS_FOLDER)
    with (settings.data_dir / "init.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in ("run", "log", "spool"):
            (settings.data_dir / name).mkdir(OWNERS_FOLDER, exist_ok=True)
        if settings.issuer_file is None:
            write_keys(settings.keys_dir)
        write_cursor_key(settings.keys_dir)
        # A log whose key was changed has others, and this one no more.
        if not any(settings.keys_dir.glob("log*.pem")):
            write_file(settings.keys_dir / KEY_FILE, new_key(), OWNER_ONLY)
        await (await open_ledger(settings.ledger)).close()


def log_beside(log: Log, settings: Settings) -> list[Callable[[Settings], Beside]]:
    """What serves the log, where it is served. Raises NOT_EMBEDDED where it is no log of this machine."""
    if log is Log.EMBEDDED:
        return []
    from cli.serving import require_embedded  # noqa: PLC0415  slow to load, and not needed without
    from cli.serving_beside import served_log  # noqa: PLC0415  as above

    # Before anything is made: it is the same at every start.
    require_embedded(settings)
    return [served_log]


@contextmanager
def running(settings: Settings, port: int, *beside: Callable[[Settings], Beside]) -> Iterator[Running]:
    """Start everything, wait until it is ready, and stop it when the block ends. `beside` is asked, once there are keys
    and a ledger, what else is to run. Raises NotReady.
    """
    require_configurable(settings.data_dir)
    for service in SERVICES:
        _require_issuer(service, os.environ)
    asyncio.run(make_ready(settings))
    with alone(settings.data_dir):
        if port:
            require_free(port)
        programs, endpoints = _planned(settings, port, reduce(Beside.also, (one(settings) for one in beside), Beside()))
        found = settings.data_dir / "run" / "endpoints.json"
        log_dir = settings.data_dir / "log"
        # The logs go on where earlier runs left them.
        said_before = {log: log.stat().st_size for log in log_dir.glob("*.log")}
        with supervised(programs, settings.data_dir) as supervisor:
            platform = Running(endpoints, supervisor, log_dir, said_before)
            platform.get_ready()
            found.write_bytes(msgspec.json.encode(endpoints))
            try:
                yield platform
            finally:
                found.unlink(missing_ok=True)


def _planned(settings: Settings, port: int, beside: Beside) -> tuple[list[Program], Endpoints]:
    """What is to run, and where it will answer."""
    gateway_port, registry_rest, sorting_rest, gateway_operations, sequencer, discloser = (
        port or _free_port(),
        *free_ports(5),
    )
    # Cheaper than a port by a twelfth of what a read takes, and its owner's alone. A URI, which is how gRPC reads it.
    registry_rpc, sorting_rpc = (
        f"unix:{quote(str(settings.data_dir.resolve() / 'run' / f'{service}.sock'))}"
        for service in ("registry", "sorting")
    )
    shared = {
        "METERLOOP_DATA_DIR": str(settings.data_dir.resolve()),
        "METERLOOP_REGISTRY__RPC_SOCKET": registry_rpc,
        "METERLOOP_REGISTRY__REST_PORT": str(registry_rest),
        "METERLOOP_SORTING__RPC_SOCKET": sorting_rpc,
        "METERLOOP_SORTING__REST_PORT": str(sorting_rest),
        "METERLOOP_SEQUENCER__REST_PORT": str(sequencer),
        "METERLOOP_DISCLOSER__REST_PORT": str(discloser),
        "METERLOOP_GATEWAY__REST_PORT": str(gateway_port),
        "METERLOOP_GATEWAY__OPERATIONS_PORT": str(gateway_operations),
        "METERLOOP_GATEWAY__REGISTRY": registry_rpc,
        "METERLOOP_GATEWAY__SORTING": sorting_rpc,
        **beside.shared,
    }
    programs = [
        Program("registry", "services.registry", 10, {}),
        Program("sorting", "services.sorting", 12, {}),
        Program("sequencer", "cli.sequencing", 20, {}, STANDING_BACK),
        Program("discloser", "cli.disclosing", 30, {}, STANDING_BACK),
        Program("gateway", "gateway", 90, {}),
        *beside.programs,
    ]
    programs = [
        msgspec.structs.replace(one, environ={**shared, **one.environ, **beside.own.get(one.name, {})})
        for one in programs
    ]
    endpoints = Endpoints(
        gateway=f"http://127.0.0.1:{gateway_port}",
        operations={
            "registry": f"http://127.0.0.1:{registry_rest}",
            "sorting": f"http://127.0.0.1:{sorting_rest}",
            "sequencer": f"http://127.0.0.1:{sequencer}",
            "discloser": f"http://127.0.0.1:{discloser}",
            "gateway": f"http://127.0.0.1:{gateway_operations}",
            **beside.operations,
        },
        log=beside.log,
    )
    return programs, endpoints


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C does, so that what was started is stopped."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def alone(data_dir: Path) -> Iterator[None]:
    """One platform a data folder. Raises NotReady where one runs on it."""
    with (data_dir / "run" / "up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise NotReady(
                f"平台已在运行，数据目录 {data_dir}。请先停止它，或用 METERLOOP_DATA_DIR 另选数据目录。",
                f"the platform is running already on {data_dir}; stop it, or choose another folder by"
                " METERLOOP_DATA_DIR",
            ) from None
        yield


def require_configurable(data_dir: Path) -> None:
    """Raises NotReady where a URL cannot hold this path, or the supervisor's configuration: what follows a semicolon
    after a space is a comment there, however it is quoted.
    """
    path = str(data_dir.resolve())
    if found := _OF_A_URL.search(path):
        raise NotReady(
            f"数据目录 {path} 的路径含“{found[0]}”，台账与服务的地址中不能有它。请改名，或用 METERLOOP_DATA_DIR 另选。",
            f"the path of the data folder {path} has a {found[0]}, which no address of a ledger or a service can hold;"
            " rename it, or choose another by METERLOOP_DATA_DIR",
        )
    if _COMMENT.search(path):
        raise NotReady(
            f"数据目录 {path} 的路径在空格之后有“;”，或含换行，监管进程无法读取。"
            "请改名，或用 METERLOOP_DATA_DIR 另选。",
            f"the path of the data folder {path} has a ; after a space, or a line break, which the supervisor"
            " cannot read; rename it, or choose another by METERLOOP_DATA_DIR",
        )


def _require_issuer(service: str, environ: Mapping[str, str]) -> None:
    """Raises NotReady where this service would listen to strangers while tokens are this machine's own."""
    own = f"{PREFIX}{service.upper()}{OWN}"
    shared = {name.upper() for name in Settings.__struct_fields__}
    everybodys = {
        name: value for name, value in environ.items() if not name.startswith(own) or name.removeprefix(own) in shared
    }
    settings = read_settings(Settings, service, everybodys)
    if settings.issuer_file is not None:
        return
    try:
        require_loopback(settings.hosts)
    except NotLoopback as error:
        zh, _, en = str(error).partition(" / ")
        raise NotReady(f"{service}：{zh}", f"{service}: {en}") from error


def require_free(port: int, host: str = "127.0.0.1", option: str = "--port") -> None:
    """Raises NotReady where nobody can listen there, most often because somebody else does. `option` says where."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with closing(socket.socket(family, kind, protocol)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except OSError as error:
        raise NotReady(
            f"端口 {port} 无法使用（{error.strerror}）。请用 {option} 另选，0 为任取空闲端口。",
            f"port {port} cannot be used ({error.strerror}); choose another by {option}, 0 takes a free one",
        ) from None


def last_lines(log: Path, after: int = 0) -> list[str]:
    """What a service said last, after so many bytes of its log, a line each; the last is why it ended, where it said
    so.
    """
    if not log.exists():
        return []
    size = log.stat().st_size
    with log.open("rb") as file:
        # A log that is shorter than it was has been begun anew.
        file.seek(max(after if after <= size else 0, size - LOG_TAIL_BYTES))
        lines = [_line(line) for line in file.read().decode("utf-8", "replace").splitlines() if line.strip()]
    # What ended it is the last line with an exception; others may follow while it stops.
    ended = max((at for at, (_, exception) in enumerate(lines) if exception), default=len(lines) - 1)
    return [exception or said for said, exception in lines[max(0, ended + 1 - LAST_LINES) : ended + 1]]


def _line(line: str) -> tuple[str, str]:
    """A line of a log for a person: what happened, and the last line of an exception."""
    try:
        said = msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.MsgspecError:
        return line.strip(), ""
    exception = str(said.get("exception", "")).strip().splitlines()
    more = ", ".join(f"{name}={said[name]}" for name in ("what", "error") if name in said)
    event = f"{said.get('at', '')} {said.get('level', '')} {said.get('event', '')} {more}"
    return event.strip(), exception[-1].strip() if exception else ""


def _answers(http: httpx.Client, url: str) -> bool:
    try:
        return http.get(url).is_success
    except httpx.TransportError:
        return False


def free_ports(number: int) -> list[int]:
    """So many ports of loopback that nobody listens at now."""
    return [_free_port() for _ in range(number)]


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
