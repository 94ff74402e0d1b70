"""When things are said to have happened: not before they have, and no shipment is received before it left."""

from datetime import date, datetime, timedelta
from uuid import UUID

import msgspec
import pytest

from kernel.handling import NOT_YET, Ask, Context, Handling
from kernel.quantity import BUSINESS_ZONE, us_of_instant
from ledger.memory import MemoryLedger
from services.registry.app import CODEC
from services.registry.meter import METER
from services.registry.shipment import (
    RECEIVED_BEFORE_DISPATCH,
    SHIPMENT,
    DispatchShipment,
    Line,
    PrepareShipment,
    ReceiveShipment,
)
from tests.registry.stories import CENTRE, DAY, NUMBER, REGISTER, STORE, UNIT, on, told

NOON_US = us_of_instant(datetime(2026, 3, 5, 12, tzinfo=BUSINESS_ZONE))
CONTEXT = Context(command_id=UUID(int=1), actor="subject-1")


@pytest.mark.parametrize(("ahead", "refused"), [(-400, False), (0, False), (1, False), (2, True), (45_000, True)])
async def test_what_has_not_happened_yet_is_refused_at_the_one_path_of_all(ahead, refused):
    handling = Handling(MemoryLedger(), METER, CODEC, clock=lambda: NOON_US)
    ask = Ask(msgspec.structs.replace(REGISTER, occurred_on=DAY + timedelta(days=ahead)), CONTEXT)
    for answers in (await handling.preview([ask]), await handling.handle_many([ask])):
        assert (getattr(answers[0], "code", None) == NOT_YET.code) is refused


async def test_what_was_recorded_once_is_answered_again_whatever_the_clock_says():
    at = [NOON_US]
    handling = Handling(MemoryLedger(), METER, CODEC, clock=lambda: at[0])
    await handling.handle(REGISTER, CONTEXT)
    at[0] -= 10 * 86_400_000_000
    assert (await handling.handle(REGISTER, CONTEXT)).repeated


def test_a_shipment_is_not_received_before_it_left():
    line = Line(asset_no=NUMBER, device_class="01")
    ends = {"shipment_id": "SH-1", "from_site": STORE, "to_site": CENTRE, "unit": UNIT, "manifest": (line,)}
    gone = told(SHIPMENT, on(PrepareShipment, **ends), on(DispatchShipment, shipment_id="SH-1"))
    early = date(2026, 3, 4)
    receive = on(ReceiveShipment, shipment_id="SH-1", found=(), occurred_on=early)
    gone.when(receive).refused(RECEIVED_BEFORE_DISPATCH, dispatched=DAY, received=early)
    gone.when(msgspec.structs.replace(receive, occurred_on=DAY))
    gone.then(gone.outcome)
