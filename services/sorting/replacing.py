"""What the replacement of a sample needs from elsewhere: where the registry has the device that is said to be gone."""

from collections.abc import Sequence
from typing import Final

import msgspec

from kernel.handling import Ask
from services.sorting.furnishing import AskViews
from services.sorting.review.results import NOWHERE, ReplaceSample, ReplaceSampleOnRecord
from services.sorting.views.device import devices


class Replacing:
    """Asks the views where devices are."""

    def __init__(self, ask_now: AskViews) -> None:
        """`ask_now` asks the views when everything recorded until now is in them."""
        self._ask_now: Final = ask_now

    async def furnished(self, asks: Sequence[Ask]) -> Sequence[Ask]:
        """The same, each replacement with what the record says. Raises Stale, ledger.port.Unavailable."""
        return [await self._furnished(ask) if isinstance(ask.command, ReplaceSample) else ask for ask in asks]

    async def _furnished(self, ask: Ask) -> Ask:
        about = msgspec.structs.asdict(ask.command)
        asset_no: str = about["asset_no"]
        found = (
            await self._ask_now(lambda connection: devices(connection, [asset_no]))
            if about["reason"] in NOWHERE
            else {}
        )
        site = found[asset_no].site if asset_no in found else None
        return msgspec.structs.replace(ask, command=ReplaceSampleOnRecord(**about, site=site), asked=ask.given)
