"""The proof log's files at the gateway: what is served, to whom, how long it may be kept; and nothing beside it."""

import asyncio
import os

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import load_all_checks, not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.requests import ClientDisconnect

from gateway.places import Places
from gateway.published import SENT_TO_ADDRESS_MAX, TOO_MANY_FILES, TOO_MANY_FILES_TO_ADDRESS
from gateway.sent_files import PART_BYTES, FileResponse, OpenedFile, Span, Tags
from kernel.principal import Role
from tests.gateway.behind import behind
from tests.gateway.serving import served
from tests.registry.doors.standing import standing

load_all_checks()
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
ORIGIN = "meterloop.local/11111111-2222-3333-4444-555555555555"
FILES = {
    "log/checkpoint": b"a checkpoint\n",
    "log/checkpoints/days": b"2026-01-05\n",
    "log/checkpoints/2026-01-05": b"a checkpoint\n\nanother\n",
    "log/keys": b"vkey\n",
    "log/policy": b"log vkey\nquorum none\n",
    "log/tile/0/x001/234": bytes(8192),
    "log/tile/0/x001/235.p/7": bytes(32 * 7),
    "log/tile/63/000": bytes(8192),
    "log/tile/entries/x001/234": bytes(34 * 256),
    "log/tile/entries/x001/235.p/7": bytes(34 * 7),
    "log/disclosed/head": f"{ORIGIN}\n8200\n".encode(),
    "log/disclosed/001.cbor.zst": b"the first whole range",
    "log/disclosed/002.cbor.zst": b"the last range",
    "supervisor/disclosed/head": f"{ORIGIN}\n4096\n".encode(),
    "supervisor/disclosed/000.cbor.zst": b"for supervisors",
    "supervisor/metadata/000.cbor.zst": b"who and why",
}
BESIDE = {
    "private/sequencer.sqlite": b"",
    "private/marks": b"",
    "log/private/marks": b"",
    "log/.temporary": b"",
    "log/tile/0/x001/.234.tmp": b"",
    "log/tile/64/000": b"",
    "log/tile/0/000.p/0": b"",
    "log/tile/0/000.p/256": b"",
    "log/tile/0/x000/001": b"",
    "log/disclosed/001.p/7.cbor.zst": b"",
    "log/checkpoints/20260105": b"",
    "log/disclosed/003.cbor": b"",
    "secret": b"",
}
ELSEWHERE = [
    *BESIDE,
    "log",
    "log/",
    "log/disclosed/004.cbor.zst",
    "log/checkpoints/2026-02-30",
    "log/checkpoints/2026-01-05/",
    "log/tile/0/x001/234/",
    "log/tile/00/x001/234",
    "log/tile/0/234",
    "log/tile/0/x001%2F..%2Fx001/234",
    "log/tile/0/x001/235.p/07",
    "log/tile/%D9%A0/x001/234",
    "log/disclosed/%2E%2E/checkpoint",
    "log/tile/entries/../../../private/marks",
    "log/..%2Fprivate%2Fmarks",
    "log//checkpoint",
    "log/checkpoint%00",
    "log/tile/0/x001/234%0A",
    "log/disclosed/001.cbor.zst%0A",
    "supervisor/../private/marks",
    "private/marks",
]
RANGES = [
    ("bytes=0-0", 206, "bytes 0-0/13", b"a"),
    ("bytes=2-", 206, "bytes 2-12/13", b"checkpoint\n"),
    ("bytes=-3", 206, "bytes 10-12/13", b"nt\n"),
    ("bytes=-99", 206, "bytes 0-12/13", b"a checkpoint\n"),
    ("bytes=12-99", 206, "bytes 12-12/13", b"\n"),
    ("Bytes = 0-1", 206, "bytes 0-1/13", b"a "),
    ("bytes=13-", 416, "bytes */13", None),
    ("bytes=-0", 416, "bytes */13", None),
    ("bytes=3-2", 200, None, b"a checkpoint\n"),
    ("bytes=-", 200, None, b"a checkpoint\n"),
    ("bytes=0-1,3-4", 200, None, b"a checkpoint\n"),
    ("lines=0-1", 200, None, b"a checkpoint\n"),
    ("bytes=" + "9" * 30 + "-", 200, None, b"a checkpoint\n"),
]


def put(folder, files):
    for name, content in files.items():
        path = folder / "proof" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@pytest.fixture
async def platform(tmp_path):
    put(tmp_path, FILES | BESIDE)
    async with behind(tmp_path) as started:
        yield started


