"""The demonstration's dirty spreadsheets through runner and policies: every figure as expected, and only once."""

import pytest

from cli.demo.generate import generate
from services.registry.plan import SetPlan
from services.registry.site import OpenSite
from tests.registry.imports.importing import importing

DEVICES = 300
FILES = {
    "devices": "devices.csv",
    "dismantled": "dismantled.xlsx",
    "dispatched": "dispatched.csv",
    "received": "received.xlsx",
}


@pytest.fixture(scope="module")
def season(tmp_path_factory):
    folder = tmp_path_factory.mktemp("season")
    return folder, generate(folder, devices=DEVICES)


async def all_imported(started, folder, **more):
    mapping = (folder / "mapping.yaml").read_text("utf-8")
    stands = {}
    for kind, name in FILES.items():
        to_site = {"to_site": "centre"} if kind == "dispatched" else {}
        stands[kind] = await started.imported(kind, (folder / name).read_bytes(), mapping=mapping, **to_site, **more)
        await started.settled()
    return stands


async def opened(started, expected):
    day = expected.cut_off.replace(month=1, day=1)
    for site in expected.sites:
        await started.done(
            OpenSite(site_id=site.site_id, kind=site.kind, name=site.name, unit=site.unit, occurred_on=day)
        )
    await started.done(
        SetPlan(plan_id="99401-2025-03", expected=1, target_ppm=999_900, cut_off=expected.cut_off, occurred_on=day)
    )


def figures(stands):
    return {name: getattr(stands, name) for name in ("state", "accepted", "unchanged", "refused", "skipped")}


async def test_a_season_ends_in_the_balances_expected_and_the_same_files_again_change_nothing(tmp_path, season):
    folder, expected = season
    async with importing(tmp_path) as started:
        await opened(started, expected)
        first = await all_imported(started, folder)
        for kind, stands in first.items():
            tally = expected.files[kind]
            assert figures(stands) == {
                "state": "done",
                "accepted": tally.accepted,
                "unchanged": tally.repeated,
                "refused": sum(tally.refused.values()),
                "skipped": tally.skipped,
            }, kind
            codes = [line.split(",")[3] for line in await started.errors(stands.import_id)]
            assert {code: codes.count(code) for code in codes if code in tally.refused} == tally.refused, kind
        wanted = {site.site_id: site.closing for site in expected.sites if site.closing}
        assert await started.closing() == wanted
        head = await started.ledger.head()
        again = await all_imported(started, folder)
        for kind, stands in again.items():
            tally = expected.files[kind]
            assert (stands.accepted, stands.unchanged) == (0, tally.accepted + tally.repeated), kind
            assert stands.refused == first[kind].refused
        assert await started.ledger.head() == head
        assert await started.closing() == wanted


async def test_a_dry_run_of_each_kind_says_what_would_come_of_it_and_records_nothing(tmp_path, season):
    folder, expected = season
    mapping = (folder / "mapping.yaml").read_text("utf-8")
    async with importing(tmp_path) as started:
        await opened(started, expected)
        for kind, name in FILES.items():
            to_site = {"to_site": "centre"} if kind == "dispatched" else {}
            content = (folder / name).read_bytes()
            head = await started.ledger.head()
            tried = await started.imported(kind, content, mapping=mapping, dry_run=True, **to_site)
            assert await started.ledger.head() == head, kind
            real = await started.imported(kind, content, mapping=mapping, **to_site)
            assert tried.accepted + tried.unchanged == real.accepted + real.unchanged, kind
            assert (tried.refused, tried.warned, tried.skipped) == (real.refused, real.warned, real.skipped), kind
            assert [line.split(",")[:4] for line in await started.errors(tried.import_id)] == [
                line.split(",")[:4] for line in await started.errors(real.import_id)
            ], kind
            await started.settled()
            assert tried.position == 0
