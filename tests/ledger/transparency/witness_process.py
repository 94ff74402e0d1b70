"""A witness in a process of its own: python -m tests.ledger.transparency.witness_process FOLDER DIES_AT

Prints its port. Where DIES_AT is not 0, it is killed by its own hand, as by kill -9, at the answer of that number which
would have carried a cosignature: after it was persisted, before anybody is told.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from starlette.applications import Starlette

from ledger.transparency.witness import open_witness
from ledger.transparency.witness_door import witness_routes
from tests.ledger.transparency.witnesses import NAME, served, signer


class Dying:
    def __init__(self, app, at: int) -> None:
        self._app, self._left = app, at

    async def __call__(self, scope, receive, send) -> None:
        async def watched(message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 200:
                self._left -= 1
                if not self._left:
                    os.kill(os.getpid(), signal.SIGKILL)
            await send(message)

        await self._app(scope, receive, watched)


def clock() -> int:
    return 1_700_000_000_000_000


async def main() -> None:
    witness = open_witness(Path(sys.argv[1]), NAME, [signer().verifier], clock)
    async with served(Dying(Starlette(routes=witness_routes(witness)), int(sys.argv[2]))) as url:
        sys.stdout.write(url + "\n")
        sys.stdout.flush()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
