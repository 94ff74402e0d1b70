"""A long body is no long head: uploads pass, heads without end do not."""

import asyncio
import socket

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, Request

from kernel.http_protocol import HEAD_BYTES_MAX, BoundedHttp


@pytest.fixture
async def address():
    app = FastAPI()

    @app.post("/length")
    async def length(request: Request) -> dict[str, int]:
        return {"length": len(await request.body())}

    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, http=BoundedHttp, ws="none", lifespan="off", log_config=None))
    task = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:  # noqa: ASYNC110  uvicorn tells nobody when it is
        await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    await task


@pytest.mark.parametrize("length", [0, 1, HEAD_BYTES_MAX - 300, HEAD_BYTES_MAX, 96_039, 3 << 20])
async def test_bodies_of_any_length_pass_on_one_connection(address, length):
    async with httpx.AsyncClient(base_url=address) as client:
        for _ in range(3):
            answer = await client.post("/length", content=b"x" * length)
            assert answer.json() == {"length": length}


async def test_a_head_without_end_ends_the_connection(address):
    reader, writer = await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2]))
    writer.write(b"POST /length HTTP/1.1\r\nHost: x\r\n")
    try:
        for _ in range(3 * HEAD_BYTES_MAX // 1_000):
            writer.write(b"X-More: " + b"y" * 990 + b"\r\n")
            await writer.drain()
        answered = await asyncio.wait_for(reader.read(100), 10)
    except ConnectionError:
        answered = b""
    assert not answered.startswith(b"HTTP/1.1 200")
    writer.close()
