"""What gRPC says of its own accord goes to standard error, where a program of ours logs lines of JSON."""

import asyncio
import os
import sys

from ledger.memory import MemoryLedger
from ledger.server.access import admit_everybody
from ledger.server.running import serve

WITHIN_S = 60.0
FOLLOWER = """
import asyncio, sys
import kernel
from kurrentdbclient import AsyncKurrentDBClient
from kurrentdbclient.exceptions import KurrentDBClientError

async def main():
    client = AsyncKurrentDBClient(sys.argv[1])
    await client.connect()
    followed = await client.subscribe_to_all()
    print("follows", flush=True)
    try:
        async for _ in followed:
            pass
    except KurrentDBClientError:
        print("ended", flush=True)
    await client.close()

asyncio.run(main())
"""


async def test_a_connection_that_is_broken_off_is_no_line_of_a_log():
    server = await serve(MemoryLedger(), "127.0.0.1:0", admit=admit_everybody)
    url = f"kurrentdb://127.0.0.1:{server.port}?tls=false"
    environ = {name: value for name, value in os.environ.items() if name != "GRPC_VERBOSITY"}
    follower = await asyncio.create_subprocess_exec(
        sys.executable, "-c", FOLLOWER, url, env=environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    assert follower.stdout is not None
    assert await asyncio.wait_for(follower.stdout.readline(), WITHIN_S) == b"follows\n"
    await server.stop(grace_s=0)
    out, err = await asyncio.wait_for(follower.communicate(), WITHIN_S)
    assert (out, err) == (b"ended\n", b"")
