"""Whether calls should come here, by gRPC's own health service. All services of this server are up together."""

import asyncio
from collections.abc import Iterable
from typing import Final

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from ledger.server.calling import Call, Service, answered_by_stream, unary
from ledger.server.errors import Refused, stopping

NAME: Final = "grpc.health.v1.Health"

ASKED_BYTES_MAX: Final = 1 << 10
"""The name of a service."""


class Health:
    """Everybody may check; who is not admitted is not listened to, and told of the server as a whole. To watch is to
    keep a call open, which is for those who are admitted.
    """

    def __init__(self, services: Iterable[str]) -> None:
        self._known: Final = frozenset({"", NAME, *services})
        self._stopping: Final = asyncio.Event()

    def stop(self) -> None:
        """Tell whoever watches or checks that calls should come here no longer."""
        self._stopping.set()

    def service(self) -> Service:
        check = unary(HealthCheckRequest, self._check, bytes_max=ASKED_BYTES_MAX, to_strangers=self._told)
        watch = answered_by_stream(HealthCheckRequest, self._watch, bytes_max=ASKED_BYTES_MAX)
        return Service(NAME, {"Check": check, "Watch": watch})

    def _told(self) -> HealthCheckResponse:
        stopping = self._stopping.is_set()
        return HealthCheckResponse(status=HealthCheckResponse.NOT_SERVING if stopping else HealthCheckResponse.SERVING)

    async def _check(self, asked: HealthCheckRequest, _call: Call) -> HealthCheckResponse:
        if asked.service not in self._known:
            raise Refused(grpc.StatusCode.NOT_FOUND, "没有这个服务。There is no such service.")
        return self._told()

    async def _watch(self, asked: HealthCheckRequest, call: Call) -> None:
        """A service that is not here is not going to be: it is told so once."""
        if asked.service in self._known:
            await call.write(self._told().SerializeToString())
            if not self._stopping.is_set():
                await self._stopping.wait()
                await call.write(self._told().SerializeToString())
        else:
            unknown = HealthCheckResponse(status=HealthCheckResponse.SERVICE_UNKNOWN)
            await call.write(unknown.SerializeToString())
            await self._stopping.wait()
        raise stopping()
