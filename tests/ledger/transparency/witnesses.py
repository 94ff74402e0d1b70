"""Witnesses for tests: a log of made-up entries that can say its tree at any size, also two that part ways; and a
witness behind a real HTTP door, in this process or in one of its own.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from hashlib import sha256

import httpx
import uvicorn
from starlette.applications import Starlette

from ledger.proof.checkpoint import Checkpoint
from ledger.proof.keys import KeyType, SignerKey
from ledger.proof.merkle import consistency_proof, leaf_hash, node_hash, root_at
from ledger.proof.witness_request import AddCheckpoint
from ledger.transparency.witness import Witness
from ledger.transparency.witness_door import witness_routes

ORIGIN = "log.example/tests"
NAME = "witness.example/one"


def signer(name: str = ORIGIN, key_type: KeyType = KeyType.ED25519, seed: str = "") -> SignerKey:
    return SignerKey(name, key_type, sha256(f"a key for tests: {name} {seed}".encode()).digest())


class Tree:
    """Entries 0, 1, 2, ... that say nothing. From `parts_at` on they are others than those of a tree that does not."""

    def __init__(self, parts_at: int | None = None, signers: Sequence[SignerKey] = (), origin: str = ORIGIN) -> None:
        self._parts_at = parts_at
        self._signers = signers or [signer(origin)]
        self._origin = origin
        self._known: dict[tuple[int, int], bytes] = {}

    def note(self, size: int, *extensions: str) -> bytes:
        root = root_at(size, self._subtree)
        return Checkpoint(self._origin, size, root, extensions).signed_by(self._signers).encoded()

    def proof(self, old_size: int, size: int) -> tuple[bytes, ...]:
        return tuple(consistency_proof(old_size, size, self._subtree))

    def request(self, old_size: int, size: int) -> bytes:
        return AddCheckpoint(old_size, self.proof(old_size, size), self.note(size)).encoded()

    def _subtree(self, level: int, index: int) -> bytes:
        if (level, index) not in self._known:
            if level:
                found = node_hash(self._subtree(level - 1, 2 * index), self._subtree(level - 1, 2 * index + 1))
            else:
                other = self._parts_at is not None and index >= self._parts_at
                found = leaf_hash(f"{'other' if other else 'entry'} {index}".encode())
            self._known[level, index] = found
        return self._known[level, index]


@asynccontextmanager
async def served(app) -> AsyncIterator[str]:
    """An ASGI app at a free port of loopback, by uvicorn; gives its address."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, lifespan="off", log_config=None, access_log=False, ws="none")
    server = uvicorn.Server(config)
    server.capture_signals = nullcontext
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  uvicorn tells it in no other way
        await asyncio.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task


@asynccontextmanager
async def answering(witness: Witness) -> AsyncIterator[httpx.AsyncClient]:
    """A client of this witness."""
    async with served(Starlette(routes=witness_routes(witness))) as url, httpx.AsyncClient(base_url=url) as http:
        yield http
