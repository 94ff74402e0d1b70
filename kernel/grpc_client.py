"""Calls from one service to another: with a deadline, a budget for retries, and the trace that they belong to.

A call that did not get through is tried again, at most twice, and only while calls on the whole succeed: each failure
costs a token, each success earns a tenth of one, and below half of the bucket nothing is tried again. Without that,
retries of many callers keep a service down that is only just coming back. Commands may be tried again because their
Idempotency-Key makes it harmless.
"""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Final, Generic, TypeVar

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2

from kernel.grpc_health import ASK, LIST, not_passed
from kernel.grpc_refusal import PEER_FAULT, refusal_of_error
from kernel.grpc_server import MESSAGE_BYTES_MAX
from kernel.telemetry import TRACEPARENT, calling, current_traceparent

CALL_S: Final = 10.0
"""How long a call may take where its caller says nothing: below what a browser waits, and longer than a service
waits for its views, so that whoever asks for what they are behind of is told so.
"""

ATTEMPTS_MAX: Final = 3
RETRY_TOKENS: Final = 20

_SERVICE_CONFIG: Final = {
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": ATTEMPTS_MAX,
                "initialBackoff": "0.05s",
                "maxBackoff": "1s",
                "backoffMultiplier": 3,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
    "retryThrottling": {"maxTokens": RETRY_TOKENS, "tokenRatio": 0.1},
}
_CHANNEL_OPTIONS: Final = (
    ("grpc.service_config", json.dumps(_SERVICE_CONFIG)),
    ("grpc.enable_retries", 1),
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
)

STREAM_S: Final = 120.0
"""The same for an answer in parts, which goes on as fast as its caller takes it."""

Reply = TypeVar("Reply", bound=Message)


class Streamed(Generic[Reply]):
    """An answer in parts, the first of which is here. Take the parts, or cancel."""

    def __init__(
        self, call: "grpc.aio.UnaryStreamCall[Message, Reply]", first: Reply, rest: AsyncIterator[Reply]
    ) -> None:
        self._call: Final = call
        self._rest: Final = rest
        self.first: Final = first

    async def parts(self) -> AsyncGenerator[Reply, None]:
        """All of them. Raises the peer's refusal; whoever stops taking them before the end cancels the call."""
        try:
            yield self.first
            async for part in self._rest:
                yield part
        except grpc.aio.AioRpcError as error:
            raise refusal_of_error(error) from error
        finally:
            self._call.cancel()

    def cancel(self) -> None:
        """Take nothing more."""
        self._call.cancel()


class Peer:
    """Another service, at an address such as 127.0.0.1:9000 or dns:///registry:9000. Opened within an event loop."""

    def __init__(self, target: str) -> None:
        self.target: Final = target
        self._channel: Final = grpc.aio.insecure_channel(target, options=_CHANNEL_OPTIONS)

    async def call(
        self,
        method: str,
        request: Message,
        reply: type[Reply],
        *,
        authorization: str | None = None,
        idempotency_key: str | None = None,
        expected_version: int | None = None,
        timeout_s: float = CALL_S,
    ) -> Reply:
        """Call `package.Service/Method`. What the peer refuses is raised as its Refusal, what fails as CannotNow,
        OutOfTime or Faulty. `authorization` is the caller's own header, passed on unchanged.
        """
        with calling(method):
            metadata = _metadata(authorization, idempotency_key, expected_version)
            call = self._channel.unary_unary(
                f"/{method}", request_serializer=_serialized, response_deserializer=reply.FromString
            )
            try:
                answer: Reply = await call(request, metadata=metadata, timeout=timeout_s)
            except grpc.aio.AioRpcError as error:
                raise refusal_of_error(error) from error
        return answer

    async def stream(
        self,
        method: str,
        request: Message,
        reply: type[Reply],
        *,
        authorization: str | None = None,
        timeout_s: float = STREAM_S,
    ) -> Streamed[Reply]:
        """Call a method that answers in parts, as soon as the first is here; raises as `call` does until then."""
        with calling(method):
            call = self._channel.unary_stream(
                f"/{method}", request_serializer=_serialized, response_deserializer=reply.FromString
            )(request, metadata=_metadata(authorization), timeout=timeout_s)
            parts = aiter(call)
            try:
                first = await anext(parts, None)
            except grpc.aio.AioRpcError as error:
                raise refusal_of_error(error) from error
        if first is None:
            raise PEER_FAULT(status="EMPTY")
        return Streamed(call, first, parts)

    async def ready(self, timeout_s: float) -> bool:
        """Whether the peer answers its health check within this time."""
        call = self._channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=_serialized,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        try:
            answer = await call(health_pb2.HealthCheckRequest(), timeout=timeout_s, wait_for_ready=True)
        except grpc.aio.AioRpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    async def checks_not_passed(self, timeout_s: float) -> frozenset[str] | None:
        """The names of the checks of its readiness that failed or found something wrong; None where it does not
        answer within this time or takes no calls.
        """
        call = self._channel.unary_unary(LIST, request_serializer=_serialized, response_deserializer=not_passed)
        try:
            names: frozenset[str] | None = await call(ASK, timeout=timeout_s, wait_for_ready=True)
        except grpc.aio.AioRpcError:
            return None
        return names

    async def close(self) -> None:
        """Let calls under way finish, then let go of the connection."""
        await self._channel.close(grace=1.0)


def _metadata(
    authorization: str | None, idempotency_key: str | None = None, expected_version: int | None = None
) -> list[tuple[str, str]]:
    """What goes with a call, the trace that we are in among it."""
    given = (
        ("authorization", authorization),
        ("idempotency-key", idempotency_key),
        ("if-match", None if expected_version is None else str(expected_version)),
        (TRACEPARENT, current_traceparent()),
    )
    return [(name, value) for name, value in given if value is not None]


def _serialized(message: Message) -> bytes:
    return message.SerializeToString()
