"""Meterloop from Python: typed commands and questions, over httpx, with msgspec and nothing else of the house.

    from client import Client, types

    with Client("http://127.0.0.1:8700", token) as meterloop:
        done = meterloop.do(types.Dismantle(asset_no=..., work_order=..., unit=..., site=..., reason="status", ...))
        card = meterloop.ask(types.GetDevice(asset_no=..., seen=done.position))
        for line in meterloop.rows(types.ListOwed(unit="99401")):
            ...
        with open("note.pdf", "wb") as file:
            meterloop.fetch(types.GetTransferNote(shipment_id=...), file)

`AsyncClient` has the same methods, to be awaited. What can go wrong is drawn in client.errors: what the platform
refuses is raised as Refused, with its code and its words in both languages. A request without an answer is sent again.
"""

from client.api import AsyncClient, Client
from client.calls import Command, Download, Page, Question
from client.downloads import Fetched
from client.errors import (
    AgainstRules,
    BadRequest,
    CannotNow,
    Faulty,
    MeterloopError,
    NotAllowed,
    NotFound,
    NotUnderstood,
    Refused,
    Stale,
    TimedOut,
    Torn,
    Unidentified,
    Unreachable,
    Unreadable,
)
from client.events import PublicEvent

__all__ = [
    "AgainstRules",
    "AsyncClient",
    "BadRequest",
    "CannotNow",
    "Client",
    "Command",
    "Download",
    "Faulty",
    "Fetched",
    "MeterloopError",
    "NotAllowed",
    "NotFound",
    "NotUnderstood",
    "Page",
    "PublicEvent",
    "Question",
    "Refused",
    "Stale",
    "TimedOut",
    "Torn",
    "Unidentified",
    "Unreachable",
    "Unreadable",
]
