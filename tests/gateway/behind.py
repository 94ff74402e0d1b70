"""The gateway with a real registry and a real sorting service behind it, over real gRPC on loopback, the ledger in
memory; with `TEST_LEDGER=kurrentdb` served from there over KurrentDB's protocol, which both then speak.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from gateway.app import Gateway
from kernel.authority import Policies
from kernel.clock import Clock, system_clock_us
from kernel.codec import Reader
from kernel.database import Database
from kernel.disclosure import load
from kernel.documents.workshop import Limits, Workshop
from kernel.grpc_client import Peer
from kernel.grpc_server import RpcDoor
from kernel.http_limits import HttpLimits
from kernel.http_page import Cursors
from kernel.http_server import HttpDoor
from kernel.identity import Verifier
from kernel.identity_issuer import built_in_verifier, issue, write_keys
from kernel.policy_store import META as POLICY_TABLES
from kernel.principal import Principal, Role
from kernel.projection import Projector
from kernel.readiness import Readiness
from ledger.kurrent import KurrentLedger
from ledger.memory import MemoryLedger
from ledger.port import Ledger
from ledger.server.access import admit_everybody
from ledger.server.running import serve
from ledger.transparency.evidence import EvidenceOfLog
from services.registry.access import Access
from services.registry.app import CODEC, STREAMS, Registry
from services.registry.asset_number import CHECK_DIGIT, CheckDigit
from services.registry.documents.workshop import workshop as registry_workshop
from services.registry.imports.jobs import Jobs
from services.registry.imports.offered import LocalUploads, import_methods
from services.registry.imports.running import Runner
from services.registry.papers.offered import Papers
from services.registry.proofs import Proofs
from services.registry.questions import Questions
from services.registry.records import Records
from services.registry.rest import open_rest
from services.registry.rpc import open_rpc
from services.registry.views import VIEWS
from tests.gateway.disclosing import disclose
from tests.sorting.behind import SortingBehind, sorting_behind

ROOT = Path(__file__).parents[2]
LOOPBACK = "127.0.0.1"
PUBLIC = load(ROOT / "docs" / "disclosure.yaml").public
CURSORS = Cursors(b"c" * 32)
SERVED = os.environ.get("TEST_LEDGER") == "kurrentdb"

PATIENCE_S = 300
"""Of every door, and of the workshop for a document: what is asked here is about the answer, not about the machine."""
PATIENT = HttpLimits(request_s_max=PATIENCE_S)


class Behind:
    """A client of the gateway, tokens for whoever asks, and what is behind: the registry with its own two doors."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        keys: Path,
        ledger: Ledger,
        registry: Registry,
        gateway: Gateway,
        rest: FastAPI,
        peer: Peer,
        rpc: RpcDoor,
        sorting: SortingBehind,
    ) -> None:
        self.folder = keys.parent
        self.client, self.keys, self.ledger, self.registry, self.gateway = client, keys, ledger, registry, gateway
        self.rest, self.peer, self.rpc, self.sorting = rest, peer, rpc, sorting

    async def disclose(self) -> int:
        """Sequence and disclose what is recorded. Returns how many entries that is."""
        return await disclose(self.ledger, self.folder, PUBLIC)

    @property
    def transport(self) -> httpx.ASGITransport:
        """To the gateway, for a client of another kind."""
        return httpx.ASGITransport(self.gateway.app)

    def token(
        self, *roles: Role, units: tuple[str, ...] = (), subject: str = "u-1", organisation: str | None = None
    ) -> str:
        principal = Principal(
            subject=subject, roles=frozenset(roles), units=frozenset(units), organisation=organisation
        )
        return issue(self.keys, principal)

    def headers(self, *roles: Role, key: str | None = None, **who: Any) -> dict[str, str]:
        headers = {"Authorization": f"Bearer {self.token(*roles, **who)}"}
        return headers if key is None else headers | {"Idempotency-Key": key}