def supervisor(platform):
    return platform.headers(Role.AUDITOR)


async def test_every_file_of_the_log_is_served_as_it_is(platform):
    for name, content in FILES.items():
        headers = supervisor(platform) if name.startswith("supervisor/") else {}
        answer = await platform.client.get(f"/{name}", headers=headers)
        assert (answer.status_code, answer.content) == (200, content), name
        again = await platform.client.get(f"/{name}", headers=headers | {"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b""), name
        assert "content-length" not in again.headers, name


async def test_nothing_else_is_reached(platform):
    async with served(platform.gateway.app) as url:
        for address in ELSEWHERE:
            answer = await sent_as_it_is(url, address, supervisor(platform))
            assert answer.startswith(b"HTTP/1.1 404"), address
            assert b"application/problem+json" in answer, address


async def sent_as_it_is(url, address, headers):
    """What is answered to this path, which no client has tidied up."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    lines = [f"GET /{address} HTTP/1.1", f"Host: {host}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_neither_links_nor_folders_nor_pipes_are_files(platform, tmp_path):
    proof = tmp_path / "proof"
    (proof / "log/tile/0/002").symlink_to(proof / "secret")
    (proof / "log/tile/0/003").mkdir()
    os.mkfifo(proof / "log/tile/0/004")
    for number in ("002", "003", "004", "003/005"):
        answer = await platform.client.get(f"/log/tile/0/{number}")
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json"), number


async def test_what_supervisors_read_is_for_them_alone(platform):
    for name in [name for name in FILES if name.startswith("supervisor/")]:
        nobody = await platform.client.get(f"/{name}")
        assert (nobody.status_code, nobody.json()["code"]) == (401, "identity.missing_token")
        for role in Role:
            answer = await platform.client.get(f"/{name}", headers=platform.headers(role, units=("*",)))
            reads = role in {Role.REGULATOR, Role.AUDITOR}
            assert answer.status_code == (200 if reads else 403), (name, role)
            assert "access-control-allow-origin" not in answer.headers
            if reads:
                assert answer.headers["cache-control"].startswith("private, ")
                assert answer.headers["vary"] == "Authorization"
    # Whether there is such a file is for nobody else either.
    none = await platform.client.get("/supervisor/disclosed/009.cbor.zst", headers=platform.headers(Role.ADMIN))
    assert none.status_code == 403


async def test_what_never_changes_may_be_kept_and_the_rest_for_seconds(platform):
    lasting = {}
    for name in FILES:
        answer = await platform.client.get(f"/{name}", headers=supervisor(platform))
        lasting[name] = "immutable" in answer.headers["cache-control"]
    assert {name for name, kept in lasting.items() if kept} == {
        "log/tile/0/x001/234",
        "log/tile/63/000",
        "log/tile/entries/x001/234",
        "log/disclosed/001.cbor.zst",
        "supervisor/disclosed/000.cbor.zst",
        "supervisor/metadata/000.cbor.zst",
    }


async def test_a_range_without_a_head_that_covers_it_is_not_kept(platform, tmp_path):
    for head in (f"{ORIGIN}\n8191\n", f"{ORIGIN}\n", "", "8192\n", f"{ORIGIN}\n9999\n", f"{ORIGIN}\nmany\n"):
        (tmp_path / "proof/log/disclosed/head").write_text(head)
        answer = await platform.client.get("/log/disclosed/001.cbor.zst")
        assert ("immutable" in answer.headers["cache-control"]) is head.endswith("9999\n"), head


async def test_any_page_may_read_the_log_and_learns_what_is_not_there(platform):
    for address in ("log/checkpoint", "log/tile/0/000", "log/tile/0/x"):
        answer = await platform.client.get(f"/{address}", headers={"Origin": "https://verifier.example"})
        assert answer.headers["access-control-allow-origin"] == "*"
    elsewhere = await platform.client.get("/v1/burnt", headers={"Origin": "https://verifier.example"})
    assert "access-control-allow-origin" not in elsewhere.headers


async def test_a_range_of_bytes(platform):
    for asked, status, said, content in RANGES:
        answer = await platform.client.get("/log/checkpoint", headers={"Range": asked})
        assert (answer.status_code, answer.headers.get("content-range")) == (status, said), asked
        if content is None:
            assert answer.json()["code"] == "http.range_not_satisfiable"
        else:
            assert (answer.content, answer.headers["content-length"]) == (content, str(len(content))), asked


async def test_a_range_of_what_has_changed_meanwhile_is_the_whole(platform, tmp_path):
    day = tmp_path / "proof/log/checkpoints/2026-01-05"
    before = await platform.client.get("/log/checkpoints/2026-01-05")
    same = {"Range": "bytes=2-3", "If-Range": before.headers["etag"]}
    assert (await platform.client.get("/log/checkpoints/2026-01-05", headers=same)).content == b"ch"
    with day.open("ab") as file:
        file.write(b"\nmore\n")
    after = await platform.client.get("/log/checkpoints/2026-01-05", headers=same)
    assert (after.status_code, after.content) == (200, day.read_bytes())
    assert after.headers["etag"] != before.headers["etag"]


async def test_a_large_file_comes_whole_while_another_takes_its_name(platform, tmp_path):
    path, large = tmp_path / "proof/log/disclosed/002.cbor.zst", os.urandom(3 * PART_BYTES + 1)
    path.write_bytes(large)
    async with served(platform.gateway.app) as url, httpx.AsyncClient(base_url=url) as client:
        async with client.stream("GET", "/log/disclosed/002.cbor.zst") as answer:
            parts = answer.aiter_bytes()
            content = await anext(parts)
            other = path.with_name("other")
            other.write_bytes(b"another")
            other.rename(path)
            content += b"".join([part async for part in parts])
        assert content == large
        assert (await client.get("/log/disclosed/002.cbor.zst")).content == b"another"


async def test_an_empty_file_is_served(platform, tmp_path):
    (tmp_path / "proof/log/disclosed/002.cbor.zst").write_bytes(b"")
    answer = await platform.client.get("/log/disclosed/002.cbor.zst")
    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "0")


async def test_who_takes_nothing_of_a_file_loses_the_place(tmp_path):
    (tmp_path / "day").write_bytes(bytes(3 * PART_BYTES))
    file = OpenedFile(tmp_path / "day", Tags())
    places = Places(1, 1, full=TOO_MANY_FILES, full_of_address=TOO_MANY_FILES_TO_ADDRESS)
    answer = FileResponse(file, Span(0, file.size_bytes), 200, {}, places, part_s_max=0.05)
    sent = []

    async def send(message):
        sent.append(message["type"])
        if len(sent) > 2:
            await asyncio.Event().wait()

    with pytest.raises(ClientDisconnect):
        await answer({"type": "http", "client": ("192.0.2.1", 1)}, None, send)
    assert len(sent) == 3
    assert not places.full
    with pytest.raises(OSError, match="Bad file descriptor"):
        file.read(0, 1)


async def test_one_address_has_so_many_files_sent_and_no_more(platform, tmp_path):
    put(tmp_path, {"log/checkpoints/2026-03-05": bytes(40 * PART_BYTES)})
    async with served(platform.gateway.app) as url, httpx.AsyncClient(base_url=url) as client:
        waiting = []
        for _ in range(SENT_TO_ADDRESS_MAX):
            reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(url).port, limit=1_024)
            writer.write(b"GET /log/checkpoints/2026-03-05 HTTP/1.1\r\nhost: a\r\n\r\n")
            assert await reader.readline() == b"HTTP/1.1 200 OK\r\n"
            waiting.append(writer)
        refused = await client.get("/log/checkpoint")
        assert (refused.status_code, refused.json()["code"]) == (503, "log.too_many_files_to_an_address")
        assert (await client.get("/log/tile/0/000")).status_code == 404
        waiting.pop().transport.abort()
        async with asyncio.timeout(30):
            while (await client.get("/log/checkpoint")).status_code != 200:  # noqa: ASYNC110  nobody is told of it
                await asyncio.sleep(0.01)
        for writer in waiting:
            writer.transport.abort()


def test_every_path_keeps_its_promises(tmp_path):
    put(tmp_path, FILES)
    with standing(tmp_path) as platform:
        behind = platform.entrances.platform
        platform.run(behind.gateway.describe())
        schema = schemathesis.openapi.from_asgi("/openapi.json", platform.app(behind.gateway.app))
        token = platform.entrances.token(Role.AUDITOR)
        found = [one.ok() for one in schema.get_all_operations()]
        operations = [one for one in found if one.path.startswith(("/log/", "/supervisor/"))]
        assert len(operations) == 12
        for operation in operations:
            hold(operation, {"Authorization": f"Bearer {token}"})


def hold(operation, headers):
    @settings(
        max_examples=10,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def holds(case):
        case.validate_response(case.call(headers=headers), checks=CHECKS, headers=headers)

    holds()
