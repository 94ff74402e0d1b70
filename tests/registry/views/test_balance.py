"""站点日结: opening + inflow - outflow = closing, for each site, class and business day; days changed later say so."""

from datetime import UTC, datetime

import msgspec
import pytest

from services.registry.meter.binding import BindIdentity
from services.registry.meter.custody import Dispatch
from services.registry.meter.identity import AssignTemporaryIdentity, CorrectRecord
from services.registry.meter.missing import ConfirmLoss, MarkFound, MarkMissing, WriteOff
from services.registry.meter.release import RecordPrecondition, Release, ReturnSample
from services.registry.meter.unexpected import AcceptUnexpected, ReceiveUnexpected
from services.registry.site import OpenSite
from services.registry.views.balance import balances
from services.registry.views.card import CARD, folded_by
from tests.registry.stories import CENTRE, NUMBER, OTHER, STORE, TEMPORARY, UNIT
from tests.registry.views.telling import SITES, Told, arrived, day, held, shipped
from tests.registry.views.test_recovery import dismantle, register


def in_store(*numbers, on=None):
    lives = [command for number in numbers for command in (register(number), dismantle(number, on or day(3)))]
    return Told(*SITES, *lives)


def lines(told, first=None, last=None, site=None, device_class=None):
    with held(told) as connection:
        return balances(connection, first or day(1), last or day(31), site, device_class)


def figures(told, *asked, **named):
    """(site, class, day): (opening, inflow, outflow, closing), and that opening + inflow - outflow = closing."""
    shown = {}
    for line in lines(told, *asked, **named):
        assert line.opening + line.inflow - line.outflow == line.closing
        shown[line.site, line.device_class, line.day.day] = (line.opening, line.inflow, line.outflow, line.closing)
    return shown


def restated(told):
    return {(line.site, line.day.day): line.restated_on for line in lines(told) if line.restated_on}


def test_a_device_is_counted_where_it_came_in_until_it_goes():
    told = in_store(NUMBER, OTHER)
    told.tell(*shipped([NUMBER, OTHER], day(5)), arrived([NUMBER, OTHER], day(6)))
    assert figures(told) == {
        (STORE, "01", 3): (0, 2, 0, 2),
        (STORE, "01", 5): (2, 0, 2, 0),
        (CENTRE, "01", 6): (0, 2, 0, 2),
    }


def test_a_balance_is_the_units_whose_site_it_is():
    theirs = OpenSite(occurred_on=day(1), site_id=CENTRE, kind="centre", name="synthetic", unit="99000")
    told = Told(SITES[0], theirs, register(NUMBER), dismantle(NUMBER, day(3)))
    told.tell(*shipped([NUMBER], day(5)), arrived([NUMBER], day(6)))
    with held(told) as connection:
        lines = balances(connection, day(1), day(31))
        still = balances(connection, day(10), day(31))
        of_one = [balances(connection, day(1), day(31), unit=unit) for unit in (UNIT, "99000", "99402")]
    assert [(line.site, line.unit) for line in lines] == [(CENTRE, "99000"), (STORE, UNIT), (STORE, UNIT)]
    assert [(line.site, line.unit, line.closing) for line in still] == [(CENTRE, "99000", 1)]
    assert of_one == [lines[1:], lines[:1], []]


def test_what_came_in_and_went_out_on_one_day_is_in_both_figures():
    told = in_store(NUMBER, on=day(5)).tell(*shipped([NUMBER], day(5)))
    assert figures(told) == {(STORE, "01", 5): (0, 1, 1, 0)}


def test_days_asked_for_open_with_what_lay_there_and_show_it_though_nothing_moved():
    told = in_store(NUMBER, OTHER).tell(*shipped([OTHER], day(20)), arrived([OTHER], day(21)))
    assert figures(told, day(10), day(19)) == {(STORE, "01", 10): (2, 0, 0, 2)}
    assert figures(told, day(10), day(21)) == {(STORE, "01", 20): (2, 0, 1, 1), (CENTRE, "01", 21): (0, 1, 0, 1)}
    assert figures(told, day(1), day(2)) == {}
    assert figures(told, day(22), day(31), site=CENTRE) == {(CENTRE, "01", 22): (1, 0, 0, 1)}
    assert figures(told, device_class="02") == {}


