"""Files as answers, over both doors: their names, their digest, in parts, and not again to who has them."""

import asyncio
import base64
import hashlib

import pytest

from kernel.grpc_client import Peer
from kernel.grpc_files import PART_BYTES, head_in, require_parts
from kernel.grpc_server import MESSAGE_BYTES_MAX
from kernel.http_files import disposition
from kernel.identity_issuer import issue
from kernel.refusal import NotFound
from ledger.memory import MemoryLedger
from tests.kernel.parcel_door import CLERK, client, parcel_door, parcel_rpc
from tests.kernel.sample_wire import message, service

PATH = "/v1/parcels/p1/label"
SENT = {"json": {"place": "A", "weight_g": 5}, "headers": {"Idempotency-Key": "k1"}}


@pytest.fixture
async def web(tmp_path):
    async with client(parcel_door(MemoryLedger(), tmp_path), tmp_path) as opened:
        assert (await opened.post("/v1/parcels/p1/send", **SENT)).status_code == 201
        yield opened


@pytest.fixture
async def rpc(tmp_path):
    ledger = MemoryLedger()
    door, port = await parcel_rpc(ledger, tmp_path)
    async with client(parcel_door(ledger, tmp_path), tmp_path) as opened:
        await opened.post("/v1/parcels/p1/send", **SENT)
    peer = Peer(f"127.0.0.1:{port}")

    async def ask(**asked):
        token = f"Bearer {issue(tmp_path, CLERK)}"
        wanted = message("PrintLabel")(**asked)
        return await peer.stream("sample.v1.Parcels/PrintLabel", wanted, message("FilePart"), authorization=token)

    yield ask
    await peer.close()
    await door.stop(1.0)
    await ledger.close()


async def test_a_file_says_its_name_its_length_and_its_digest(web):
    answer = await web.get(PATH, params={"copies": 2})
    assert (answer.status_code, answer.content) == (200, b"p1 0\np1 1\n")
    assert answer.headers["content-type"] == "text/plain"
    assert answer.headers["content-length"] == "10"
    assert answer.headers["content-disposition"] == (
        "attachment; filename=\"p1.txt\"; filename*=UTF-8''%E9%9D%A2%E5%8D%95%20p1.txt"
    )
    digest = base64.b64encode(hashlib.sha256(answer.content).digest()).decode()
    assert answer.headers["repr-digest"] == f"sha-256=:{digest}:"
    assert (answer.headers["cache-control"], answer.headers["vary"]) == ("private, no-cache", "Authorization")


async def test_whoever_has_the_file_is_told_so(web):
    tag = (await web.get(PATH, params={"copies": 2})).headers["etag"]
    same = await web.get(PATH, params={"copies": 2}, headers={"If-None-Match": tag})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    other = await web.get(PATH, params={"copies": 3}, headers={"If-None-Match": tag})
    assert other.status_code == 200


async def test_a_file_that_is_refused_is_a_problem(web):
    unknown = await web.get("/v1/parcels/p9/label", params={"copies": 1})
    assert (unknown.status_code, unknown.headers["content-type"]) == (404, "application/problem+json")
    missing = await web.get(PATH)
    assert (missing.status_code, missing.json()["code"]) == (422, "input.missing_field")


async def test_the_description_names_the_media_type(web):
    document = (await web.get("/openapi.json")).json()
    content = document["paths"]["/v1/parcels/{parcel}/label"]["get"]["responses"]["200"]["content"]
    assert content == {"text/plain": {"schema": {"type": "string", "format": "binary"}}}


@pytest.mark.parametrize("copies", [0, 1, 100_000])
async def test_parts_make_the_file_again(rpc, copies):
    streamed = await rpc(parcel="p1", copies=copies)
    parts = [part async for part in streamed.parts()]
    content = b"".join(part.content for part in parts)
    head = head_in(parts[0])
    assert content == "".join(f"p1 {copy}\n" for copy in range(copies)).encode()
    assert (head.name, head.media_type) == ("面单 p1.txt", "text/plain")
    assert (head.size_bytes, head.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert len(parts) == max(1, -(-len(content) // PART_BYTES))
    assert not any(part.HasField("head") for part in parts[1:])
    assert PART_BYTES < MESSAGE_BYTES_MAX


async def test_a_refusal_comes_before_the_first_part(rpc):
    with pytest.raises(NotFound) as refused:
        await rpc(parcel="p9", copies=1)
    assert refused.value.code == "parcel.unknown"


async def test_the_rest_need_not_be_taken(rpc):
    streamed = await rpc(parcel="p1", copies=100_000)
    streamed.cancel()
    assert head_in(streamed.first).size_bytes > PART_BYTES
    streamed = await rpc(parcel="p1", copies=100_000)
    parts = streamed.parts()
    await anext(parts)
    await anext(parts)
    await parts.aclose()
    async with asyncio.timeout(5):
        assert (await rpc(parcel="p1", copies=1)).first.content == b"p1 0\n"


def test_a_method_that_does_not_stream_parts_is_noticed():
    methods = service("Parcels").methods_by_name
    require_parts(methods["PrintLabel"])
    with pytest.raises(ValueError, match="must return a stream of FilePart"):
        require_parts(methods["WhereIs"])


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("移交单 YJ-1.pdf", "YJ-1.pdf"),
        ("移交单.xlsx", "file.xlsx"),
        ('a"b\\c\r\nd.pdf', "a_b_c_d.pdf"),
        ("../../etc/passwd", "etc_passwd"),
        ("", "file"),
    ],
)
def test_a_name_is_safe_in_a_header(name, plain):
    said = disposition(name)
    assert said.startswith(f"attachment; filename=\"{plain}\"; filename*=UTF-8''")
    assert said.isascii()
    assert said.isprintable()
