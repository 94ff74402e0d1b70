"""Names of people: kept beside the log, at one door, shown on papers as long as they are known. All of them made up."""

import asyncio
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from uuid import UUID
from zipfile import ZipFile

import httpx
import pytest

from kernel.authority import Policies
from kernel.codec import Reader
from kernel.database import Database
from kernel.handling import Context
from kernel.http_page import Cursors
from kernel.http_server import HttpDoor
from kernel.identity_issuer import built_in_verifier, issue, write_keys
from kernel.people import People, Person
from kernel.principal import Principal, Role
from kernel.projection import Projector
from kernel.questions import PageAsked
from ledger.memory import MemoryLedger
from services.registry.access import Access
from services.registry.app import CODEC, STREAMS, Registry
from services.registry.papers.note import transfer_note
from services.registry.papers.offered import GetTransferNote, Papers
from services.registry.rest import open_people
from services.registry.shipment import DispatchShipment, HandoverSigned, Line, PrepareShipment, SignHandover
from services.registry.site import OpenSite
from services.registry.views import VIEWS
from services.registry.views.consignment import consignment
from tests.registry.stories import CENTRE, NUMBER, STORE, UNIT, on
from tests.registry.test_papers import DISPATCHED, PREPARED, RECEIVED, told

SIGNER = {"subject": "u-17", "name": "李四（示例）", "contact": "0000-0000000"}
FOLDER = Path("services/registry")


class Front:
    """The registry's door for people, and tokens to come through it."""

    def __init__(self, client, keys, people, registry, access):
        self.client, self.keys, self.people, self.registry = client, keys, people, registry
        self.papers = Papers(registry, access, people=people)

    async def ask(self, verb, *roles, **request):
        principal = Principal(subject="u-1", roles=frozenset(roles), units=frozenset({"99401"}))
        headers = {"Authorization": f"Bearer {issue(self.keys, principal)}"} if roles else {}
        return await self.client.request(verb, "/v1/people", headers=headers, **request)


