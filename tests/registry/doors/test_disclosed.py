"""What of a device each party reads: the events whose label in docs/disclosure.yaml names it, and a card to match."""

import msgspec
import pytest

from kernel.disclosure import load
from kernel.principal import Role
from services.registry.disclosed import FILE, NOT_THE_INSTITUTES, NOT_THE_MAKERS, Circle
from services.registry.meter import METER
from services.registry.meter.binding import AdoptIdentity
from services.registry.meter.identity import Register
from services.registry.meter.release import Released
from services.registry.views.card import Card
from tests.doors.entrances import bearer, said
from tests.gateway.behind import behind
from tests.gateway.season import tell
from tests.given import recorded
from tests.registry.doors.entrances import Entrances, workshop
from tests.registry.doors.season import EVERY, EXAMPLES, TWIN
from tests.registry.doors.who_may import MAKER, OWN
from tests.registry.stories import DAY, NUMBER, STORE, TURN_UP, moved

LABELS = load(FILE).events
PARTIES = {Role.OPERATOR: "unit", Role.MANUFACTURER: "manufacturer", Role.INSTITUTE: "institute"}
CONCERN = {"manufacturer": {"maker", "maker_sample", "repair"}, "institute": {"review"}}
DESCRIBED = [
    msgspec.structs.replace(one, description=msgspec.structs.replace(one.description, maker=MAKER))
    if isinstance(one, Register)
    else one
    for one in (*EVERY, TURN_UP, msgspec.structs.replace(EXAMPLES[AdoptIdentity], temporary_id=TWIN))
]


@pytest.fixture
async def entrances(tmp_path):
    async with behind(tmp_path, workshop()) as platform:
        position = await tell(platform.registry, DESCRIBED)
        await platform.registry.ask(lambda _session: None, seen=position)
        yield Entrances(platform)


async def asked(entrances, path, role, **params):
    token = entrances.token(role, units=(OWN,), organisation=MAKER)
    return said(await entrances.rest.client.get(path, params=params, headers=bearer(token)))


def may_read(role, entry):
    """By the labels alone: what the label of an event says of this party."""
    if (party := PARTIES.get(role)) is None:
        return True
    name, data = entry["type"], entry["data"]
    elsewhere = party in CONCERN and name.endswith((".Released", ".SampleReturned"))
    if elsewhere and data["purpose"] not in CONCERN[party]:
        return False
    return LABELS[name].audience == "public" or party in LABELS[name].parties


def test_no_event_concerns_a_party_that_its_label_does_not_name():
    """A release to the maker is the maker's business; whether it is shown is for the label to say."""
    released = Released(asset_no=NUMBER, purpose="maker", reference="CL-1", moved=moved(STORE), occurred_on=DAY)
    told, maker = [(released, recorded(released))], frozenset({"manufacturer"})
    assert Circle(maker, frozenset({"sample.Released"})).events(told) == told
    assert Circle(maker).events(told) == []


async def test_of_a_life_each_role_reads_the_events_whose_label_names_it(entrances):
    seen, hidden, types = set(), set(), set()
    numbers = {one.asset_no for one in EVERY if type(one) in METER.commands}
    for number in sorted(numbers):
        whole = (await asked(entrances, f"/v1/meters/{number}/life", Role.AUDITOR)).value["items"]
        types |= {entry["type"] for entry in whole}
        for role in Role:
            answer = await asked(entrances, f"/v1/meters/{number}/life", role)
            if answer.code is not None:
                assert answer.code in {"meter.unknown", "access.denied"}, (role, answer)
                continue
            assert answer.value["items"] == [entry for entry in whole if may_read(role, entry)], (role, number)
            seen.add(role)
            hidden |= {role} if answer.value["items"] != whole else set()
    assert types == {name for name in LABELS if name.removeprefix("registry.") in {e.__name__ for e in METER.events}}
    assert {Role.AUDITOR, *PARTIES} <= seen
    assert hidden == set(PARTIES)


async def test_a_maker_reads_of_a_card_what_its_device_came_to_and_not_where_it_is(entrances):
    for path in ("/v1/meters", "/v1/meters?limit=1"):
        rows = (await asked(entrances, path, Role.MANUFACTURER)).value["items"]
        assert rows
        assert all(row[name] == hidden for row in rows for name, hidden in NOT_THE_MAKERS.items())
    number = rows[0]["asset_no"]
    own = (await asked(entrances, f"/v1/meters/{number}/card", Role.MANUFACTURER)).value
    whole = (await asked(entrances, f"/v1/meters/{number}/card", Role.AUDITOR)).value
    assert own == whole | NOT_THE_MAKERS
    assert own != whole


def test_who_is_two_parties_reads_of_a_card_what_either_is_shown():
    whole = Card(
        asset_no=NUMBER, device_class="01", owner="company", unit=OWN, phase="with_recycler", since=DAY, site=STORE,
        purpose="materials", reference="SCR-1", holder="R-1", defaced=True,
    )  # fmt: skip

    def shown(*parties):
        return Circle(frozenset(parties)).card(whole)

    maker, institute = shown("manufacturer"), shown("institute")
    assert (maker.site, maker.phase, maker.defaced) == (None, "with_recycler", True)
    assert (institute.site, institute.phase, institute.defaced) == (STORE, "out", False)
    both = shown("manufacturer", "institute")
    assert (both.site, both.phase, both.defaced) == (STORE, "with_recycler", True)
    assert (both.reference, both.holder) == (None, None)
    assert shown("unit", "institute") == whole
    assert shown() == msgspec.structs.replace(whole, **(NOT_THE_MAKERS | NOT_THE_INSTITUTES))


async def test_a_maker_cannot_search_by_what_its_card_does_not_say(entrances):
    for name in ("site", "shipment", "holder", "comm_address"):
        answer = await asked(entrances, "/v1/meters", Role.MANUFACTURER, **{name: "x"})
        assert answer.code == "access.denied", name
    assert (await asked(entrances, "/v1/meters", Role.MANUFACTURER, phase="lost")).code is None
