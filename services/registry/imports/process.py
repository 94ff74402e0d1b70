"""Reading in a process of its own, seen from the service: an asynchronous stream of the same parts.

    async with reading(request) as parts:
        async for part in parts: ...

The child waits while nobody takes its parts, and is killed when the block is left. If it dies, that is a Refusal like
any other, and the position of the last batch that was dealt with is where to go on.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

import msgspec

from kernel.child import command_of, environment, give
from kernel.refusal import Reason, Refusal, Stale, Unreadable
from services.registry.imports import child
from services.registry.imports.child import HEAD, Done, Failed, Frame, Request
from services.registry.imports.faults import CHILD_DIED, CHILD_MEMORY, CHILD_TIME
from services.registry.imports.rows import Batch, Heading

FRAME_BYTES_MAX: Final = 64 << 20
PIPE_BYTES: Final = 1 << 20
"""How far the child may be ahead of its reader, give or take the kernel's own buffer."""
ERROR_TEXT_CHARACTERS: Final = 2_000


class Parts:
    """The parts as they come. `done` says what the reading took, after the last of them."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process: Final = process
        self._decode: Final[Callable[[bytes], Frame]] = msgspec.msgpack.Decoder(Frame).decode
        self.done: Done | None = None

    def __aiter__(self) -> AsyncIterator[Heading | Batch]:
        return self._parts()

    async def _parts(self) -> AsyncIterator[Heading | Batch]:
        while True:
            match await self._frame():
                case Done() as done:
                    self.done = done
                    return
                case Failed() as failed:
                    raise _refusal(failed)
                case part:
                    yield part

    async def _frame(self) -> Frame:
        output = self._process.stdout
        if output is None:
            raise AssertionError("the child was started with a pipe")
        try:
            (length,) = HEAD.unpack(await output.readexactly(HEAD.size))
            if length > FRAME_BYTES_MAX:
                raise CHILD_DIED(how=f"frame of {length} bytes")
            return self._decode(await output.readexactly(length))
        except (asyncio.IncompleteReadError, msgspec.DecodeError):
            raise await self._died() from None

    async def _died(self) -> Refusal:
        errors = self._process.stderr
        text = (await errors.read()).decode("utf-8", "replace")[-ERROR_TEXT_CHARACTERS:] if errors else ""
        status = await self._process.wait()
        if status == -signal.SIGXCPU:
            return CHILD_TIME()
        # What runs out of its address space in native code is ended by an abort, not by an exception.
        if status == -signal.SIGABRT or "MemoryError" in text or "bad_alloc" in text or "memory allocation" in text:
            return CHILD_MEMORY()
        died = CHILD_DIED(how=signal.Signals(-status).name if status < 0 else f"exit {status}")
        # For the log, not for the person who imports: what the child said last.
        died.add_note(text)
        return died


@asynccontextmanager
async def reading(request: Request) -> AsyncIterator[Parts]:
    """Start reading. Leaving the block ends the child, however it is left."""
    process = await asyncio.create_subprocess_exec(
        *command_of(child.__name__),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(),
        limit=PIPE_BYTES,
    )
    try:
        await give(process.stdin, msgspec.msgpack.encode(request))
        yield Parts(process)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        # The process counts as ended only once its pipes are, and a pipe that nobody empties is held.
        for pipe in (process.stdout, process.stderr):
            while pipe is not None and await pipe.read(PIPE_BYTES):
                pass
        await process.wait()


def _refusal(failed: Failed) -> Refusal:
    """The child's refusal. Its messages are made already, so nothing in them is to be filled in."""
    kind = Stale if failed.code == CHILD_DIED.code else Unreadable
    zh, en = (text.replace("{", "{{").replace("}", "}}") for text in (failed.zh, failed.en))
    return Reason(kind, failed.code, zh, en)()