@asynccontextmanager
async def opened(folder):
    keys = folder / "keys"
    write_keys(keys)
    database, ledger = Database(f"sqlite:///{folder / 'registry.sqlite'}"), MemoryLedger()
    projector = Projector(database, ledger, Reader(CODEC), VIEWS, streams=STREAMS)
    await projector.open()
    following = asyncio.create_task(projector.run())
    registry = Registry(ledger, projector)
    access = Access(Policies.load(FOLDER), registry)
    people = People(database, "registry")
    await people.open()
    verifier = built_in_verifier(keys, ["127.0.0.1"])
    door = HttpDoor(title="registry", version="1", verifier=verifier, cursors=Cursors(b"0" * 32))
    open_people(door, people, access)
    try:
        transport = httpx.ASGITransport(door.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://registry") as client:
            yield Front(client, keys, people, registry, access)
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await database.close()


@pytest.fixture
async def front(tmp_path):
    async with opened(tmp_path) as front:
        yield front


async def test_a_person_is_put_shown_and_erased_by_an_administrator(front):
    missing = await front.ask("GET", Role.ADMIN, params={"subject": "u-17"})
    assert (missing.status_code, missing.json()["code"]) == (404, "people.unknown")
    assert (await front.ask("PUT", Role.ADMIN, json=SIGNER)).json() == SIGNER
    renamed = SIGNER | {"name": "李四四（示例）"}
    assert (await front.ask("PUT", Role.ADMIN, json=renamed)).status_code == 200
    shown = (await front.ask("GET", Role.ADMIN, params={"subject": "u-17"})).json()
    assert shown.pop("known_since")
    assert shown == renamed
    erased = await front.ask("DELETE", Role.ADMIN, params={"subject": "u-17"})
    assert (erased.status_code, erased.content) == (204, b"")
    assert erased.headers["cache-control"] == "no-store"
    assert (await front.ask("DELETE", Role.ADMIN, params={"subject": "u-17"})).status_code == 404
    assert await front.people.named(["u-17"]) == {}


@pytest.mark.parametrize("verb", ["PUT", "GET", "DELETE"])
async def test_nobody_else_comes_near_them(front, verb):
    request = {"json": SIGNER} if verb == "PUT" else {"params": {"subject": "u-17"}}
    assert (await front.ask(verb, **request)).status_code == 401
    for role in Role:
        answer = await front.ask(verb, role, **request)
        assert (answer.status_code == 403) is (role is not Role.ADMIN), role


@pytest.mark.parametrize(
    ("verb", "request_", "status"),
    [
        ("PUT", {"json": SIGNER | {"age": 40}}, 422),
        ("PUT", {"json": {"subject": "u 17", "name": "x"}}, 422),
        ("PUT", {"json": {"subject": "u-17", "name": "x" * 201}}, 422),
        ("PUT", {"content": b"{", "headers": {"content-type": "application/json"}}, 400),
        ("GET", {}, 422),
        ("DELETE", {"params": {"subject": "a b"}}, 422),
    ],
)
async def test_what_is_not_a_person_is_refused(front, verb, request_, status):
    more = request_.pop("headers", {})
    principal = Principal(subject="u-1", roles=frozenset({Role.ADMIN}), units=frozenset())
    headers = {"Authorization": f"Bearer {issue(front.keys, principal)}", **more}
    answer = await front.client.request(verb, "/v1/people", headers=headers, **request_)
    assert answer.status_code == status, answer.text


async def test_a_paper_shows_the_name_until_it_is_erased(front):
    ends = {"from_site": STORE, "to_site": CENTRE, "unit": UNIT}
    line = Line(asset_no=NUMBER, device_class="01")
    for number, command in enumerate(
        (
            on(OpenSite, site_id=STORE, kind="unit_store", name="合成表库", unit=UNIT),
            on(OpenSite, site_id=CENTRE, kind="centre", name="合成中心", unit=UNIT),
            on(PrepareShipment, shipment_id="SH-1", **ends, manifest=(line,)),
            on(DispatchShipment, shipment_id="SH-1"),
            on(SignHandover, shipment_id="SH-1", party="from", signer="u-17"),
        )
    ):
        await front.registry.do(command, Context(command_id=UUID(int=number), actor="u-1"))
    (asked,) = (question for question in front.papers.table() if question.ask is GetTransferNote)
    admin = Principal(subject="u-1", roles=frozenset({Role.ADMIN}), units=frozenset())

    async def shown(who=admin):
        ask = GetTransferNote(shipment_id="SH-1", format="xlsx")
        paper = await asked.answer(who, ask, PageAsked(after=None, limit=1))
        with ZipFile(BytesIO(paper.content)) as book:
            text = "".join(book.read(name).decode() for name in book.namelist() if name.endswith(".xml"))
        return "李四（示例）" in text, "u-17" in text

    assert await shown() == (False, True)
    await front.people.remember(Person(subject="u-17", name="李四（示例）"))
    assert await shown() == (True, False)
    for role, named in (
        (Role.STOREKEEPER, True),
        (Role.OPERATOR, True),
        (Role.REGULATOR, False),
        (Role.AUDITOR, False),
    ):
        who = Principal(subject="u-2", roles=frozenset({role}), units=frozenset({UNIT}))
        assert await shown(who) == (named, not named), role
    await front.people.forget("u-17")
    assert await shown() == (False, True)


def test_a_note_names_its_signer_as_long_as_the_name_is_known():
    signed = on(HandoverSigned, shipment_id="SH-1", party="to", signer="u-17")
    whole = consignment("SH-1", told(PREPARED, DISPATCHED, RECEIVED, signed))

    def signers(names):
        return [box.signer for box in transfer_note(whole, {}, {}, {}, "ledger-1", names).signatures]

    assert signers({"u-17": "李四（示例）", "u-18": "王五（示例）"}) == [None, "李四（示例）"]
    assert signers({}) == [None, "u-17"]
