"""The gRPC door of a service: the same commands and questions as over REST, by the names of their messages.

    door = RpcDoor(verifier=verifier, cursors=Cursors(key), readiness=process.readiness)
    door.service(registry_pb2.DESCRIPTOR.services_by_name["Registry"], commands=[METERS, SHIPMENTS], questions=[...])
    port = await door.start("127.0.0.1", 0)

A method takes the command or question whose class has the name of its request message. Metadata: `authorization`
("Bearer ..."), `idempotency-key` for a command, `if-match` (a version) where the caller saw one, `traceparent`. A call
without a deadline is refused. No generated code is needed, only descriptors.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias, TypeVar
from urllib.parse import quote

import grpc
import msgspec
import structlog
from google.protobuf.descriptor import Descriptor, MethodDescriptor, ServiceDescriptor
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from grpc_status import rpc_status
from opentelemetry.trace import Status, StatusCode

from kernel.commands import Accepted, Commands
from kernel.database import DatabaseUnavailable
from kernel.door import DATABASE_UNAVAILABLE, DEADLINE, FAULT, BadRequest, refusal_of, status_of
from kernel.grpc_files import parts_of, require_parts
from kernel.grpc_health import CheckedHealth
from kernel.grpc_messages import message_of, plain_of_bytes
from kernel.grpc_refusal import rich_status
from kernel.grpc_streaming import Reports, answered
from kernel.http_limits import BULK_BYTES_MAX
from kernel.http_page import Cursors, expected_version, idempotency_key
from kernel.identity import Verifier
from kernel.intake import struct_of
from kernel.principal import ANONYMOUS, Principal
from kernel.questions import File, PageAsked, PageParameters, Question, Rows, Shown
from kernel.readiness import Readiness
from kernel.refusal import Reason, Refusal
from kernel.telemetry import LATENCY_BOUNDS_S, METER, TRACEPARENT, current_trace_id, serving
from ledger.port import LedgerError

MESSAGE_BYTES_MAX: Final = BULK_BYTES_MAX + 64 * 1024
"""What REST takes in one body, and what stands around it: no call is let in at one door and not at the other."""

CONCURRENT_CALLS_MAX: Final = 1_000

UNIX: Final = "unix:"

SERVER_OPTIONS: Final = (
    ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
    ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
    # Two processes on one port would share its calls between them, silently.
    ("grpc.so_reuseport", 0),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    # Old connections end now and then, so that clients find replicas that came later.
    ("grpc.max_connection_age_ms", 30 * 60_000),
    ("grpc.max_connection_age_grace_ms", 60_000),
)

NO_DEADLINE = Reason(
    BadRequest,
    "request.no_deadline",
    "每个 gRPC 调用都须设置截止时间。",
    "every gRPC call needs a deadline",
)

_DURATION: Final = METER.create_histogram(
    "rpc.server.call.duration",
    unit="s",
    description="time to answer a gRPC call",
    explicit_bucket_boundaries_advisory=LATENCY_BOUNDS_S,
)
_PAGE_NAMES: Final = frozenset({"cursor", "limit"})
_LOG: Final = structlog.get_logger("rpc")

T = TypeVar("T")

Call: TypeAlias = Callable[[bytes, Mapping[str, str]], Awaitable[T]]
"""A request's bytes and its metadata, to the bytes of the response or a file. Refuses by raising."""

_Context: TypeAlias = "grpc.aio.ServicerContext[bytes, bytes]"


