"""Public events reach whoever listens, with numbers that say nothing of the others; a trace goes all the way."""

import asyncio
import os

import httpx
import msgspec
import pytest

from gateway.live import FOLLOWERS_OF_AN_ADDRESS_MAX, Live
from kernel.handling import Metadata
from kernel.http_page import Cursors
from kernel.http_server import HttpDoor
from kernel.identity_issuer import built_in_verifier, write_keys
from kernel.principal import Role
from ledger.memory import MemoryLedger
from ledger.port import ANY, Append, Draft
from ledger.transparency.disclosed import PUBLIC as RANGES
from ledger.transparency.disclosed import RANGE_ENTRIES, Head, head_name, range_name
from services.registry.asset_number import compose
from tests.gateway.behind import behind
from tests.gateway.disclosing import disclose
from tests.gateway.serving import served
from tests.ledger.making import everything

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
            await platform.disclose()
            await opened(platform, "centre-2")
            await platform.disclose()
            events = await asyncio.wait_for(taken(response, 2), 20)
        assert [(number, kind) for number, kind, _ in events] == [
            (1, "registry.SiteOpened"),
            (2, "registry.SiteOpened"),
        ]
        assert events[1][2]["data"]["site_id"] == "centre-2"
        log = (await platform.ledger.read_all()).events
        for (_, _, told), index in zip(events, (0, 2), strict=True):
            assert told["index"] == index
            recorded = log[index]
            assert told["recorded_at"] == msgspec.json.decode(msgspec.json.encode(recorded.recorded_at))
        async with client.stream("GET", "/v1/events", headers={"Last-Event-ID": "1"}) as response:
            (again,) = await asyncio.wait_for(taken(response, 1), 20)
        assert again == events[1]


@pytest.mark.parametrize("last", ["x", "-1", "7", "1e3", "٣", "", "0" * 5000, "0" * 19 + "1", "9" * 18, "9" * 19])
async def test_a_number_that_there_is_not_is_refused(platform, last):
    await platform.disclose()
    await until(lambda: platform.gateway.live.origin)
    answer = await platform.client.get("/v1/events", headers={"Last-Event-ID": last.encode()})
    assert (answer.status_code, answer.json()["code"]) == (400, "events.bad_last_event_id")


async def until(holds):
    async with asyncio.timeout(120):
        while not holds():  # noqa: ASYNC110  nobody is told
            await asyncio.sleep(0.01)


def put(file, content):
    file.with_suffix(".new").write_bytes(content)
    file.with_suffix(".new").rename(file)


PUBLIC, OTHER = "test.Public", "test.Other"
IN_A_RANGE = RANGE_ENTRIES // 3
MANY = 2 * IN_A_RANGE + 90


class PublicLog:
    """A log in which each public event comes after two others, and what is disclosed of it below a folder."""

    def __init__(self, folder):
        self.folder, self.ledger = folder, MemoryLedger(position_stride=3)

    async def say(self, first, last):
        """Public events of these numbers."""
        drafts = [
            Draft(os.urandom(16), kind, b'{"n":%d}' % number)
            for number in range(first, last + 1)
            for kind in (OTHER, OTHER, PUBLIC)
        ]
        for at in range(0, len(drafts), 3_000):
            await self.ledger.append([Append("test-1", ANY, drafts[at : at + 3_000])])
        await disclose(self.ledger, self.folder, frozenset({PUBLIC}))


class Started:
    """A gateway's live events over what is disclosed, of which it has yet to read any."""

    def __init__(self, folder):
        write_keys(folder / "keys")
        verifier = built_in_verifier(folder / "keys", ["127.0.0.1"])
        door = HttpDoor(title="gateway", version="1", verifier=verifier, cursors=Cursors(b"c" * 32))
        self.app, self.draining = door.app, asyncio.Event()
        self.live = Live(self.app, folder / "proof", self.draining.wait)

    async def taken(self, client, after, number, address=None):
        """The next so many events, asked for from this address by a proxy that is believed."""
        headers = {} if after is None else {"Last-Event-ID": str(after)}
        headers |= {} if address is None else {"X-Forwarded-For": address}
        async with client.stream("GET", "/v1/events", headers=headers) as response:
            assert response.status_code == 200
            return [(at, data["data"]["n"]) for at, _, data in await asyncio.wait_for(taken(response, number), 120)]

    async def counted(self, covered):
        await until(lambda: self.live._set.covered >= covered)


