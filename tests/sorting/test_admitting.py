"""Which devices are inspected, by which scheme: what the record says of them decides, not whoever scans them."""

import asyncio

import msgspec
import pytest

from kernel.handling import Ask, Context
from kernel.refusal import Refusal
from services.registry.app import CODEC as REGISTRY
from services.registry.asset_number import compose
from services.registry.meter.custody import Received
from services.registry.meter.identity import Registered
from services.registry.meter.unexpected import Unexpected
from services.registry.vocabulary import Movement
from services.sorting.furnishing import CUSTOMERS, KEPT_APART, NO_SCHEME, NO_TABLE, NOT_HERE, NOT_ON_RECORD
from services.sorting.inspection.opening import OpenInspection
from services.sorting.inspection.state import OPEN_ELSEWHERE
from services.sorting.scheme import PublishScheme
from tests.given import fresh_id
from tests.sorting.examples import BENCH, DAY, SCHEME, SITE, UNIT, inspected
from tests.sorting.hall import NUMBERS, hall
from tests.sorting.written import written

THREE_PHASE = msgspec.structs.replace(SCHEME, group="three_phase", device_classes=("02",))
OF_CLASS_02, OF_CLASS_03, CUSTOMERS_OWN, UNANNOUNCED, NOBODYS = (
    compose(UNIT, "01", f"9999000001{serial:04d}") for serial in range(5)
)


@pytest.fixture
async def sorting(tmp_path):
    """A hall with two schemes, and some devices of other kinds."""
    async with hall(tmp_path) as behind:
        log = behind.sorting._ledger
        for number, device_class, owner in (
            (OF_CLASS_02, "02", "company"), (OF_CLASS_03, "03", "company"), (CUSTOMERS_OWN, "01", "customer"),
        ):  # fmt: skip
            await arrived(log, number, device_class, owner)
        said = {"occurred_on": DAY, "asset_no": UNANNOUNCED}
        moved = Movement(device_class="01", to_site=SITE)
        await written(
            log,
            REGISTRY,
            f"meter-{UNANNOUNCED}",
            Registered(**said, device_class="01", unit=UNIT, owner="company", origin="in_service"),
            Unexpected(**said, owner="company", unit=UNIT, moved=moved),
        )
        publish = PublishScheme(
            occurred_on=DAY, group="three_phase", version=1, scheme=THREE_PHASE, why="合成 synthetic"
        )
        assert await answer(behind.sorting, publish) is None
        yield behind.sorting


async def arrived(log, number, device_class, owner):
    said = {"occurred_on": DAY, "asset_no": number}
    moved = Movement(device_class=device_class, to_site=SITE)
    await written(
        log,
        REGISTRY,
        f"meter-{number}",
        Registered(**said, device_class=device_class, unit=UNIT, owner=owner, origin="in_service"),
        Received(**said, shipment="S1", moved=moved),
    )


def opening(number, site=SITE):
    return OpenInspection(occurred_on=DAY, asset_no=number, bench=BENCH, site=site, accuracy_class="1")


async def answer(sorting, command):
    """The code of the refusal, None where there was none."""
    (answered,) = await sorting.do_many([Ask(command, Context(command_id=fresh_id(), actor="u-1"))])
    return answered.code if isinstance(answered, Refusal) else None


async def test_a_device_is_inspected_by_the_scheme_of_its_class_and_no_other(sorting):
    for number, group in ((NUMBERS[0], SCHEME.group), (OF_CLASS_02, "three_phase")):
        assert await answer(sorting, opening(number)) is None
        assert (await sorting.inspections_now([number]))[number].scheme.group == group
    head = await sorting._ledger.head()
    for command in (opening(OF_CLASS_03), inspected(OF_CLASS_03)):
        assert await answer(sorting, command) == NO_SCHEME.code
    assert await sorting._ledger.head() == head


async def test_a_device_is_not_inspected_unless_its_record_allows_it(sorting):
    head = await sorting._ledger.head()
    for number, reason in (
        (NOBODYS, NOT_ON_RECORD), (CUSTOMERS_OWN, CUSTOMERS), (UNANNOUNCED, KEPT_APART),
    ):  # fmt: skip
        assert await answer(sorting, opening(number)) == reason.code, number
        assert await answer(sorting, inspected(number)) == reason.code, number
    assert await answer(sorting, opening(NUMBERS[0], site="elsewhere")) == NOT_HERE.code
    assert await sorting._ledger.head() == head


async def test_nothing_is_judged_before_its_tables_are_published(tmp_path):
    async with hall(tmp_path, published=False) as behind:
        publish = PublishScheme(occurred_on=DAY, group=SCHEME.group, version=1, scheme=SCHEME, why="合成 synthetic")
        assert await answer(behind.sorting, publish) is None
        head = await behind.sorting._ledger.head()
        assert await answer(behind.sorting, inspected(NUMBERS[0])) == NO_TABLE.code
        assert await behind.sorting._ledger.head() == head


async def test_of_two_benches_that_scan_one_device_at_the_same_moment_one_has_it(sorting):
    benches = ("B1", "B2", "B3")
    codes = await asyncio.gather(
        *(answer(sorting, msgspec.structs.replace(opening(NUMBERS[1]), bench=bench)) for bench in benches)
    )
    assert sorted(codes, key=str) == [None, OPEN_ELSEWHERE.code, OPEN_ELSEWHERE.code]
    now = (await sorting.inspections_now([NUMBERS[1]]))[NUMBERS[1]]
    assert (now.rounds, now.bench) == (1, benches[codes.index(None)])