def test_missing_is_out_and_found_is_in_where_it_was_found():
    told = in_store(NUMBER, OTHER)
    told.tell(MarkMissing(occurred_on=day(5), asset_no=NUMBER, site=STORE))
    told.tell(MarkFound(occurred_on=day(8), asset_no=NUMBER, site=CENTRE))
    assert figures(told) == {
        (STORE, "01", 3): (0, 2, 0, 2),
        (STORE, "01", 5): (2, 0, 1, 1),
        (CENTRE, "01", 8): (0, 1, 0, 1),
    }


def test_what_is_missing_on_the_way_and_written_off_moves_no_balance_again():
    told = in_store(NUMBER).tell(*shipped([NUMBER], day(5)), arrived([], day(6)))
    before = figures(told)
    told.tell(ConfirmLoss(occurred_on=day(7), asset_no=NUMBER, cause="transit", liable_unit=UNIT))
    told.tell(WriteOff(occurred_on=day(8), asset_no=NUMBER, approval="A-1"))
    assert figures(told) == before == {(STORE, "01", 3): (0, 1, 0, 1), (STORE, "01", 5): (1, 0, 1, 0)}


def test_what_is_held_apart_is_counted_once_accepted_or_not():
    told = in_store(NUMBER)
    told.tell(ReceiveUnexpected(occurred_on=day(6), asset_no=NUMBER, site=CENTRE, device_class="01"))
    expected = {(STORE, "01", 3): (0, 1, 0, 1), (STORE, "01", 6): (1, 0, 1, 0), (CENTRE, "01", 6): (0, 1, 0, 1)}
    assert figures(told) == expected
    told.tell(AcceptUnexpected(occurred_on=day(7), asset_no=NUMBER, reference="R-1"))
    assert figures(told) == expected


def test_a_sample_leaves_and_returns():
    told = in_store(NUMBER)
    told.tell(RecordPrecondition(occurred_on=day(4), asset_no=NUMBER, kind="laboratory_request", reference="R-1"))
    told.tell(Release(occurred_on=day(5), asset_no=NUMBER, site=STORE, purpose="laboratory", reference="R-1"))
    told.tell(ReturnSample(occurred_on=day(9), asset_no=NUMBER, site=STORE))
    assert figures(told) == {
        (STORE, "01", 3): (0, 1, 0, 1),
        (STORE, "01", 5): (1, 0, 1, 0),
        (STORE, "01", 9): (0, 1, 0, 1),
    }


def test_a_temporary_identity_and_its_number_are_one_device_in_the_sum():
    told = Told(*SITES, register(NUMBER))
    named = {"asset_no": TEMPORARY, "device_class": "01", "unit": UNIT, "site": CENTRE}
    told.tell(AssignTemporaryIdentity(occurred_on=day(6), **named))
    told.tell(BindIdentity(occurred_on=day(8), asset_no=TEMPORARY, bound_to=NUMBER, evidence="cleaned"))
    assert figures(told) == {(CENTRE, "01", 6): (0, 1, 0, 1), (CENTRE, "01", 8): (1, 1, 1, 1)}


def test_a_corrected_class_moves_the_device_between_two_balances_of_its_site():
    told = in_store(NUMBER)
    told.tell(CorrectRecord(occurred_on=day(9), asset_no=NUMBER, corrects_version=0, device_class="02", why="plate"))
    assert figures(told) == {
        (STORE, "01", 3): (0, 1, 0, 1),
        (STORE, "01", 9): (1, 0, 1, 0),
        (STORE, "02", 9): (0, 1, 0, 1),
    }


def test_a_dismantling_taken_back_leaves_nothing_in_the_store():
    told = in_store(NUMBER)
    told.tell(CorrectRecord(occurred_on=day(9), asset_no=NUMBER, corrects_version=1, did_not_happen=True, why="B"))
    assert figures(told)[STORE, "01", 9] == (1, 0, 1, 0)


def test_a_day_changed_after_it_was_over_says_when():
    told = in_store(NUMBER)
    told.tell(register(OTHER)).tell(dismantle(OTHER, day(3)), recorded_on=day(9))
    assert restated(told) == {(STORE, 3): day(9)}
    assert figures(told) == {(STORE, "01", 3): (0, 2, 0, 2)}


