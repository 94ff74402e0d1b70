"""What one may ask of the registry: rows kept up to date from its events.

card.py      a device now
balance.py   a site's business day, class by class
recovery.py  what became of every dismantling; rates; still owed; burnt
places.py    sites, plans, shipments, containers
hold.py      holds that stand
alarm.py     what was where it should not have been

consignment.py   one shipment whole, from its stream: no rows
contents.py      one container whole, from its stream, and how many devices are in which: no rows
stocktake.py     what was counted beside what is on record: no rows
"""

from typing import Any, Final

from kernel.view import View
from services.registry.views.alarm import ALARMS
from services.registry.views.balance import BALANCE
from services.registry.views.card import CARD
from services.registry.views.hold import HOLDS
from services.registry.views.places import CONTAINERS, PLANS, SHIPMENTS, SITES
from services.registry.views.recovery import RECEIPTS, RECOVERIES

VIEWS: Final[tuple[View[Any], ...]] = (
    CARD,
    BALANCE,
    RECOVERIES,
    RECEIPTS,
    SITES,
    PLANS,
    SHIPMENTS,
    CONTAINERS,
    HOLDS,
    ALARMS,
)
