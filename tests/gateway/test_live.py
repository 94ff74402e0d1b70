"""Public events reach whoever listens, with numbers that say nothing of the others; a trace goes all the way."""

import asyncio
import os

import httpx
import msgspec
import pytest

from gateway.live import MARK_EVENTS, Live
from kernel.handling import Metadata
from kernel.http_page import Cursors
from kernel.http_server import HttpDoor
from kernel.identity_issuer import built_in_verifier, write_keys
from kernel.principal import Role
from ledger.memory import MemoryLedger
from ledger.port import ANY, Append, Draft
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


@pytest.mark.parametrize("last", ["x", "-1", "7", "1e3", "٣", "", "0" * 5000, "0" * 19 + "1", "9" * 18, "9" * 19])
async def test_a_number_that_there_is_not_is_refused(platform, last):
    answer = await platform.client.get("/v1/events", headers={"Last-Event-ID": last.encode()})
    assert (answer.status_code, answer.json()["code"]) == (400, "events.bad_last_event_id")


class Started:
    """A gateway's live events over a log with `public` public events, of which it has yet to read any."""

    def __init__(self, ledger, folder):
        write_keys(folder / "keys")
        verifier = built_in_verifier(folder / "keys", ["127.0.0.1"])
        door = HttpDoor(title="gateway", version="1", verifier=verifier, cursors=Cursors(b"c" * 32))
        self.app, self.draining = door.app, asyncio.Event()
        self.live = Live(self.app, ledger, frozenset({PUBLIC}), self.draining.wait)

    async def taken(self, client, after, number):
        headers = {} if after is None else {"Last-Event-ID": str(after)}
        async with client.stream("GET", "/v1/events", headers=headers) as response:
            assert response.status_code == 200
            return [(at, data["data"]["n"]) for at, _, data in await asyncio.wait_for(taken(response, number), 20)]


PUBLIC, OTHER = "test.Public", "test.Other"
MANY = 2 * MARK_EVENTS + 90


@pytest.fixture
async def log():
    ledger = MemoryLedger(position_stride=3)
    await said(ledger, 1, MANY)
    yield ledger
    await ledger.close()


async def said(ledger, first, last):
    """Public events of these numbers, each after two others."""
    drafts = [
        Draft(os.urandom(16), kind, b'{"n":%d}' % number)
        for number in range(first, last + 1)
        for kind in (OTHER, OTHER, PUBLIC)
    ]
    for at in range(0, len(drafts), 1_000):
        await ledger.append([Append("test-1", ANY, drafts[at : at + 1_000])])


async def test_who_comes_back_to_a_gateway_that_has_just_started_goes_on_where_they_were(log, tmp_path):
    started = Started(log, tmp_path)
    assert not (await started.live.health()).ok
    async with served(started.app) as url, httpx.AsyncClient(base_url=url) as client:
        coming = [asyncio.create_task(started.taken(client, after, 2)) for after in (3, MANY - 2)]
        too_far = asyncio.create_task(client.get("/v1/events", headers={"Last-Event-ID": str(MANY + 1)}))
        new = asyncio.create_task(started.taken(client, None, 1))
        await asyncio.sleep(0.2)
        assert not any(task.done() for task in (*coming, too_far, new)), "nothing is known yet, and nobody is refused"
        running = asyncio.create_task(started.live.run())
        assert [await task for task in coming] == [[(4, 4), (5, 5)], [(MANY - 1, MANY - 1), (MANY, MANY)]]
        assert "id:" not in (await too_far).text
        assert (await client.get("/v1/events", headers={"Last-Event-ID": str(MANY + 1)})).status_code == 400
        assert (await started.live.health()).ok
        await said(log, MANY + 1, MANY + 1)
        assert await new == [(MANY + 1, MANY + 1)]
        started.draining.set()
    running.cancel()


async def test_every_number_leads_to_its_own_event(log, tmp_path):
    started = Started(log, tmp_path)
    running = asyncio.create_task(started.live.run())
    async with served(started.app) as url, httpx.AsyncClient(base_url=url) as client:
        for after in (0, 1, MARK_EVENTS - 1, MARK_EVENTS, MARK_EVENTS + 1, 2 * MARK_EVENTS, MANY - 3):
            numbers = range(after + 1, after + 4)
            assert await started.taken(client, after, 3) == [(number, number) for number in numbers]
        assert await started.taken(client, 0, MANY) == [(number, number) for number in range(1, MANY + 1)]
        started.draining.set()
    running.cancel()


async def test_an_empty_log_is_counted_at_once(tmp_path):
    started = Started(MemoryLedger(), tmp_path)
    running = asyncio.create_task(started.live.run())
    await asyncio.sleep(0.01)
    assert ((await started.live.health()).ok, started.live.count) == (True, 0)
    running.cancel()


async def test_the_callers_trace_is_in_the_events_metadata(platform):
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    await registered(platform, traceparent=f"00-{trace_id}-00f067aa0ba902b7-01")
    (event,) = (await platform.ledger.read(f"meter-{NUMBER}")).events
    metadata = msgspec.json.decode(event.metadata, type=Metadata)
    assert metadata.traceparent is not None
    assert metadata.traceparent.split("-")[1] == trace_id
    assert metadata.actor == "u-1"
