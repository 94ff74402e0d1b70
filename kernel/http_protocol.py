"""Limits before a request is one: how long its head may be, and how long it may take to come.

uvicorn and httptools have none of these: whoever sends headers without end, or one byte a minute, would keep memory and
connections for as long as they like.
"""

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES_MAX: Final = 64 * 1024
HEAD_S_MAX: Final = 10.0


class BoundedHttp(HttpToolsProtocol):
    """uvicorn's protocol, closing connections whose request's head is too long or too late."""

    head_s_max: float = HEAD_S_MAX
    _in_head = True
    _head_bytes = 0
    _heads = 0
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        began_in_head, heads = self._in_head, self._heads
        if began_in_head:
            self._start_timer()
        super().data_received(data)
        # What ended a head, and whatever body came with it, is no head that grows without end.
        if self._in_head and began_in_head and self._heads == heads:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                self.transport.close()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._heads += 1
        self._stop_timer()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        # Between requests uvicorn's own keep-alive timer watches.
        self._in_head, self._head_bytes = True, 0
        super().on_message_complete()

    def _start_timer(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self.head_s_max, self._too_late)

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_late(self) -> None:
        self._head_timer = None
        if self._in_head and not self.transport.is_closing():
            self.transport.close()
