"""A meter that answers DL/T 645-2007 over TCP, or over a pty, with the manners of real ones: an external device, played
for the reader. Its frames are made here by hand, so that the reader's library is not checked against itself.
"""

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, contextmanager

ADDRESS = "990000000017"
FRAME_VALUE_BYTES = 150
"""A record that is longer comes with the mark that another frame follows."""
OTHER = "990000000099"

Send = Callable[[bytes], Awaitable[None]]
Manner = Callable[[Send, bytes, int], Awaitable[None]]


class HangUp(Exception):
    """The meter's side closes the line."""


def frame(address: str, control: int, data: bytes) -> bytes:
    """A frame as the standard draws it."""
    body = bytes([0x68]) + bytes.fromhex(address)[::-1] + bytes([0x68, control, len(data)])
    body += bytes((byte + 0x33) % 256 for byte in data)
    return body + bytes([sum(body) % 256, 0x16])


def low_first(digits: str) -> bytes:
    """Packed digits as the line carries them."""
    return bytes.fromhex(digits)[::-1]


def text(words: str, length: int) -> bytes:
    """Text as the line carries it, filled up with noughts."""
    return words.encode().ljust(length, b"\x00")[::-1]


VALUES = {
    "04000401": low_first(ADDRESS),
    "04000402": low_first(ADDRESS),
    "04000403": text("9940101000000000000175", 32),
    "04000404": text("220V", 6),
    "04000405": text("5A", 6),
    "04000406": text("60A", 6),
    "04000407": text("2.0", 4),
    "04000409": low_first("001200"),
    "0400040B": text("DDZY-SYN", 10),
    "0400040C": text("2016-03", 10),
    "0400040D": text("V2007-1.0", 16),
    "04800001": text("SYNTHETIC-SW-1", 32),
    "04800002": text("SYNTHETIC-HW-1", 32),
    "04800003": text("SYNTHETIC", 32),
    "00010000": low_first("00123456"),
    "00010100": low_first("00010000"),
    "00010200": low_first("00050000"),
    "00010300": low_first("00040056"),
    "00010400": low_first("00023400"),
    "00020000": low_first("00000012"),
    "00020100": low_first("00000000"),
    "00020200": low_first("00000012"),
    "00020300": low_first("00000000"),
    "00020400": low_first("00000000"),
    "04000101": low_first("26110200"),
    "04000102": low_first("101530"),
    "02800008": low_first("0364"),
    "02800009": low_first("0598"),
    "0280000A": low_first("00000075"),
    "02800007": low_first("8105"),
    "02800002": low_first("4998"),
    "02800001": low_first("800250"),
    "02010100": low_first("2203"),
    "02020100": low_first("000000"),
    "04000501": low_first("0004"),
    "04000502": low_first("0000"),
    "04000503": low_first("8A1F"),
    "04000504": low_first("0000"),
    "04000505": low_first("0000"),
    "04000506": low_first("0000"),
    "04000507": low_first("0000"),
    "03300D00": low_first("000002"),
    "03300D01": low_first("190704231500") + low_first("190704231710") + bytes(24),
    "03300E00": low_first("000001"),
    "03300E01": low_first("160401080000") + bytes(6) + bytes(24),
    "03300100": low_first("000000"),
    "03300101": bytes(6) + bytes(28),
    "03300300": low_first("000000"),
    "03300301": bytes(10),
    "03300000": low_first("000007"),
    "03300001": low_first("200101120000") + bytes(44),
    "03300400": low_first("000003"),
    "03110000": low_first("000123"),
    "03110001": low_first("260301070000") + low_first("260301071500"),
    "03010000": low_first("000001") + low_first("000010") + bytes(12),
    "03020000": bytes(18),
    "03030000": bytes(18),
    "030B0000": bytes(18),
    "030C0000": b"".join(map(low_first, ("000002", "000030", "000001", "000005", "000000", "000000"))),
    "030C0101": low_first("230808193000") + low_first("230808194500") + bytes(180),
    "030F0000": bytes(6),
}
"""A meter of no one's: all of it is made up."""


async def plainly(send: Send, answer: bytes, _asked: int) -> None:
    await send(b"\xfe\xfe\xfe\xfe" + answer)


class Meter:
    """Answers with its values, in its manner. `asked` counts the requests that came in, repetitions too."""

    def __init__(self, values=VALUES, *, address=ADDRESS, manner: Manner = plainly, errors=()):
        self.values = dict(values)
        self.address = address
        self.manner = manner
        self.errors = dict(errors)
        self.asked: list[bytes] = []

    def answer(self, request: bytes) -> bytes | None:
        """Its answer to a whole frame without the FE before it."""
        address, control, data = request[1:7][::-1].hex().upper(), request[8], request[10:-2]
        assert sum(request[:-2]) % 256 == request[-2]
        if address not in (self.address, "AAAAAAAAAAAA"):
            return None
        if control == 0x13:
            return frame(self.address, 0x93, low_first(self.address))
        assert control == 0x11
        di = bytes((byte - 0x33) % 256 for byte in data)
        name = di[::-1].hex().upper()
        if name in self.errors:
            return frame(self.address, 0xD1, bytes([self.errors[name]]))
        if name not in self.values:
            return frame(self.address, 0xD1, b"\x02")
        more_to_come = len(self.values[name]) > FRAME_VALUE_BYTES
        return frame(self.address, 0xB1 if more_to_come else 0x91, di + self.values[name])

    async def reply(self, request: bytes, send: Send) -> None:
        self.asked.append(request)
        if (answer := self.answer(request)) is not None:
            await self.manner(send, answer, len(self.asked))


@asynccontextmanager
async def listening(meter: Meter):
    """The meter on a TCP port of loopback; gives the port."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def send(piece: bytes) -> None:
            writer.write(piece)
            await writer.drain()

        try:
            while True:
                await reader.readuntil(b"\x68")
                head = b"\x68" + await reader.readexactly(9)
                await meter.reply(head + await reader.readexactly(head[9] + 2), send)
        except (HangUp, asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


@contextmanager
def wired(meter: Meter):
    """The meter at the far end of a serial line; gives the device's name."""
    near, far = os.openpty()
    device = os.ttyname(far)

    async def send(piece: bytes) -> None:
        os.write(near, piece)

    def serve() -> None:
        waiting = b""
        while True:
            try:
                waiting += os.read(near, 256)
            except OSError:
                return
            while (at := waiting.find(b"\x68")) >= 0 and len(waiting) >= at + 12:
                end = at + 12 + waiting[at + 9]
                if len(waiting) < end:
                    break
                request, waiting = waiting[at:end], waiting[end:]
                try:
                    asyncio.run(meter.reply(request, send))
                except HangUp:
                    return

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield device
    finally:
        # With its last other end closed, reading the near one fails, and the thread ends.
        os.close(far)
        thread.join(10)
        os.close(near)
