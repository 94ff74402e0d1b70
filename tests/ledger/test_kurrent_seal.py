"""The end of a log in a KurrentDB, which knows nothing of our seal: only its writers heed it, each in its own time.

The server is ours, of a ledger that takes appends past its seal, and is not believed to keep the port.
"""

import asyncio
import time
from contextlib import asynccontextmanager

import pytest

from ledger.kurrent import KurrentLedger
from ledger.kurrent_client import Pace
from ledger.memory import MemoryLedger
from ledger.port import ANY, NO_STREAM, OWN_STREAM, Sealed, Unavailable
from ledger.server.access import admit_everybody
from ledger.server.running import serve
from tests.ledger.making import one

SHORT = Pace(noticed_s=0.3, append_s=3.0, margin_s=0.5)


class Unheeding(MemoryLedger):
    """Answers late where it is told to: what it has read by then is old, what it is given is not yet written."""

    read_late_s: float = 0
    write_late_s: float = 0

    def _check_unsealed(self):
        pass

    async def read_beside(self, stream, **how):
        page = await super().read_beside(stream, **how)
        if stream == OWN_STREAM and self.read_late_s:
            late_s, self.read_late_s = self.read_late_s, 0
            await asyncio.sleep(late_s)
        return page

    async def read(self, stream, **how):
        page = await super().read(stream, **how)
        if self.read_late_s:
            late_s, self.read_late_s = self.read_late_s, 0
            await asyncio.sleep(late_s)
        return page

    async def append(self, *what):
        await asyncio.sleep(self.write_late_s)
        return await super().append(*what)


@asynccontextmanager
async def doors(behind, *deadlines_s):
    """A door to this ledger for each deadline that a URL may name."""
    server = await serve(behind, "127.0.0.1:0", admit=admit_everybody)
    urls = [f"kurrentdb://127.0.0.1:{server.port}?tls=false{one}" for one in deadlines_s]
    opened = [await KurrentLedger.open(url, trusting=False, pace=SHORT) for url in urls]
    yield opened
    for door in opened:
        await door.close()
    await server.stop(grace_s=0)


async def test_an_answer_that_came_late_does_not_say_that_the_log_goes_on():
    behind = Unheeding()
    async with doors(behind, "", "") as (writer, sealer):
        behind.read_late_s = 3 * SHORT.noticed_s
        appending = asyncio.create_task(writer.append(one("s", NO_STREAM)))
        await asyncio.sleep(SHORT.noticed_s / 3)
        sealing = asyncio.create_task(sealer.seal(b"{}"))
        with pytest.raises(Sealed):
            await appending
        assert await sealing == await behind.head() == 0


async def test_an_append_that_was_long_in_the_making_looks_again_before_it_is_sent():
    """Where the stream is has to be found out first, and meanwhile the log ends."""
    behind = Unheeding()
    async with doors(behind, "", "") as (writer, sealer):
        await writer.append(one("s", NO_STREAM))
        behind.read_late_s = 3 * SHORT.noticed_s
        appending = asyncio.create_task(writer.append(one("s", ANY)))
        await asyncio.sleep(SHORT.noticed_s / 3)
        sealing = asyncio.create_task(sealer.seal(b"{}"))
        with pytest.raises(Sealed):
            await appending
        assert await sealing == await behind.head() == 1


async def test_who_ends_a_log_waits_for_appends_of_writers_that_wait_longer_than_itself():
    behind = Unheeding()
    async with doors(behind, "", "&defaultDeadline=1") as (writer, sealer):
        behind.write_late_s = 2.0
        appending = asyncio.create_task(writer.append(one("s", NO_STREAM)))
        await asyncio.sleep(SHORT.noticed_s)
        head = await sealer.seal(b"{}")
        assert appending.done()
        assert head == (await appending).position == 1


async def test_no_url_makes_an_append_longer_than_who_ends_the_log_waits():
    behind = Unheeding()
    async with doors(behind, "&defaultDeadline=60") as (writer,):
        behind.write_late_s = 2 * SHORT.append_s
        began_s = time.monotonic()
        with pytest.raises(Unavailable):
            await writer.append(one("s", NO_STREAM))
        assert time.monotonic() - began_s < SHORT.append_s + SHORT.margin_s + 1
