"""The settings of the command line, and where a platform that runs here has said how it is reached."""

import os
from typing import Annotated

import msgspec
from msgspec import Meta

from kernel.settings import Settings, read_settings


class Endpoints(msgspec.Struct, frozen=True, kw_only=True):
    """Where the running platform answers; kept in the data folder so that other commands find it. `log`: where its log
    is served over KurrentDB's protocol, if it is; without a user.
    """

    gateway: str
    operations: dict[str, str]
    log: str | None = None


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