class RpcDoor:
    """A gRPC server, and how methods are added to it. Its health service tells what `readiness` finds."""

    def __init__(
        self,
        *,
        verifier: Verifier,
        cursors: Cursors,
        readiness: Readiness,
        request_s_max: float = 30.0,
        reflect: bool = True,
    ) -> None:
        self._verifier: Final = verifier
        self._cursors: Final = cursors
        self._request_s_max: Final = request_s_max
        self._reflect: Final = reflect
        self._handlers: Final[list[grpc.GenericRpcHandler]] = []
        self._names: Final[list[str]] = []
        self._health: Final = CheckedHealth(readiness)
        self._server: grpc.aio.Server | None = None
        self.under_way = 0
        """Calls that wait for their answer, for what runs beside them and should let them pass."""

    def service(
        self,
        descriptor: ServiceDescriptor,
        *,
        commands: Iterable[Commands] = (),
        questions: Iterable[Question] = (),
        reports: Iterable[Reports] = (),
    ) -> None:
        """Answer every method of this service. ValueError where one has nobody to answer it, or fields disagree."""
        reported = {one.report.__name__: one for one in reports}
        taken = {kind.__name__: (kind, group) for group in commands for kind in group.offered}
        asked = {question.name: question for question in questions}
        methods: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {}
        for method in descriptor.methods:
            name = method.input_type.name
            if name in taken:
                _require_same_fields(method.input_type, taken[name][0])
                methods[method.name] = self._unary(method, self._command(method, *taken[name]))
            elif name in asked:
                extra = _PAGE_NAMES if asked[name].paged else frozenset()
                _require_same_fields(method.input_type, asked[name].ask, extra)
                if asked[name].media:
                    require_parts(method)
                    methods[method.name] = self._streamed(method, self._file(method, asked[name]))
                else:
                    _require_room_for(method.output_type, asked[name])
                    methods[method.name] = self._unary(method, self._question(method, asked[name]))
            elif name in reported:
                methods[method.name] = self._reported(method, reported[name])
            else:
                raise ValueError(f"{descriptor.full_name}/{method.name} takes {name}, which nobody here answers")
        self._handlers.append(grpc.method_handlers_generic_handler(descriptor.full_name, methods))
        self._names.append(descriptor.full_name)

    async def start(self, host: str, port: int, socket: str = "") -> int:
        """Open the door, and the port that it is at; with `socket`, an absolute path or unix: and one, there as well.
        A socket that is there already is taken over, whether its process was killed or lives: who must not have it
        taken keeps a lock. OSError where an address cannot be had, ValueError where `socket` is no such path.
        """
        server = grpc.aio.server(options=SERVER_OPTIONS, maximum_concurrent_rpcs=CONCURRENT_CALLS_MAX)
        server.add_generic_rpc_handlers(tuple(self._handlers))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        if self._reflect:
            names = (*self._names, health.SERVICE_NAME, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, server)
        bound = port
        for address in (*_of_socket(socket), f"[{host}]:{port}" if ":" in host else f"{host}:{port}"):
            try:
                bound = server.add_insecure_port(address)
            except RuntimeError as error:
                raise OSError(f"the gRPC door cannot listen at {address}: {error}") from error
        await self.say(serving_now=False)
        await server.start()
        self._server = server
        return bound

    async def say(self, *, serving_now: bool) -> None:
        """Tell health checks whether calls should come here."""
        now = health_pb2.HealthCheckResponse.SERVING if serving_now else health_pb2.HealthCheckResponse.NOT_SERVING
        for name in ("", *self._names):
            await self._health.set(name, now)

    async def stop(self, grace_s: float) -> None:
        """Take no new calls, let those under way finish for at most so long, then end them."""
        if self._server is not None:
            await self._server.stop(grace_s)

    def _command(self, method: MethodDescriptor, kind: type[msgspec.Struct], commands: Commands) -> Call[bytes]:
        async def call(body: bytes, metadata: Mapping[str, str]) -> bytes:
            asker = await self._verifier.of_header(metadata.get("authorization"))
            name = idempotency_key(metadata.get("idempotency-key"))
            version = expected_version(_quoted(metadata.get("if-match")))
            command = struct_of(kind, plain_of_bytes(method.input_type, body))
            context = commands.context(asker, command, name, expected_version=version)
            outcome = await commands.do(command, context, await commands.permit(asker, (command,)))
            plain = _plain_outcome(commands.accepted(outcome), method.output_type)
            return message_of(method.output_type, plain).SerializeToString()

        return call

    def _question(self, method: MethodDescriptor, question: Question) -> Call[bytes]:
        async def call(body: bytes, metadata: Mapping[str, str]) -> bytes:
            answer, plain = await self._asked(method, question, body, metadata)
            value = answer.value if isinstance(answer, Shown) else answer
            if isinstance(value, Rows):
                after = None if value.after is None else self._cursors.seal(_scope(method, plain), value.after)
                value = {"items": value.items, "next": after}
            return message_of(method.output_type, value).SerializeToString()

        return call

    def _file(self, method: MethodDescriptor, question: Question) -> Call[File]:
        async def call(body: bytes, metadata: Mapping[str, str]) -> File:
            file, _ = await self._asked(method, question, body, metadata)
            assert isinstance(file, File)
            return file

        return call

    async def _asked(
        self, method: MethodDescriptor, question: Question, body: bytes, metadata: Mapping[str, str]
    ) -> tuple[Shown | Rows | File, dict[str, Any]]:
        """The answer, and what was asked but for the page."""
        asker = await self._asker(metadata, public=question.public)
        plain = plain_of_bytes(method.input_type, body)
        paged = {name: plain.pop(name) for name in _PAGE_NAMES if name in plain} if question.paged else {}
        ask, page = struct_of(question.ask, plain), struct_of(PageParameters, paged)
        after = None if page.cursor is None else self._cursors.open(_scope(method, plain), page.cursor)
        return await question.answer(asker, ask, PageAsked(after=after, limit=page.limit)), plain

    async def _asker(self, metadata: Mapping[str, str], *, public: bool) -> Principal:
        if public and "authorization" not in metadata:
            return ANONYMOUS
        return await self._verifier.of_header(metadata.get("authorization"))

    def _unary(self, method: MethodDescriptor, call: Call[bytes]) -> "grpc.RpcMethodHandler[bytes, bytes]":
        name = f"{method.containing_service.full_name}/{method.name}"

        async def behave(body: bytes, context: _Context) -> bytes:
            return await self._guarded(name, call, body, context)

        return grpc.unary_unary_rpc_method_handler(behave)

    def _streamed(self, method: MethodDescriptor, call: Call[File]) -> "grpc.RpcMethodHandler[bytes, bytes]":
        name = f"{method.containing_service.full_name}/{method.name}"

        async def behave(body: bytes, context: _Context) -> AsyncIterator[bytes]:
            file = await self._guarded(name, call, body, context)
            for part in parts_of(method, file):
                yield part

        return grpc.unary_stream_rpc_method_handler(behave)

    def _reported(self, method: MethodDescriptor, reports: Reports) -> "grpc.RpcMethodHandler[bytes, bytes]":
        name = f"{method.containing_service.full_name}/{method.name}"

        async def behave(bodies: AsyncIterator[bytes], context: _Context) -> AsyncIterator[bytes]:
            async def asker(_body: bytes, metadata: Mapping[str, str]) -> Principal:
                return await self._verifier.of_header(metadata.get("authorization"))

            async def taken(batch: Sequence[bytes], metadata: Mapping[str, str]) -> Sequence[bytes]:
                # Asked each time: a token may run out while its line still reports.
                return await _taken(method, reports, await asker(b"", metadata), batch)

            # Whoever has no token is told so before anything is read.
            await self._guarded(name, asker, b"", context)

            async def take(batch: Sequence[bytes]) -> Sequence[bytes]:
                return await self._guarded(name, lambda _body, metadata: taken(batch, metadata), b"", context)

            async for answer in answered(bodies, take):
                yield answer

        return grpc.stream_stream_rpc_method_handler(behave)

    async def _guarded(self, full_name: str, call: Call[T], body: bytes, context: _Context) -> T:
        """The call within its span, its time and its refusals as statuses."""
        metadata = _text_metadata(context.invocation_metadata() or ())
        self.under_way += 1
        begun_ns = time.perf_counter_ns()
        status = "CANCELLED"
        with serving(full_name, metadata.get(TRACEPARENT), {"rpc.system.name": "grpc"}) as span:
            try:
                answer = await self._in_time(call, body, metadata, context)
                status = "OK"
                return answer  # noqa: TRY300  the `finally` needs to know that it came to this
            except Refusal as error:
                status = status_of(error).rpc.name
                await context.abort_with_status(rpc_status.to_status(rich_status(error)))
                raise  # never reached: abort raises
            finally:
                self.under_way -= 1
                seconds = (time.perf_counter_ns() - begun_ns) / 1e9
                labels = {"rpc.method": full_name, "rpc.response.status_code": status}
                _DURATION.record(seconds, labels)
                span.set_attributes(labels)
                if status in {"INTERNAL", "UNAVAILABLE", "DEADLINE_EXCEEDED"}:
                    span.set_status(Status(StatusCode.ERROR))
                # As over REST: a question that was answered is counted and not logged.
                if status != "OK" or "idempotency-key" in metadata:
                    _LOG.info("call", method=full_name, status=status, ms=round(seconds * 1e3, 2))

    async def _in_time(
        self,
        call: Call[T],
        body: bytes,
        metadata: Mapping[str, str],
        context: _Context,
    ) -> T:
        remaining_s = context.time_remaining()
        if remaining_s is None:
            raise NO_DEADLINE()
        seconds = min(remaining_s, self._request_s_max)
        try:
            async with asyncio.timeout(seconds):
                return await call(body, metadata)
        except TimeoutError:
            raise DEADLINE(seconds=round(seconds, 3)) from None
        except LedgerError as error:
            raise refusal_of(error) from error
        except DatabaseUnavailable as error:
            raise DATABASE_UNAVAILABLE() from error
        except Refusal:
            raise
        except Exception as error:
            _LOG.exception("call failed")
            raise FAULT(trace_id=current_trace_id() or "-") from error