def test_a_day_told_in_time_is_not_restated():
    assert restated(in_store(NUMBER).tell(*shipped([NUMBER], day(5)), arrived([NUMBER], day(6)))) == {}


def test_what_was_there_before_a_site_kept_its_record_restates_nothing():
    """The sites open on record on 10 March; what happened before is brought in on that day, and more on the next."""
    told = Told().tell(*SITES, register(NUMBER), register(OTHER), recorded_on=day(10))
    told.tell(dismantle(NUMBER, day(3)), recorded_on=day(10))
    assert restated(told) == {}
    told.tell(dismantle(OTHER, day(3)), recorded_on=day(11))
    assert restated(told) == {(STORE, 3): day(11)}


@pytest.mark.parametrize(("hour", "of_day"), [(15, 5), (16, 6)])
def test_a_business_day_is_that_of_beijing(hour, of_day):
    told = in_store(NUMBER)
    ends = {"from_site": STORE, "to_site": CENTRE, "device_class": "01"}
    out = Dispatch(occurred_on=day(5), asset_no=NUMBER, shipment="SH-1", **ends)
    at = datetime(2026, 3, 5, hour, 59, tzinfo=UTC)
    told.tell(msgspec.structs.replace(out, occurred_on=None, occurred_at=at), recorded_on=day(6))
    assert figures(told)[STORE, "01", of_day] == (1, 0, 1, 0)


def test_what_is_dated_before_the_device_came_counts_on_the_day_it_came():
    """A dispatch of the fifth, of a device dismantled on the tenth: one of the two dates is wrong."""
    told = in_store(NUMBER, on=day(10)).tell(*shipped([NUMBER], day(5)), arrived([NUMBER], day(6)))
    assert figures(told) == {(STORE, "01", 10): (0, 1, 1, 0), (CENTRE, "01", 10): (0, 1, 0, 1)}
    life = [one for one in told.events if one[1].stream == f"meter-{NUMBER}"]
    assert [folded_by(life, day(number)).site for number in (9, 10)] == [None, CENTRE]


def test_what_follows_a_wrong_date_in_its_order_counts_on_its_own_day():
    told = in_store(NUMBER, on=day(10)).tell(*shipped([NUMBER], day(5)), arrived([NUMBER], day(12)))
    assert figures(told) == {(STORE, "01", 10): (0, 1, 1, 0), (CENTRE, "01", 12): (0, 1, 0, 1)}


def redate(number, to, on=None, version=1, **more):
    says = {"corrects_version": version, "dismantled_on": to, "why": "misread", **more}
    return CorrectRecord(occurred_on=on or day(15), asset_no=number, **says)


def test_a_dismantling_on_another_day_counts_there_and_both_days_say_so():
    told = in_store(NUMBER, OTHER, on=day(10)).tell(redate(NUMBER, day(3)))
    assert figures(told) == {(STORE, "01", 3): (0, 1, 0, 1), (STORE, "01", 10): (1, 1, 0, 2)}
    assert restated(told) == {(STORE, 3): day(15), (STORE, 10): day(15)}
    told.tell(redate(NUMBER, day(12), day(16)), redate(OTHER, day(10), day(17)))
    assert figures(told) == {
        (STORE, "01", 3): (0, 0, 0, 0),
        (STORE, "01", 10): (0, 1, 0, 1),
        (STORE, "01", 12): (1, 1, 0, 2),
    }
    assert restated(told) == {(STORE, 3): day(16), (STORE, 10): day(15), (STORE, 12): day(16)}


def test_it_counts_between_the_movements_before_and_after_it():
    told = in_store(NUMBER).tell(*shipped([NUMBER], day(5)), arrived([NUMBER], day(6)), redate(NUMBER, day(9)))
    assert figures(told) == {
        (STORE, "01", 3): (0, 0, 0, 0),
        (STORE, "01", 5): (0, 1, 1, 0),
        (CENTRE, "01", 6): (0, 1, 0, 1),
    }
    told.tell(redate(NUMBER, day(1), day(16)))
    assert figures(told)[STORE, "01", 1] == (0, 1, 0, 1)


