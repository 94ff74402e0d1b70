"""The connection to a KurrentDB: kurrentdbclient finds the leader and finds it again, the calls are the ledger's own.

What goes wrong is told as the port's errors. No message holds the URL: it may hold a password.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeAlias, TypeVar
from uuid import UUID

import grpc
import msgspec
from google.protobuf.message import Message
from kurrentdbclient import AsyncKurrentDBClient
from kurrentdbclient.asyncio_client import autoreconnect, retrygrpc
from kurrentdbclient.common import GrpcOptions
from kurrentdbclient.connection import AsyncKurrentDBConnection
from kurrentdbclient.exceptions import (
    AccessDeniedError,
    InvalidArgumentError,
    KurrentDBClientError,
    ServiceUnavailableError,
    StreamIsDeletedError,
    TransactionMaxSizeExceededError,
    UnauthenticatedError,
)
from kurrentdbclient.protos.v1 import shared_pb2, streams_pb2
from kurrentdbclient.protos.v2.streams import streams_pb2 as sessions_pb2
from kurrentdbclient.streams import handle_streams_rpc_error

from ledger.carrying import HEADER
from ledger.kurrent_wire import COUNT_MAX, LEFT_OUT, place_of, place_of_first, read_log, read_log_back_to_ours
from ledger.port import Direction, LedgerError, Rejected, Sealed, Unavailable
from ledger.server.features import METHOD, SERVICE, Supported, supported

READ_S_MAX: Final = 60.0
"""For a page, of 32 MiB at most."""


class Pace(msgspec.Struct, frozen=True):
    """What all who append to one log hold to, so that whoever ends it knows by when the others have stopped.

    `noticed_s`: how old the knowledge may be that the log has not ended when an append is sent. `append_s`: the longest
    that an append takes with all its attempts; a URL may say less, not more. `margin_s`: for what a server was given in
    time and does when its caller has given up, and for clocks that do not run equally fast.
    """

    noticed_s: float = 5.0
    append_s: float = 20.0
    margin_s: float = 5.0


PACE: Final = Pace()


OPTIONS: Final[GrpcOptions] = (
    # A peer that vanished without a word is noticed by an answer to a ping that does not come.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.ping_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    # A new connection to a server that came back does not wait for what an old one has learnt of it.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
)

_STREAMS: Final = "/event_store.client.streams.Streams"
_SESSIONS: Final = "/kurrentdb.protocol.v2.streams.StreamsService"

_RICH_STATUS: Final = "grpc-status-details-bin"
_TOO_LARGE: Final = grpc.StatusCode.RESOURCE_EXHAUSTED
_WRONG: Final = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.OUT_OF_RANGE)

Sessions: TypeAlias = sessions_pb2.AppendRequest
Headers: TypeAlias = tuple[tuple[str, str], ...]
Answer = TypeVar("Answer", bound=Message)
Taken = TypeVar("Taken")
Subscription: TypeAlias = "grpc.aio.UnaryStreamCall[Any, streams_pb2.ReadResp]"


class InvalidPosition(KurrentDBClientError):
    """The server has no event at this position to read from."""


class Client(AsyncKurrentDBClient):
    """Raises kurrentdbclient's errors; `told` makes the port's of them."""

    def __init__(self, url: str, append_s_max: float) -> None:
        super().__init__(url)
        self.grpc_options += OPTIONS
        self._closing = False
        self._subscriptions: set[Subscription] = set()
        self.address: Final = ",".join(self.connection_spec.targets)
        asked_s = self.connection_spec.options.default_deadline or append_s_max
        self.append_s_max: Final = min(float(asked_s), append_s_max)

    async def connect(self) -> None:
        self._check_open()
        await super().connect()

    async def reconnect(self, grpc_target: str | None = None, connection_id: UUID | None = None) -> None:
        self._check_open()
        await super().reconnect(grpc_target, connection_id)

    async def _connect(self, grpc_target: str | None = None) -> AsyncKurrentDBConnection:
        """The connection that there was is closed after this, and its calls are given seconds to end. Subscriptions do
        not end, and whoever looks for the leader would wait for them; so they are ended, to go on at the new one.
        """
        connection = await super()._connect(grpc_target)
        for call in [*self._subscriptions]:
            call.cancel()
        return connection

    async def close(self) -> None:
        self._closing = True
        if self._connection is not None:
            await super().close()

    def _check_open(self) -> None:
        if self._closing:
            raise ServiceUnavailableError("the connection is closed")

    def _headers(self, *, leader: bool = False, carrying: bool = True) -> Headers:
        asks_leader = leader or self.connection_spec.options.node_preference == "leader"
        own: Headers = (*self._call_metadata, ("requires-leader", "true" if asks_leader else "false"))
        return (*own, HEADER) if carrying else own

    @property
    def _channel(self) -> grpc.aio.Channel:
        connection: AsyncKurrentDBConnection = self.connection
        return connection._grpc_channel  # noqa: SLF001 - the client has no door for calls that it does not know

    @retrygrpc
    @autoreconnect
    async def supported(self) -> Supported:
        """What the server can do, and which version it is."""
        call = self._channel.unary_unary(f"/{SERVICE}/{METHOD}", shared_pb2.Empty.SerializeToString, supported)
        with raised():
            return await call(
                shared_pb2.Empty(),
                timeout=READ_S_MAX,
                metadata=self._headers(),
                credentials=self._call_credentials,
            )

    @retrygrpc
    @autoreconnect
    async def read(
        self,
        request: streams_pb2.ReadReq,
        take: Callable[[streams_pb2.ReadResp.ReadEvent], Taken | None],
        *,
        carrying: bool = True,
    ) -> list[Taken]:
        """What `take` makes of each event of the answer. Once it makes None of one, the rest is not waited for."""
        taken: list[Taken] = []
        with raised():
            call = self._read(request, timeout=READ_S_MAX, carrying=carrying)
            try:
                async for answer in call:
                    if answer.HasField("event"):
                        one = take(answer.event)
                        if one is None:
                            break
                        taken.append(one)
            finally:
                call.cancel()
        return taken

    async def head(self) -> int:
        """The position of the log's last event, 0 where there is none."""
        last = await self.read(read_log(None, Direction.BACKWARDS, 1), place_of)
        if last and last[0] == LEFT_OUT:
            # The server's own records: they are passed over, but for links, of which there are few.
            for count in (64, COUNT_MAX):
                last = await self.read(read_log_back_to_ours(count), place_of_first())
                if any(place != LEFT_OUT for place in last):
                    break
        return max((place for place in last if place != LEFT_OUT), default=0)

    @autoreconnect
    async def subscribe(self, request: streams_pb2.ReadReq) -> Subscription:
        """A live subscription that the server has confirmed. It lasts until it is cancelled or breaks."""
        with raised():
            call = self._read(request, timeout=None, carrying=True)
            self._subscriptions.add(call)
            call.add_done_callback(self._subscriptions.discard)
            try:
                first = await call.read()
            except BaseException:
                call.cancel()
                raise
            if not (isinstance(first, streams_pb2.ReadResp) and first.HasField("confirmation")):
                call.cancel()
                raise ServiceUnavailableError("the subscription was not confirmed")
            return call

    def _read(self, request: streams_pb2.ReadReq, *, timeout: float | None, carrying: bool) -> Subscription:
        method = self._channel.unary_stream(
            f"{_STREAMS}/Read", streams_pb2.ReadReq.SerializeToString, streams_pb2.ReadResp.FromString
        )
        headers = self._headers(carrying=carrying)
        return method(request, timeout=timeout, metadata=headers, credentials=self._call_credentials)

    @retrygrpc
    @autoreconnect
    async def append_session(
        self, requests: Sequence[sessions_pb2.AppendRequest]
    ) -> sessions_pb2.AppendSessionResponse:
        """All of it or nothing. Safe to repeat: the ids say what it is."""
        return await self._appended(
            f"{_SESSIONS}/AppendSession", requests, sessions_pb2.AppendSessionResponse.FromString, carrying=True
        )

    @retrygrpc
    @autoreconnect
    async def append_proposed(
        self, requests: Sequence[streams_pb2.AppendReq], *, carrying: bool
    ) -> streams_pb2.AppendResp:
        """An append to one stream."""
        return await self._appended(
            f"{_STREAMS}/Append", requests, streams_pb2.AppendResp.FromString, carrying=carrying
        )

    async def _appended(
        self, path: str, requests: Sequence[Message], answer: Callable[[bytes], Answer], *, carrying: bool
    ) -> Answer:
        method = self._channel.stream_unary(path, _serialized, answer)
        with raised():
            return await method(
                iter(requests),
                timeout=self.append_s_max,
                metadata=self._headers(leader=True, carrying=carrying),
                credentials=self._call_credentials,
            )


