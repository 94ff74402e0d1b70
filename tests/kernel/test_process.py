"""A real process: ready when it can answer, stopped in order, and no request in flight lost."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from kernel.grpc_client import Peer
from kernel.identity_issuer import issue
from kernel.process import run
from kernel.settings import Settings
from tests.kernel.parcel_door import CLERK
from tests.kernel.parcel_process import assemble

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
ROOT = Path(__file__).parents[2]


class Service:
    """A process under test, with the addresses that it said it listens at."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[dict] = []
        self.addresses: dict[str, str] = {}

    async def until(self, event):
        async with asyncio.timeout(60):
            while line := await self.process.stderr.readline():
                said = json.loads(line)
                self.lines.append(said)
                if said["event"] == event:
                    return said
        raise AssertionError(f"never said {event}: {self.lines}")

    async def end(self, number=signal.SIGTERM):
        if number is not None:
            self.process.send_signal(number)
        async with asyncio.timeout(60):
            out, err = await self.process.communicate()
        self.lines += [json.loads(line) for line in err.decode().splitlines() if line.startswith("{")]
        return self.process.returncode, out.decode().splitlines(), err.decode()

    @property
    def web(self):
        return httpx.AsyncClient(base_url=f"http://{self.addresses['rest']}", timeout=20)


@asynccontextmanager
async def started(folder, *, listening=True, **environ) -> AsyncIterator[Service]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.kernel.parcel_process",
        cwd=ROOT,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("METERLOOP_")},
            "METERLOOP_DATA_DIR": str(folder),
            **environ,
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    service = Service(process)
    try:
        if listening:
            service.addresses = await service.until("listening")
        yield service
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


async def test_it_reports_its_ports_answers_probes_and_stops_in_order(tmp_path):
    async with started(tmp_path) as service:
        async with service.web as web:
            assert (await web.get("/livez")).status_code == 200
            ready = await web.get("/readyz", params={"verbose": ""})
            assert ready.json()["checks"] == {"ledger": {"ok": True, "detail": "head 0", "degraded": False}}
            assert (await web.get("/nowhere", headers={"traceparent": TRACEPARENT})).status_code == 404
            metrics = await web.get("/metrics", headers={"Accept": "application/openmetrics-text"})
            assert metrics.headers["content-type"].startswith("application/openmetrics-text")
            assert metrics.text.rstrip().endswith("# EOF")
            assert 'http_server_request_duration_seconds_count{http_request_method="GET"' in metrics.text
        peer = Peer(service.addresses["rpc"])
        assert await peer.ready(5)
        await peer.close()
        async with httpx.AsyncClient() as inside:
            probed = await inside.get(f"http://{service.addresses['operations']}/metrics")
            assert probed.status_code == 200
        status, out, _ = await service.end()
        assert status == 0
        assert out == ["follower stopped", "ledger closed"]
        # Nothing is exported here, and still a line names the trace that it belongs to.
        (request,) = [line for line in service.lines if line["event"] == "request"]
        assert (request["status"], request["trace_id"]) == (404, TRACEPARENT.split("-")[1])
        said = [line["event"] for line in service.lines]
        assert said.index("draining") < said.index("stopped")


@pytest.mark.parametrize(
    ("proxies", "named"),
    [
        ({}, "127.0.0.1"),
        ({"FORWARDED_ALLOW_IPS": "*"}, "127.0.0.1"),
        ({"METERLOOP_PROXIES": "192.0.2.7"}, "127.0.0.1"),
        ({"METERLOOP_PROXIES": "192.0.2.7, 127.0.0.0/8"}, "203.0.113.9"),
    ],
)
async def test_only_a_proxy_that_is_named_says_for_whom_it_asks(tmp_path, proxies, named):
    async with started(tmp_path, **proxies) as service, service.web as web:
        told = await web.get("/caller", headers={"X-Forwarded-For": "198.51.100.1, 203.0.113.9"})
    assert told.json() == named


async def test_requests_in_flight_are_finished_and_new_ones_turned_away(tmp_path):
    async with started(tmp_path, METERLOOP_DRAIN_S="1.5") as service:
        async with service.web as web:
            slow = [asyncio.create_task(web.get("/slow", params={"s": "2"})) for _ in range(20)]
            stream = asyncio.create_task(web.get("/events"))
            for _ in range(len(slow) + 1):
                await service.until("in flight")
            service.process.terminate()
            await service.until("draining")
            draining = await web.get("/readyz")
            assert (draining.status_code, draining.json()) == (503, {"ready": False})
            assert {(await one).status_code for one in slow} == {200}
            assert (await stream).text == "data: here\n\ndata: bye\n\n"
            with pytest.raises(httpx.ConnectError):
                await httpx.AsyncClient().get(f"http://{service.addresses['rest']}/livez")
        status, out, _ = await service.end(None)
        assert (status, out) == (0, ["follower stopped", "ledger closed"])


