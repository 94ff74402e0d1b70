"""Retention: by rules that somebody has set and no others, lifted when it is over, on whatever lives on."""

from datetime import date, datetime, time, timedelta

import msgspec
import pytest

from kernel.quantity import BUSINESS_ZONE, us_of_instant
from services.registry.meter.dismantling import Dismantled
from services.registry.meter.hold import HoldLifted, HoldPlaced, LiftHold, PlaceHold
from services.registry.retention import RETENTION_ENDS, Retention, RetentionRule, load
from tests.given import asked
from tests.registry.stories import DAY, DISMANTLE, NUMBER, OTHER, REGISTER, STORE, UNIT, about, device, moved, on
from tests.registry.views.telling import Told, held

SAID = on(Dismantled, work_order="WO-1", unit=UNIT, reason="fault", moved=moved(to_site=STORE))
ALL = RetentionRule(in_force=date(2026, 1, 1), days=30, rests_on="synthetic")
THEFT = RetentionRule(in_force=date(2026, 1, 1), days=180, reasons=("theft_evidence",), rests_on="synthetic")
ELSEWHERE = RetentionRule(in_force=date(2026, 1, 1), days=0, units=("99402",), rests_on="synthetic")
PLACED = on(PlaceHold, hold="retention-1", kind="retention", reference="WO-1", until=DAY + timedelta(days=30))


def follows(rules, event=SAID):
    (policy,) = Retention(rules=rules).policies()
    return asked(policy, event, version=1)


def test_nothing_is_retained_without_rules():
    assert Retention().policies() == ()
    assert load(None).rules == ()


def test_the_first_rule_that_fits_says_how_long():
    assert follows((THEFT, ELSEWHERE, ALL)) == [PLACED]
    theft = msgspec.structs.replace(SAID, reason="theft_evidence")
    assert [one.until for one in follows((THEFT, ELSEWHERE, ALL), theft)] == [DAY + timedelta(days=180)]
    assert follows((ELSEWHERE, ALL), msgspec.structs.replace(SAID, unit="99402")) == []
    assert follows((THEFT,)) == []


def test_a_rule_is_about_what_is_dismantled_while_it_is_in_force():
    for first, placed in ((DAY, [PLACED]), (DAY + timedelta(days=1), [])):
        assert follows((msgspec.structs.replace(ALL, in_force=first),)) == placed
    last = msgspec.structs.replace(SAID, occurred_on=date(2199, 12, 31))
    assert [one.until for one in follows((ALL,), last)] == [date(2199, 12, 31)]


def test_a_retained_device_travels_and_is_not_destroyed():
    story = device(REGISTER, DISMANTLE).when(PLACED)
    story.then([on(HoldPlaced, hold="retention-1", kind="retention", reference="WO-1", until=PLACED.until)])
    assert story.state.held == [("留存期", "retention")]


def midnight(day):
    return us_of_instant(datetime.combine(day, time(0), BUSINESS_ZONE))


def test_it_ends_by_itself_the_day_after_its_last():
    by_hand = on(PlaceHold, asset_no=OTHER, hold="H-9", kind="retention", reference="R", until=PLACED.until)
    court = on(PlaceHold, asset_no=OTHER, hold="retention-9", kind="court", reference="R", until=PLACED.until)
    lives = [about(one, number) for number in (NUMBER, OTHER) for one in (REGISTER, DISMANTLE)]
    told = Told(*lives, PLACED, by_hand, court)
    with held(told) as connection:
        assert list(RETENTION_ENDS.due(connection, midnight(PLACED.until + timedelta(days=1)) - 1)) == []
        ((identity, lift),) = RETENTION_ENDS.due(connection, midnight(PLACED.until + timedelta(days=1)))
    assert identity == f"{NUMBER}/retention-1"
    assert lift == on(LiftHold, hold="retention-1", reference="WO-1", occurred_on=PLACED.until + timedelta(days=1))
    story = device(REGISTER, DISMANTLE, PLACED).when(lift)
    (lifted,) = story.outcome
    assert isinstance(lifted, HoldLifted)
    with held(told.tell(lift)) as connection:
        assert list(RETENTION_ENDS.due(connection, midnight(date(2027, 1, 1)))) == []


GOOD = """
rules:
  - {in_force: 2026-01-01, days: 180, reasons: [theft_evidence], rests_on: synthetic}
  - {in_force: 2026-01-01, days: 0, units: ["99402"], rests_on: synthetic}
  - {in_force: 2026-01-01, days: 30, rests_on: synthetic}
"""


@pytest.mark.parametrize(
    ("was", "becomes"),
    [("days: 180", "days: -1"), ("theft_evidence", "whim"), ("days: 0", "days: 0, days: 1"), ("rules", "rule")],
)
def test_a_file_of_rules_is_read_strictly(tmp_path, was, becomes):
    file = tmp_path / "retention.yaml"
    file.write_text(GOOD, "utf-8")
    assert load(file).rules == (THEFT, ELSEWHERE, ALL)
    file.write_text(GOOD.replace(was, becomes), "utf-8")
    with pytest.raises(ValueError, match=r"retention\.yaml"):
        load(file)
    with pytest.raises(ValueError, match=r"nowhere\.yaml"):
        load(tmp_path / "nowhere.yaml")