async def _taken(
    method: MethodDescriptor, reports: Reports, asker: Principal, bodies: Sequence[bytes]
) -> Sequence[bytes]:
    """The answers to a batch of reports. One that cannot be read is refused alone."""
    read: list[Any] = []
    for body in bodies:
        try:
            read.append(struct_of(reports.report, plain_of_bytes(method.input_type, body)))
        except Refusal as refusal:
            read.append(refusal)
    answers = iter(await reports.take(asker, [one for one in read if not isinstance(one, Refusal)]))
    told = [reports.refused(one) if isinstance(one, Refusal) else next(answers) for one in read]
    return [message_of(method.output_type, one).SerializeToString() for one in told]


def _of_socket(socket: str) -> Iterator[str]:
    """What gRPC calls this socket file. Any other text it would take for a host, and listen to strangers."""
    path = socket.removeprefix(UNIX)
    if path.startswith("/"):
        yield socket if socket.startswith(UNIX) else UNIX + quote(path)
    elif socket:
        raise ValueError(f"the gRPC door can have a socket file at an absolute path only, not {socket}")


def _require_same_fields(message: Descriptor, kind: type[msgspec.Struct], extra: frozenset[str] = frozenset()) -> None:
    """Proto and struct say the same, or the service does not start."""
    theirs = {field.name for field in message.fields} - extra
    ours = {field.encode_name for field in msgspec.structs.fields(kind)}
    if theirs != ours:
        raise ValueError(f"{message.full_name} and {kind.__name__} differ in {sorted(theirs ^ ours)}")


