"""A sample list as it is asked for: from a review's draw and the registry's places to what is printed."""

import io
import random
from itertools import permutations

import pypdf
import pytest

from kernel.authority import Policies
from kernel.principal import Principal, Role
from kernel.questions import PageAsked
from kernel.refusal import Refusal
from services.registry.app import CODEC as REGISTRY
from services.registry.meter.custody import Dispatched, Received, Stored
from services.registry.meter.identity import Description, Registered
from services.registry.meter.packing import PlacedInContainer, TakenOutOfContainer
from services.registry.site import SiteOpened
from services.registry.vocabulary import Movement
from services.sorting.access import Access
from services.sorting.papers.offered import GetSampleList, Papers
from services.sorting.papers.samples import DrawnReview, drawn_review, sample_list
from services.sorting.questions import GetReview, ListSamples, Questions
from services.sorting.review import REVIEW
from services.sorting.review.committing import PopulationCommitted
from services.sorting.review.drawing import SampleDrawn
from services.sorting.review.results import ReplaceSample
from services.sorting.review.state import DrawnStratum
from services.sorting.views.sampled import SampleRow
from services.sorting.views.sampled import sample_list as rows_of
from tests.sorting.behind import ROOT
from tests.sorting.examples import DAY, SITE, UNIT
from tests.sorting.reviewing import INSTITUTE, NOW, hall, judge, number
from tests.sorting.written import written

WHO = Principal(subject=INSTITUTE, roles=frozenset({Role.INSTITUTE}), units=frozenset())
PAGE = PageAsked(after=None, limit=500)
BOX, PLACE, CENTRE = "BOX-SYN-1", "A-03-2", "合成省级计量检定中心"


def papers_of(here):
    access = Access(Policies.load(ROOT / "services" / "sorting"), here.sorting)
    tables = (*Questions(here.sorting, access).table(), *Papers(here.sorting, access).table())
    return {question.ask: question.answer for question in tables}


async def stored(ledger, serials):
    """The registry has them at the centre, on a shelf, every other one in a box."""
    about = {"occurred_on": DAY}
    await written(
        ledger, REGISTRY, f"site-{SITE}", SiteOpened(**about, site_id=SITE, kind="centre", name=CENTRE, unit=UNIT)
    )
    for serial in serials:
        asset_no, described = number(serial), Description(maker="合成仪表厂", model="DDZY-SYN")
        device = {"device_class": "01", "unit": UNIT, "owner": "company", "origin": "in_service"}
        moved = Movement(device_class="01", to_site=SITE)
        boxed = [PlacedInContainer(**about, asset_no=asset_no, container=BOX, site=SITE)] if serial % 2 else []
        await written(
            ledger,
            REGISTRY,
            f"meter-{asset_no}",
            Registered(**about, asset_no=asset_no, **device, description=described),
            Received(**about, asset_no=asset_no, shipment="S1", moved=moved),
            Stored(**about, asset_no=asset_no, site=SITE, location=PLACE),
            *boxed,
        )


async def test_who_fetches_reads_where_each_device_lies_and_nothing_of_its_sorting(tmp_path):
    async with hall(tmp_path) as here:
        await stored(here.ledger, range(12))
        await judge(here.ledger, range(12))
        await here.committed()
        asked = papers_of(here)
        with pytest.raises(Refusal) as refused:
            await asked[GetSampleList](WHO, GetSampleList(review="R1"), PAGE)
        assert refused.value.code == "review.not_now"
        with pytest.raises(Refusal) as refused:
            await asked[GetSampleList](WHO, GetSampleList(review="R2"), PAGE)
        assert refused.value.code == "review.unknown"
        await here.shown()
        await here.do(await here.revealing())
        gone = number(0)
        moved = Movement(device_class="01", from_site=SITE)
        left = {"occurred_on": DAY, "asset_no": gone, "shipment": "S2", "to_site": "S-99", "moved": moved}
        await written(here.ledger, REGISTRY, f"meter-{gone}", Dispatched(**left))
        taken = TakenOutOfContainer(occurred_on=DAY, asset_no=number(3), container=BOX, site=SITE)
        await written(here.ledger, REGISTRY, f"meter-{number(3)}", taken)
        head = await here.ledger.head()
        rows = (await asked[ListSamples](WHO, ListSamples(review="R1", seen=head), PAGE)).items
        places = {row.asset_no: (row.site, row.site_name, row.location, row.container) for row in rows}
        assert places[number(1)] == (SITE, CENTRE, PLACE, BOX)
        assert places[number(3)] == places[number(2)] == (SITE, CENTRE, PLACE, None)
        assert places[gone] == (None, None, None, None)
        file = await asked[GetSampleList](WHO, GetSampleList(review="R1", seen=head), PAGE)
        assert (file.name, file.media_type) == ("复核样本清单 R1.pdf", "application/pdf")
        text = "".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(file.content)).pages)
        assert [row.asset_no for row in rows if row.asset_no not in text] == []
        for said in (BOX, PLACE, CENTRE, "合成仪表厂", "DDZY-SYN"):
            assert said in text


