"""In production nothing is inspected or judged by what has not been confirmed, whatever it was begun by."""

from contextlib import asynccontextmanager

import pytest
from msgspec.structs import replace

from kernel.handling import Ask, Context
from kernel.http_page import Cursors
from kernel.identity_issuer import built_in_verifier, write_keys
from kernel.refusal import Refusal
from ledger.memory import MemoryLedger
from services.registry.app import CODEC as REGISTRY_CODEC
from services.registry.asset_number import compose
from services.registry.meter.custody import Received
from services.registry.meter.identity import Registered
from services.registry.vocabulary import Movement
from services.sorting.app import CODEC
from services.sorting.covering import COVERED
from services.sorting.defaults import default_prices, default_scheme, default_verdict_table
from services.sorting.furnishing import BEGUN_UNCONFIRMED, TABLE_UNCONFIRMED, TWO_SCHEMES, UNCONFIRMED
from services.sorting.inspection.opening import AbandonInspection, CheckIdentity, OpenInspection
from services.sorting.inspection.steps import InspectAccuracy, InspectAppearance, InspectFunction, StepReport
from services.sorting.inspection.verdict import Judge
from services.sorting.norms import digest
from services.sorting.scheme import PublishScheme, SchemePublished
from services.sorting.table import PublishTable
from services.sorting.views.inspection import INSPECTIONS
from services.sorting.vocabulary import Words
from tests.given import fresh_id
from tests.sorting.behind import sorting_behind
from tests.sorting.examples import BENCH, DAY, SITE, UNIT, inspected
from tests.sorting.written import written

METER = compose(UNIT, "01", "99990000000001")
SCHEME = default_scheme("single_phase")
LOOKED_UP = "合成 synthetic"
PUBLISHED = {"occurred_on": DAY, "version": 1, "why": "合成 synthetic"}


def confirmed(scheme):
    """As a metrologist leaves it who has looked up every limit."""
    norms = []
    for norm in scheme.norms:
        items = [replace(item, limits=tuple(replace(limit, confirmed=True, source=LOOKED_UP) for limit in item.limits))
                 for item in norm.items]  # fmt: skip
        norms.append(replace(norm, items=tuple(items)))
    faults = tuple(replace(fault, cost_source=LOOKED_UP) for fault in scheme.faults)
    return replace(scheme, norms=tuple(norms), faults=faults)


def confirmed_prices(prices):
    return replace(prices, classes=tuple(replace(one, confirmed=True, source=LOOKED_UP) for one in prices.classes))


def confirmed_table(table):
    because = Words(zh="（合成）", en="synthetic")
    lines = tuple(replace(one, confirmed=True, source=LOOKED_UP, because=because) for one in table.obsolete)
    return replace(table, obsolete=lines)


OPENING = OpenInspection(occurred_on=DAY, asset_no=METER, bench=BENCH, site=SITE, accuracy_class="2")
ABOUT = {"occurred_on": DAY, "asset_no": METER}
UNDONE = StepReport(ended="not_possible", why="合成 synthetic")


@pytest.fixture
async def hall(tmp_path):
    """Starts sorting in or out of production on one log, with the rules that come along and a meter at the centre."""
    write_keys(tmp_path / "keys")
    verifier = built_in_verifier(tmp_path / "keys", ["127.0.0.1"])
    ledger = MemoryLedger()
    await written(
        ledger, REGISTRY_CODEC, f"meter-{METER}",
        Registered(**ABOUT, device_class="01", unit=UNIT, owner="company", origin="in_service"),
        Received(**ABOUT, shipment="S1", moved=Movement(device_class="01", to_site=SITE)),
    )  # fmt: skip

    @asynccontextmanager
    async def started(name, *, production):
        (tmp_path / name).mkdir()
        cursors = Cursors(b"c" * 32)
        async with sorting_behind(tmp_path / name, ledger, verifier, cursors, production=production) as behind:
            yield behind

    async with started("first", production=False) as behind:
        await do(behind, PublishScheme(**PUBLISHED, group=SCHEME.group, scheme=SCHEME))
        await do(behind, PublishTable(**PUBLISHED, name="verdict", verdict=default_verdict_table()))
        await do(behind, PublishTable(**PUBLISHED, name="prices", prices=default_prices()))
    started.ledger = ledger
    yield started
    await ledger.close()


async def do(behind, command):
    return await behind.sorting.do(command, Context(command_id=fresh_id(), actor="u-1"))


async def refused(behind, command, reason):
    with pytest.raises(reason.kind) as raised:
        await do(behind, command)
    assert raised.value.code == reason.code
    return raised.value.details


SECOND = PUBLISHED | {"version": 2}
CONFIRMED_SCHEME = PublishScheme(**SECOND, group=SCHEME.group, scheme=confirmed(SCHEME))
CONFIRMED_TABLE = PublishTable(**SECOND, name="verdict", verdict=confirmed_table(default_verdict_table()))
CONFIRMED_PRICES = PublishTable(**SECOND, name="prices", prices=confirmed_prices(default_prices()))


async def test_nothing_is_opened_by_what_is_not_confirmed_but_on_trial(hall):
    async with hall("production", production=True) as behind:
        at_once = inspected(METER, accuracy_class="2")
        for command in (OPENING, at_once):
            told = await refused(behind, command, UNCONFIRMED)
            assert told["limits"] == len(SCHEME.unconfirmed())
        await do(behind, CONFIRMED_SCHEME)
        await refused(behind, OPENING, TABLE_UNCONFIRMED)
        await do(behind, CONFIRMED_TABLE)
        assert (await refused(behind, OPENING, TABLE_UNCONFIRMED))["device_class"] == "01"
        await do(behind, CONFIRMED_PRICES)
        await do(behind, OPENING)
    async with hall("trial", production=False) as behind:
        await do(behind, CheckIdentity(**ABOUT, barcode=METER))


