"""The door of a witness: add-checkpoint and the checkpoints it has cosigned, over HTTP (tlog-witness)."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

import apsw
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from ledger.transparency.faults import LogFault
from ledger.transparency.witness import Answer, Witness

BODY_BYTES_MAX: Final = 64 << 10
"""Many times a request with the longest proof and a hundred signatures of today's kinds."""

BODY_S_MAX: Final = 10.0
"""For the body to come."""

_LOG: Final = structlog.get_logger("witness")


def witness_routes(witness: Witness) -> list[Route]:
    """Both prefixes of the specification are the address of the server itself."""

    async def add_checkpoint(request: Request) -> Response:
        try:
            async with asyncio.timeout(BODY_S_MAX):
                body = await _body(request.stream())
        except TimeoutError:
            return _sent(Answer(408, b"the request did not come in time\n"))
        except ClientDisconnect:
            # Nobody is there to be told.
            return _sent(Answer(400, b"the request broke off\n"))
        if body is None:
            return _sent(Answer(413, b"a request has at most %d bytes\n" % BODY_BYTES_MAX))
        return _sent(await _answered(witness, body))

    async def checkpoint(request: Request) -> Response:
        shown = _sent(await asyncio.to_thread(witness.checkpoint, request.path_params["origin_hash"]))
        # What everybody may see, any page may read: a browser compares it with what the log shows.
        shown.headers["access-control-allow-origin"] = "*"
        return shown

    return [
        Route("/add-checkpoint", add_checkpoint, methods=["POST"]),
        Route("/{origin_hash}/checkpoint", checkpoint, methods=["GET"]),
    ]


async def _answered(witness: Witness, body: bytes) -> Answer:
    try:
        return await asyncio.to_thread(witness.add_checkpoint, body)
    except apsw.BusyError:
        return Answer(503, b"the witness is busy\n")
    except (apsw.Error, LogFault, OSError):
        # It may have been persisted or not: nobody is given a cosignature, and who asks again is told the size.
        _LOG.exception("not answered")
        return Answer(500, b"the witness cannot use its memory\n")


async def _body(stream: AsyncIterator[bytes]) -> bytes | None:
    """The whole body, None as soon as it is too long."""
    parts, total = [], 0
    async for part in stream:
        total += len(part)
        if total > BODY_BYTES_MAX:
            return None
        parts.append(part)
    return b"".join(parts)


def _sent(answer: Answer) -> Response:
    # The media type of 409 is told as it is, without a character set; whoever caches, asks first.
    headers = {"content-type": answer.content_type, "cache-control": "no-store", "x-content-type-options": "nosniff"}
    return Response(answer.body, answer.status, headers)
