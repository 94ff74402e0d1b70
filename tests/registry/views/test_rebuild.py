"""A view made again from the log is the view that was kept up, row for row."""

from sqlalchemy import delete, update

from kernel.view_store import rebuild, slots
from services.registry.views import VIEWS
from services.registry.views.balance import BALANCE
from services.registry.views.card import CARD
from tests.kernel.projecting import all_ready, slots_are
from tests.kernel.projecting import held as everything_in
from tests.registry.views.every_event import everything
from tests.registry.views.telling import append, asking


async def test_a_rebuild_gives_what_was_kept_up(fresh_url):
    told = everything()
    later = told.events[-20:]
    del told.events[-20:]
    async with asking(fresh_url(), told, page_events=4, stops=range(0, len(told.events), 29)) as views:
        kept_up = await views.registry.ask(everything_in(VIEWS))
        assert kept_up == {view.name: told.rows(view) for view in VIEWS}
        await views.database.write(spoil)
        assert await views.registry.ask(everything_in(VIEWS)) != kept_up
        await views.database.write(lambda connection: rebuild(connection, VIEWS, views.ledger.ledger_id))
        await append(views.ledger, views.now_us, later)
        await slots_are(views.database, all_ready, VIEWS)
        await views.projector.wait_for(await views.ledger.head(), 10)
        told.events += later
        assert await views.registry.ask(everything_in(VIEWS)) == {view.name: told.rows(view) for view in VIEWS}
        found = await views.database.read(lambda connection: slots(connection, VIEWS))
        assert {slot.generation for slot in found} == {2}


def spoil(connection):
    """What a fault of a machine might do to rows."""
    connection.execute(update(BALANCE.columns).values(inflow=99))
    connection.execute(delete(CARD.columns).where(CARD.columns.c.phase == "at_site"))