def _serialized(message: Message) -> bytes:
    return message.SerializeToString()


@contextmanager
def raised() -> Iterator[None]:
    """What a call ends with, as kurrentdbclient's errors: by these it knows when to look for the leader again."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise _error_of(error) from error
    except grpc.aio.UsageError as error:
        # The connection was closed before the call was made, perhaps for the second time in a row.
        raise ServiceUnavailableError(str(error)) from error
    except asyncio.CancelledError as error:
        # A connection that is closed, to make a new one, cancels the calls of others.
        if (task := asyncio.current_task()) is not None and task.cancelling():
            raise
        raise ServiceUnavailableError("the connection was closed") from error


def _error_of(error: grpc.aio.AioRpcError) -> Exception:
    details = error.details() or ""
    trailers = {str(name): value for name, value in error.trailing_metadata()}
    if trailers.get("exception") == "log-sealed":
        return Sealed(details)
    if "invalid position" in details or "InvalidPosition" in details:
        return InvalidPosition(details)
    if error.code() is _TOO_LARGE and "larger than max" in details:
        return Rejected(f"the server takes no message of this size: {details}")
    known = handle_streams_rpc_error(error)
    if type(known) is KurrentDBClientError:
        known = handle_streams_rpc_error(_without_rich_status(error))
    if error.code() in _WRONG and not isinstance(known, InvalidArgumentError):
        return InvalidArgumentError(details)
    return known


def _without_rich_status(error: grpc.aio.AioRpcError) -> grpc.aio.AioRpcError:
    """The client makes one and the same of every rich status that it does not know, be it that access is denied or
    that the node goes down. Without it the status code speaks, and it is that which says whether to look for another
    node, to try again, or to leave it.
    """
    plain = [(name, value) for name, value in error.trailing_metadata() if name != _RICH_STATUS]
    return grpc.aio.AioRpcError(error.code(), error.initial_metadata(), grpc.aio.Metadata(*plain), error.details())


@contextmanager
def told(address: str) -> Iterator[None]:
    """Make the port's errors of kurrentdbclient's, but for those of an append that is not where it was expected."""
    try:
        yield
    except (KurrentDBClientError, TimeoutError, grpc.aio.UsageError) as error:
        raise ledger_error(address, error) from error


def ledger_error(address: str, error: Exception) -> LedgerError:
    match error:
        case AccessDeniedError() | UnauthenticatedError():
            return Rejected(f"KurrentDB {address} 拒绝访问。 / KurrentDB {address} denies access. {error}")
        case InvalidArgumentError() | StreamIsDeletedError() | TransactionMaxSizeExceededError():
            return Rejected(f"KurrentDB {address}: {error}")
        case _:
            return Unavailable(f"KurrentDB {address}: {type(error).__name__}: {error}")
