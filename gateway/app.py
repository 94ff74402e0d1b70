"""The gateway put together: one door, the services behind it, the public events, the pages."""

import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI

from gateway.access import Access
from gateway.live import Live, with_events
from gateway.openapi import merged
from gateway.paths import REGISTRY, SERVICES
from gateway.portal import add_pages
from gateway.proof_log import ProofLog
from gateway.published import ACTION as DISCLOSURE
from gateway.published import Published, with_published
from gateway.relay import Relay
from gateway.standing import Part
from gateway.timeline import ACTION, Timeline, with_timeline
from gateway.uploads import IMPORT, RemoteUploads
from gateway.verifier import add_verifier
from kernel.clock import Clock, system_clock_us
from kernel.grpc_client import Peer
from kernel.http_limits import HttpLimits
from kernel.http_page import Cursors
from kernel.http_server import HttpDoor
from kernel.http_uploads import add_upload_routes
from kernel.identity import Verifier

DESCRIPTION: Final = "拆回计量器具全流程平台的统一入口。 / The one door of the platform for every dismantled meter."


class Gateway:
    """`app` is the door; `live` and `proof_log` must run; `describe` completes the OpenAPI document once the services
    are there.
    """

    def __init__(
        self,
        *,
        registry: Peer,
        proof: Path,
        verifier: Verifier,
        cursors: Cursors,
        until_draining: Callable[[], Awaitable[None]],
        limits: HttpLimits | None = None,
        clock_s: Callable[[], float] = time.monotonic,
        clock: Clock = system_clock_us,
    ) -> None:
        door = HttpDoor(
            title="Meterloop",
            version="1",
            description=DESCRIPTION,
            verifier=verifier,
            cursors=cursors,
            limits=limits,
        )
        commands = [command.method.name for service in SERVICES for command in service.commands()]
        questions = [question.method.name for service in SERVICES for question in service.asked()]
        access = Access(verifier, [*commands, IMPORT], [*questions, ACTION], [DISCLOSURE])
        self.app: Final[FastAPI] = door.app
        self.live: Final = Live(door.app, proof, until_draining)
        self.proof_log: Final = ProofLog(proof, clock)
        self._own_openapi: Final = door.app.openapi
        self._relay: Final = Relay(door.app, registry, access, door.limits)
        self._relay.add(REGISTRY)
        uploads = RemoteUploads(registry, access)
        add_upload_routes(door.app, door.schemas, door.limits, "/v1/imports", uploads, dict[str, Any], dict[str, Any])
        Published(door.app, proof, access)
        Timeline(door.app, self._relay, access)
        add_verifier(door.app)
        add_pages(door.app, [(REGISTRY, registry)], lambda: self.live.origin, self._own_parts, clock_s)

    def _own_parts(self) -> list[Part]:
        return [*self.proof_log.parts, self.live.standing]

    async def describe(self) -> None:
        """Ask the services for their paths. Raises CannotNow while one is away."""
        described = [await self._relay.describe(service) for service in SERVICES]
        own = with_published(with_events(self._own_openapi()))
        own = with_timeline(own, described[SERVICES.index(REGISTRY)])
        document: dict[str, Any] = merged(own, described, self.app.routes)
        self.app.openapi = lambda: document  # type: ignore[method-assign]  # FastAPI's documented way