def test_what_follows_a_dismantling_on_another_day_counts_on_its_own():
    told = in_store(NUMBER, on=day(10)).tell(redate(NUMBER, day(3), day(11)), *shipped([NUMBER], day(5)))
    assert figures(told)[STORE, "01", 5] == (1, 0, 1, 0)


def test_class_and_day_corrected_at_once():
    told = in_store(NUMBER, on=day(10)).tell(redate(NUMBER, day(3), device_class="02"))
    assert figures(told) == {
        (STORE, "01", 3): (0, 1, 0, 1),
        (STORE, "01", 10): (1, 0, 0, 1),
        (STORE, "01", 15): (1, 0, 1, 0),
        (STORE, "02", 15): (0, 1, 0, 1),
    }


REGISTERED = register(NUMBER)
LATE = msgspec.structs.replace(REGISTERED, occurred_on=day(20))
MISSED = MarkMissing(occurred_on=day(5), asset_no=NUMBER, site=STORE)
FOUND = MarkFound(occurred_on=day(7), asset_no=NUMBER, site=CENTRE)


def reclass(device_class, on):
    says = {"corrects_version": 0, "why": "misread", "device_class": device_class}
    return CorrectRecord(occurred_on=on, asset_no=NUMBER, **says)


@pytest.mark.parametrize(
    ("life", "classes"),
    [
        ((REGISTERED, dismantle(NUMBER, day(3)), reclass("02", day(9))), {3: "01", 8: "01", 9: "02", 30: "02"}),
        ((REGISTERED, reclass("02", day(9)), dismantle(NUMBER, day(3))), {3: "02", 9: "02"}),
        ((LATE, reclass("02", day(21)), dismantle(NUMBER, day(3))), {3: "02", 21: "02"}),
        (
            (REGISTERED, reclass("02", day(9)), dismantle(NUMBER, day(12)), redate(NUMBER, day(3), version=2)),
            {3: "02", 9: "02"},
        ),
        (
            (REGISTERED, dismantle(NUMBER, day(3)), MISSED, reclass("02", day(9)), FOUND),
            {3: "01", 4: "01", 7: "02", 9: "02"},
        ),
        (
            (REGISTERED, dismantle(NUMBER, day(3)), MISSED, reclass("02", day(9)), reclass("03", day(8)), FOUND),
            {3: "01", 4: "01", 7: "03", 9: "03"},
        ),
    ],
    ids=["in-store", "in-service", "registered-late", "dismantled-earlier", "missing", "missing-twice"],
)
def test_the_card_as_of_a_day_is_of_the_class_under_which_the_balance_of_that_day_counts_it(life, classes):
    told = Told(*SITES).tell(*life, recorded_on=day(25))
    events = [one for one in told.events if one[1].stream == f"meter-{NUMBER}"]
    for number in range(3, 31):
        card = folded_by(events, day(number))
        counted = [line for line in lines(told, day(number), day(number)) if line.closing]
        where = [] if card.site is None else [(card.site, card.device_class)]
        assert [(line.site, line.device_class) for line in counted] == where, number
        assert card.device_class == classes.get(number, card.device_class), number


def test_a_class_corrected_where_no_site_counts_it_is_its_class_since_a_site_last_did():
    life = Told(REGISTERED, dismantle(NUMBER, day(3)), MISSED, reclass("02", day(9))).events
    assert [folded_by(life, day(number)).device_class for number in (2, 4, 5, 8, 9)] == ["01", "01", "02", "02", "02"]
    life = Told(REGISTERED, reclass("02", day(9))).events
    assert [folded_by(life, day(number)).device_class for number in (1, 8)] == ["02", "02"]
    assert folded_by(life, day(28, 2)) is None


def test_the_card_is_as_of_the_day_that_was_said_last():
    told = in_store(NUMBER, on=day(10)).tell(redate(NUMBER, day(3)))
    life = [one for one in told.events if one[1].stream == f"meter-{NUMBER}"]
    assert [folded_by(life, day(number)).site for number in (2, 3, 10)] == [None, STORE, STORE]
    card = folded_by(life, day(4))
    assert (card.since, card.dismantled_on) == (day(3), day(3))
    now = told.rows(CARD)[(NUMBER,)]
    assert (now.since, now.dismantled_on) == (day(3), day(3))
