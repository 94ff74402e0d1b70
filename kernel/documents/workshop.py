"""Documents in processes of their own, so that a long one neither delays commands nor takes the service's memory.

A process makes one document and ends; whatever it used goes with it. It is started for half a second of imports and
font, which nobody notices beside a document.
"""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Final

import msgspec

from kernel.child import command_of, environment, give
from kernel.documents import refusals
from kernel.documents.refusals import BUSY, ENDED_EARLY, TOO_SLOW
from kernel.refusal import Refusal, reasons_in

_MIB: Final = 2**20


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one document may take. A transfer note of 5,000 devices takes about 5 s of one core and 0.9 GiB as PDF."""

    seconds_max: int = 25
    """Less than a door gives a request, so that whoever asks is told the reason."""
    address_space_bytes_max: int = 3_072 * _MIB
    """Of virtual memory, which counts more than what is resident."""
    at_once_max: int = 1
    """More wait for their turn."""
    waiting_max: int = 8
    """More are sent away, to come again: at a second for a usual document, that many still get theirs in time."""


class Work(msgspec.Struct, frozen=True):
    """What goes to the process."""

    document: msgspec.Raw
    form: str
    limits: Limits


class Made(msgspec.Struct, frozen=True, tag=True):
    """What comes back."""

    content: bytes


class Refused(msgspec.Struct, frozen=True, tag=True):
    """A refusal on its way back."""

    code: str
    details: dict[str, str]


_ANSWER: Final[msgspec.msgpack.Decoder[Made | Refused]] = msgspec.msgpack.Decoder(Made | Refused)


class Workshop:
    """Makes documents for one service, by running its module `made_by`. May be called concurrently."""

    def __init__(self, made_by: str, limits: Limits | None = None, *declared: ModuleType) -> None:
        """The process refuses as kernel.documents.refusals and the modules `declared` say."""
        self._made_by: Final = made_by
        self._declared: Final = (refusals, *declared)
        self._limits = limits or Limits()
        self._turns = asyncio.Semaphore(self._limits.at_once_max)
        self._inside = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place in the queue, to be taken before anything is done for a document. Refuses `document.busy`."""
        if self._inside >= self._limits.at_once_max + self._limits.waiting_max:
            raise BUSY(waiting=self._limits.waiting_max)
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1

    async def make(self, document: msgspec.Struct, form: str = "pdf") -> bytes:
        """The document's bytes. Refuses as was declared; `document.too_slow` after `seconds_max` of its turn."""
        work = Work(msgspec.Raw(msgspec.msgpack.encode(document)), form, self._limits)
        async with self._turns:
            answer = await self._answer(msgspec.msgpack.encode(work))
        match _ANSWER.decode(answer):
            case Made(content):
                return content
            case Refused(code, details):
                raise refusal(self._declared, code, details)

    async def _answer(self, work: bytes) -> bytes:
        process = await asyncio.create_subprocess_exec(
            *command_of(self._made_by),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            # Typst would spread over all cores; one is left to whoever gives commands.
            env=environment(RAYON_NUM_THREADS="1"),
        )
        try:
            async with asyncio.timeout(self._limits.seconds_max):
                await give(process.stdin, work)
                answer, _ = await process.communicate()
        except TimeoutError:
            raise TOO_SLOW(seconds=self._limits.seconds_max) from None
        finally:
            # At this point the answer is here, or time is up, or the caller went away.
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode != 0:
            raise ENDED_EARLY(status=process.returncode)
        return answer


def refusal(declared: Iterable[ModuleType], code: str, details: dict[str, str]) -> Refusal:
    """The refusal of that code, made again on this side."""
    reasons = (reason for module in declared for reason in reasons_in(module))
    return next(reason for reason in reasons if reason.code == code)(**details)
