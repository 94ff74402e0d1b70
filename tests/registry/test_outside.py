"""What systems outside have written into the log keeps neither views nor policies from what is the registry's."""

import os

from kernel.view_queries import page
from ledger.port import ANY, Append, Draft
from services.registry.site import OpenSite
from services.registry.views.places import SITES
from tests.registry.stories import STORE, UNIT, on
from tests.registry.test_followers import done, running, until

FORGED = b'{"site_id":"forged","kind":"unit_store","name":"forged","unit":"99999","occurred_on":"2026-03-05"}'
STRANGE = (
    ("acme.Seen", b'{"n":1}'),
    ("acme.Seen", b"not JSON"),
    ("registry.SiteOpened", FORGED),
    ("registry.SiteOpened", b"not JSON"),
    ("registry.NeverHeardOf", b"{}"),
)


async def test_what_is_outside_is_passed_over(tmp_path):
    async with running(tmp_path, followed=True) as registry:
        ledger, projector = registry._ledger, registry._projector
        drafts = [Draft(os.urandom(16), kind, data) for kind, data in STRANGE]
        await ledger.append([Append("ext-1", ANY, drafts), Append("ext-site-forged", ANY, drafts)])
        await done(registry, on(OpenSite, site_id=STORE, kind="unit_store", name=STORE, unit=UNIT))
        await ledger.append([Append("ext-1", ANY, [Draft(os.urandom(16), *STRANGE[3])])])
        head = await ledger.head()

        async def there():
            return projector.position >= head

        await until(there)
        sites = await projector.read(lambda connection: page(connection, SITES, {}, None, 10), seen=head)
        assert [site.site for site in sites] == [STORE]
        assert (await projector.health()).degraded is False
