"""gRPC's own health service, which also says which checks of readiness a process does not pass.

`Check` and `Watch` say whether calls should come here, as everywhere. `List` adds a line a check, `check/<name>`:
NOT_SERVING where it failed or found something wrong. What it found is told at `/readyz?verbose` alone.
"""

from collections.abc import Mapping
from typing import Any, Final

import grpc
from grpc_health.v1 import health
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2 import HealthListRequest as ListRequest  # type: ignore[attr-defined]  # newer than its types
from grpc_health.v1.health_pb2 import HealthListResponse as ListResponse  # type: ignore[attr-defined]  # the same

from kernel.readiness import Readiness

LIST: Final = "/grpc.health.v1.Health/List"
ASK: Final = ListRequest()
CHECK_PREFIX: Final = "check/"


class CheckedHealth(health.aio.HealthServicer):
    """Asks the checks when it is asked."""

    def __init__(self, readiness: Readiness) -> None:
        super().__init__()
        self._readiness: Final = readiness

    async def List(  # noqa: N802  gRPC's name
        self,
        request: ListRequest,  # noqa: ARG002  gRPC's signature
        context: "grpc.aio.ServicerContext[Any, Any]",
    ) -> ListResponse:
        """Whether calls should come here, under the empty name, and each check."""
        overall = await self.Check(HealthCheckRequest(), context)
        report = await self._readiness.report()
        return ListResponse(
            statuses={"": overall}
            | {
                f"{CHECK_PREFIX}{name}": HealthCheckResponse(
                    status=HealthCheckResponse.SERVING
                    if found.ok and not found.degraded
                    else HealthCheckResponse.NOT_SERVING
                )
                for name, found in report.checks.items()
            }
        )


def not_passed(answer: bytes) -> frozenset[str] | None:
    """From an answer to `List`, the names of the checks that are not passed; None where no call should go there."""
    statuses: Mapping[str, HealthCheckResponse] = ListResponse.FromString(answer).statuses
    if (overall := statuses.get("")) is None or overall.status != HealthCheckResponse.SERVING:
        return None
    return frozenset(
        name.removeprefix(CHECK_PREFIX)
        for name, found in statuses.items()
        if name.startswith(CHECK_PREFIX) and found.status != HealthCheckResponse.SERVING
    )