@pytest.fixture
async def log(tmp_path):
    log = PublicLog(tmp_path)
    await log.say(1, MANY)
    yield log
    await log.ledger.close()


async def test_who_comes_back_to_a_gateway_that_has_just_started_goes_on_where_they_were(log, tmp_path):
    started = Started(tmp_path)
    assert (await started.live.health()).degraded
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
        health = await started.live.health()
        assert (health.ok, health.degraded) == (True, False)
        await log.say(MANY + 1, MANY + 1)
        assert await new == [(MANY + 1, MANY + 1)]
        started.draining.set()
    running.cancel()


async def test_who_is_ahead_of_a_gateway_that_has_not_looked_yet_is_kept_waiting(log, tmp_path):
    """Somebody who saw an event through another replica, whose look came sooner."""
    started = Started(tmp_path)
    await started.live._look()
    async with served(started.app) as url, httpx.AsyncClient(base_url=url) as client:
        await log.say(MANY + 1, MANY + 2)
        ahead = asyncio.create_task(started.taken(client, MANY + 1, 1))
        await asyncio.sleep(0.2)
        assert not ahead.done()
        await started.live._look()
        assert await ahead == [(MANY + 2, MANY + 2)]
        started.draining.set()


@pytest.mark.usefixtures("log")
async def test_every_number_leads_to_its_own_event(tmp_path):
    started = Started(tmp_path)
    running = asyncio.create_task(started.live.run())
    edges = [edge + by for edge in (IN_A_RANGE, 2 * IN_A_RANGE) for by in (-2, -1, 0, 1)]
    async with served(started.app) as url, httpx.AsyncClient(base_url=url) as client:
        for after in (0, 1, *edges, MANY - 3):
            numbers = range(after + 1, after + 4)
            assert await started.taken(client, after, 3) == [(number, number) for number in numbers]
        assert await started.taken(client, 0, MANY) == [(number, number) for number in range(1, MANY + 1)]
        started.draining.set()
    running.cancel()


async def test_whatever_is_shown_is_an_entry_of_the_log(log, tmp_path):
    started = Started(tmp_path)
    running = asyncio.create_task(started.live.run())
    recorded = await everything(log.ledger)
    async with served(started.app) as url, httpx.AsyncClient(base_url=url) as client:
        async with client.stream("GET", "/v1/events", headers={"Last-Event-ID": "0"}) as response:
            for _, kind, told in await asyncio.wait_for(taken(response, MANY), 20):
                event = recorded[told["index"]]
                assert (event.type, msgspec.json.decode(event.data)) == (kind, told["data"])
        started.draining.set()
    running.cancel()


async def test_events_come_as_they_are_disclosed_and_each_once(tmp_path):
    log, started = PublicLog(tmp_path), Started(tmp_path)
    running = asyncio.create_task(started.live.run())
    async with served(started.app) as url, httpx.AsyncClient(base_url=url) as client:
        following = asyncio.create_task(started.taken(client, 0, 12))
        for number in range(1, 13, 3):
            await log.say(number, number + 2)
            await started.counted(3 * (number + 2))
        assert await following == [(number, number) for number in range(1, 13)]
        started.draining.set()
    running.cancel()


async def test_an_empty_log_is_counted_at_once(tmp_path):
    started = Started(tmp_path)
    running = asyncio.create_task(started.live.run())
    await asyncio.sleep(0.01)
    assert (await started.live.health()).detail == "nothing is disclosed yet"
    await disclose(MemoryLedger(), tmp_path, frozenset({PUBLIC}))
    await until(lambda: started.live.origin)
    assert ((await started.live.health()).ok, started.live.count) == (True, 0)
    running.cancel()


@pytest.mark.usefixtures("log")
async def test_a_set_that_cannot_be_read_is_told_and_read_again(tmp_path):
    file = tmp_path / "proof" / range_name(RANGES, 1)
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    started = Started(tmp_path)
    running = asyncio.create_task(started.live.run())
    await until(lambda: started.live.count == IN_A_RANGE)
    await until(lambda: started.live._trouble)
    health = await started.live.health()
    assert (health.ok, health.degraded, "zstd frame" in health.detail) == (True, True, True)
    file.write_bytes(whole)
    await started.counted(3 * MANY)
    assert started.live.count == MANY
    running.cancel()


