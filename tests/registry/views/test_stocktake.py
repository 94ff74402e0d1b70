"""盘点对账: what was counted stands beside the record, and where the two differ that can be seen."""

from sqlalchemy import event

from services.registry.meter.missing import MarkFound, MarkMissing
from services.registry.meter.unexpected import ReceiveUnexpected
from services.registry.site import CountLine, Difference, RecordStocktake
from services.registry.views.card import CARD
from services.registry.views.stocktake import EXCEPTIONS_SHOWN, StocktakeException, stocktake_lines
from tests.registry.stories import CENTRE, STORE, UNIT
from tests.registry.views.telling import SITES, Told, day, held
from tests.registry.views.test_recovery import A, B, C, D, dismantle, register


def in_store(*numbers):
    return Told(*SITES, *(command for one in numbers for command in (register(one), dismantle(one, day(3)))))


def counted(told, book, number, *, on=8, site=STORE, **differences):
    lines = () if book is None else (CountLine(device_class="01", book=book, counted=number),)
    told.tell(RecordStocktake(occurred_on=day(on), site_id=site, lines=lines, **differences))
    return lines_of(told)


def lines_of(told):
    return [(line.device_class, line.book, line.counted, line.short, line.over, line.on_record) for line in whole(told)]


def whole(told):
    lines = []
    with held(told) as connection:
        for at in (STORE, CENTRE):
            streams = {f"site-{at}", f"stocktake-{at}"}
            lines += stocktake_lines(connection, [one for one in told.events if one[1].stream in streams])
    return lines


def of(number, device_class="01"):
    return Difference(asset_no=number, device_class=device_class)


def test_a_count_that_agrees_with_the_record():
    assert counted(in_store(A, B), 2, 2) == [("01", 2, 2, 0, 0, 2)]


def test_differences_follow_into_the_record_so_that_it_agrees_with_the_count():
    assert counted(in_store(A, B), 2, 2, short=(of(A),), over=(of(C),)) == [("01", 2, 2, 1, 1, 2)]


def test_a_book_that_is_not_the_record_is_seen():
    assert counted(in_store(A, B), 3, 3) == [("01", 3, 3, 0, 0, 2)]


def test_a_class_that_nobody_counted_is_seen():
    assert counted(in_store(A, B), None, 0) == [("01", 0, 0, 0, 0, 2)]


def test_what_is_recorded_later_for_that_day_is_seen():
    told = in_store(A)
    assert counted(told, 1, 1) == [("01", 1, 1, 0, 0, 1)]
    told.tell(register(B)).tell(dismantle(B, day(7)), recorded_on=day(9))
    assert lines_of(told) == [("01", 1, 1, 0, 0, 2)]


def test_a_difference_that_could_not_follow_is_seen():
    """Short by a device that is on record elsewhere: the record stays as it is."""
    told = in_store(A)
    assert counted(told, 1, 0, short=(of(B),)) == [("01", 1, 0, 1, 0, 1)]
    (line,) = whole(told)
    assert (line.exceptions, line.exceptions_shown) == (1, (StocktakeException(asset_no=B, code="meter.unknown"),))


def test_a_stocktake_that_is_entered_late_leaves_what_has_moved_since_where_it_is():
    """C had not come yet on the day of the count; A had not left, and is known to have since."""
    told = in_store(A, B).tell(register(C), dismantle(C, day(5)))
    told.tell(MarkMissing(occurred_on=day(6), asset_no=A, site=STORE))
    told.tell(MarkFound(occurred_on=day(7), asset_no=A, site=CENTRE))
    before = told.rows(CARD)
    lines = counted(told, 2, 2, on=4, short=(of(C),), over=(of(A),))
    assert lines == [("01", 2, 2, 1, 1, 2)]
    assert told.rows(CARD) == before
    (line,) = whole(told)
    assert {(one.asset_no, one.code) for one in line.exceptions_shown} == {
        (A, "meter.moved_since"),
        (C, "meter.moved_since"),
    }


def test_a_class_that_is_not_the_records_is_an_exception_at_the_line_that_counted_it():
    told = in_store(A, B)
    lines = counted(told, 2, 2, short=(of(A, "02"),), over=(of(C, "02"),))
    assert lines == [("01", 2, 2, 0, 0, 2), ("02", 0, 0, 1, 1, 1)]
    assert [(line.device_class, line.exceptions_shown) for line in whole(told)] == [
        ("01", ()),
        ("02", (StocktakeException(asset_no=A, code="meter.other_class"),)),
    ]


def test_exceptions_stand_at_their_own_stocktake_and_class():
    told = in_store(A)
    counted(told, 1, 1, on=4)
    counted(told, 2, 1, on=5, short=(of(B),))
    counted(told, 2, 0, on=6, short=(of(A), of(B), of(C, "02")), over=(of(D, "02"),))
    assert [
        (line.day.day, line.device_class, [one.asset_no for one in line.exceptions_shown]) for line in whole(told)
    ] == [
        (4, "01", []),
        (5, "01", [B]),
        (6, "01", [B]),
        (6, "02", [C]),
    ]


def test_of_many_exceptions_the_latest_are_shown_and_all_are_counted():
    told = in_store(A)
    strangers = tuple(of(f"T{UNIT}{number:04}") for number in range(600))
    for on in (4, 5):
        counted(told, 601, 1, on=on, short=strangers)
    first, second = whole(told)
    assert (first.exceptions, len(first.exceptions_shown)) == (600, EXCEPTIONS_SHOWN - 600)
    assert (second.exceptions, len(second.exceptions_shown)) == (600, 600)
    assert first.exceptions_shown[-1].asset_no == strangers[-1].asset_no


def test_pages_follow_each_other_without_gap_or_repetition():
    told = in_store(A, B)
    told.tell(ReceiveUnexpected(occurred_on=day(4), asset_no=D, site=STORE, device_class="02"))
    for on in (4, 5, 5, 9):
        counted(told, 2, 2, on=on)
    stream = [one for one in told.events if one[1].stream == f"site-{STORE}"]
    with held(told) as connection:
        every = stocktake_lines(connection, stream)
        assert [(line.day.day, line.device_class, line.on_record) for line in every] == [
            (day, kind, number) for day in (4, 5, 5, 9) for kind, number in (("01", 2), ("02", 1))
        ]
        for limit in (1, 3, 8, 9):
            paged, after = [], None
            while page := stocktake_lines(connection, stream, after, limit):
                assert len(page) <= limit
                paged += page
                after = page[-1].version, page[-1].device_class
            assert paged == every


def test_a_page_asks_the_balance_once_however_many_days_it_stands_for():
    told = in_store(A)
    for on in range(4, 24):
        told.tell(RecordStocktake(occurred_on=day(on), site_id=STORE, lines=()))
    asked = []
    with held(told) as connection:
        event.listen(connection, "before_cursor_execute", lambda *said: asked.append(said[2]))
        assert len(stocktake_lines(connection, [one for one in told.events if one[1].stream == f"site-{STORE}"])) == 20
    assert len(asked) == 1


def test_each_stocktake_is_beside_its_own_day():
    told = in_store(A)
    counted(told, 1, 1, on=4)
    told.tell(register(B), dismantle(B, day(5)))
    assert counted(told, 2, 2, on=6) == [("01", 1, 1, 0, 0, 1), ("01", 2, 2, 0, 0, 2)]
    assert counted(told, None, 0, on=7, site=CENTRE) == [("01", 1, 1, 0, 0, 1), ("01", 2, 2, 0, 0, 2)]
