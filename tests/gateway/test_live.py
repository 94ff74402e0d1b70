"""Public events reach whoever listens, with numbers that say nothing of the others; a trace goes all the way."""

import asyncio

import httpx
import msgspec
import pytest

from kernel.handling import Metadata
from kernel.identity import Role
from services.registry.asset_number import compose
from tests.gateway.behind import behind
from tests.gateway.serving import served

NUMBER = compose("99401", "01", f"{7:014d}")


@pytest.fixture
async def platform(tmp_path):
    async with behind(tmp_path) as started:
        yield started


async def opened(platform, site):
    answer = await platform.client.post(
        f"/v1/sites/{site}/open-site",
        json={"occurred_on": "2026-01-05", "kind": "centre", "name": "示例", "unit": "99401"},
        headers=platform.headers(Role.ADMIN, key="k"),
    )
    assert answer.status_code == 201, answer.text


async def registered(platform, **headers):
    answer = await platform.client.post(
        f"/v1/meters/{NUMBER}/register",
        json={"occurred_on": "2026-01-05", "device_class": "01", "unit": "99401"},
        headers=platform.headers(Role.STOREKEEPER, key="k") | headers,
    )
    assert answer.status_code == 201, answer.text


async def taken(response, number):
    """The next so many events: number, type, data."""
    found, event_id, kind = [], None, None
    async for line in response.aiter_lines():
        name, _, value = line.partition(": ")
        if name == "id":
            event_id = int(value)
        elif name == "event":
            kind = value
        elif name == "data":
            found.append((event_id, kind, msgspec.json.decode(value)))
            if len(found) == number:
                return found
    raise AssertionError("the stream ended")


async def test_only_public_events_are_sent_and_counted(platform):
    async with served(platform.gateway.app) as url, httpx.AsyncClient(base_url=url) as client:
        async with client.stream("GET", "/v1/events", headers={"Last-Event-ID": "0"}) as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            await opened(platform, "centre-1")
            await registered(platform)
            await opened(platform, "centre-2")
            events = await asyncio.wait_for(taken(response, 2), 20)
        assert [(number, kind) for number, kind, _ in events] == [
            (1, "registry.SiteOpened"),
            (2, "registry.SiteOpened"),
        ]
        assert events[1][2]["data"]["site_id"] == "centre-2"
        async with client.stream("GET", "/v1/events", headers={"Last-Event-ID": "1"}) as response:
            (again,) = await asyncio.wait_for(taken(response, 1), 20)
        assert again == events[1]


@pytest.mark.parametrize("last", ["x", "-1", "7", "1e3", "٣"])
async def test_a_number_that_there_is_not_is_refused(platform, last):
    answer = await platform.client.get("/v1/events", headers={"Last-Event-ID": last.encode()})
    assert (answer.status_code, answer.json()["code"]) == (400, "events.bad_last_event_id")


async def test_the_callers_trace_is_in_the_events_metadata(platform):
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    await registered(platform, traceparent=f"00-{trace_id}-00f067aa0ba902b7-01")
    (event,) = (await platform.ledger.read(f"meter-{NUMBER}")).events
    metadata = msgspec.json.decode(event.metadata, type=Metadata)
    assert metadata.traceparent is not None
    assert metadata.traceparent.split("-")[1] == trace_id
    assert metadata.actor == "u-1"
