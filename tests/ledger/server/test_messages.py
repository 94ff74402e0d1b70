"""Events put together by hand are what the protocol's own messages say."""

from google.protobuf.unknown_fields import UnknownFieldSet
from hypothesis import given
from hypothesis import strategies as st
from kurrentdbclient.protos.v1 import streams_pb2

from ledger.port import Recorded
from ledger.server.messages import events

Resp = streams_pb2.ReadResp

INT64 = st.integers(0, 2**63 - 1)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200)
RECORDED = st.builds(
    Recorded,
    id=st.binary(min_size=16, max_size=16),
    stream=NAMES,
    version=INT64,
    position=INT64,
    type=NAMES,
    content_type=NAMES,
    data=st.binary(max_size=300) | st.integers(16_300, 16_500).map(bytes),
    metadata=st.binary(max_size=300),
    recorded_at_us=st.integers(0, 2**53),
    salt=st.binary(min_size=32, max_size=32),
)


@given(RECORDED, st.booleans())
def test_an_event_is_what_was_recorded(recorded, metadata):
    sent = events(metadata=metadata, carrying=False, structured_ids=False)(recorded)
    answer = Resp.FromString(sent)
    event = answer.event.event
    assert event.id.string.replace("-", "") == recorded.id.hex()
    assert event.stream_identifier.stream_name.decode() == recorded.stream
    assert event.stream_revision == recorded.version
    assert event.prepare_position == event.commit_position == answer.event.commit_position == recorded.position
    assert answer.event.WhichOneof("position") == "commit_position"
    assert event.data == recorded.data
    assert event.custom_metadata == (recorded.metadata if metadata else b"")
    created = str(recorded.recorded_at_us * 10)
    assert dict(event.metadata) == {"type": recorded.type, "created": created, "content-type": recorded.content_type}
    assert [len(UnknownFieldSet(part)) for part in (answer, answer.event, event)] == [0, 0, 0]
