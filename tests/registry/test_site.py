"""Places and stocktakes."""

from collections import Counter

import msgspec
import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from services.registry.site import (
    ALREADY_OPEN,
    CLOSED,
    COUNT_DISAGREES,
    LISTED_TWICE,
    OTHER_KIND,
    OTHER_UNIT,
    SITE,
    SITE_KINDS,
    STOCKTAKES,
    UNKNOWN,
    CloseSite,
    CountLine,
    Difference,
    OpenSite,
    RecordStocktake,
    RecordStocktakeException,
    SiteClosed,
    SiteOpened,
    StocktakeExceptionRecorded,
    StocktakeRecorded,
)
from tests.given import given
from tests.registry.stories import NUMBER, OTHER, STORE, UNIT, on, told

AT = {"site_id": STORE}
LEFT = {"stocktake": "0123456789abcdef" * 2, "asset_no": NUMBER, "code": "meter.unknown"}
OPEN = on(OpenSite, **AT, kind="unit_store", name="一号库", unit=UNIT, county="990401")
CLOSE = on(CloseSite, **AT, why="moved to the new store")


def count(*lines, short=(), over=()):
    lines = tuple(CountLine(device_class=of, book=book, counted=counted) for of, book, counted in lines)
    return on(RecordStocktake, **AT, lines=lines, short=short, over=over)


def a_device(asset_no, device_class="01"):
    return Difference(asset_no=asset_no, device_class=device_class)


SHORT = count(("01", 5, 4), short=(a_device(NUMBER),))


def test_a_site_opens_is_counted_and_closes():
    story = given(SITE).when(OPEN)
    story.then([on(SiteOpened, **AT, kind="unit_store", name="一号库", unit=UNIT, county="990401")])
    story.when(count(("01", 5, 5)))
    story.then([on(StocktakeRecorded, **AT, lines=(CountLine(device_class="01", book=5, counted=5),))])
    story.when(CLOSE).then([on(SiteClosed, **AT, why="moved to the new store")])
    story.when(OPEN).then([on(SiteOpened, **AT, kind="unit_store", name="一号库", unit=UNIT, county="990401")])


def test_a_closed_site_is_opened_again_as_the_place_it_was():
    closed = told(SITE, OPEN, CLOSE)
    closed.when(msgspec.structs.replace(OPEN, kind="centre")).refused(OTHER_KIND, kind=SITE_KINDS["unit_store"])
    closed.when(msgspec.structs.replace(OPEN, unit="99402")).refused(OTHER_UNIT, unit=UNIT)
    renamed = msgspec.structs.replace(OPEN, name="二号库", county="990402")
    closed.when(renamed).then([on(SiteOpened, **AT, kind="unit_store", name="二号库", unit=UNIT, county="990402")])


def test_nothing_is_counted_or_closed_where_no_site_is():
    told(SITE, OPEN).when(OPEN).refused(ALREADY_OPEN, site_id=STORE)
    for command in (CLOSE, count(("01", 5, 5))):
        given(SITE).when(command).refused(UNKNOWN)
        told(SITE, OPEN, CLOSE).when(command).refused(CLOSED)


def test_a_difference_names_its_devices():
    lines = (CountLine(device_class="01", book=5, counted=4),)
    told(SITE, OPEN).when(SHORT).then([on(StocktakeRecorded, **AT, lines=lines, short=(a_device(NUMBER),))])
    told(SITE, OPEN).when(count(("01", 5, 4))).refused(COUNT_DISAGREES, book=5, counted=4, short=0, over=0)
    unlisted = count(("01", 5, 5), over=(a_device(OTHER, "02"),))
    told(SITE, OPEN).when(unlisted).refused(COUNT_DISAGREES, device_class="02", book=0, over=1)


def test_a_class_or_a_device_stands_once_on_the_lists():
    told(SITE, OPEN).when(count(("01", 5, 5), ("01", 7, 7))).refused(LISTED_TWICE, what="01")
    both = count(("01", 5, 5), short=(a_device(NUMBER),), over=(a_device(NUMBER),))
    told(SITE, OPEN).when(both).refused(LISTED_TWICE, what=NUMBER)
    twice = count(("01", 5, 3), short=(a_device(NUMBER), a_device(NUMBER)))
    told(SITE, OPEN).when(twice).refused(LISTED_TWICE, what=NUMBER)


def test_what_a_device_refused_is_an_exception_in_a_stream_beside_the_sites():
    left = on(RecordStocktakeException, **AT, **LEFT)
    story = given(STOCKTAKES).when(left).then([on(StocktakeExceptionRecorded, **AT, **LEFT)])
    story.when(left).then([on(StocktakeExceptionRecorded, **AT, **LEFT)])
    assert STOCKTAKES.stream_of(STORE) != SITE.stream_of(STORE)
    assert not {*STOCKTAKES.commands} & {*SITE.commands}


@pytest.mark.parametrize("wrong", ["", "0" * 31, "0" * 33, "A" * 32, "00000000-0000-0000-0000-000000000000"])
def test_a_stocktake_is_named_by_the_id_of_its_event(wrong):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"occurred_on": "2026-03-02", **AT, **LEFT, "stocktake": wrong}, RecordStocktakeException)


CLASSES = st.sampled_from(["01", "02", "41"])
NUMBERED = st.lists(st.tuples(st.integers(0, 9999), CLASSES), unique_by=lambda one: one[0], max_size=6)


@for_all(st.dictionaries(CLASSES, st.tuples(st.integers(0, 9), st.integers(0, 9))), NUMBERED, st.integers(0, 6))
def test_a_stocktake_is_recorded_when_book_over_and_short_make_the_count(lines, numbered, cut):
    devices = [a_device(f"T{UNIT}{number:04}", of) for number, of in numbered]
    short, over = tuple(devices[:cut]), tuple(devices[cut:])
    story = told(SITE, OPEN).when(
        count(*((of, book, counted) for of, (book, counted) in lines.items()), short=short, over=over)
    )
    change = Counter(one.device_class for one in over)
    change.subtract(one.device_class for one in short)
    agrees = all(lines.get(of, (0, 0))[0] + change[of] == lines.get(of, (0, 0))[1] for of in {*lines, *change})
    if agrees:
        assert len(story.outcome) == 1
        assert isinstance(story.outcome[0], StocktakeRecorded)
    else:
        story.refused(COUNT_DISAGREES)


def test_counts_are_whole_numbers_from_nought():
    for wrong in (-1, 1.5, "5"):
        line = {"device_class": "01", "book": wrong, "counted": 5}
        try:
            msgspec.convert(line, CountLine)
        except msgspec.ValidationError:
            continue
        raise AssertionError(wrong)
