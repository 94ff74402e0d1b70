"""Sorting with its two doors on loopback, over whatever log it is given."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from fastapi import FastAPI

from kernel.authority import Policies
from kernel.codec import Reader
from kernel.database import Database
from kernel.documents.workshop import Limits, Workshop
from kernel.grpc_client import Peer
from kernel.grpc_server import RpcDoor
from kernel.http_limits import HttpLimits
from kernel.http_page import Cursors
from kernel.http_server import HttpDoor
from kernel.identity import Verifier
from kernel.policy_runner import Policies as PolicyRunner
from kernel.projection import Projector
from kernel.readiness import Readiness
from ledger.port import Ledger
from ledger.transparency.evidence import EvidenceOfLog
from services.sorting.access import Access
from services.sorting.app import CODEC, FOLLOWED, STREAMS, Sorting
from services.sorting.documents.workshop import workshop as sorting_workshop
from services.sorting.foreign import DEPARTURES, READERS
from services.sorting.papers.offered import Papers
from services.sorting.policies import POLICIES
from services.sorting.questions import Questions
from services.sorting.reporting import Reporting
from services.sorting.rest import open_rest
from services.sorting.rpc import open_rpc
from services.sorting.views import VIEWS

ROOT = Path(__file__).parents[2]
LOOPBACK = "127.0.0.1"
PATIENCE_S = 300
"""What is asked here is about the answer, not about the machine."""


class SortingBehind(msgspec.Struct, frozen=True):
    """The service, its REST app, and a client of its gRPC door."""

    sorting: Sorting
    rest: FastAPI
    peer: Peer
    projector: Projector
    policies: PolicyRunner


@asynccontextmanager
async def sorting_behind(
    folder: Path,
    ledger: Ledger,
    verifier: Verifier,
    cursors: Cursors,
    *,
    production: bool = False,
    workshop: Workshop | None = None,
) -> AsyncIterator[SortingBehind]:
    """Sorting, until the block ends. The log stays open."""
    database = Database(f"sqlite:///{folder / 'sorting.sqlite'}")
    projector = Projector(database, ledger, Reader(CODEC, READERS), VIEWS, streams=STREAMS)
    await projector.open()
    checkpoints = EvidenceOfLog(ledger, folder / "proof")
    sorting = Sorting(ledger, projector, production=production, checkpoints=checkpoints)
    policies = PolicyRunner(
        database,
        ledger,
        Reader(CODEC, DEPARTURES),
        sorting.do_many,
        policies=POLICIES,
        read=sorting.ask,
        streams=FOLLOWED,
    )
    await policies.open()
    readiness = Readiness()
    readiness.add("views", projector.health)
    access = Access(Policies.load(ROOT / "services" / "sorting"), sorting)
    patient = sorting_workshop(Limits(seconds_max=PATIENCE_S))
    commands, papers = access.offered(), Papers(sorting, access, workshop or patient)
    questions = (*Questions(sorting, access).table(), *papers.table())
    limits = HttpLimits(request_s_max=PATIENCE_S)
    rest = HttpDoor(title="sorting", version="1", verifier=verifier, cursors=cursors, limits=limits)
    open_rest(rest, commands, questions)
    rpc = RpcDoor(verifier=verifier, cursors=cursors, readiness=readiness, request_s_max=PATIENCE_S)
    open_rpc(rpc, commands, questions, Reporting(sorting, access).reports(), rest.app)
    port = await rpc.start(LOOPBACK, 0)
    await rpc.say(serving_now=True)
    peer = Peer(f"{LOOPBACK}:{port}")
    tasks = [asyncio.create_task(follower()) for follower in (projector.run, policies.run)]
    while not (await projector.progress()).ready:  # noqa: ASYNC110  the views tell nobody when they are complete
        await asyncio.sleep(0.01)
    try:
        yield SortingBehind(sorting, rest.app, peer, projector, policies)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await peer.close()
        await rpc.stop(1)
        await database.close()
