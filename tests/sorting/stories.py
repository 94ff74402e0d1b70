"""Small builders for stories about inspections and repairs. Numbers are made up."""

from datetime import date

from services.registry.asset_number import compose
from services.sorting.inspection import INSPECTION
from services.sorting.inspection.at_once import InspectAtOnceOnRecord
from services.sorting.inspection.repair_order import OrderRepair
from services.sorting.inspection.state import Device
from services.sorting.inspection.verdict import Rulebook, TableRef
from services.sorting.norms import SchemeRef, digest
from services.sorting.repair import REPAIR, BeginRepair, RestoreKeys, ReVerifyByScheme
from tests.given import given
from tests.sorting.examples import ACCURATE, DAY, POWERED, PRICES, SCHEME, SITE, TABLE, UNIT, WHOLE, inspected

NUMBER = compose(UNIT, "01", "99990000005001")
TEMPORARY = "T99101AB12"
REPAIR_ID = f"{NUMBER}-1"
VALID_UNTIL = date(2031, 5, 5)
REF = SchemeRef(group=SCHEME.group, version=1, sha256=digest(SCHEME))
DEVICE = Device(
    device_class="01",
    unit=UNIT,
    accuracy_class="1",
    maker="M01",
    batch="A1",
    made_on=date(2020, 1, 5),
    installed_on=date(2020, 6, 1),
)
RULEBOOK = Rulebook(
    scheme=SCHEME,
    scheme_ref=REF,
    table=TABLE,
    table_ref=TableRef(version=1, sha256=digest(TABLE)),
    value=PRICES.of("01"),
    prices_ref=TableRef(version=1, sha256=digest(PRICES)),
)


def on(struct, /, **fields):
    """A command or an event of that day, about the device and its first repair unless the fields say otherwise."""
    named = struct.__struct_fields__
    said = {"occurred_on": DAY}
    said |= {"asset_no": NUMBER} if "asset_no" in named else {}
    said |= {"repair": REPAIR_ID} if "repair" in named else {}
    return struct(**said | fields)


def judging(asset_no=NUMBER, **changed):
    """The whole inspection of a sound meter, but for what is changed."""
    said = inspected(asset_no, **changed)
    members = {name: getattr(said, name) for name in said.__struct_fields__}
    return InspectAtOnceOnRecord(**members, device=DEVICE, rulebook=RULEBOOK)


def told(decider, *commands):
    """A story in which all of these went well."""
    story = given(decider)
    for command in commands:
        story.when(command)
        story.then(story.outcome)
    return story


def device(*commands):
    """A story about the device's inspections."""
    return told(INSPECTION, *commands)


def repair(*commands):
    """A story about its repair."""
    return told(REPAIR, *commands)


ORDER = on(OrderRepair, route="no_fault", repairer="CENTRE")
ORDER_REPAIR = on(
    OrderRepair, route="fault", repaired_by="maker", repairer="M01", scope="clock battery", price_fen=1_500
)
BEGIN = on(BeginRepair, round=1, route="no_fault", repaired_by="centre", repairer="CENTRE", device=DEVICE, scheme=REF)
BEGIN_REPAIR = on(
    BeginRepair,
    round=1,
    route="fault",
    repaired_by="maker",
    repairer="M01",
    price_fen=1_500,
    device=DEVICE,
    scheme=REF,
)
KEYS = on(RestoreKeys, reference="KEY-1")


def verify(**changed):
    """A re-verification that shows no fault, but for what is changed."""
    members = {
        "site": SITE,
        "certificate": "C-0001",
        "verifier": "u-1",
        "valid_until": VALID_UNTIL,
        "seals": ("S-1", "S-2"),
        "appearance": WHOLE,
        "function": POWERED,
        "accuracy": ACCURATE,
        "scheme": SCHEME,
        "ref": REF,
    }
    return on(ReVerifyByScheme, **members | changed)
