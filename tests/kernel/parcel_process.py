"""The sample service as a process, for tests that stop and drain a real one: python -m tests.kernel.parcel_process

SAMPLE_FAULT says what goes wrong: `ledger` (never there), `follower` (ends by itself).
"""

import asyncio
import os
import sys

import structlog
from fastapi import Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from kernel.http_operations import operations_app
from kernel.identity_issuer import write_keys
from kernel.process import Parts, Process, run
from kernel.readiness import Health
from kernel.settings import Settings
from ledger.open import open_ledger
from tests.kernel.parcel_door import parcel_door, parcel_rpc_door

FAULT = os.environ.get("SAMPLE_FAULT")
_LOG = structlog.get_logger("sample")


async def assemble(process: Process) -> Parts:
    settings = process.settings
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    write_keys(settings.keys_dir)

    async def opened():
        if FAULT == "ledger":
            raise OSError("no ledger today")
        return await open_ledger(settings.ledger)

    ledger = await process.wait_for("ledger", opened, OSError)
    door = parcel_door(ledger, settings.keys_dir)
    door.operations(process.readiness, process.telemetry)

    async def slow(request: Request) -> Response:
        """Answers so many seconds after it was told to stop."""
        _LOG.info("in flight")
        await process.readiness.until_draining()
        await asyncio.sleep(float(request.query_params["s"]))
        return JSONResponse({"done": True})

    async def events() -> Response:
        async def stream():
            _LOG.info("in flight")
            yield "data: here\n\n"
            await process.readiness.until_draining()
            yield "data: bye\n\n"

        return StreamingResponse(stream(), media_type="text/event-stream")

    async def caller(request: Request) -> Response:
        return JSONResponse(request.client and request.client.host)

    door.app.add_api_route("/caller", caller)
    door.app.add_api_route("/slow", slow)
    door.app.add_api_route("/events", events)

    async def follow() -> None:
        if FAULT == "follower":
            raise RuntimeError("cannot follow")
        try:
            await asyncio.Event().wait()
        finally:
            sys.stdout.write("follower stopped\n")

    async def close_ledger() -> None:
        await ledger.close()
        sys.stdout.write("ledger closed\n")

    async def log_answers() -> Health:
        return Health(ok=True, detail=f"head {await ledger.head()}")

    process.readiness.add("ledger", log_answers)
    return Parts(
        rest=door.app,
        rpc=parcel_rpc_door(ledger, settings.keys_dir, process.readiness),
        operations=operations_app(process.readiness, process.telemetry) if process.telemetry else None,
        followers={"follower": follow},
        closing=[close_ledger],
    )


if __name__ == "__main__":
    sys.exit(run("sample", Settings, assemble))
