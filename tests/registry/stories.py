"""Small builders for stories about devices. Numbers are made up: unit 99401 and serials of 9s belong to nobody."""

from datetime import date

import msgspec

from services.registry.asset_number import compose
from services.registry.meter import METER
from services.registry.meter.custody import Dispatch, Receive
from services.registry.meter.dismantling import Dismantle
from services.registry.meter.end import ClearData, Deface, HandToRecycler
from services.registry.meter.hold import PlaceHold
from services.registry.meter.identity import AssignTemporaryIdentity, Register
from services.registry.meter.release import RecordPrecondition, Release
from services.registry.meter.unexpected import ReceiveUnexpected
from services.registry.vocabulary import Movement
from tests.given import given

DAY = date(2026, 3, 5)
UNIT = "99401"
STORE, CENTRE, YARD = "store-1", "centre", "yard"
NUMBER = compose(UNIT, "01", "99999999000001")
OTHER = compose(UNIT, "01", "99999999000002")
CUSTOMERS = compose("99001", "01", "99999999000003")
TEMPORARY = "T99401AB12"
PHOTO = "0" * 64


def on(struct, /, **fields):
    """A command or an event of that day, about the device unless the fields say otherwise."""
    said = {"occurred_on": DAY} | ({"asset_no": NUMBER} if "asset_no" in struct.__struct_fields__ else {})
    return struct(**said | fields)


def about(command, asset_no):
    """The same about another device."""
    return msgspec.structs.replace(command, asset_no=asset_no)


def moved(from_site=None, to_site=None, device_class="01"):
    return Movement(device_class=device_class, from_site=from_site, to_site=to_site)


REGISTER = on(Register, device_class="01", unit=UNIT)
DISMANTLE = on(Dismantle, work_order="WO-1", unit=UNIT, site=STORE, reason="fault")
DISPATCH = on(Dispatch, shipment="SH-1", from_site=STORE, to_site=CENTRE, device_class="01")
RECEIVE = on(Receive, shipment="SH-1", site=CENTRE, device_class="01")
TURN_UP = on(ReceiveUnexpected, site=CENTRE, device_class="01")
ASSIGN = on(AssignTemporaryIdentity, asset_no=TEMPORARY, device_class="01", unit=UNIT, site=CENTRE)
HOLD = on(PlaceHold, hold="H-1", kind="court", reference="case 7")
CLEAR = on(ClearData, method="reset")
DEFACE = on(Deface, evidence_sha256=PHOTO)

IN_SERVICE = (REGISTER,)
IN_STORE = (*IN_SERVICE, DISMANTLE)
ON_THE_WAY = (*IN_STORE, DISPATCH)
IN_STOCK = (*ON_THE_WAY, RECEIVE)


def ground(kind, reference="R-1"):
    return on(RecordPrecondition, kind=kind, reference=reference)


def release(purpose, reference="R-1", site=CENTRE):
    return on(Release, site=site, purpose=purpose, reference=reference)


TO_SCRAP = (*IN_STOCK, ground("verdict_scrap"), ground("scrap_approval"))
WITH_MATERIALS = (*TO_SCRAP, release("materials"))
SELL = on(HandToRecycler, recycler="RC-1", lot="LOT-1", contract="C-1")
SOLD = (*WITH_MATERIALS, CLEAR, DEFACE, SELL)
TO_REUSE = (*IN_STOCK, ground("verdict_reuse"), ground("re_verification"))


def told(decider, *commands):
    """A stream in which these commands were done one after the other."""
    story = given(decider)
    for command in commands:
        story.when(command)
        story.then(story.outcome)
    return story


def device(*commands):
    """A device to which this has happened."""
    return told(METER, *commands)
