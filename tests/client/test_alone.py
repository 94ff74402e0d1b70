"""The client against things that are not the platform, and by itself: httpx and msgspec, and nothing of the house."""

import ast
import asyncio
import inspect
import io
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

import client
from client import (
    AsyncClient,
    CannotNow,
    Client,
    Faulty,
    MeterloopError,
    NotUnderstood,
    TimedOut,
    Torn,
    Unreachable,
    types,
)
from client.calls import ATTEMPTS_MAX, PAUSE_S, pause_before_next
from client.events import Lines
from tests.client.callers import KINDS, answering, calling

FOLDER = Path(client.__file__).parent
CARD = types.GetDevice(asset_no="9" * 22)


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


async def asked(kind, answer):
    """What comes of a question, and how often it was asked."""
    requests = []

    def answered(request):
        requests.append(request)
        return answer(request)

    async with calling(kind, "http://platform", "t", transport=answering(answered)) as caller:
        with pytest.raises(MeterloopError) as raised:
            await caller.call("ask", CARD)
    return raised.value, len(requests)


BESIDE = {500: (Faulty, 1), 501: (Faulty, 1), 502: (CannotNow, 3), 503: (CannotNow, 3), 504: (CannotNow, 1)}
"""What an answer of a proxy's is taken for, and how often it is asked."""


@pytest.mark.parametrize(("status", "error", "times"), [(status, *taken) for status, taken in BESIDE.items()])
async def test_a_page_of_html_is_a_refusal_in_words(kind, status, error, times):
    found, sent = await asked(kind, lambda _: httpx.Response(status, html="<html>Bad gateway</html>"))
    assert (type(found), found.status, sent) == (error, status, times)
    assert "<" not in found.zh + found.en
    assert str(status) in found.zh


async def test_who_is_asked_to_come_again_does_when_told(kind):
    answers = iter([httpx.Response(503, headers={"Retry-After": "1"}), httpx.Response(200, json={})])
    begun = time.monotonic()
    found, _ = await asked(kind, lambda _: next(answers))
    assert isinstance(found, NotUnderstood)
    assert time.monotonic() - begun >= 1


async def test_an_answer_of_another_shape_is_not_understood(kind):
    found, sent = await asked(kind, lambda _: httpx.Response(200, html="<h1>It works!</h1>"))
    assert (type(found), sent) == (NotUnderstood, 1)
    assert CARD.asset_no in str(found)


async def test_where_nobody_listens(kind):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    async with calling(kind, f"http://127.0.0.1:{port}") as caller:
        with pytest.raises(Unreachable) as raised:
            await caller.call("ask", CARD)
    assert not isinstance(raised.value, TimedOut)


async def test_who_does_not_answer_is_not_waited_for_forever(kind):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        async with calling(kind, url, timeout_s=0.1) as caller:
            begun = time.monotonic()
            with pytest.raises(TimedOut):
                await caller.call("ask", CARD)
            assert time.monotonic() - begun < 5


@pytest.mark.parametrize("told", ["Content-Length: 100\r\n", "Repr-Digest: sha-256=:AAAA:\r\nContent-Length: 4\r\n"])
async def test_a_file_that_does_not_come_whole_is_torn(kind, told):
    async def half(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 200 OK\r\n{told}\r\nhalf".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(half, "127.0.0.1", 0)
    async with server, calling(kind, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as caller:
        with pytest.raises(Torn):
            await caller.call("fetch", types.GetAssetPage(asset_no="1"), io.BytesIO())


@pytest.mark.parametrize("url", ["", "platform", "ftp://platform", "http://", "http://platform:port"])
async def test_what_is_no_address_is_said_at_once(kind, url):
    with pytest.raises(ValueError, match="address"):
        await calling(kind, url).__aenter__()


@pytest.mark.parametrize("token", ["", "secret\n", "secret secret", "秘密"])
async def test_a_token_that_cannot_be_one_is_not_shown(kind, token):
    with pytest.raises(ValueError, match="token") as raised:
        await calling(kind, "http://platform", token).__aenter__()
    assert "secret" not in str(raised.value)


def test_lines_of_a_stream_are_read_as_the_standard_says():
    lines = Lines()
    told = ["retry: 2000", "", ": still here", "", "id:7", "event: x"]
    told += ['data: {"index": 9, "type": "a",', 'data:"recorded_at": "b",', 'data: "data": {}}']
    assert [lines.take(line) for line in told] == [None] * len(told)
    event = lines.take("")
    assert event is not None
    assert (event.number, event.index, event.type) == (7, 9, "a")
    assert lines.take("") is None
    lines.take("data: [")
    with pytest.raises(NotUnderstood):
        lines.take("")


def test_both_clients_have_the_same_methods():
    def methods(client):
        return {
            name: list(inspect.signature(one).parameters.values())
            for name, one in vars(client).items()
            if inspect.isfunction(one) and not name.startswith("_")
        }

    assert methods(Client) == methods(AsyncClient)


def test_pauses_grow_and_no_two_callers_keep_in_step():
    lost = httpx.ConnectError("lost")
    first, second = ([pause_before_next(attempt, lost) for _ in range(200)] for attempt in (1, 2))
    assert PAUSE_S / 2 <= min(first) < max(first) <= 1.5 * PAUSE_S
    assert PAUSE_S <= min(second) < max(second) <= 3 * PAUSE_S
    assert len({*first, *second}) > 390
    told = httpx.Response(503, headers={"Retry-After": "7"}, request=httpx.Request("GET", "http://platform"))
    assert all(7 < pause_before_next(1, told) <= 7 + 1.5 * PAUSE_S for _ in range(20))


def test_the_attempts_are_bounded():
    assert ATTEMPTS_MAX == 3


def test_it_imports_nothing_of_the_house():
    outside = {"client", "httpx", "msgspec"} | sys.stdlib_module_names
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert {name.partition(".")[0] for name in names} <= outside, path.name


def test_it_stands_alone(tmp_path):
    """Copied elsewhere, with httpx and msgspec beside it and nothing of the house, it is imported and speaks."""
    shutil.copytree(FOLDER, tmp_path / "client", ignore=shutil.ignore_patterns("__pycache__"))
    packages = Path(httpx.__file__).parents[1]
    for name in ("httpx", "httpcore", "h11", "anyio", "certifi", "idna", "sniffio", "msgspec", "typing_extensions.py"):
        if (packages / name).exists():
            (tmp_path / name).symlink_to(packages / name)
    told = subprocess.run(
        [sys.executable, "-I", "-S", "-c", ALONE, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stderr
    assert told.stdout.split() == ["Unreachable", "[]"]


ALONE = """
import sys
sys.path.insert(0, sys.argv[1])
from client import Client, Unreachable, types
with Client("http://127.0.0.1:1", "t") as client:
    try:
        client.ask(types.GetDevice(asset_no="1"))
    except Unreachable as error:
        print(type(error).__name__)
print([name for name in ("kernel", "services", "gateway", "cli", "fastapi", "sqlalchemy") if name in sys.modules])
"""