async def test_what_was_begun_on_trial_goes_no_further_in_production(hall):
    async with hall("trial", production=False) as behind:
        await do(behind, OPENING)
        await do(behind, CheckIdentity(**ABOUT, barcode=METER))
        await do(behind, InspectAppearance(**ABOUT, report=UNDONE))
    async with hall("production", production=True) as behind:
        for command in (CONFIRMED_SCHEME, CONFIRMED_TABLE, CONFIRMED_PRICES):
            await do(behind, command)
        for command in (
            InspectFunction(**ABOUT, report=UNDONE),
            Judge(**ABOUT),
            inspected(METER, accuracy_class="2", why="合成 synthetic"),
        ):
            told = await refused(behind, command, BEGUN_UNCONFIRMED)
            assert (told["version"], told["newest"]) == (1, 2)
        await do(behind, AbandonInspection(**ABOUT, why="begun on trial, synthetic"))
        await do(behind, OPENING)
        await do(behind, CheckIdentity(**ABOUT, barcode=METER))
        for kind in (InspectAppearance, InspectFunction, InspectAccuracy):
            await do(behind, kind(**ABOUT, report=UNDONE))
        row = await behind.sorting.one(INSPECTIONS, (METER,), seen=await hall.ledger.head())
        assert (row.phase, row.scheme_version) == ("judged", 2)


async def test_a_table_that_is_published_unconfirmed_holds_up_what_is_judged_by_it(hall):
    async with hall("production", production=True) as behind:
        for command in (CONFIRMED_SCHEME, CONFIRMED_TABLE, CONFIRMED_PRICES, OPENING):
            await do(behind, command)
        await do(behind, CheckIdentity(**ABOUT, barcode=METER))
        for kind in (InspectAppearance, InspectFunction):
            await do(behind, kind(**ABOUT, report=UNDONE))
        third = PUBLISHED | {"version": 3}
        await do(behind, PublishTable(**third, name="prices", prices=default_prices()))
        await refused(behind, InspectAccuracy(**ABOUT, report=UNDONE), TABLE_UNCONFIRMED)


def test_confirmed_beside_a_source_that_says_otherwise_is_neither():
    norm = SCHEME.norm("accuracy")
    item = norm.items[0]
    for source in ("JJG 596-2012；条款与数值待确认", "To be confirmed by the metrologist", "待计量员对照原文确认"):
        limit = replace(item.limits[0], confirmed=True, source=source, accuracy_classes=())
        items = (replace(item, limits=(limit,)), *norm.items[1:])
        norms = tuple(replace(one, items=items) if one.step == "accuracy" else one for one in SCHEME.norms)
        assert any("confirmed" in wrong for wrong in replace(SCHEME, norms=norms).disagreements())
    prices = default_prices()
    untrue = replace(prices, classes=tuple(replace(one, confirmed=True) for one in prices.classes))
    assert len(untrue.disagreements()) == len(prices.classes)
    table = default_verdict_table()
    assert list(replace(table, obsolete=tuple(replace(one, confirmed=True) for one in table.obsolete)).disagreements())
    for whole in (confirmed(SCHEME), confirmed_prices(prices), confirmed_table(table)):
        assert list(whole.disagreements()) == []
    assert confirmed(SCHEME).unconfirmed() == []


async def test_a_class_is_covered_by_one_group(hall):
    other = replace(SCHEME, group="a_group")
    async with hall("trial", production=False) as behind:
        told = await refused(behind, PublishScheme(**PUBLISHED, group="a_group", scheme=other), COVERED)
        assert (told["device_class"], told["other"]) == ("01", "single_phase")
        elsewhere = replace(other, device_classes=("02",))
        await do(behind, PublishScheme(**PUBLISHED, group="a_group", scheme=elsewhere))
        # The class changes hands: given up first, then taken.
        await refused(behind, PublishScheme(**SECOND, group="a_group", scheme=other), COVERED)
        await do(behind, PublishScheme(**SECOND, group=SCHEME.group, scheme=replace(SCHEME, device_classes=("03",))))
        await do(behind, PublishScheme(**SECOND, group="a_group", scheme=other))
        await do(behind, OPENING)
        row = await behind.sorting.one(INSPECTIONS, (METER,), seen=await hall.ledger.head())
        assert (row.scheme_group, row.scheme_version) == ("a_group", 2)


async def test_of_two_groups_in_one_call_the_second_is_refused_the_class(hall):
    async with hall("trial", production=False) as behind:
        wanted = [replace(SCHEME, group=name, device_classes=("02",)) for name in ("a_group", "b_group")]
        asks = [
            Ask(PublishScheme(**PUBLISHED, group=one.group, scheme=one), Context(command_id=fresh_id(), actor="u-1"))
            for one in wanted
        ]
        first, second = await behind.sorting.do_many(asks)
        assert not isinstance(first, Refusal)
        assert (second.code, second.details["other"]) == (COVERED.code, "a_group")


async def test_of_a_class_that_two_groups_cover_in_an_older_log_nothing_is_opened(hall):
    async with hall("trial", production=False) as behind:
        other = replace(SCHEME, group="a_group")
        event = SchemePublished(**PUBLISHED, group="a_group", scheme=other, sha256=digest(other))
        await written(hall.ledger, CODEC, "scheme-a_group", event)
        told = await refused(behind, OPENING, TWO_SCHEMES)
        assert told["groups"] == "a_group, single_phase"
