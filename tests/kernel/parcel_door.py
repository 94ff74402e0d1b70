"""The sample parcels and crates behind both doors, with tokens of the built-in issuer."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import httpx
import msgspec

from kernel.commands import Commands
from kernel.grpc_server import RpcDoor
from kernel.handling import Handling, Permit
from kernel.http_limits import HttpLimits
from kernel.http_page import Cursors
from kernel.http_server import HttpDoor
from kernel.identity_issuer import built_in_verifier, issue, write_keys
from kernel.principal import Principal, Role
from kernel.quantity import Key
from kernel.questions import File, PageAsked, Question, Rows, Shown
from kernel.readiness import Readiness
from kernel.refusal import Refusal, not_allowed
from ledger.port import Ledger
from tests.kernel import crate
from tests.kernel.parcel import CODEC, PARCEL, UNKNOWN
from tests.kernel.sample_wire import service

CURSOR_KEY: Final = b"k" * 32
NOT_YOURS = not_allowed("parcel.not_yours", "您无权操作包裹。", "parcels are not yours to handle")

CLERK = Principal(subject="u-clerk", roles=frozenset({Role.OPERATOR}), units=frozenset({"31401"}))
OTHER_CLERK = Principal(subject="u-other", roles=frozenset({Role.OPERATOR}))
STRANGER = Principal(subject="u-stranger", roles=frozenset({Role.PUBLIC}))


class ParcelCard(msgspec.Struct, frozen=True, kw_only=True):
    """Where a parcel is."""

    parcel: str
    place: str
    delivered: bool


async def operators_only(principal: Principal, _commands: Sequence[msgspec.Struct]) -> Permit:
    def permit(_command: Any, _state: Any) -> Refusal | None:
        return None if Role.OPERATOR in principal.roles else NOT_YOURS()

    return permit


class WhereIs(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where is this parcel?"""

    parcel: Key


class Numbers(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The numbers from 1 to 25, or the odd ones."""

    odd: bool = False


class Number(msgspec.Struct, frozen=True, kw_only=True):
    """A number."""

    number: int


class PrintLabel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """面单 The label of a parcel, so many times."""

    parcel: Key
    copies: Annotated[int, msgspec.Meta(ge=0, le=100_000)]


def crate_commands(ledger: Ledger) -> Commands:
    handling = Handling(ledger, crate.CRATE, crate.CODEC)
    return Commands(
        service="sample",
        decider=crate.CRATE,
        plural="crates",
        do=handling.handle,
        do_many=handling.handle_many,
        permit=operators_only,
        may_begin=frozenset(crate.CRATE.commands),
    )


def parcel_commands(ledger: Ledger) -> Commands:
    handling = Handling(ledger, PARCEL, CODEC)
    return Commands(
        service="sample",
        decider=PARCEL,
        plural="parcels",
        do=handling.handle,
        do_many=handling.handle_many,
        permit=operators_only,
        shown_at="/v1/parcels/{parcel}",
    )


def parcel_questions(ledger: Ledger) -> list[Question]:
    handling = Handling(ledger, PARCEL, CODEC)

    async def where_is(_: Principal, ask: WhereIs, __: PageAsked) -> Shown:
        state, version = await handling.state(f"parcel-{ask.parcel}")
        if state.place is None:
            raise UNKNOWN(parcel=ask.parcel)
        card = ParcelCard(parcel=ask.parcel, place=state.place, delivered=state.delivered)
        return Shown(value=card, version=version)

    async def numbers(_: Principal, ask: Numbers, page: PageAsked) -> Shown:
        first = int(str(page.after[0])) + 1 if page.after else 1
        found = [n for n in range(first, 26) if not ask.odd or n % 2]
        rows = [Number(number=n) for n in found[: page.limit]]
        more = [rows[-1].number] if len(found) > page.limit else None
        return Shown(value=Rows(items=rows, after=more))

    async def print_label(_: Principal, ask: PrintLabel, __: PageAsked) -> File:
        state, _ = await handling.state(f"parcel-{ask.parcel}")
        if state.place is None:
            raise UNKNOWN(parcel=ask.parcel)
        content = "".join(f"{ask.parcel} {copy}\n" for copy in range(ask.copies)).encode()
        return File(name=f"面单 {ask.parcel}.txt", media_type="text/plain", content=content)

    return [
        Question(PrintLabel, "/v1/parcels/{parcel}/label", File, print_label, media=("text/plain",)),
        Question(WhereIs, "/v1/parcels/{parcel}", ParcelCard, where_is),
        Question(Numbers, "/v1/numbers", Number, numbers, rows=True, paged=True, public=True),
    ]


def parcel_door(ledger: Ledger, keys: Path, limits: HttpLimits | None = None) -> HttpDoor:
    write_keys(keys)
    verifier = built_in_verifier(keys, ["127.0.0.1"])
    door = HttpDoor(title="sample", version="1", verifier=verifier, cursors=Cursors(CURSOR_KEY), limits=limits)
    door.commands(parcel_commands(ledger))
    door.commands(crate_commands(ledger))
    for question in parcel_questions(ledger):
        door.question(question)
    return door


async def parcel_rpc(ledger: Ledger, keys: Path, readiness: Readiness | None = None) -> tuple[RpcDoor, int]:
    """The same over gRPC, open on a free port of loopback."""
    door = parcel_rpc_door(ledger, keys, readiness or Readiness())
    return door, await door.start("127.0.0.1", 0)


def parcel_rpc_door(ledger: Ledger, keys: Path, readiness: Readiness) -> RpcDoor:
    write_keys(keys)
    verifier = built_in_verifier(keys, ["127.0.0.1"])
    door = RpcDoor(verifier=verifier, cursors=Cursors(CURSOR_KEY), readiness=readiness)
    door.service(service("Parcels"), commands=[parcel_commands(ledger)], questions=parcel_questions(ledger))
    door.service(service("Crates"), commands=[crate_commands(ledger)])
    return door


def client(door: HttpDoor, keys: Path, principal: Principal | None = CLERK) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {issue(keys, principal)}"} if principal else {}
    transport = httpx.ASGITransport(door.app)
    return httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers)
