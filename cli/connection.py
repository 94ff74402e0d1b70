"""Where the platform is and who asks, and how what goes wrong is said: what commands that talk to a platform share.

Exit statuses: 0 done; 1 refused, or failed; 2 the command line is wrong; 3 no platform was reached, the same command
again is safe; 4 done, but some rows were refused (of an import); 130 broken off by Ctrl-C.
"""

import base64
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.settings import CliSettings, Endpoints, cli_settings
from client import Client, NotUnderstood, Refused, TimedOut, Unidentified, Unreachable
from kernel.principal import EVERY_UNIT, Principal, Role

TIMEOUT_S: Final = 120.0
"""A piece of an upload may wait for others that are being recorded."""

RENEWED_S: Final = 900
"""After this long the machine's own token is made anew: a quarter of its life."""

REFUSED: Final = 1
USAGE: Final = 2
AWAY: Final = 3
PARTLY: Final = 4
INTERRUPTED: Final = 130

_NO_WAY: Final = ("无法连接", "cannot be reached")

console = Console(stderr=True)


class CannotGoOn(Exception):
    """Something stands in the way on this side: no platform, no token, no room. `zh` and `en` say what to do."""

    def __init__(self, zh: str, en: str, status: int = AWAY) -> None:
        super().__init__(en)
        self.zh, self.en, self.status = zh, en, status


def connect(url: str | None, token: str | None, *roles: Role, units: frozenset[str] = frozenset()) -> Client:
    """A client of the platform: the one named, else the one running on this machine; with the token given, else one
    of this machine's own for these roles. Raises CannotGoOn.
    """
    settings = cli_settings()
    address = url or own_address()
    given = (token or settings.token).strip()
    if given and units:
        raise CannotGoOn(
            "--units 只限制本机令牌；所给令牌自带单位，请去掉 --units。",
            "--units limits this machine's own token; the one given has its own units, so leave out --units",
            USAGE,
        )
    shown = given or _own_tokens(settings, roles, units)
    try:
        return Client(address, shown, timeout_s=TIMEOUT_S)
    except ValueError as error:
        what = "令牌" if "token" in str(error) else "平台地址"
        raise CannotGoOn(f"{what}有误：{error}。", f"{error}.", USAGE) from None


def token_of(token: str | None, *roles: Role) -> str:
    """The token that `connect` shows a platform: the one given, else one of this machine's own for these roles. Raises
    CannotGoOn.
    """
    settings = cli_settings()
    return (token or settings.token).strip() or _own_tokens(settings, roles, frozenset())()


def own_subject(token: str | None) -> str:
    """The subject id of whoever bears the token that `connect` would use. Raises CannotGoOn."""
    given = (token or cli_settings().token).strip()
    if not given:
        return _local_subject()
    try:
        payload = given.split(".")[1]
        claims = msgspec.json.decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)), type=_Claims)
    except (IndexError, ValueError):
        raise CannotGoOn(
            "无法从令牌得知您的代号，请用 --by 给出。",
            "the token does not tell who you are; say it by --by",
            USAGE,
        ) from None
    return claims.sub


class _Claims(msgspec.Struct):
    """What is read of one's own token. Whether it is genuine is the platform's business."""

    sub: str


def _local_subject() -> str:
    return f"local-{os.getuid()}"


def own_address() -> str:
    """The platform of the settings, else the one running on this machine. Raises CannotGoOn."""
    settings = cli_settings()
    return settings.url or _running(settings)


