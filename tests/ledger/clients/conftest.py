"""A server's process for a whole worker, and the clients that speak to it."""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from tests.ledger.clients.serving import Door, Serving
from tests.ledger.clients.speaking import connected


@pytest.fixture(scope="session")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    # Positions of a KurrentDB have gaps as well: nothing here may count on their being dense.
    with Serving("--scratch", "--position-stride", "7", data=tmp_path_factory.mktemp("scratch")) as server:
        yield server
        assert server.alive, "the server ended by itself"


@pytest.fixture
def door(serving: Serving) -> Door:
    assert serving.alive, "an earlier test brought the server down"
    return serving.door


@pytest.fixture(params=["sync", "async"])
async def client(request: pytest.FixtureRequest, door: Door) -> AsyncIterator[Any]:
    found = await connected(request.param, door.url())
    yield found
    await found.close()


@pytest.fixture
def named() -> Callable[[str], str]:
    """Names that no other test uses: all tests of a worker write to one log."""
    prefix = os.urandom(6).hex()
    return lambda name: f"{prefix}-{name}"
