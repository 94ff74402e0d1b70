"""Where the platform is and who asks: what commands that talk to a running platform have in common."""

import os
from typing import Final

import msgspec
import typer

from cli.platform import CliSettings, Endpoints, cli_settings
from client import Client
from kernel.identity import Principal, Role
from kernel.identity_issuer import issue

TIMEOUT_S: Final = 120.0
"""A piece of an upload may wait for others that are being recorded."""


class NotConnected(typer.BadParameter):
    """There is no platform to talk to, or nobody to talk as."""


def connect(url: str | None, token: str | None, *roles: Role, units: frozenset[str] = frozenset()) -> Client:
    """A client of the platform: the one named, else the one running on this machine; with the token given, else one
    of this machine's own for these roles.
    """
    settings = cli_settings()
    address = url or settings.url or _running(settings)
    return Client(address, token or settings.token or _own_token(settings, roles, units), timeout_s=TIMEOUT_S)


def _running(settings: CliSettings) -> str:
    found = settings.data_dir / "run" / "endpoints.json"
    try:
        return msgspec.json.decode(found.read_bytes(), type=Endpoints).gateway
    except FileNotFoundError:
        raise NotConnected(
            "没有找到运行中的平台，请先 `meterloop up`，或用 --url / METERLOOP_CLI__URL 指定。"
            " No running platform: start one by `meterloop up`, or name it by --url or METERLOOP_CLI__URL."
        ) from None


def _own_token(settings: CliSettings, roles: tuple[Role, ...], units: frozenset[str]) -> str:
    principal = Principal(subject=f"local-{os.getuid()}", roles=frozenset(roles), units=units)
    try:
        return issue(settings.keys_dir, principal)
    except FileNotFoundError:
        raise NotConnected(
            "请用 --token 或 METERLOOP_CLI__TOKEN 给出令牌。 Give a token by --token or METERLOOP_CLI__TOKEN."
        ) from None
