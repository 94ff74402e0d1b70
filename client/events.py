"""Public events as they come: server-sent events, read line by line."""

from typing import Any, Final

import httpx
import msgspec

from client.errors import NotUnderstood

PATH: Final = "/v1/events"
SILENCE_S_MAX: Final = 60.0
"""The platform says something at least every 15 seconds; after four times that nobody is there any more."""


class PublicEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A public event. `number` counts public events from 1: the stream goes on after it. `index` is its entry in the
    proof log, by which it can be proven.
    """

    number: int
    index: int
    type: str
    recorded_at: str
    data: dict[str, Any]


class _Told(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in an event's data."""

    index: int
    type: str
    recorded_at: str
    data: dict[str, Any]


class Lines:
    """Makes events of lines, as the HTML standard (server-sent events) says."""

    def __init__(self) -> None:
        self._number = 0
        self._data: list[str] = []

    def take(self, line: str) -> PublicEvent | None:
        """The event that ends with this line, if one does. Raises NotUnderstood."""
        if line:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "data":
                self._data.append(value)
            elif name == "id" and value.isascii() and value.isdecimal():
                self._number = int(value)
            return None
        if not self._data:
            return None
        text, self._data = "\n".join(self._data), []
        try:
            told = msgspec.json.decode(text, type=_Told)
        except msgspec.MsgspecError as error:
            raise NotUnderstood(f"{PATH}: {error}") from error
        return PublicEvent(number=self._number, **msgspec.structs.asdict(told))


def events_request(after: int | None, timeout_s: float) -> dict[str, Any]:
    """The arguments of httpx's request for the events after this number, or from now on."""
    headers = {"Accept": "text/event-stream"} | ({} if after is None else {"Last-Event-ID": str(after)})
    return {"method": "GET", "url": PATH, "headers": headers, "timeout": httpx.Timeout(timeout_s, read=SILENCE_S_MAX)}