async def test_pages_of_a_sample_follow_each_other(tmp_path):
    async with hall(tmp_path) as here:
        await judge(here.ledger, range(9))
        await here.drawn()
        asked, head = papers_of(here)[ListSamples], await here.ledger.head()
        first = await asked(WHO, ListSamples(review="R1", seen=head), PageAsked(after=None, limit=5))
        rest = await asked(WHO, ListSamples(review="R1"), PageAsked(after=tuple(first.after), limit=5))
        assert [row.asset_no for row in (*first.items, *rest.items)] == [number(serial) for serial in range(9)]


async def test_who_tests_again_reads_its_own_results_and_how_they_agree_only_once_that_is_concluded(tmp_path):
    async with hall(tmp_path) as here:
        await judge(here.ledger, range(9))
        await here.drawn()
        await here.retest(differing=1)
        asked, head = papers_of(here), await here.ledger.head()
        rows = (await asked[ListSamples](WHO, ListSamples(review="R1", seen=head), PAGE)).items
        assert [row.found for row in rows].count("claim") == 1
        before = (await asked[GetReview](WHO, GetReview(review="R1", seen=head), PAGE)).value
        assert (before.recorded, before.agreed, before.disagreed, before.consequence) == (9, None, None, None)
        await here.conclude()
        seen = await here.ledger.head()
        after = (await asked[GetReview](WHO, GetReview(review="R1", seen=seen), PAGE)).value
        assert (after.phase, after.agreed, after.disagreed) == ("concluded", 8, 1)
        assert after.consequence is not None


async def test_a_spare_that_took_a_place_stands_among_the_samples(tmp_path):
    async with hall(tmp_path) as here:
        await judge(here.ledger, range(60))
        await here.drawn()
        missing = (await here.samples())[0]
        await here.do(
            ReplaceSample(occurred_at=NOW, review="R1", asset_no=missing, reason="missing", why="合成", by=INSTITUTE)
        )
        listed = await listed_of(here)
        assert missing not in {one.asset_number for one in (*listed.samples, *listed.spares)}
        assert (listed.replaced, sum(one.stands_in for one in listed.samples)) == (1, 1)
        assert len(listed.samples) == (await here.row()).samples


async def listed_of(here):
    told = await here.sorting.told(REVIEW, "R1")
    seen = await here.ledger.head()
    rows = await here.sorting.ask(lambda connection: rows_of(connection, "R1"), seen=seen)
    return sample_list(drawn_review("R1", told), rows, today=DAY, ledger_id="l", position=seen)


STRATA = [tuple(number(10 * stratum + at) for at in range(5)) for stratum in range(3)]


def drawn_as(dispositions) -> DrawnReview:
    """Three strata drawn, the sample and two spares of each, as the verdicts of their devices have them ordered."""
    about = {"occurred_at": NOW, "review": "R1"}
    digest = "0" * 64
    committed = PopulationCommitted(
        **about, root=digest, members=15, strata=(), sample=9, spares_ppm=0, accept=0, nonce_sha256=digest,
        reveal_by=NOW,
    )  # fmt: skip
    strata = sorted(
        (
            DrawnStratum(disposition=said, maker="M01", waived=False, sample=names[:3], spares=names[3:])
            for said, names in zip(dispositions, STRATA, strict=True)
        ),
        key=lambda one: one.disposition,
    )
    drawn = SampleDrawn(**about, nonce=digest, checkpoint_size=1, checkpoint_root=digest, drawn=tuple(strata), by="u-1")
    return DrawnReview(committed, drawn, ("a", "b"), 7)


def test_whatever_the_verdicts_are_the_list_is_the_same():
    rows = [
        SampleRow("R1", one, "awaited" if at < 3 else "spare", *[None] * 3, "01", "M01", None, SITE, *[None] * 3)
        for names in STRATA
        for at, one in enumerate(names)
    ]
    random.Random(5).shuffle(rows)
    lists = [
        sample_list(drawn_as(said), rows, today=DAY, ledger_id="l", position=7)
        for said in permutations(("claim", "reuse", "scrap"))
    ]
    assert all(one == lists[0] for one in lists)
    assert [one.asset_number for one in lists[0].spares] == [number(serial) for serial in (3, 13, 23, 4, 14, 24)]