async def test_an_older_set_put_back_is_counted_anew_and_who_was_further_is_told(log, tmp_path):
    started = Started(tmp_path)
    running = asyncio.create_task(started.live.run())
    await started.counted(3 * MANY)
    async with served(started.app) as url, httpx.AsyncClient(base_url=url) as client:
        async with client.stream("GET", "/v1/events", headers={"Last-Event-ID": str(MANY)}) as response:
            older = Head(f"meterloop.local/{log.ledger.ledger_id}", 30)
            put(tmp_path / "proof" / head_name(RANGES), older.encoded())
            assert [line async for line in response.aiter_lines() if line.startswith("id:")] == []
        assert started.live.count == 10
        # The head may have been put back between two looks of one round; then the next round knows that this is all.
        await until(lambda: started.live._complete)
        assert (await client.get("/v1/events", headers={"Last-Event-ID": str(MANY)})).status_code == 400
        assert await started.taken(client, 8, 2) == [(9, 9), (10, 10)]
        started.draining.set()
    running.cancel()


async def refused(client, address=None):
    headers = {} if address is None else {"X-Forwarded-For": address}
    answer = await client.get("/v1/events", headers=headers)
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, answer.json()["code"]


@pytest.mark.usefixtures("log")
@pytest.mark.parametrize(
    ("many", "same", "other"),
    [
        ([None], "127.0.0.1", "192.0.2.2"),
        (["192.0.2.1"], "::ffff:192.0.2.1", "192.0.2.2"),
        ([f"2001:db8::{at:x}" for at in range(1, 8)], "2001:db8::ffff:0:0:1", "2001:db8:0:1::1"),
    ],
)
async def test_nobody_takes_the_places_of_all_from_one_address(tmp_path, many, same, other):
    started = Started(tmp_path)
    running = asyncio.create_task(started.live.run())
    async with served(started.app) as url, httpx.AsyncClient(base_url=url, timeout=120) as client:
        await started.counted(3 * MANY)
        addresses = [many[at % len(many)] for at in range(FOLLOWERS_OF_AN_ADDRESS_MAX)]
        following = [asyncio.create_task(started.taken(client, 0, MANY + 1, address)) for address in addresses]
        await until(lambda: started.live._followers._of_address.total() == len(following))
        assert await refused(client, same) == (503, "events.too_many_of_an_address")
        assert await started.taken(client, 0, 1, other) == [(1, 1)]
        assert not (await started.live.health()).degraded, "there is room for everybody else"
        following[0].cancel()
        await until(lambda: started.live._followers._of_address.total() < len(following))
        assert await started.taken(client, 0, 1, same) == [(1, 1)], "a place that is left is another's"
        for task in following:
            task.cancel()
        await until(lambda: not started.live._followers._of_address)
        started.draining.set()
    running.cancel()


@pytest.mark.usefixtures("log")
async def test_as_many_at_once_from_one_address_are_no_more(tmp_path):
    """Whoever asks before the others are counted is counted all the same."""
    started = Started(tmp_path)
    running = asyncio.create_task(started.live.run())
    limits = httpx.Limits(max_connections=None)
    async with served(started.app) as url, httpx.AsyncClient(base_url=url, timeout=120, limits=limits) as client:
        await started.counted(3 * MANY)

        async def came():
            async with client.stream("GET", "/v1/events") as response:
                if response.status_code == 200:
                    await started.draining.wait()
                return response.status_code

        coming = [asyncio.create_task(came()) for _ in range(3 * FOLLOWERS_OF_AN_ADDRESS_MAX)]
        await until(lambda: sum(task.done() for task in coming) == 2 * FOLLOWERS_OF_AN_ADDRESS_MAX)
        started.draining.set()
        assert sorted(await asyncio.gather(*coming)).count(200) == FOLLOWERS_OF_AN_ADDRESS_MAX
    running.cancel()


async def test_the_callers_trace_is_in_the_events_metadata(platform):
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    await registered(platform, traceparent=f"00-{trace_id}-00f067aa0ba902b7-01")
    (event,) = (await platform.ledger.read(f"meter-{NUMBER}")).events
    metadata = msgspec.json.decode(event.metadata, type=Metadata)
    assert metadata.traceparent is not None
    assert metadata.traceparent.split("-")[1] == trace_id
    assert metadata.actor == "u-1"
