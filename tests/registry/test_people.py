"""Names of people: kept beside the log, at one door, shown on papers as long as they are known. All of them made up."""

from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from kernel.authority import Policies
from kernel.codec import Reader
from kernel.database import Database
from kernel.http_page import Cursors
from kernel.http_server import HttpDoor
from kernel.identity import Principal, Role
from kernel.identity_issuer import issue, write_keys
from kernel.identity_provider import built_in_verifier
from kernel.people import People
from kernel.projection import Projector
from ledger.memory import MemoryLedger
from services.registry.access import Access
from services.registry.app import CODEC, STREAMS, Registry
from services.registry.papers.note import transfer_note
from services.registry.rest import open_people
from services.registry.shipment import HandoverSigned
from services.registry.views import VIEWS
from services.registry.views.consignment import consignment
from tests.registry.test_papers import DISPATCHED, PREPARED, RECEIVED, on, told

SIGNER = {"subject": "u-17", "name": "李四（示例）", "contact": "0000-0000000"}
FOLDER = Path("services/registry")


class Front:
    """The registry's door for people, and tokens to come through it."""

    def __init__(self, client, keys, people):
        self.client, self.keys, self.people = client, keys, people

    async def ask(self, verb, *roles, **request):
        principal = Principal(subject="u-1", roles=frozenset(roles), units=frozenset({"99401"}))
        headers = {"Authorization": f"Bearer {issue(self.keys, principal)}"} if roles else {}
        return await self.client.request(verb, "/v1/people", headers=headers, **request)


@asynccontextmanager
async def opened(folder):
    keys = folder / "keys"
    write_keys(keys)
    database, ledger = Database(f"sqlite:///{folder / 'registry.sqlite'}"), MemoryLedger()
    registry = Registry(ledger, Projector(database, ledger, Reader(CODEC), VIEWS, streams=STREAMS))
    people = People(database, "registry")
    await people.open()
    verifier = built_in_verifier(keys, ["127.0.0.1"])
    door = HttpDoor(title="registry", version="1", verifier=verifier, cursors=Cursors(b"0" * 32))
    open_people(door, people, Access(Policies.load(FOLDER), registry))
    try:
        transport = httpx.ASGITransport(door.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://registry") as client:
            yield Front(client, keys, people)
    finally:
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


def test_a_note_names_its_signer_as_long_as_the_name_is_known():
    signed = on(HandoverSigned, shipment_id="SH-1", party="to", signer="u-17")
    whole = consignment("SH-1", told(PREPARED, DISPATCHED, RECEIVED, signed))

    def signers(names):
        return [box.signer for box in transfer_note(whole, {}, {}, {}, "ledger-1", names).signatures]

    assert signers({"u-17": "李四（示例）", "u-18": "王五（示例）"}) == [None, "李四（示例）"]
    assert signers({}) == [None, "u-17"]
