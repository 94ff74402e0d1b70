"""Any message to any method of a service's gRPC door: it may be refused, and nothing of ours breaks."""

import struct
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import grpc
import msgspec
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message_factory import GetMessageClass
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from kernel.grpc_messages import TIMESTAMP, message_of
from kernel.grpc_refusal import refusal_of_error
from kernel.principal import Role
from kernel.refusal import Refusal
from tests.doors.standing import Standing

BROKEN = {grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL, grpc.StatusCode.DATA_LOSS}
NUMBERS = st.sampled_from([0, 1, -1, 2**53, 2**63 - 1, -(2**63)]) | st.integers(-(2**63), 2**63 - 1)
SECONDS = st.integers(-(2**63), 2**63 - 1) | st.integers(0, 2**31)
METADATA = st.fixed_dictionaries(
    {},
    optional={
        "idempotency-key": st.sampled_from(["k", "k2", "", "x" * 300]),
        "if-match": st.sampled_from(["0", "7", '"3"', "*", "-1", "9" * 30]),
        "traceparent": st.sampled_from(["00-zz", "", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"]),
    },
)
ASKED_S = 20
NEEDS_NO_MESSAGE = "Describe"


class Messages:
    """For any method: anything in any field, `known` texts among it, good `examples` by the name of the method."""

    def __init__(self, known: Sequence[str], examples: Mapping[str, msgspec.Struct]) -> None:
        self._texts = st.sampled_from(known) | st.text(max_size=12) | st.just("x" * 5_000)
        self._examples = examples

    def bodies(self, method: MethodDescriptor) -> st.SearchStrategy[bytes]:
        """Messages as they go over the wire, whole, torn, with something strange behind."""
        kind = method.input_type
        anything = self._of(kind).map(lambda plain: bytes(GetMessageClass(kind)(**plain).SerializeToString()))
        torn = st.tuples(anything, st.integers(0, 40)).map(lambda both: both[0][: -both[1] or None])
        strangers = st.tuples(anything, st.binary(max_size=20)).map(lambda both: both[0] + both[1])
        if (example := self._examples.get(method.name)) is None:
            return anything | torn | strangers
        good = bytes(message_of(kind, example).SerializeToString())
        return anything | torn | strangers | st.just(good) | st.binary(max_size=8).map(lambda more: good + more)

    def _of(self, kind: Descriptor) -> st.SearchStrategy[dict[str, Any]]:
        """Any message of this kind: every field may be there or not, with anything in it."""
        return st.fixed_dictionaries({}, optional={field.name: self._one_of(field) for field in kind.fields})

    def _one_of(self, field: FieldDescriptor) -> st.SearchStrategy[Any]:
        if field.message_type is not None and field.message_type.full_name == TIMESTAMP:
            one: st.SearchStrategy[Any] = st.builds(dict, seconds=SECONDS, nanos=st.integers(-(2**31), 2**31 - 1))
        elif field.message_type is not None:
            one = self._of(field.message_type)
        else:
            by_type: dict[int, st.SearchStrategy[Any]] = {
                FieldDescriptor.CPPTYPE_STRING: st.binary(max_size=8)
                if field.type == FieldDescriptor.TYPE_BYTES
                else self._texts,
                FieldDescriptor.CPPTYPE_INT64: NUMBERS,
                FieldDescriptor.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
                FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
            }
            one = by_type[field.cpp_type]
        return st.lists(one, max_size=3) if field.is_repeated else one


async def asked(
    platform: Standing, method: MethodDescriptor, body: bytes, metadata: Sequence[tuple[str, str]]
) -> tuple[grpc.StatusCode, Refusal | None]:
    """The status of one call, and its refusal."""
    channel = platform.entrances.peer._channel
    path = f"/{platform.entrances.service.full_name}/{method.name}"
    try:
        if method.client_streaming:
            async for _ in channel.stream_stream(path)(_once(body), metadata=metadata, timeout=ASKED_S):
                pass
        elif method.server_streaming:
            async for _ in channel.unary_stream(path)(body, metadata=metadata, timeout=ASKED_S):
                pass
        else:
            await channel.unary_unary(path)(body, metadata=metadata, timeout=ASKED_S)
    except grpc.aio.AioRpcError as error:
        return error.code(), refusal_of_error(error)
    return grpc.StatusCode.OK, None


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body


def no_message_breaks_any_method(platform: Standing, messages: Messages, token: str) -> None:
    """`token` is that of somebody who may do everything."""
    methods = platform.entrances.rpc_methods()
    met: Counter[grpc.StatusCode] = Counter()
    for method in methods:
        _hold(platform, method, messages, ("authorization", f"Bearer {token}"), met)
    assert met[grpc.StatusCode.OK] > len(methods) / 2, met
    assert met[grpc.StatusCode.INVALID_ARGUMENT] > len(methods), met


def _hold(
    platform: Standing,
    method: MethodDescriptor,
    messages: Messages,
    token: tuple[str, str],
    met: Counter[grpc.StatusCode],
) -> None:
    @settings(
        max_examples=10,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(body=messages.bodies(method), metadata=METADATA)
    def holds(body: bytes, metadata: dict[str, str]) -> None:
        metadata = {"idempotency-key": "k"} | metadata
        status, refusal = platform.run(asked(platform, method, body, [token, *metadata.items()]))
        met[status] += 1
        assert status not in BROKEN, (method.name, body, refusal)
        if refusal is not None:
            assert refusal.code.split(".")[0] not in {"peer", "server"}, (method.name, body, refusal)
            assert refusal.zh
            assert refusal.en

    holds()


def bytes_that_are_no_message_are_refused_as_such(platform: Standing) -> None:
    """By every method that takes one message; one that takes many refuses each by itself."""
    token = ("authorization", f"Bearer {platform.entrances.token(*Role, subject='u-9')}")
    for method in platform.entrances.rpc_methods():
        if method.name == NEEDS_NO_MESSAGE or method.client_streaming:
            continue
        call = asked(platform, method, struct.pack("<B", 0xFF) * 11, [token, ("idempotency-key", "k")])
        status, refusal = platform.run(call)
        assert refusal is not None
        assert (status, refusal.code) == (grpc.StatusCode.INVALID_ARGUMENT, "input.not_proto"), method.name
