"""Whether the devices of an imported shipment followed it. That happens by policy, after the shipment is on record; a
row whose device could not follow is handed back with the reason, as a row is that was refused at once.
"""

import asyncio
from typing import Final

import msgspec

from kernel.refusal import AgainstRules, Reason, Refusal, against_rules
from kernel.spreadsheet.findings import Finding
from services.registry.app import LeftBehind, Registry
from services.registry.imports.locating import located
from services.registry.imports.shipping import Shipments

FOLLOWED_S_MAX: Final = 120.0
"""For all shipments of an import together. Policies follow the log as it grows; only one that stopped takes longer."""
POLL_S: Final = (0.05, 1.0)
"""The first pause between two looks, and the longest; each is twice the one before."""

NOT_YET = against_rules(
    "import.not_followed_yet",
    "移交单 {shipment} 已入账，但其器具尚未全部随之流转；未能流转的将列为移交单的例外。",
    "shipment {shipment} is on record, but its devices have not all followed it yet; those that cannot will be"
    " exceptions on the shipment",
)


class Shipped(msgspec.Struct, frozen=True):
    """A shipment on record: at which event, and as what its rows were counted."""

    shipment: str
    position: int
    counted: str


class Followed(msgspec.Struct, frozen=True):
    """What came of a shipment: what is to be handed back, and how many of its rows did not follow, as counted."""

    found: list[Finding]
    refused: int
    warned: int


class Following:
    """Waits for the devices of shipments, and says which stayed behind."""

    def __init__(self, registry: Registry, shipments: Shipments, *, seconds_max: float = FOLLOWED_S_MAX) -> None:
        self._registry: Final = registry
        self._shipments: Final = shipments
        self._seconds_max: Final = seconds_max

    async def wait(self, position: int) -> bool:
        """Until the devices have followed up to this event. False where that takes too long."""
        pause_s, longest_s = POLL_S
        try:
            async with asyncio.timeout(self._seconds_max):
                while not await self._registry.followed(position):
                    await asyncio.sleep(pause_s)
                    pause_s = min(2 * pause_s, longest_s)
        except TimeoutError:
            return False
        return True

    async def look(self, shipped: Shipped) -> Followed:
        """Which devices of a shipment did not follow it."""
        if not await self._registry.followed(shipped.position):
            first = await self._shipments.first(shipped.shipment)
            return Followed(located(NOT_YET(shipment=shipped.shipment), [first], about="shipment"), 0, 1)
        found = [
            finding
            for left in await self._registry.left_behind(shipped.position)
            if (source := await self._shipments.source(shipped.shipment, left.asset_no)) is not None
            for finding in located(_said(left), [source])
        ]
        return Followed(sorted(found, key=lambda finding: finding.row), len(found), 0)


def _said(left: LeftBehind) -> Refusal:
    zh, en = (text.replace("{", "{{").replace("}", "}}") for text in (left.zh, left.en))
    reason = Reason(
        AgainstRules,
        left.code,
        f"移交单已入账，此器具未随之流转：{zh}",
        f"the shipment is on record, but this device did not follow it: {en}",
    )
    return reason()
