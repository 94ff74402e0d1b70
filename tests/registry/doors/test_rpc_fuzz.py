"""Any message to any method of the registry's gRPC door: it may be refused, and nothing of ours breaks."""

import struct
from collections import Counter

import grpc
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from kernel.grpc_messages import TIMESTAMP, message_of
from kernel.grpc_refusal import refusal_of_error
from kernel.identity_issuer import issue
from kernel.principal import Principal, Role
from tests.registry.doors.entrances import SERVICE, workshop
from tests.registry.doors.season import EVERY
from tests.registry.doors.standing import standing
from tests.registry.stories import NUMBER, OTHER, UNIT

BROKEN = {grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL, grpc.StatusCode.DATA_LOSS}
KNOWN = [NUMBER, OTHER, "SH-1", "BOX-1", "store-1", f"{UNIT}-2026-03", UNIT, "2026-03", "2026-03-05", "01", "pdf", "[]"]
TEXTS = st.sampled_from(KNOWN) | st.text(max_size=12) | st.just("x" * 5_000)
NUMBERS = st.sampled_from([0, 1, -1, 2**53, 2**63 - 1, -(2**63)]) | st.integers(-(2**63), 2**63 - 1)
EXAMPLES = {type(command).__name__: command for command in EVERY}
SECONDS = st.integers(-(2**63), 2**63 - 1) | st.integers(0, 2**31)


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    with standing(tmp_path_factory.mktemp("standing"), workshop()) as opened:
        yield opened


def messages(kind):
    """Any message of this kind as bytes: every field may be there or not, with anything in it."""
    fields = {field.name: one_of(field) for field in kind.fields}
    return st.fixed_dictionaries({}, optional=fields)


def one_of(field):
    if field.message_type is not None and field.message_type.full_name == TIMESTAMP:
        one = st.builds(dict, seconds=SECONDS, nanos=st.integers(-(2**31), 2**31 - 1))
    elif field.message_type is not None:
        one = messages(field.message_type)
    else:
        one = {
            FieldDescriptor.CPPTYPE_STRING: st.binary(max_size=8)
            if field.type == FieldDescriptor.TYPE_BYTES
            else TEXTS,
            FieldDescriptor.CPPTYPE_INT64: NUMBERS,
            FieldDescriptor.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
            FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
        }[field.cpp_type]
    return st.lists(one, max_size=3) if field.is_repeated else one


def wire(kind, plain):
    """The message as it goes over the wire."""
    return GetMessageClass(kind)(**plain).SerializeToString()


def bodies(method):
    kind = method.input_type
    anything = messages(kind).map(lambda plain: wire(kind, plain))
    torn = st.tuples(anything, st.integers(0, 40)).map(lambda both: both[0][: -both[1] or None])
    strangers = st.tuples(anything, st.binary(max_size=20)).map(lambda both: both[0] + both[1])
    if method.name in EXAMPLES:
        good = message_of(kind, EXAMPLES[method.name]).SerializeToString()
        return anything | torn | strangers | st.just(good) | st.binary(max_size=8).map(lambda more: good + more)
    return anything | torn | strangers


METADATA = st.fixed_dictionaries(
    {},
    optional={
        "idempotency-key": st.sampled_from(["k", "k2", "", "x" * 300]),
        "if-match": st.sampled_from(["0", "7", '"3"', "*", "-1", "9" * 30]),
        "traceparent": st.sampled_from(["00-zz", "", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"]),
    },
)


async def asked(platform, method, body, metadata):
    """The status of one call, and its refusal's code."""
    channel = platform.entrances.platform.peer._channel
    path = f"/{SERVICE.full_name}/{method.name}"
    try:
        if method.server_streaming:
            async for _ in channel.unary_stream(path)(body, metadata=metadata, timeout=20):
                pass
        else:
            await channel.unary_unary(path)(body, metadata=metadata, timeout=20)
    except grpc.aio.AioRpcError as error:
        return error.code(), refusal_of_error(error)
    return grpc.StatusCode.OK, None


def test_no_message_breaks_any_method(platform):
    everybody = Principal(subject="u-9", roles=frozenset(Role), units=frozenset({UNIT}), organisation="MK-1")
    token = ("authorization", f"Bearer {issue(platform.entrances.platform.keys, everybody)}")
    met = Counter()
    for method in SERVICE.methods:
        hold(platform, method, token, met)
    assert met[grpc.StatusCode.OK] > len(SERVICE.methods) / 2, met
    assert met[grpc.StatusCode.INVALID_ARGUMENT] > len(SERVICE.methods), met


def hold(platform, method, token, met):
    @settings(
        max_examples=10,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(body=bodies(method), metadata=METADATA)
    def holds(body, metadata):
        metadata = {"idempotency-key": "k"} | metadata
        status, refusal = platform.run(asked(platform, method, body, [token, *metadata.items()]))
        met[status] += 1
        assert status not in BROKEN, (method.name, body, refusal)
        if refusal is not None:
            assert refusal.code.split(".")[0] not in {"peer", "server"}, (method.name, body, refusal)
            assert refusal.zh
            assert refusal.en

    holds()


def test_bytes_that_are_no_message_are_refused_as_such(platform):
    everybody = Principal(subject="u-9", roles=frozenset(Role))
    token = ("authorization", f"Bearer {issue(platform.entrances.platform.keys, everybody)}")
    for method in SERVICE.methods:
        if method.name == "Describe":
            continue
        call = asked(platform, method, struct.pack("<B", 0xFF) * 11, [token, ("idempotency-key", "k")])
        status, refusal = platform.run(call)
        assert (status, refusal.code) == (grpc.StatusCode.INVALID_ARGUMENT, "input.not_proto"), method.name
