"""Settings of a process, from its environment and nowhere else.

A setting METERLOOP_REST_PORT holds for every service; METERLOOP_REGISTRY__REST_PORT, with two underscores, for the
registry alone and before the other. A variable that names no setting is refused, so that a misspelt one is found
at once; other services' own are left to them. The standard variables LEDGER_URL, DATABASE_URL and OTEL_* keep their
names. What a service adds, it declares in a subclass; such a setting is always written with the service's name.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar, get_args, get_origin

import msgspec
from msgspec import Meta

from kernel.redaction import redacted

PREFIX: Final = "METERLOOP_"
OWN: Final = "__"
STANDARD: Final = {"ledger_url": "LEDGER_URL", "database_url": "DATABASE_URL"}

PortNumber = Annotated[int, Meta(ge=0, le=65_535)]
Seconds = Annotated[float, Meta(ge=0, le=3_600)]

Kind = TypeVar("Kind", bound="Settings")


def _says(zh: str, en: str) -> Meta:
    return Meta(description=f"{zh} / {en}")


class BadSettings(Exception):
    """The environment says something that cannot be. The message names variables, never their values."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every service has. Each field's description stands in docs/reference/settings.md."""

    data_dir: Annotated[
        Path, _says("数据目录：台账、视图、密钥", "folder of everything that is kept: ledger, views, keys")
    ] = Path("var")
    ledger_url: Annotated[
        str,
        _says(
            "台账地址，默认在数据目录",
            "the log: `sqlite:///path`, `kurrentdb://host:2113`, `kurrentdb+discover://name`, or `memory:` for tests of"
            " one process; by default in data_dir",
        ),
    ] = ""
    database_url: Annotated[
        str,
        _says(
            "视图数据库，默认在数据目录；SQLite 文件各服务独用，PostgreSQL 可共用（各有模式）",
            "the views: `sqlite:///path`, a file of one service, or `postgresql://...`, which services may share, each"
            " in a schema of its own; by default a file in data_dir",
        ),
    ] = ""
    proof_dir: Annotated[
        Path | None,
        _says(
            "存证日志的目录，默认在数据目录",
            "folder of the proof log and of what is disclosed; by default `proof` in data_dir",
        ),
    ] = None
    rest_host: Annotated[str, _says("REST 监听地址", "address the REST door listens at")] = "127.0.0.1"
    rest_port: Annotated[
        PortNumber,
        _says("REST 端口，0 表示任取空闲端口并记入日志", "port of the REST door; 0 takes a free one and logs it"),
    ] = 0
    rpc_host: Annotated[str, _says("gRPC 监听地址", "address the gRPC door listens at")] = "127.0.0.1"
    rpc_port: Annotated[
        PortNumber,
        _says("gRPC 端口，0 表示任取空闲端口并记入日志", "port of the gRPC door; 0 takes a free one and logs it"),
    ] = 0
    rpc_socket: Annotated[
        str,
        # Whatever is no path would be taken for a host and a port, at which strangers may knock.
        Meta(pattern=r"^(|(unix:)?/[^\x00-\x1f]+)\Z"),
        _says(
            "gRPC 另在此本机套接字文件监听，须为绝对路径，如 /run/registry.sock 或 unix:/run/registry.sock",
            "socket file on this machine that the gRPC door listens at beside its port: an absolute path, as"
            " `/run/registry.sock`, or a URI of one, as `unix:/run/registry.sock`",
        ),
    ] = ""
    operations_host: Annotated[
        str,
        _says(
            "网关指标与探针的监听地址，不对外",
            "address of the gateway's metrics and probes, which nobody outside reaches",
        ),
    ] = "127.0.0.1"
    operations_port: Annotated[
        PortNumber, _says("网关指标与探针的端口", "port of the gateway's metrics and probes")
    ] = 0
    proxies: Annotated[
        str,
        Meta(pattern=r"^[0-9A-Fa-f.:/, ]*\Z"),
        _says(
            "反向代理的地址或网段，以逗号分隔：只采信它们的 X-Forwarded-For；默认不采信任何一方",
            "addresses or networks of reverse proxies, parted by commas: whom they name by X-Forwarded-For is believed"
            " to be the caller's address; by default nobody's word is taken",
        ),
    ] = ""
    issuer_file: Annotated[
        Path | None,
        _says(
            "OIDC 签发机构的配置文件；没有则用内置签发，仅限本机",
            "YAML file that names the OIDC issuer; without it the built-in issuer, on loopback only",
        ),
    ] = None
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR"], _says("最低日志级别", "least severe log lines to write")
    ] = "INFO"
    log_format: Annotated[Literal["json", "text"], _says("日志格式", "`json`, or `text` for a person")] = "json"
    request_s_max: Annotated[
        Seconds, _says("单个请求的最长用时", "longest a request may take before it is given up")
    ] = 30.0
    drain_s: Annotated[
        Seconds,
        _says(
            "停止就绪后到关闭入口之间的等待",
            "wait between being no longer ready and closing the doors: a probe's period",
        ),
    ] = 0.0
    stop_s_max: Annotated[
        Seconds, _says("停止时等待在途请求的最长用时", "longest wait for requests in flight when stopping")
    ] = 10.0
    startup_s_max: Annotated[Seconds, _says("启动时等待依赖的最长用时", "longest wait for what is needed to start")] = (
        60.0
    )
    reflection: Annotated[
        bool, _says("gRPC 是否公开方法列表", "whether the gRPC door tells its methods to whoever asks")
    ] = True

    log_origin: Annotated[
        str,
        Meta(pattern=r"^[^\s+]{0,200}$"),
        _says(
            "存证日志的名称，也是签名密钥的名称；默认为它已有的名称，新的日志为 meterloop.local/<台账编号>",
            "name of the proof log and of its keys, a URL without scheme; by default the one it has, of a new log"
            " meterloop.local/<ledger_id>",
        ),
    ] = ""

    @property
    def ledger(self) -> str:
        """The URL of the log."""
        return self.ledger_url or f"sqlite:///{self.data_dir / 'ledger.sqlite'}"

    def database(self, service: str) -> str:
        """The URL of a service's views and records."""
        return self.database_url or f"sqlite:///{self.data_dir / service}.sqlite"

    def origin(self, ledger_id: str) -> str:
        """The name of the proof log that is begun of this ledger."""
        return self.log_origin or f"meterloop.local/{ledger_id}"

    @property
    def proof(self) -> Path:
        """The folder of the proof log."""
        return self.proof_dir or self.data_dir / "proof"

    @property
    def keys_dir(self) -> Path:
        return self.data_dir / "keys"

    @property
    def hosts(self) -> tuple[str, ...]:
        """Every address that a door listens at."""
        return (self.rest_host, self.rpc_host, self.operations_host)

    def __repr__(self) -> str:
        """Without the passwords in URLs."""
        shown = ", ".join(f"{name}={redacted(str(getattr(self, name)))}" for name in self.__struct_fields__)
        return f"{type(self).__name__}({shown})"


