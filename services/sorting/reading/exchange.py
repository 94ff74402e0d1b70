"""One question and its answer. A question is asked again where no answer, or none that can be read, came in time."""

import time
from collections.abc import Callable
from typing import Final

import msgspec

from services.sorting.reading.frames import ANYBODY, Answer, Inbox, Question
from services.sorting.reading.line import Line

SENDING_S_MAX: Final = 8.0
"""The longest frame, 271 bytes of 11 bits, takes 2.5 s at 1200 baud; a line through slow gateways some more."""
DISCARDED_PIECES_MAX: Final = 64


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How long to wait: `answer_s` for the first byte of an answer, `quiet_s` between two of its bytes (500 ms at most
    by DL/T 645-2007, 5.4), and how many times to ask.
    """

    answer_s: float = 2.0
    quiet_s: float = 0.6
    tries: int = 3


class Exchange:
    """Asks one meter over a line. `address` is None where the line has one meter, which then is asked for its own."""

    def __init__(self, line: Line, address: str | None = None, patience: Patience = Patience()) -> None:  # noqa: B008  frozen
        self._line: Final = line
        self._patience: Final = patience
        self.address = address

    def introduce(self) -> str:
        """The meter's address: the one given, or what it answers to a call to anybody. Raises Refusal."""
        if self.address is None:
            self.address = self._ask(Question(ANYBODY)).address
        return self.address

    def read(self, identifier: int) -> bytes:
        """The data of a value, lowest byte first. Raises Refusal."""
        return self._ask(Question(self.introduce(), identifier)).data

    def _ask(self, question: Question) -> Answer:
        """The answer to a question, or the Refusal of the last try."""
        for attempt in range(1, self._patience.tries + 1):
            self._discard()
            self._line.send(question.frame)
            inbox = Inbox(question)
            if (answer := self._listen(inbox.take) or inbox.take_hidden()) is not None:
                return answer
            refusal = inbox.fault(attempt)
        raise refusal

    def _listen(self, take: Callable[[bytes], Answer | None]) -> Answer | None:
        """The answer, None where the line falls silent, or goes on without one."""
        patience = self._patience
        end_s = time.monotonic() + patience.answer_s + SENDING_S_MAX
        wait_s = patience.answer_s
        while time.monotonic() < end_s and (piece := self._line.receive(wait_s)):
            if (answer := take(piece)) is not None:
                return answer
            wait_s = patience.quiet_s
        return None

    def _discard(self) -> None:
        """Throw away what lies on the line from before, however much noise there is."""
        for _ in range(DISCARDED_PIECES_MAX):
            if not self._line.receive(0.0):
                return