async def test_commands_acknowledged_while_it_stops_are_in_the_log(tmp_path):
    acknowledged = []
    enough = asyncio.Event()
    async with started(tmp_path) as service:
        headers = {"Authorization": f"Bearer {issue(tmp_path / 'keys', CLERK)}"}
        async with service.web as web:

            async def send(number):
                try:
                    answer = await web.post(
                        f"/v1/parcels/p{number}/send",
                        json={"place": "A", "weight_g": 1},
                        headers=headers | {"Idempotency-Key": f"k{number}"},
                    )
                except httpx.TransportError:
                    return
                assert answer.status_code == 201
                acknowledged.append(number)
                if len(acknowledged) == 20:
                    enough.set()

            tasks = [asyncio.create_task(send(number)) for number in range(300)]
            async with asyncio.timeout(60):
                await enough.wait()
            status, _, _ = await service.end()
            await asyncio.gather(*tasks)
    assert status == 0
    async with started(tmp_path) as service, service.web as web:
        for number in acknowledged:
            assert (await web.get(f"/v1/parcels/p{number}", headers=headers)).status_code == 200
        await service.end()


async def test_a_request_that_outlives_the_patience_is_given_up(tmp_path):
    async with started(tmp_path, METERLOOP_STOP_S_MAX="1") as service, service.web as web:
        slow = asyncio.create_task(web.get("/slow", params={"s": "25"}))
        await service.until("in flight")
        status, out, _ = await service.end(signal.SIGINT)
        assert (status, out) == (0, ["follower stopped", "ledger closed"])
        told = await slow
        assert (told.status_code, told.json()["code"]) == (503, "server.stopping")


async def test_a_second_signal_ends_it_at_once(tmp_path):
    async with started(tmp_path, METERLOOP_DRAIN_S="20") as service:
        service.process.terminate()
        await service.until("draining")
        status, out, _ = await service.end()
        assert (status, out) == (130, [])


async def test_what_is_needed_is_waited_for_visibly_and_not_for_ever(tmp_path):
    faulty = started(tmp_path, listening=False, SAMPLE_FAULT="ledger", METERLOOP_STARTUP_S_MAX="1")
    async with faulty as service:
        status, _, err = await service.end(None)
    assert status == 1
    waits = [line for line in service.lines if line["event"] == "waiting"]
    assert waits[0]["what"] == "ledger"
    assert "no ledger today" in waits[0]["error"]
    assert "ledger did not become ready" in err


async def test_a_stop_while_it_waits_is_obeyed(tmp_path):
    async with started(tmp_path, listening=False, SAMPLE_FAULT="ledger") as service:
        await service.until("waiting")
        status, _, _ = await service.end()
    assert status == 0


async def test_a_follower_that_ends_stops_the_service_with_a_fault(tmp_path):
    async with started(tmp_path, listening=False, SAMPLE_FAULT="follower") as service:
        status, out, err = await service.end(None)
    assert (status, out) == (1, ["ledger closed"])
    assert "cannot follow" in err


@pytest.mark.parametrize("name", ["METERLOOP_REST_PROT", "METERLOOP_REST_PORT"])
def test_wrong_settings_are_named_and_end_it(monkeypatch, capsys, name):
    monkeypatch.setenv(name, "x")
    assert run("sample", Settings, assemble) == 2
    assert name in capsys.readouterr().err


async def test_a_taken_port_is_said(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        async with started(tmp_path, listening=False, METERLOOP_REST_PORT=port) as service:
            status, _, err = await service.end(None)
    assert status == 1
    assert f"cannot listen at 127.0.0.1:{port}" in err


async def test_a_head_without_end_is_cut_off(tmp_path):
    async with started(tmp_path) as service:
        host, port = service.addresses["rest"].split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET / HTTP/1.1\r\nx: ")
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < 10_000_000 and not reader.at_eof():
                writer.write(b"x" * 10_000)
                await writer.drain()
                sent += 10_000
        writer.close()
        assert sent < 10_000_000
        await service.end()
