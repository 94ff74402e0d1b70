"""The two clients: one blocks, the other is awaited."""

from collections.abc import AsyncIterator, Iterator
from typing import Any, BinaryIO, Final, Self, TypeVar

import httpx
import msgspec

from client.calls import (
    Answer,
    Command,
    Download,
    Page,
    Question,
    Unreachable,
    announcement_request,
    answer_of,
    command_request,
    fresh_key,
    piece_request,
    question_request,
    refuse,
)
from client.downloads import Arriving, Fetched, Told
from client.types import Accepted, Import, NewImport

Row = TypeVar("Row")

TIMEOUT_S: Final = 30.0
ATTEMPTS_MAX: Final = 3
"""A command without an answer is sent again under the same Idempotency-Key, so that it is done once."""


class PublicEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A public event. `number` counts public events from 1: the stream goes on after it."""

    number: int
    type: str
    recorded_at: str
    data: dict[str, Any]


class Client:
    """A client that blocks."""

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._http: Final = httpx.Client(base_url=url, headers=_headers(token), timeout=timeout_s, transport=transport)

    def do(self, command: Command, *, key: str | None = None, expected_version: int | None = None) -> Accepted:
        """Have a command done. Raises Refused, Unreachable."""
        request = command_request(command, key or fresh_key(), expected_version)
        accepted: Accepted = answer_of(self._sent(request), Accepted)
        return accepted

    def ask(self, question: Question[Answer]) -> Answer:
        """Ask a question. Raises Refused, Unreachable."""
        answer: Answer = answer_of(self._sent(question_request(question)), question.ANSWER)
        return answer

    def rows(self, question: Question[Page[Row]]) -> Iterator[Row]:
        """Every row of a list, page by page."""
        cursor = None
        while True:
            page: Page[Row] = answer_of(self._sent(question_request(question, cursor)), question.ANSWER)
            yield from page.items
            cursor = page.next
            if cursor is None:
                return

    def fetch(self, wanted: Download, into: BinaryIO, told: Told | None = None) -> Fetched:
        """Write a file as it comes. Raises Refused, Unreachable; then what was written is not the file."""
        try:
            with self._http.stream(**question_request(wanted)) as response:
                if not response.is_success:
                    response.read()
                    refuse(response)
                arriving = Arriving(response, into, told)
                for piece in response.iter_bytes():
                    arriving.take(piece)
        except httpx.TransportError as error:
            raise Unreachable(str(error)) from error
        return arriving.done()

    def events(self, after: int | None = None) -> Iterator[PublicEvent]:
        """Public events as they happen: those after this number, or from now on. Ends when the platform stops."""
        headers = {} if after is None else {"Last-Event-ID": str(after)}
        with self._http.stream("GET", "/v1/events", headers=headers, timeout=None) as response:
            if not response.is_success:
                response.read()
                refuse(response)
            yield from _events(response.iter_lines())

    def create_import(self, announced: NewImport, *, key: str | None = None) -> Import:
        """Announce an import. The same key again is the same import. Raises Refused, Unreachable."""
        stands: Import = answer_of(self._sent(announcement_request(announced, key or fresh_key())), Import)
        return stands

    def append_import(self, import_id: str, offset: int, content: bytes) -> Import:
        """Send a piece of the file, which begins at this byte. Raises Refused, Unreachable."""
        stands: Import = answer_of(self._sent(piece_request(import_id, offset, content)), Import)
        return stands

    def cancel_import(self, import_id: str) -> Import:
        """End an import; what it has recorded stays. Raises Refused, Unreachable."""
        headers = {"Idempotency-Key": fresh_key()}
        request = {"method": "POST", "url": f"/v1/imports/{import_id}/cancel", "headers": headers}
        stands: Import = answer_of(self._sent(request), Import)
        return stands

    def import_errors(self, import_id: str) -> Iterator[bytes]:
        """The rows that were refused, as the pieces of a CSV file. Raises Refused."""
        with self._http.stream("GET", f"/v1/imports/{import_id}/errors") as response:
            if not response.is_success:
                response.read()
                refuse(response)
            yield from response.iter_bytes()

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _sent(self, request: dict[str, Any]) -> httpx.Response:
        for attempt in range(1, ATTEMPTS_MAX + 1):
            try:
                return self._http.request(**request)
            except httpx.TransportError as error:
                if attempt == ATTEMPTS_MAX:
                    raise Unreachable(str(error)) from error
        raise AssertionError


class AsyncClient:
    """The same, to be awaited."""

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._http: Final = httpx.AsyncClient(
            base_url=url, headers=_headers(token), timeout=timeout_s, transport=transport
        )

    async def do(self, command: Command, *, key: str | None = None, expected_version: int | None = None) -> Accepted:
        """Have a command done. Raises Refused, Unreachable."""
        request = command_request(command, key or fresh_key(), expected_version)
        accepted: Accepted = answer_of(await self._sent(request), Accepted)
        return accepted

    async def ask(self, question: Question[Answer]) -> Answer:
        """Ask a question. Raises Refused, Unreachable."""
        answer: Answer = answer_of(await self._sent(question_request(question)), question.ANSWER)
        return answer

    async def rows(self, question: Question[Page[Row]]) -> AsyncIterator[Row]:
        """Every row of a list, page by page."""
        cursor = None
        while True:
            page: Page[Row] = answer_of(await self._sent(question_request(question, cursor)), question.ANSWER)
            for row in page.items:
                yield row
            cursor = page.next
            if cursor is None:
                return

    async def create_import(self, announced: NewImport, *, key: str | None = None) -> Import:
        """Announce an import. The same key again is the same import. Raises Refused, Unreachable."""
        stands: Import = answer_of(await self._sent(announcement_request(announced, key or fresh_key())), Import)
        return stands

    async def append_import(self, import_id: str, offset: int, content: bytes) -> Import:
        """Send a piece of the file, which begins at this byte. Raises Refused, Unreachable."""
        stands: Import = answer_of(await self._sent(piece_request(import_id, offset, content)), Import)
        return stands

    async def fetch(self, wanted: Download, into: BinaryIO, told: Told | None = None) -> Fetched:
        """Write a file as it comes. Raises Refused, Unreachable; then what was written is not the file."""
        try:
            async with self._http.stream(**question_request(wanted)) as response:
                if not response.is_success:
                    await response.aread()
                    refuse(response)
                arriving = Arriving(response, into, told)
                async for piece in response.aiter_bytes():
                    arriving.take(piece)
        except httpx.TransportError as error:
            raise Unreachable(str(error)) from error
        return arriving.done()

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _sent(self, request: dict[str, Any]) -> httpx.Response:
        for attempt in range(1, ATTEMPTS_MAX + 1):
            try:
                return await self._http.request(**request)
            except httpx.TransportError as error:
                if attempt == ATTEMPTS_MAX:
                    raise Unreachable(str(error)) from error
        raise AssertionError


def _headers(token: str | None) -> dict[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token}"}


def _events(lines: Iterator[str]) -> Iterator[PublicEvent]:
    number = 0
    for line in lines:
        name, _, value = line.partition(": ")
        if name == "id":
            number = int(value)
        elif name == "data":
            yield PublicEvent(number=number, **msgspec.json.decode(value))
