"""What is appended over the protocol is what the log holds, and what is read over it."""

from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st
from kurrentdbclient import AsyncKurrentDBClient, NewEvent, StreamState

from ledger.memory import MemoryLedger
from ledger.server.access import admit_everybody
from ledger.server.running import serve

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=50).filter(
    lambda name: not name.startswith("$")
)
EVENTS = st.lists(
    st.builds(
        NewEvent,
        type=NAMES,
        data=st.binary(max_size=300),
        metadata=st.binary(max_size=100),
        content_type=st.sampled_from(["application/json", "application/octet-stream"]),
        id=st.uuids(),
    ),
    min_size=1,
    max_size=20,
    unique_by=lambda event: event.id,
)


@given(stream=NAMES, events=EVENTS)
@settings(deadline=None, max_examples=60)
async def test_data_and_metadata_come_back_byte_for_byte(stream, events):
    ledger = MemoryLedger()
    server = await serve(ledger, "127.0.0.1:0", admit=admit_everybody)
    client = AsyncKurrentDBClient(f"kurrentdb://127.0.0.1:{server.port}?tls=false")
    await client.connect()
    await client.append_to_stream(stream, current_version=StreamState.NO_STREAM, events=events)
    kept = [
        NewEvent(e.type, e.data, e.metadata, e.content_type, UUID(bytes=e.id))
        for e in (await ledger.read(stream)).events
    ]
    read = [NewEvent(e.type, e.data, e.metadata, e.content_type, e.id) for e in await client.get_stream(stream)]
    await client.close()
    await server.stop(grace_s=0)
    sent = [vars(event) for event in events]
    assert [vars(event) for event in kept] == [vars(event) for event in read] == sent