@asynccontextmanager
async def a_ledger() -> AsyncIterator[Ledger]:
    """An empty one, in memory, or over the protocol."""
    kept = MemoryLedger(position_stride=7 if SERVED else 1)
    try:
        if not SERVED:
            yield kept
            return
        server = await serve(kept, f"{LOOPBACK}:0", admit=admit_everybody)
        ledger = await KurrentLedger.open(f"kurrentdb://{LOOPBACK}:{server.port}?tls=false")
        try:
            yield ledger
        finally:
            await ledger.close()
            await server.stop(0)
    finally:
        await kept.close()


@asynccontextmanager
async def behind(
    folder: Path,
    workshop: Workshop | None = None,
    *,
    sorting_workshop: Workshop | None = None,
    check_digit: CheckDigit = CHECK_DIGIT,
    clock_s: Callable[[], float] = time.monotonic,
    clock: Clock = system_clock_us,
    troubled: Ledger | None = None,
) -> AsyncIterator[Behind]:
    """The gateway and a registry, until the block ends. `clock_s` is what the status page goes by, `clock` what says
    when a token has run out. `troubled` is a log that a test makes trouble with.
    """
    workshop = workshop or registry_workshop(Limits(seconds_max=PATIENCE_S))
    write_keys(folder / "keys")
    verifier = built_in_verifier(folder / "keys", [LOOPBACK], clock=clock)
    database = Database(f"sqlite:///{folder / 'registry.sqlite'}")
    letting_go = AsyncExitStack()
    ledger = troubled or await letting_go.enter_async_context(a_ledger())
    projector = Projector(database, ledger, Reader(CODEC), VIEWS, streams=STREAMS)
    await projector.open()
    await database.create(Records.metadata)
    await database.create(POLICY_TABLES)
    jobs = Jobs(database, folder / "spool")
    registry = Registry(ledger, projector, check_digit=check_digit)
    own = sorting_behind(folder, ledger, verifier, CURSORS, workshop=sorting_workshop)
    sorting = await letting_go.enter_async_context(own)
    readiness = Readiness()
    readiness.add("views", projector.health)
    rest, rpc, runner = _doors(registry, verifier, jobs, workshop, readiness, folder / "proof")
    port = await rpc.start(LOOPBACK, 0)
    await rpc.say(serving_now=True)
    peer = Peer(f"{LOOPBACK}:{port}")
    gateway = Gateway(
        peers={"registry": peer, "sorting": sorting.peer},
        proof=folder / "proof",
        verifier=verifier,
        cursors=CURSORS,
        until_draining=readiness.until_draining,
        limits=PATIENT,
        clock_s=clock_s,
    )
    followers = (projector.run, gateway.live.run, gateway.proof_log.run, runner.run)
    tasks = [asyncio.create_task(follower()) for follower in followers]
    while not (await projector.progress()).ready:  # noqa: ASYNC110  the views tell nobody when they are complete
        await asyncio.sleep(0.01)
    try:
        transport = httpx.ASGITransport(gateway.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
            yield Behind(client, folder / "keys", ledger, registry, gateway, rest.app, peer, rpc, sorting)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await peer.close()
        await rpc.stop(1)
        await database.close()
        await letting_go.aclose()


def _doors(
    registry: Registry, verifier: Verifier, jobs: Jobs, workshop: Workshop, readiness: Readiness, proof: Path
) -> tuple[HttpDoor, RpcDoor, Runner]:
    access = Access(Policies.load(ROOT / "services" / "registry"), registry)
    commands = access.offered()
    proofs = Proofs(registry, access, EvidenceOfLog(registry._ledger, proof))
    questions = [*Questions(registry, access).table(), *Papers(registry, access, workshop).table(), *proofs.table()]
    uploads = LocalUploads(jobs, access, CURSORS)
    rest = HttpDoor(title="registry", version="1", verifier=verifier, cursors=CURSORS, limits=PATIENT)
    open_rest(rest, commands, questions, uploads)
    rpc = RpcDoor(verifier=verifier, cursors=CURSORS, readiness=readiness, request_s_max=PATIENCE_S)
    open_rpc(rpc, commands, [*questions, *import_methods(uploads)], rest.app)
    return rest, rpc, Runner(jobs, registry, access)
