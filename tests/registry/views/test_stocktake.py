"""盘点对账: what was counted stands beside the record, and where the two differ that can be seen."""

from services.registry.site import CountLine, Difference, RecordStocktake
from services.registry.views.stocktake import stocktake_lines
from tests.registry.stories import CENTRE, STORE
from tests.registry.views.telling import SITES, Told, day, held
from tests.registry.views.test_recovery import A, B, C, dismantle, register


def in_store(*numbers):
    return Told(*SITES, *(command for one in numbers for command in (register(one), dismantle(one, day(3)))))


def counted(told, book, number, *, on=8, site=STORE, **differences):
    lines = () if book is None else (CountLine(device_class="01", book=book, counted=number),)
    told.tell(RecordStocktake(occurred_on=day(on), site_id=site, lines=lines, **differences))
    return lines_of(told)


def lines_of(told):
    taken = [(event, of.version) for event, of in told.events if type(event).__name__ == "StocktakeRecorded"]
    with held(told) as connection:
        lines = stocktake_lines(connection, taken)
    return [(line.device_class, line.book, line.counted, line.short, line.over, line.on_record) for line in lines]


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
    assert counted(in_store(A), 1, 0, short=(of(B),)) == [("01", 1, 0, 1, 0, 1)]


def test_each_stocktake_is_beside_its_own_day():
    told = in_store(A)
    counted(told, 1, 1, on=4)
    told.tell(register(B), dismantle(B, day(5)))
    assert counted(told, 2, 2, on=6) == [("01", 1, 1, 0, 0, 1), ("01", 2, 2, 0, 0, 2)]
    assert counted(told, None, 0, on=7, site=CENTRE) == [("01", 1, 1, 0, 0, 1), ("01", 2, 2, 0, 0, 2)]
