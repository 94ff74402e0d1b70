"""Meterloop from Python: typed commands and questions, over httpx, with msgspec and nothing else of the house.

    from client import Client, types

    with Client("http://127.0.0.1:8700", token) as meterloop:
        done = meterloop.do(types.Dismantle(asset_no=..., work_order=..., unit=..., site=..., reason="status", ...))
        card = meterloop.ask(types.GetDevice(asset_no=..., seen=done.position))
        for line in meterloop.rows(types.ListOwed(unit="99401")):
            ...
        with open("note.pdf", "wb") as file:
            meterloop.fetch(types.GetTransferNote(shipment_id=...), file)

`AsyncClient` has the same methods, to be awaited. What the platform refuses is raised as Refused, with its code.
"""

from client.api import AsyncClient, Client, PublicEvent
from client.calls import Command, Download, Page, Question, Refused, Unreachable
from client.downloads import Fetched

__all__ = [
    "AsyncClient",
    "Client",
    "Command",
    "Download",
    "Fetched",
    "Page",
    "PublicEvent",
    "Question",
    "Refused",
    "Unreachable",
]
