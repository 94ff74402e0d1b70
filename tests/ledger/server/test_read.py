from uuid import UUID

import pytest
from kurrentdbclient.exceptions import NotFoundError

from ledger.port import ANY, Append
from tests.ledger.making import draft, drafts
from tests.ledger.server.conftest import Door


async def test_a_stream_is_read(served: Door):
    recorded = drafts(300)
    await served.ledger.append([Append("thing-1", ANY, recorded), Append("thing-2", ANY, drafts(1))])
    events = await served.client.get_stream("thing-1")
    assert [event.id for event in events] == [UUID(bytes=draft.id) for draft in recorded]
    assert [event.stream_position for event in events] == list(range(300))


async def test_everything_of_an_event_comes_back(served: Door):
    sent = draft(b'{"\xff', metadata=b"\x00anything", type="test.Weighed")
    receipt = await served.ledger.append([Append("thing-1", ANY, [sent])])
    [kept] = (await served.ledger.read("thing-1")).events
    [event] = await served.client.get_stream("thing-1")
    assert (event.data, event.metadata, event.type) == (sent.data, sent.metadata, sent.type)
    assert (event.stream_name, event.content_type) == ("thing-1", "application/json")
    assert event.commit_position == event.prepare_position == receipt.position
    assert event.recorded_at == kept.recorded_at


async def test_a_stream_that_does_not_exist_is_not_found(served: Door):
    with pytest.raises(NotFoundError):
        await served.client.get_stream("thing-1")


async def test_all_is_read(served: Door):
    for index in range(3):
        await served.ledger.append([Append(f"thing-{index}", ANY, drafts(200))])
    events = [event async for event in await served.client.read_all()]
    assert [event.stream_name for event in events] == [f"thing-{index}" for index in range(3) for _ in range(200)]
    assert [e.commit_position for e in events] == sorted(e.commit_position for e in events)
