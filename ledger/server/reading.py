"""Streams.Read: events of one stream, or of all of them."""

from collections.abc import AsyncIterator, Sequence
from typing import Final

import grpc
from kurrentdbclient.protos.v1 import streams_pb2

from ledger.port import Ledger, Recorded
from ledger.server.calling import Call
from ledger.server.errors import Refused, access_denied
from ledger.server.messages import event, stream_not_found

PAGE_EVENTS: Final = 256

Options = streams_pb2.ReadReq.Options


class Reading:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger: Final = ledger

    async def read(self, asked: streams_pb2.ReadReq, call: Call) -> None:
        options = asked.options
        which = (options.WhichOneof("stream_option"), options.WhichOneof("count_option"))
        if which == ("stream", "count") and options.read_direction == Options.Forwards:
            stream = options.stream.stream_identifier.stream_name.decode()
            found = await self._write(call, options.count, self._stream(stream, options.stream.revision))
            if not found:
                await call.write(stream_not_found(stream))
        elif which == ("all", "count") and options.read_direction == Options.Forwards:
            if not call.grant.all_streams:
                raise access_denied()
            position = options.all.position.commit_position
            await self._write(call, options.count, self._all(position))
        else:
            raise Refused(grpc.StatusCode.UNIMPLEMENTED, "not yet")

    async def _write(self, call: Call, count: int, pages: AsyncIterator[Sequence[Recorded]]) -> int:
        written = 0
        async for page in pages:
            for recorded in page:
                if written == count:
                    return written
                if call.grant.sees(recorded.type):
                    await call.write(event(recorded, metadata=call.grant.metadata))
                    written += 1
        return written

    async def _stream(self, stream: str, version: int) -> AsyncIterator[Sequence[Recorded]]:
        from_version: int | None = version
        while from_version is not None:
            page = await self._ledger.read(stream, from_version=from_version, limit=PAGE_EVENTS)
            yield page.events
            from_version = page.next_from

    async def _all(self, position: int) -> AsyncIterator[Sequence[Recorded]]:
        after, at_head = max(position - 1, 0), False
        while not at_head:
            page = await self._ledger.read_all(after, limit=PAGE_EVENTS)
            yield page.events
            after, at_head = page.scanned_to, page.at_head
