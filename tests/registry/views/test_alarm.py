"""Alarms, custody gaps, holds that are due, addresses that several devices share."""

import msgspec
import pytest
from sqlalchemy import true

from services.registry.asset_number import compose
from services.registry.meter.binding import BindIdentity
from services.registry.meter.end import Destroy
from services.registry.meter.hold import LiftHold
from services.registry.meter.identity import CorrectRecord, Description
from services.registry.meter.missing import ConfirmLoss, MarkFound, MarkMissing, WriteOff
from services.registry.meter.release import ReturnSample
from services.registry.meter.unexpected import AcceptUnexpected, ReceiveUnexpected
from services.registry.views.alarm import ALARMS, Alarm, Duplicate, alarms, custody_gaps, duplicates
from services.registry.views.hold import HOLDS, HoldRow, holds_due
from tests.registry.stories import (
    ASSIGN,
    CENTRE,
    DAY,
    HOLD,
    IN_SERVICE,
    IN_STOCK,
    IN_STORE,
    NUMBER,
    ON_THE_WAY,
    OTHER,
    REGISTER,
    SOLD,
    STORE,
    TEMPORARY,
    TURN_UP,
    UNIT,
    YARD,
    about,
    ground,
    on,
    release,
)
from tests.registry.views.telling import Told, day, held

BIND = on(BindIdentity, asset_no=TEMPORARY, bound_to=NUMBER, evidence="cleaned")
MISSING = (*ON_THE_WAY, on(MarkMissing, shipment="SH-1"))
LOST = (*MISSING, on(ConfirmLoss, cause="transit", liable_unit=UNIT))
WRITTEN_OFF = (*LOST, on(WriteOff, approval="A-1"))
DESTROYED = (*SOLD, on(Destroy, certificate="C-9"))
SEEN = on(ReceiveUnexpected, site=YARD, device_class="01")


@pytest.mark.parametrize(
    ("life", "seen", "raised"),
    [
        (SOLD, SEEN, [("reappeared", "RC-1"), ("displaced", "with recycler RC-1, lot LOT-1")]),
        (DESTROYED, SEEN, [("reappeared", "RC-1")]),
        (WRITTEN_OFF, SEEN, [("reappeared", STORE), ("displaced", "written off")]),
        (IN_STORE, SEEN, [("displaced", f"at site {STORE}")]),
        (IN_SERVICE, SEEN, [("displaced", "in service")]),
        ((), SEEN, []),
        (MISSING, on(MarkFound, site=YARD), []),
        ((*IN_STORE, ASSIGN), BIND, [("duplicate", TEMPORARY)]),
        ((*IN_SERVICE, ASSIGN), BIND, []),
        ((*DESTROYED, ASSIGN), BIND, [("reappeared", "RC-1"), ("duplicate", TEMPORARY)]),
    ],
)
def test_what_is_where_it_should_not_be_is_an_alarm_that_names_who_had_it_last(life, seen, raised):
    shown = Told(*life, seen).rows(ALARMS).values()
    assert [(alarm.kind, alarm.holder) for alarm in shown] == raised
    assert {alarm.site for alarm in shown} <= {YARD, CENTRE}


def test_the_latest_alarms_come_first():
    told = Told(
        *DESTROYED, *(on(ReceiveUnexpected, occurred_on=day(n), site=YARD, device_class="01") for n in (7, 9, 8))
    )
    with held(told) as connection:
        shown, two = alarms(connection, 10), alarms(connection, 2)
    assert [alarm.day for alarm in shown] == [day(9), day(8), day(7)]
    assert two == shown[:2]
    said = {"asset_no": NUMBER, "version": shown[0].version, "kind": "reappeared", "site": YARD, "holder": "RC-1"}
    assert shown[0] == Alarm(**said, day=day(9), unit=UNIT)


def gaps(*life):
    with held(Told(*life)) as connection:
        return [
            (gap.asset_no, gap.phase, gap.site, gap.shipment, gap.holder) for gap in custody_gaps(connection, day(6), 9)
        ]


@pytest.mark.parametrize(
    ("life", "gap"),
    [
        (IN_SERVICE, None),
        (IN_STORE, None),
        (ON_THE_WAY, ("in_transit", None, "SH-1", STORE)),
        (IN_STOCK, None),
        (MISSING, ("missing", None, "SH-1", STORE)),
        ((*MISSING, on(MarkFound, site=YARD)), None),
        (LOST, ("lost", None, None, STORE)),
        (WRITTEN_OFF, None),
        ((TURN_UP,), ("unexpected", CENTRE, None, CENTRE)),
        ((TURN_UP, on(AcceptUnexpected, reference="R-1")), None),
        ((TURN_UP, on(MarkMissing, site=CENTRE)), ("missing", None, None, CENTRE)),
    ],
)
def test_a_device_between_two_custodians_is_a_gap_until_somebody_has_it(life, gap):
    assert gaps(*life) == ([] if gap is None else [(NUMBER, *gap)])


