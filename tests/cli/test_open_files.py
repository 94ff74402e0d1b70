"""The served log has as many files open as it may, and takes fewer connections than that."""

import asyncio
import resource
from contextlib import AsyncExitStack

import psutil
import pytest
from kurrentdbclient import KurrentDBClient

from cli.open_files import KEPT, connections_within
from tests.ledger.clients.serving import Serving
from tests.ledger.server.test_connections import PREFACE, connected, hung_up


async def test_a_limit_that_can_be_raised_is_raised(tmp_path):
    """300 who say nothing more than how they begin are more than it could have had open."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with Serving("--scratch", data=tmp_path, shell="ulimit -S -n 256") as server:
        assert psutil.Process(server.process.pid).rlimit(psutil.RLIMIT_NOFILE) == (hard, hard)
        async with AsyncExitStack() as silent:
            for _ in range(300):
                reader, _ = await silent.enter_async_context(connected(server.door.address, PREFACE))
                assert await reader.read(1)
            assert await asyncio.to_thread(head, server.door.url()) == 0


async def test_connections_leave_the_rest_its_files(tmp_path):
    with Serving("--scratch", data=tmp_path, shell="ulimit -n 300") as server:
        async with AsyncExitStack() as silent:
            for _ in range(150):
                reader, _ = await silent.enter_async_context(connected(server.door.address, PREFACE))
                assert await reader.read(1)
            async with connected(server.door.address, PREFACE) as (reader, _):
                assert await hung_up(reader)
            assert psutil.Process(server.process.pid).num_fds() < 300 - 50
        assert await asyncio.to_thread(head, server.door.url()) == 0


def head(url):
    with KurrentDBClient(url) as client:
        return client.get_commit_position(timeout=20)


@pytest.mark.parametrize(
    ("open_files", "connections"),
    [(None, 4_000), (1 << 20, 4_000), (4_000 + KEPT, 4_000), (1_024, 1_024 - KEPT), (300, 150), (1, 1)],
)
def test_how_many_connections_files_leave_room_for(open_files, connections):
    assert connections_within(open_files, 4_000) == connections
