"""How the methods of this package are called: messages for bytes, the caller's grant, refusals as statuses.

A method is an async function of the request (or of an iterator of requests) and the `Call`. It answers with a message,
or writes what it has to say with `call.write` where the answer is a stream. What it refuses it raises as `Refused`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Final, NamedTuple, Never, TypeAlias, TypeVar

import grpc
import structlog
from google.protobuf.message import DecodeError, Message

from ledger.port import LedgerError
from ledger.server.access import OPEN, PEER, Admission, Busy, Grant, NotAdmitted
from ledger.server.errors import Refused, access_denied, invalid, refusal

CARRYING: Final = "meterloop-ledger"
"""The header by which a caller says that it knows the members in which salt and metadata travel."""

HEARD_OUT_MAX: Final = 256
"""Requests that are read and passed over once a call has been refused: no more than a session has streams, mostly."""

HEARD_OUT_S: Final = 1.0

Context: TypeAlias = "grpc.aio.ServicerContext[bytes, bytes]"

Asked = TypeVar("Asked", bound=Message)

_LOG: Final = structlog.get_logger("ledger.server")


class Call:
    """One call: what its caller may do, and whether the reserved members of metadata are understood at its end."""

    def __init__(self, context: Context, grant: Grant, *, carrying: bool) -> None:
        self.context, self.grant, self.carrying = context, grant, carrying
        self._begun = False

    async def write(self, body: bytes) -> None:
        """Answer with a message. The first is sent to its end, whoever breaks off meanwhile: with it goes the answer's
        begin, and beside half of that gRPC sends no status, and the caller would wait for ever.
        """
        if self._begun:
            await self.context.write(body)
            return
        self._begun = True
        first = asyncio.ensure_future(self.context.write(body))
        try:
            await asyncio.shield(first)
        except asyncio.CancelledError:
            await asyncio.wait((first,))
            first.exception()
            raise

    def ending(self) -> AbstractContextManager[None]:
        """What goes on in here ends as NotAdmitted when the grant is withdrawn."""
        return nullcontext() if self.grant.withdrawal is None else self.grant.withdrawal.ends()


class Service(NamedTuple):
    """A gRPC service, its methods each made for an admission."""

    name: str
    methods: Mapping[str, "Method"]

    def handler(self, admit: Admission) -> grpc.GenericRpcHandler:
        made = {name: method(admit) for name, method in self.methods.items()}
        return grpc.method_handlers_generic_handler(self.name, made)


Method: TypeAlias = Callable[[Admission], "grpc.RpcMethodHandler[bytes, bytes]"]


def unary(
    kind: type[Asked],
    behave: Callable[[Asked, Call], Awaitable[Message]],
    *,
    public: bool = False,
    to_strangers: Callable[[], Message] | None = None,
    bytes_max: int | None = None,
) -> Method:
    """One request of so many bytes, one answer. `public`: nobody is asked who he is, nor listened to: such a method is
    asked nothing. `to_strangers`: what those are answered, unheard, who are not let in.

    To gRPC requests come one by one, so that what strangers say stays where it is until it is known who they are.
    """

    def made(admit: Admission) -> "grpc.RpcMethodHandler[bytes, bytes]":
        async def call(bodies: AsyncIterator[bytes], context: Context) -> bytes:
            try:
                if public:
                    return (await behave(kind(), Call(context, OPEN, carrying=False))).SerializeToString()
                try:
                    entered = await _enter(context, admit)
                except (NotAdmitted, Refused):
                    if to_strangers is None:
                        raise
                    return to_strangers().SerializeToString()
                with entered.ending():
                    body = await _only(bodies)
                if bytes_max is not None:
                    _check_length(body, bytes_max)
                return (await behave(_parse(kind, body), entered)).SerializeToString()
            except Exception as error:  # noqa: BLE001 - whatever it is becomes a status
                await _end(context, error)

        return grpc.stream_unary_rpc_method_handler(call)

    return made


def answered_by_stream(
    kind: type[Asked], behave: Callable[[Asked, Call], Awaitable[None]], *, bytes_max: int
) -> Method:
    """One request of so many bytes, and as many messages as `behave` writes."""

    def made(admit: Admission) -> "grpc.RpcMethodHandler[bytes, bytes]":
        async def call(bodies: AsyncIterator[bytes], context: Context) -> None:
            try:
                entered = await _enter(context, admit)
                with entered.ending():
                    body = await _only(bodies)
                    _check_length(body, bytes_max)
                    await behave(_parse(kind, body), entered)
            except Exception as error:  # noqa: BLE001 - whatever it is becomes a status
                await _end(context, error)

        return grpc.stream_stream_rpc_method_handler(call)

    return made


def asked_by_stream(kind: type[Asked], behave: Callable[[AsyncIterator[Asked], Call], Awaitable[Message]]) -> Method:
    """Many requests, one answer."""

    def made(admit: Admission) -> "grpc.RpcMethodHandler[bytes, bytes]":
        async def call(bodies: AsyncIterator[bytes], context: Context) -> bytes:
            try:
                entered = await _enter(context, admit)
                return (await behave(_said_to_its_end(kind, bodies, entered), entered)).SerializeToString()
            except Exception as error:  # noqa: BLE001 - whatever it is becomes a status
                await _hear_out(bodies)
                await _end(context, error)

        return grpc.stream_unary_rpc_method_handler(call)

    return made


def conversing(kind: type[Asked], behave: Callable[[AsyncIterator[Asked], Call], Awaitable[None]]) -> Method:
    """Many requests, and as many messages as `behave` writes."""

    def made(admit: Admission) -> "grpc.RpcMethodHandler[bytes, bytes]":
        async def call(bodies: AsyncIterator[bytes], context: Context) -> None:
            try:
                entered = await _enter(context, admit)
                await behave(_each(kind, bodies, entered), entered)
            except Exception as error:  # noqa: BLE001 - whatever it is becomes a status
                await _end(context, error)

        return grpc.stream_stream_rpc_method_handler(call)

    return made


async def _enter(context: Context, admit: Admission) -> Call:
    headers = dict(context.invocation_metadata() or ())
    authorization = headers.get("authorization")
    PEER.set(context.peer().rpartition(":")[0])
    try:
        grant = await admit(authorization if isinstance(authorization, str) else None)
    except Busy as error:
        # Not UNAUTHENTICATED, which clients take for final.
        raise Refused(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error)) from error
    carrying = CARRYING in headers
    if carrying and not grant.carries:
        raise access_denied(f"header {CARRYING}: Access Denied")
    return Call(context, grant, carrying=carrying)


def _check_length(body: bytes, bytes_max: int) -> None:
    if len(body) > bytes_max:
        raise invalid(
            f"请求有 {len(body)} 字节，至多 {bytes_max}。"
            f"The request has {len(body)} bytes, and at most {bytes_max} are taken."
        )


def _not_admitted(error: NotAdmitted) -> Refused:
    return Refused(grpc.StatusCode.UNAUTHENTICATED, str(error) or "身份验证失败。Authentication Failed")


def _parse(kind: type[Asked], body: bytes) -> Asked:
    try:
        return kind.FromString(body)
    except DecodeError as error:
        # What a gRPC server says of a request that it cannot parse.
        raise Refused(grpc.StatusCode.INTERNAL, f"无法解析请求。Error parsing {kind.DESCRIPTOR.full_name}") from error


async def _only(bodies: AsyncIterator[bytes]) -> bytes:
    async for body in bodies:
        return body
    raise _gone()


async def _each(kind: type[Asked], bodies: AsyncIterator[bytes], call: Call) -> AsyncIterator[Asked]:
    """Of a caller whose grant is withdrawn nothing more is heard. What it had said to its end is not broken off: an
    append that was refused, and is recorded all the same, would be worse than one more.
    """
    while True:
        try:
            with call.ending():
                body = await anext(bodies)
        except StopAsyncIteration:
            return
        yield _parse(kind, body)


async def _said_to_its_end(kind: type[Asked], bodies: AsyncIterator[bytes], call: Call) -> AsyncIterator[Asked]:
    """Ends where the caller has said all. Where it died or gave up before, raises, and does not end.

    gRPC ends the requests of both alike, and tells that the call is over only after. To begin the answer is a question
    that queues up behind that: it fails where there is nobody left to be answered.
    """
    async for asked in _each(kind, bodies, call):
        yield asked
    await call.context.send_initial_metadata(())
    if call.context.cancelled():
        raise _gone()


async def _hear_out(bodies: AsyncIterator[bytes]) -> None:
    """Let a caller who is refused say the rest: one who is interrupted may hear of that in place of the refusal."""
    with suppress(TimeoutError):
        async with asyncio.timeout(HEARD_OUT_S):
            heard = 0
            async for _ in bodies:
                heard += 1
                if heard == HEARD_OUT_MAX:
                    return


async def _end(context: Context, error: Exception) -> Never:
    """End the call with the status of this error."""
    if isinstance(error, Refused | LedgerError):
        refused = refusal(error)
    elif isinstance(error, NotAdmitted):
        refused = _not_admitted(error)
    elif isinstance(error, grpc.aio.InternalError):
        raise _gone() from error
    else:
        _LOG.error("call failed", exc_info=error)
        # In these words a KurrentDB says so, and clients try again.
        refused = Refused(grpc.StatusCode.UNKNOWN, "Exception was thrown by handler.")
    try:
        await context.abort(refused.code, refused.details, refused.trailers)
    except grpc.aio.InternalError as failed:
        raise _gone() from failed
    raise AssertionError("abort raises")


def _gone() -> asyncio.CancelledError:
    """The caller, or its connection, went away while it was being answered: as if it had cancelled the call. There is
    nobody to be told, and nothing to be logged.
    """
    return asyncio.CancelledError()