def read_settings(kind: type[Kind], service: str, environ: Mapping[str, str]) -> Kind:
    """The settings of this service, or BadSettings naming every variable that is wrong."""
    known = {variable: name for name, variables in _variables(kind, service) for variable in variables}
    wrong = [f"{name}: 没有这个设置 / no such setting" for name in sorted(environ) if _is_stray(name, known, service)]
    values: dict[str, Any] = {}
    for name, variables in _variables(kind, service):
        given = next((variable for variable in variables if variable in environ), None)
        if given is None:
            continue
        field = next(one for one in msgspec.structs.fields(kind) if one.name == name)
        try:
            values[name] = msgspec.convert(environ[given], _without_path(field.type), strict=False)
        except msgspec.ValidationError as error:
            # The message names the rule that the value breaks; the value itself may be secret.
            wrong.append(f"{given}: {error}")
    if wrong:
        raise BadSettings("; ".join(wrong))
    paths = {name: Path(value) for name, value in values.items() if name in _paths(kind) and value is not None}
    return kind(**(values | paths))


def settings_table(kind: type[Settings], service: str = "") -> str:
    """The settings as a Markdown table, for docs/reference/settings.md: all, or those that a `service` adds."""
    lines = ["| variable | default | meaning |", "| --- | --- | --- |"]
    shared = set(Settings.__struct_fields__) if service else set()
    for field in msgspec.structs.fields(kind):
        if field.name in shared:
            continue
        name = f"{PREFIX}{service.upper()}{OWN}{field.name.upper()}" if service else _shared_name(field.name)
        default = "" if field.default in (None, "", msgspec.NODEFAULT) else f"`{field.default}`"
        lines.append(f"| `{name}` | {default} | {_description(field.type)} |")
    return "\n".join(lines) + "\n"


def _variables(kind: type[Settings], service: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """For each field the variables that set it, the one that goes before first."""
    shared = set(Settings.__struct_fields__)
    for name in kind.__struct_fields__:
        own = f"{PREFIX}{service.upper()}{OWN}{name.upper()}"
        yield name, (own, _shared_name(name)) if name in shared else (own,)


def _shared_name(name: str) -> str:
    return STANDARD.get(name, PREFIX + name.upper())


def _is_stray(variable: str, known: Mapping[str, str], service: str) -> bool:
    """Whether it looks like a setting of ours and is none."""
    if not variable.startswith(PREFIX) or variable in known:
        return False
    owner, separator, _ = variable.removeprefix(PREFIX).partition(OWN)
    return not separator or owner == service.upper()


def _description(kind: Any) -> str:
    if get_origin(kind) is Annotated:
        return " ".join(meta.description for meta in get_args(kind)[1:] if isinstance(meta, Meta) and meta.description)
    return ""


def _paths(kind: type[Settings]) -> frozenset[str]:
    return frozenset(field.name for field in msgspec.structs.fields(kind) if "Path" in str(field.type))


def _without_path(kind: Any) -> Any:
    """Msgspec has no decoder for Path; a path is read as text."""
    if get_origin(kind) is Annotated and "Path" in str(get_args(kind)[0]):
        return Annotated[str, Meta(min_length=1)]
    return kind
