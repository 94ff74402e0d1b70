"""Sorting's views keep what their names promise: see tests/shapes.py.

python -m tests.sorting.views.test_shapes     adds what is new
"""

import asyncio
import sys
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest

from kernel.codec import Reader
from kernel.database import Database
from kernel.projection import Projector
from ledger.memory import MemoryLedger
from ledger.port import Recorded
from services.registry.app import CODEC as REGISTRY
from services.registry.site import SiteOpened
from services.sorting.app import CODEC, STREAMS, Sorting
from services.sorting.foreign import READERS
from services.sorting.inspection.population import PopulationJoined
from services.sorting.review.committing import ReviewWithdrawn
from services.sorting.review.drawing import DrawFailed
from services.sorting.review.results import Concluded, ResultCorrected, ResultRecorded, SampleReplaced
from services.sorting.sampling import clopper_pearson
from services.sorting.views import VIEWS
from tests.shapes import Shapes
from tests.sorting import test_review as reviews
from tests.sorting.doors.season import NUMBERS, WAVES, arrived, tell
from tests.sorting.examples import DAY, SITE, UNIT
from tests.sorting.written import written

SHAPES = Shapes(Path(__file__).parent, VIEWS, Reader(CODEC, READERS))
BEGAN_US = 1_772_000_000_000_000


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.columns.name)
def test_a_view_of_another_shape_has_another_name(view):
    SHAPES.is_kept(view)


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
def test_whatever_of_its_own_a_view_follows_has_happened_in_the_history(view):
    happened = {type(event) for event, _ in SHAPES.kept}
    own = {event for event in view.events if event.__module__ != "services.sorting.foreign"}
    assert own <= happened


def test_names_are_counted_up():
    SHAPES.names_are_counted_up()


async def everything() -> Iterable[Recorded]:
    """The season of the doors, and a review in the words of its stories, in a log of its own."""
    times = iter(range(BEGAN_US, BEGAN_US + 10**12, 10**6))
    ledger = MemoryLedger(clock=lambda: next(times))
    opened = SiteOpened(occurred_on=DAY, site_id=SITE, kind="centre", name="合成分拣中心", unit=UNIT)
    await written(ledger, REGISTRY, f"site-{SITE}", opened)
    await arrived(ledger, NUMBERS)
    with TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/views.sqlite")
        projector = Projector(database, ledger, Reader(CODEC, READERS), VIEWS, streams=STREAMS)
        await projector.open()
        following = asyncio.create_task(projector.run())
        await tell(Sorting(ledger, projector), WAVES)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await database.close()
    await _reviewed(ledger)
    events = (await ledger.read_all(limit=1_000)).events
    await ledger.close()
    return events


async def _reviewed(ledger: MemoryLedger) -> None:
    about = {"why": "合成 synthetic", "by": "u-1"}
    first, second, third, *_ = NUMBERS
    drawn = msgspec.structs.replace(reviews.DRAWN_STRATA[0], sample=(first, third), spares=(second,))
    joined = PopulationJoined(occurred_on=DAY, asset_no=first, review="RV-1", round=1, disposition="reuse")
    await written(ledger, CODEC, f"inspection-{first}", joined)
    told = (
        *reviews.JOINING,
        reviews.COMMITTED,
        reviews.PUBLISHED,
        msgspec.structs.replace(reviews.DRAWN, drawn=(drawn,)),
        reviews.at(SampleReplaced, asset_no=first, spare=second, **about),
        reviews.at(ResultRecorded, asset_no=second, disposition="reuse", report="IR-1", by="u-3"),
        reviews.at(
            ResultCorrected,
            asset_no=second,
            disposition="scrap",
            overruled="reuse",
            report="IR-1",
            why="合成",
            by="u-4",
        ),
        reviews.at(
            Concluded,
            samples=1,
            agreed=1,
            disagreed=0,
            missing=0,
            accept=0,
            disagreeing=clopper_pearson(0, 1, 950_000),
            confidence_ppm=950_000,
            consequence="accepted",
            by="u-3",
        ),
    )
    await written(ledger, CODEC, f"review-{reviews.PROPOSED.review}", *told)
    for number, ended in (
        ("RV-8", reviews.at(ReviewWithdrawn, review="RV-8", **about)),
        ("RV-9", reviews.at(DrawFailed, review="RV-9", attributed_to="u-2", reveal_by=reviews.AT)),
    ):
        proposed = msgspec.structs.replace(reviews.PROPOSED, review=number)
        await written(ledger, CODEC, f"review-{number}", proposed, ended)


if __name__ == "__main__":
    sys.exit(SHAPES.add_what_is_new(asyncio.run(everything())))
