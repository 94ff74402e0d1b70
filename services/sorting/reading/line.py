"""The way to a meter: bytes over TCP, as a serial server gives them, or over a serial port of this machine.

The library's own clients turn every failure into None and connect again by themselves; its one for asyncio needs
pyserial-asyncio, which nobody keeps. A line here is half a screen, and says what failed.
"""

import select
import socket
import termios
from typing import Final, Literal, Protocol, TypeAlias

import serial

from services.sorting.reading.faults import LINE_LOST, NO_LINE

PIECE_BYTES: Final = 1024
BAUD: Final = 2400
"""DL/T 645-2007, 5.5: the rate from which a meter starts."""
CONNECT_S: Final = 5.0
SHORTEST_WAIT_S: Final = 0.001
"""A socket takes a wait of nothing for one without end."""

FAILURES: Final = (OSError, termios.error)
"""Of a serial port. The second says that it does not take its settings, and is no OSError."""

Parity: TypeAlias = Literal["even", "none", "odd"]
_PARITIES: Final[dict[Parity, str]] = {"even": serial.PARITY_EVEN, "none": serial.PARITY_NONE, "odd": serial.PARITY_ODD}


class Line(Protocol):
    """Carries bytes both ways, for one caller at a time. Once it is lost it stays so."""

    @property
    def place(self) -> str:
        """Where it leads, for people."""
        ...

    def send(self, frame: bytes) -> None:
        """Hand the bytes on. Raises LINE_LOST."""
        ...

    def receive(self, within_s: float) -> bytes:
        """What has come in, nothing where nothing comes within that time. Raises LINE_LOST."""
        ...

    def close(self) -> None:
        """Give it up."""
        ...


class TcpLine:
    """Over TCP, to a serial server or a meter with a network port. Refuses with NO_LINE."""

    def __init__(self, host: str, port: int) -> None:
        self.place: Final = f"{host}:{port}"
        try:
            self._socket: Final = socket.create_connection((host, port), CONNECT_S)
        except OSError as error:
            raise NO_LINE(place=self.place, why=_reason(error)) from error

    def send(self, frame: bytes) -> None:
        try:
            self._socket.settimeout(CONNECT_S)
            self._socket.sendall(frame)
        except OSError as error:
            raise LINE_LOST(place=self.place, why=_reason(error)) from error

    def receive(self, within_s: float) -> bytes:
        try:
            self._socket.settimeout(max(within_s, SHORTEST_WAIT_S))
            piece = self._socket.recv(PIECE_BYTES)
        except TimeoutError:
            return b""
        except OSError as error:
            raise LINE_LOST(place=self.place, why=_reason(error)) from error
        if not piece:
            raise LINE_LOST(place=self.place, why=("对方关闭", "closed by the other side"))
        return piece

    def close(self) -> None:
        self._socket.close()


class SerialLine:
    """Over a serial port, 8 data bits and 1 stop bit, for this process alone. Refuses with NO_LINE."""

    def __init__(self, device: str, baud: int = BAUD, parity: Parity = "even") -> None:
        self.place: Final = device
        try:
            self._port: Final = serial.Serial(
                device, baud, parity=_PARITIES[parity], timeout=0, write_timeout=CONNECT_S, exclusive=True
            )
        except (*FAILURES, ValueError) as error:
            raise NO_LINE(place=device, why=_reason(error)) from error

    def send(self, frame: bytes) -> None:
        try:
            self._port.write(frame)
        except FAILURES as error:
            raise LINE_LOST(place=self.place, why=_reason(error)) from error

    def receive(self, within_s: float) -> bytes:
        try:
            # A timeout of pyserial's own would set the port up anew for every piece.
            if not select.select([self._port], [], [], max(within_s, 0.0))[0]:
                return b""
            return bytes(self._port.read(max(1, min(self._port.in_waiting, PIECE_BYTES))))
        except FAILURES as error:
            raise LINE_LOST(place=self.place, why=_reason(error)) from error

    def close(self) -> None:
        self._port.close()


def _reason(error: Exception) -> str:
    """The system's own words."""
    if isinstance(error, termios.error):
        return str(error.args[-1])
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
