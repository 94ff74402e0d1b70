"""Requests and answers of DL/T 645-2007 as bytes, without a line.

    [FE ..] 68 A0 .. A5 68 C L DATA (each byte + 33) CS 16      A0 the lowest two digits, CS the sum modulo 256

Building, checking and parsing a frame is the library's. It passes over what is damaged without a word, so an inbox
keeps what came in and says what was wrong with it.
"""

import re
from typing import Final

import msgspec
from dlt645.protocol.protocol import DLT645Protocol

from kernel.refusal import Refusal
from services.sorting.reading import faults

READ: Final = 0x11
READ_ADDRESS: Final = 0x13
ANYBODY: Final = "AAAAAAAAAAAA"
"""The address to which every meter answers with its own: for a line with one meter."""

_OWN: Final = re.compile(r"[0-9]{12}", re.ASCII)
_ANSWER_BIT: Final = 0x80
_ERROR_BIT: Final = 0x40
_FUNCTION: Final = 0x1F
_START: Final = 0x68
_ADDRESS_DIGITS: Final = 12
_ADDRESS_BYTES: Final = 6
_IDENTIFIER_BYTES: Final = 4
_HEADER_BYTES: Final = 10
_TAIL_BYTES: Final = 2
RECEIVED_BYTES_MAX: Final = 4096
"""Fifteen of the longest frames: what comes in beyond that for one question is noise."""

_NOT_HELD_BIT: Final = 0x02
_ERRORS: Final = (
    ("其他错误", "another error"),
    ("无请求数据", "no such data"),
    ("密码错或未授权", "wrong password or no authority"),
    ("通信速率不能更改", "the baud rate cannot be changed"),
    ("年时区数超", "too many zones of the year"),
    ("日时段数超", "too many periods of the day"),
    ("费率数超", "too many tariffs"),
)
"""What the bits of an error code mean, from the lowest."""


class Question(msgspec.Struct, frozen=True):
    """What is asked of a meter: `identifier` of the value, or None for its address."""

    address: str
    identifier: int | None = None

    @property
    def frame(self) -> bytes:
        """The bytes to send, with the four FE that wake a receiver."""
        data = b"" if self.identifier is None else self.identifier.to_bytes(_IDENTIFIER_BYTES, "little")
        control = READ_ADDRESS if self.identifier is None else READ
        return bytes(DLT645Protocol.build_frame(bytes.fromhex(self.address)[::-1], control, data))


class Answer(msgspec.Struct, frozen=True):
    """What the meter at `address` says; `data` is without the identifier, lowest byte first as on the line."""

    address: str
    data: bytes


def address_of(text: str) -> str:
    """A communication address as its 12 digits. Refuses what is none."""
    digits = text.strip()
    if not digits.isascii() or not digits.isdecimal() or len(digits) > _ADDRESS_DIGITS:
        raise faults.BAD_ADDRESS(address=text)
    return digits.zfill(_ADDRESS_DIGITS)


class Inbox:
    """What comes in after a question. What is not its answer is passed over: an echo of the line's adapter, a late
    answer to what was asked before, another meter's.
    """

    def __init__(self, question: Question) -> None:
        self._question: Final = question
        self._received = b""
        self._rest = b""
        self._other: str | None = None

    def take(self, piece: bytes) -> Answer | None:
        """The answer, once its last byte is there. Raises Refusal where the meter answers with an error."""
        self._received = (self._received + piece)[-RECEIVED_BYTES_MAX:]
        self._rest = (self._rest + piece)[-RECEIVED_BYTES_MAX:]
        while self._rest:
            before = self._rest
            self._rest, frame = DLT645Protocol.deserialize_with_remaining(before)
            if frame is not None:
                if (answer := self._answer(frame.addr, frame.ctrl_code, frame.data)) is not None:
                    return answer
            elif self._rest == before or not self._rest:
                break
        return None

    def take_hidden(self) -> Answer | None:
        """The answer that stands behind noise which looks like the beginning of a longer frame: for when nothing more
        comes in.
        """
        waiting = self._rest
        for at in range(1, len(waiting)):
            if waiting[at] == _START:
                self._rest = waiting[at:]
                if (answer := self.take(b"")) is not None:
                    return answer
        self._rest = waiting
        return None

    def fault(self, tries: int) -> Refusal:
        """Why there is no answer in what came in."""
        if self._other is not None:
            return faults.OTHER_METER(address=self._other, asked=self._question.address)
        if not self._received:
            return faults.NO_ANSWER(tries=tries)
        starts = [at for at, byte in enumerate(self._received) if byte == _START]
        kinds = [_looks_like(self._received[at:]) for at in starts]
        if "damaged" in kinds:
            return faults.BAD_CHECKSUM()
        if "begun" in kinds:
            return faults.PARTIAL_FRAME(bytes=len(self._received))
        return faults.NOISE(bytes=len(self._received))

    def _answer(self, address_bytes: bytes, control: int, data: bytes) -> Answer | None:
        address = bytes(address_bytes[::-1]).hex().upper()
        asked = self._question
        function = READ_ADDRESS if asked.identifier is None else READ
        if not control & _ANSWER_BIT or control & _FUNCTION != function:
            return None
        if asked.address not in (address, ANYBODY):
            self._other = address
            return None
        if control & _ERROR_BIT:
            raise _error(data)
        if asked.identifier is None:
            told = bytes(data[::-1]).hex().upper()
            # Some answer under anybody's address, and say their own in the data alone.
            return Answer(told, bytes(data)) if address in (told, ANYBODY) and _OWN.fullmatch(told) else None
        if int.from_bytes(data[:_IDENTIFIER_BYTES], "little") != asked.identifier or len(data) < _IDENTIFIER_BYTES:
            return None
        return Answer(address, bytes(data[_IDENTIFIER_BYTES:]))


def _error(data: bytes) -> Refusal:
    code = data[0] if data else 0
    if code & _NOT_HELD_BIT:
        return faults.UNSUPPORTED()
    named = [words for bit, words in enumerate(_ERRORS) if code >> bit & 1] or [("未说明", "no reason given")]
    zh, en = ("、".join(zh for zh, _ in named), ", ".join(en for _, en in named))
    return faults.ERROR_REPLY(reason=(zh, en), error_code=f"{code:02X}")


def _looks_like(received: bytes) -> str:
    """What begins with a start byte: a frame that is "damaged", one that is "begun" and not ended, one that is "whole",
    or "nothing".
    """
    if len(received) < _HEADER_BYTES:
        whole = len(received) <= 1 + _ADDRESS_BYTES or received[1 + _ADDRESS_BYTES] == _START
        return "begun" if whole else "nothing"
    if received[1 + _ADDRESS_BYTES] != _START:
        return "nothing"
    length = _HEADER_BYTES + received[_HEADER_BYTES - 1] + _TAIL_BYTES
    if len(received) < length:
        return "begun"
    _, frame = DLT645Protocol.deserialize_with_remaining(received[:length])
    return "damaged" if frame is None else "whole"