def test_a_device_that_is_out_for_a_purpose_has_a_custodian_until_it_is_missed():
    out = (*IN_STOCK, ground("review_sample"), release("review", "RV-1"))
    assert gaps(*out) == gaps(*out, on(ReturnSample, site=CENTRE)) == []
    assert gaps(*out, on(MarkMissing, release="RV-1")) == [(NUMBER, "missing", None, None, CENTRE)]


def test_the_longest_gaps_come_first_and_only_those_before_the_day():
    later = msgspec.structs.replace(about(TURN_UP, OTHER), occurred_on=day(9))
    told = Told(TURN_UP, later)
    with held(told) as connection:
        assert [gap.asset_no for gap in custody_gaps(connection, day(10), 9)] == [NUMBER, OTHER]
        assert [gap.asset_no for gap in custody_gaps(connection, day(10), 1)] == [NUMBER]
        assert [gap.asset_no for gap in custody_gaps(connection, day(9), 9)] == [NUMBER]
        assert custody_gaps(connection, DAY, 9) == []


UNTIL = msgspec.structs.replace(HOLD, until=day(20))
THEIR = "99402"


def test_alarms_gaps_and_holds_are_their_devices_units():
    theirs = msgspec.structs.replace(about(REGISTER, OTHER), unit=THEIR)
    told = Told(*IN_STORE, SEEN, theirs, about(SEEN, OTHER), UNTIL, about(UNTIL, OTHER))
    corrected = on(CorrectRecord, asset_no=OTHER, corrects_version=0, unit="99403", why="misread")
    for unit, number in ((UNIT, NUMBER), (THEIR, OTHER), ("99403", None)):
        with held(told) as connection:
            asked = {"unit": unit, "visible": true()}
            lists = [
                alarms(connection, 9, **asked),
                custody_gaps(connection, day(31), 9, **asked),
                holds_due(connection, day(31), 9, true(), unit=unit),
            ]
            assert [[(one.asset_no, one.unit) for one in found] for found in lists] == [
                [] if number is None else [(number, unit)]
            ] * 3
    told.tell(corrected)
    with held(told) as connection:
        assert [one.unit for one in alarms(connection, 9)] == [UNIT, "99403"]


def test_a_hold_stands_until_it_is_lifted():
    stands = HoldRow(NUMBER, "H-1", "court", "case 7", DAY, day(20))
    assert Told(*IN_STORE, UNTIL).rows(HOLDS) == {(NUMBER, "H-1"): stands}
    assert Told(*IN_STORE, UNTIL, on(LiftHold, hold="H-1", reference="case 7 closed")).rows(HOLDS) == {}


def test_a_hold_goes_along_to_the_number():
    told = Told(*IN_SERVICE, ASSIGN, about(UNTIL, TEMPORARY), BIND)
    assert list(told.rows(HOLDS)) == [(NUMBER, "H-1")]


@pytest.mark.parametrize(("by", "due"), [(19, []), (20, ["H-1"]), (21, ["H-1", "H-2"])])
def test_holds_are_due_on_the_day_they_end(by, due):
    told = Told(*IN_STORE, UNTIL)
    told.tell(msgspec.structs.replace(HOLD, hold="H-2", until=day(21)), msgspec.structs.replace(HOLD, hold="H-3"))
    with held(told) as connection:
        assert [hold.hold for hold in holds_due(connection, day(by), 9, true())] == due


def registered(number, address):
    return msgspec.structs.replace(about(REGISTER, number), description=Description(comm_address=address))


def test_addresses_that_devices_share_the_most_shared_first():
    numbers = [compose(UNIT, "01", f"9999999910{i:04}") for i in range(6)]
    told = Told(*map(registered, numbers, ["A-1", "A-2", "A-1", "A-2", "A-1", "A-3"]))
    with held(told) as connection:
        assert duplicates(connection, 9) == [
            Duplicate(comm_address="A-1", devices=3),
            Duplicate(comm_address="A-2", devices=2),
        ]
        assert len(duplicates(connection, 1)) == 1


def test_a_temporary_identity_and_the_number_it_is_bound_to_share_nothing():
    named = msgspec.structs.replace(ASSIGN, description=Description(comm_address="A-1"))
    told = Told(registered(NUMBER, "A-1"), named)
    with held(told) as connection:
        assert [shared.devices for shared in duplicates(connection, 9)] == [2]
    with held(told.tell(BIND)) as connection:
        assert duplicates(connection, 9) == []