@contextmanager
def explained() -> Iterator[None]:
    """Say in both languages what went wrong in the block and what to do next, and end with the status for it."""
    try:
        yield
    except CannotGoOn as problem:
        say(problem.zh, problem.en)
        raise typer.Exit(problem.status) from None
    except Refused as refused:
        say(refused.zh, refused.en, refused.code)
        for fault in refused.errors[1:]:
            say(fault.zh, fault.en, fault.code, mark=" ")
        if isinstance(refused, Unidentified):
            note(
                "请重新登录取得令牌；本机内置签发时可用 `meterloop token`，或去掉 --token 与 METERLOOP_CLI__TOKEN。",
                "get a new token from the platform's issuer; where that is the built-in one of this machine,"
                " `meterloop token` makes one, or leave out --token and its variable",
            )
        raise typer.Exit(REFUSED) from None
    except Unreachable as unreachable:
        zh, en = ("没有及时回答", "did not answer in time") if isinstance(unreachable, TimedOut) else _NO_WAY
        say(
            f"平台{zh}（{unreachable}）。请确认它在运行，再次执行同一命令即可继续。",
            f"the platform {en} ({unreachable}); "
            "see that it is running, then the same command again goes on where it was",
        )
        raise typer.Exit(AWAY) from None
    except NotUnderstood as strange:
        say(
            f"该地址的回答不是本平台的（{strange}）。请核对 --url，以及两边的版本。",
            f"what answers there is not this platform ({strange}); check --url, and the versions of both",
        )
        raise typer.Exit(AWAY) from None
    except KeyboardInterrupt:
        say("已中断。再次执行同一命令即可继续。", "broken off; the same command again goes on where it was")
        raise typer.Exit(INTERRUPTED) from None


def say(zh: str, en: str, code: str | None = None, *, mark: str = "✗") -> None:
    """Something that went wrong. What comes from elsewhere is shown as it is, not read as markup."""
    _two(Text(f"{mark} ", "red"), Text(zh), Text.assemble(en, (f"  [{code}]" if code else "", "dim")))


def warn(zh: str, en: str) -> None:
    """Something that was done, and is to be looked at."""
    _two(Text("! ", "yellow"), Text(zh), Text(en))


def note(zh: str, en: str) -> None:
    """What one can do about it."""
    _two(Text("→ ", "cyan"), Text(zh), Text(en))


def _two(mark: Text, zh: Text, en: Text) -> None:
    """Both languages behind a mark, however many lines they take."""
    lines = Table.grid()
    lines.add_column()
    lines.add_column(overflow="fold")
    lines.add_row(mark, zh)
    lines.add_row("", en)
    console.print(lines)


def _running(settings: CliSettings) -> str:
    found = settings.data_dir / "run" / "endpoints.json"
    try:
        return msgspec.json.decode(found.read_bytes(), type=Endpoints).gateway
    except (FileNotFoundError, NotADirectoryError, msgspec.MsgspecError):
        raise CannotGoOn(
            "没有找到运行中的平台，请先 `meterloop up`，或用 --url / METERLOOP_CLI__URL 指定。",
            "no running platform was found: start one by `meterloop up`, or name it by --url or METERLOOP_CLI__URL",
        ) from None


def _own_tokens(settings: CliSettings, roles: tuple[Role, ...], units: frozenset[str]) -> Callable[[], str]:
    """Tokens of this machine's own, a new one long before the last ends: an import may take hours."""
    principal = Principal(subject=_local_subject(), roles=frozenset(roles), units=units or frozenset({EVERY_UNIT}))
    made_at_s, token = time.monotonic(), _own_token(settings, principal)

    def current() -> str:
        nonlocal made_at_s, token
        if time.monotonic() - made_at_s > RENEWED_S:
            made_at_s, token = time.monotonic(), _own_token(settings, principal)
        return token

    return current


def _own_token(settings: CliSettings, principal: Principal) -> str:
    from kernel.identity_issuer import issue  # noqa: PLC0415  slow to load, and whoever brings a token needs none of it

    try:
        return issue(settings.keys_dir, principal)
    except (FileNotFoundError, NotADirectoryError):
        raise CannotGoOn(
            "没有本机签发令牌的密钥，请用 --token 或 METERLOOP_CLI__TOKEN 给出令牌。",
            "there is no key on this machine to make tokens with: give one by --token or METERLOOP_CLI__TOKEN",
            REFUSED,
        ) from None