def _require_room_for(message: Descriptor, question: Question) -> None:
    """What is answered has its place in the message, or the service does not start."""
    kind = message.fields_by_name["items"].message_type if question.rows else message
    assert kind is not None
    names = {field.encode_name for field in msgspec.structs.fields(question.answers)}
    if missing := names - {field.name for field in kind.fields}:
        raise ValueError(f"{kind.full_name} has no field for {sorted(missing)} of {question.answers.__name__}")


def _plain_outcome(accepted: Accepted, kind: Descriptor) -> dict[str, Any]:
    """What came of a command, as this response message takes it: events by name alone, or each with its JSON."""
    by_name = kind.fields_by_name["events"].message_type is None
    return {
        "stream": accepted.stream,
        "version": accepted.version,
        "position": accepted.position,
        "repeated": accepted.repeated,
        "events": [
            event.type if by_name else {"type": event.type, "data": bytes(event.data).decode()}
            for event in accepted.events
        ],
        "warnings": accepted.warnings,
    }


def _scope(method: MethodDescriptor, plain: Mapping[str, Any]) -> str:
    """What a cursor belongs to: the method and everything that was asked but the page."""
    return f"{method.full_name}?{msgspec.json.encode(plain, order='deterministic').decode()}"


def _quoted(version: str | None) -> str | None:
    return f'"{version}"' if version is not None and not version.startswith('"') else version


def _text_metadata(pairs: Iterable[Any]) -> dict[str, str]:
    return {name: value for name, value in pairs if isinstance(value, str)}
