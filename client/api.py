"""The two clients: one blocks, the other is awaited. Both raise what client.errors draws, and nothing of httpx."""

import asyncio
import itertools
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, BinaryIO, Final, Self, TypeVar

import httpx

from client.calls import (
    TIMEOUT_S,
    Answer,
    Command,
    Download,
    Page,
    Question,
    Token,
    announcement_request,
    answer_of,
    auth_of,
    cancel_request,
    command_request,
    fresh_key,
    headers_of,
    many_request,
    pause_before_next,
    piece_request,
    question_request,
    require_address,
)
from client.downloads import Arriving, Fetched, Told
from client.errors import refused, unreachable
from client.events import Lines, PublicEvent, events_request
from client.types import Accepted, BulkAnswer, GetImportErrors, Import, NewImport

Row = TypeVar("Row")


class Client:
    """A client that blocks. `timeout_s` is how long each of connecting, sending and waiting for more may take. Raises
    ValueError where the address or the token cannot be one.
    """

    def __init__(
        self,
        url: str,
        token: Token = None,
        *,
        timeout_s: float = TIMEOUT_S,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._timeout_s: Final = timeout_s
        self._http: Final = httpx.Client(
            base_url=require_address(url),
            headers=headers_of(token),
            auth=auth_of(token),
            timeout=timeout_s,
            transport=transport,
        )

    def do(self, command: Command, *, key: str | None = None, expected_version: int | None = None) -> Accepted:
        """Have a command done. The same key again is the same command, done once."""
        request = command_request(command, key or fresh_key(), expected_version)
        accepted: Accepted = answer_of(self._sent(request), Accepted)
        return accepted

    def do_many(self, commands: Sequence[Command], *, key: str | None = None) -> BulkAnswer:
        """Have many commands of one kind done; each is accepted or refused by itself, in their order."""
        done: BulkAnswer = answer_of(self._sent(many_request(commands, key or fresh_key())), BulkAnswer)
        return done

    def ask(self, question: Question[Answer]) -> Answer:
        """Ask a question."""
        answer: Answer = answer_of(self._sent(question_request(question)), question.ANSWER)
        return answer

    def rows(self, question: Question[Page[Row]]) -> Iterator[Row]:
        """Every row of a list, fetched page by page as they are taken."""
        cursor = None
        while True:
            page: Page[Row] = answer_of(self._sent(question_request(question, cursor)), question.ANSWER)
            yield from page.items
            cursor = page.next
            if cursor is None:
                return

    def fetch(self, wanted: Download, into: BinaryIO, told: Told | None = None) -> Fetched:
        """Write a file as it comes. Where it raises, what was written is not the file."""
        with self._body(question_request(wanted)) as response:
            arriving = Arriving(response, into, told)
            for piece in response.iter_bytes():
                arriving.take(piece)
        return arriving.done()

    def events(self, after: int | None = None) -> Iterator[PublicEvent]:
        """Public events as they happen: those after this number, or from now on. Ends when the platform stops; after
        Unreachable one goes on from the number of the last.
        """
        lines = Lines()
        with self._body(events_request(after, self._timeout_s)) as response:
            for line in response.iter_lines():
                if (event := lines.take(line)) is not None:
                    yield event

    def create_import(self, announced: NewImport, *, key: str | None = None) -> Import:
        """Announce an import. The same key again is the same import."""
        stands: Import = answer_of(self._sent(announcement_request(announced, key or fresh_key())), Import)
        return stands

    def append_import(self, import_id: str, offset: int, content: bytes) -> Import:
        """Send a piece of the file, which begins at this byte."""
        stands: Import = answer_of(self._sent(piece_request(import_id, offset, content)), Import)
        return stands

    def cancel_import(self, import_id: str) -> Import:
        """End an import; what it has recorded stays."""
        stands: Import = answer_of(self._sent(cancel_request(import_id)), Import)
        return stands

    def import_errors(self, import_id: str) -> Iterator[bytes]:
        """The rows that were refused, as the pieces of a CSV file."""
        with self._body(question_request(GetImportErrors(import_id=import_id))) as response:
            yield from response.iter_bytes()

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _body(self, request: dict[str, Any]) -> Iterator[httpx.Response]:
        """An answer that is well, whose content is yet to come."""
        response = self._sent(request, stream=True)
        try:
            if not response.is_success:
                raise refused(response)
            yield response
        except httpx.RequestError as error:
            raise unreachable(error) from error
        finally:
            response.close()

    def _sent(self, request: dict[str, Any], *, stream: bool = False) -> httpx.Response:
        for attempt in itertools.count(1):
            got: httpx.Response | httpx.RequestError
            try:
                got = self._http.send(self._http.build_request(**request), stream=stream)
                if got.is_success:
                    return got
                got.read()
            except httpx.RequestError as error:
                got = error
            pause_s = pause_before_next(attempt, got)
            if pause_s is None:
                assert isinstance(got, httpx.Response)
                return got
            time.sleep(pause_s)
        raise AssertionError


class AsyncClient:
    """The same, to be awaited."""

    def __init__(
        self,
        url: str,
        token: Token = None,
        *,
        timeout_s: float = TIMEOUT_S,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._timeout_s: Final = timeout_s
        self._http: Final = httpx.AsyncClient(
            base_url=require_address(url),
            headers=headers_of(token),
            auth=auth_of(token),
            timeout=timeout_s,
            transport=transport,
        )

    async def do(self, command: Command, *, key: str | None = None, expected_version: int | None = None) -> Accepted:
        """Have a command done. The same key again is the same command, done once."""
        request = command_request(command, key or fresh_key(), expected_version)
        accepted: Accepted = answer_of(await self._sent(request), Accepted)
        return accepted

    async def do_many(self, commands: Sequence[Command], *, key: str | None = None) -> BulkAnswer:
        """Have many commands of one kind done; each is accepted or refused by itself, in their order."""
        done: BulkAnswer = answer_of(await self._sent(many_request(commands, key or fresh_key())), BulkAnswer)
        return done

    async def ask(self, question: Question[Answer]) -> Answer:
        """Ask a question."""
        answer: Answer = answer_of(await self._sent(question_request(question)), question.ANSWER)
        return answer

    async def rows(self, question: Question[Page[Row]]) -> AsyncIterator[Row]:
        """Every row of a list, fetched page by page as they are taken."""
        cursor = None
        while True:
            page: Page[Row] = answer_of(await self._sent(question_request(question, cursor)), question.ANSWER)
            for row in page.items:
                yield row
            cursor = page.next
            if cursor is None:
                return

    async def fetch(self, wanted: Download, into: BinaryIO, told: Told | None = None) -> Fetched:
        """Write a file as it comes. Where it raises, what was written is not the file."""
        async with self._body(question_request(wanted)) as response:
            arriving = Arriving(response, into, told)
            async for piece in response.aiter_bytes():
                arriving.take(piece)
        return arriving.done()

    async def events(self, after: int | None = None) -> AsyncGenerator[PublicEvent, None]:
        """Public events as they happen: those after this number, or from now on. Ends when the platform stops; after
        Unreachable one goes on from the number of the last. Whoever stops taking them closes it (`aclosing`).
        """
        lines = Lines()
        async with self._body(events_request(after, self._timeout_s)) as response:
            async for line in response.aiter_lines():
                if (event := lines.take(line)) is not None:
                    yield event

    async def create_import(self, announced: NewImport, *, key: str | None = None) -> Import:
        """Announce an import. The same key again is the same import."""
        stands: Import = answer_of(await self._sent(announcement_request(announced, key or fresh_key())), Import)
        return stands

    async def append_import(self, import_id: str, offset: int, content: bytes) -> Import:
        """Send a piece of the file, which begins at this byte."""
        stands: Import = answer_of(await self._sent(piece_request(import_id, offset, content)), Import)
        return stands

    async def cancel_import(self, import_id: str) -> Import:
        """End an import; what it has recorded stays."""
        stands: Import = answer_of(await self._sent(cancel_request(import_id)), Import)
        return stands

    async def import_errors(self, import_id: str) -> AsyncGenerator[bytes, None]:
        """The rows that were refused, as the pieces of a CSV file."""
        async with self._body(question_request(GetImportErrors(import_id=import_id))) as response:
            async for piece in response.aiter_bytes():
                yield piece

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @asynccontextmanager
    async def _body(self, request: dict[str, Any]) -> AsyncIterator[httpx.Response]:
        """An answer that is well, whose content is yet to come."""
        response = await self._sent(request, stream=True)
        try:
            if not response.is_success:
                raise refused(response)
            yield response
        except httpx.RequestError as error:
            raise unreachable(error) from error
        finally:
            await response.aclose()

    async def _sent(self, request: dict[str, Any], *, stream: bool = False) -> httpx.Response:
        for attempt in itertools.count(1):
            got: httpx.Response | httpx.RequestError
            try:
                got = await self._http.send(self._http.build_request(**request), stream=stream)
                if got.is_success:
                    return got
                await got.aread()
            except httpx.RequestError as error:
                got = error
            pause_s = pause_before_next(attempt, got)
            if pause_s is None:
                assert isinstance(got, httpx.Response)
                return got
            await asyncio.sleep(pause_s)
        raise AssertionError
