"""Drafts and appends for the ledger's tests. Everything in them is made up."""

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing

from ledger.port import ANY, JSON, Append, Draft, Expected, Ledger, Page, Recorded


def draft(data: bytes = b"{}", *, type: str = "test.Happened", id: bytes | None = None, metadata: bytes = b"") -> Draft:  # noqa: A002 - the port's names
    return Draft(id=os.urandom(16) if id is None else id, type=type, data=data, metadata=metadata, content_type=JSON)


def drafts(count: int) -> list[Draft]:
    return [draft(b"%d" % index) for index in range(count)]


def one(stream: str, expected: Expected = ANY, count: int = 1) -> list[Append]:
    return [Append(stream, expected, drafts(count))]


async def everything(log: Ledger, after: int = 0, **filters: Sequence[str]) -> list[Recorded]:
    """All pages of read_all, checking on the way what holds of each."""
    events: list[Recorded] = []
    while True:
        page = await log.read_all(after, **filters)
        assert page.scanned_to >= max([after, *(event.position for event in page.events)])
        assert page.at_head or page.scanned_to > after
        events += page.events
        after = page.scanned_to
        if page.at_head:
            return events


async def first_events(pages: AsyncIterator[Page], count: int) -> list[Recorded]:
    """Follow until `count` events have come."""
    events: list[Recorded] = []
    async with aclosing(pages):
        async for page in pages:
            events += page.events
            if len(events) >= count:
                break
    return events
