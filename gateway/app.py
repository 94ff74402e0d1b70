"""The gateway put together: one door, the services behind it, the public events, the pages."""

import time
from collections.abc import Awaitable, Callable, Mapping
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
from gateway.station import add_station
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
    are there. `peers` are the services behind, by name; the registry is always among them.
    """

    def __init__(
        self,
        *,
        peers: Mapping[str, Peer],
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
        self._services: Final = [service for service in SERVICES if service.name in peers]
        commands = [command.method.name for service in self._services for command in service.commands()]
        questions = [question.method.name for service in self._services for question in service.asked()]
        access = Access(verifier, [*commands, IMPORT], [*questions, ACTION], [DISCLOSURE])
        self.app: Final[FastAPI] = door.app
        self.live: Final = Live(door.app, proof, until_draining)
        self.proof_log: Final = ProofLog(proof, clock)
        self._own_openapi: Final = door.app.openapi
        self._relays: Final = {
            service.name: Relay(door.app, peers[service.name], access, door.limits) for service in self._services
        }
        for service in self._services:
            self._relays[service.name].add(service)
        uploads = RemoteUploads(peers[REGISTRY.name], access)
        add_upload_routes(door.app, door.schemas, door.limits, "/v1/imports", uploads, dict[str, Any], dict[str, Any])
        Published(door.app, proof, access)
        Timeline(door.app, self._relays, access)
        add_verifier(door.app)
        add_station(door.app)
        behind = [(service, peers[service.name]) for service in self._services]
        add_pages(door.app, behind, lambda: self.live.origin, self._own_parts, clock_s)

    def _own_parts(self) -> list[Part]:
        return [*self.proof_log.parts, self.live.standing]

    async def describe(self) -> None:
        """Ask the services for their paths. Raises CannotNow while one is away."""
        described = [await self._relays[service.name].describe(service) for service in self._services]
        own = with_published(with_events(self._own_openapi()))
        own = with_timeline(own, described[self._services.index(REGISTRY)])
        document: dict[str, Any] = merged(own, described, self.app.routes)
        self.app.openapi = lambda: document  # type: ignore[method-assign]  # FastAPI's documented way
