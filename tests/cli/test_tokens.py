"""Tokens that have run out or are another platform's, at the command line: what is said, and what to do next."""

import asyncio
import re

import pytest
from typer.testing import CliRunner

from cli.__main__ import app
from kernel.identity import CLOCK_LEEWAY_S
from kernel.identity_issuer import TOKEN_S, issue, write_keys
from kernel.principal import Principal, Role
from tests.gateway.behind import behind
from tests.gateway.season import UNIT
from tests.gateway.serving import served

ANYBODY = Principal(subject="u-1", roles=frozenset({Role.ADMIN, Role.OPERATOR}), units=frozenset({UNIT}))


@pytest.fixture
async def platform(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.setenv("METERLOOP_DATA_DIR", str(tmp_path / "nothing-here"))
    (tmp_path / "devices.csv").write_text("资产编号\n", "utf-8")
    write_keys(tmp_path / "other" / "keys")
    async with behind(tmp_path) as started, served(started.gateway.app) as url:
        started.url, started.elsewhere = url, tmp_path / "other" / "keys"
        yield started


TOKENS = {
    "expired": (
        lambda platform: issue(platform.keys, ANYBODY, seconds=-CLOCK_LEEWAY_S - 1),
        "identity.expired",
        "令牌已过期",
        "the token has expired",
    ),
    "of another platform": (
        lambda platform: issue(platform.elsewhere, ANYBODY, seconds=TOKEN_S),
        "identity.unknown_key",
        "令牌",
        "token",
    ),
    "no token at all": (lambda _: "abc.def.ghi", "identity.malformed", "令牌", "token"),
}
COMMANDS = {
    "import": ("import", "devices.csv", "--as", "devices"),
    "document": ("document", "page", "9940101000000000000013"),
    "site": ("site", "list"),
}


@pytest.mark.parametrize(
    ("command", "kind", "by"),
    [
        *(("import", kind, "option") for kind in TOKENS),
        ("document", "expired", "option"),
        ("document", "of another platform", "variable"),
        ("site", "expired", "variable"),
    ],
)
async def test_a_token_that_does_not_count_is_said_to_be_so(platform, monkeypatch, command, kind, by):
    make, code, zh, en = TOKENS[kind]
    words = [*COMMANDS[command], "--url", platform.url]
    if by == "option":
        words += ["--token", make(platform)]
    else:
        monkeypatch.setenv("METERLOOP_CLI__TOKEN", make(platform))
    told = await asyncio.to_thread(CliRunner().invoke, app, words)
    said = re.sub(r"\s+", " ", told.output)
    assert told.exit_code == 1, said
    assert f"[{code}]" in said
    assert 0 <= said.index(zh) < said.index(en)
    assert 0 < said.index("请重新登录取得令牌") < said.index("get a new token")
    assert make(platform) not in said
    assert "Traceback" not in said
