"""The sample parcels behind a REST door, with tokens of the built-in issuer."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import httpx
import msgspec
from fastapi import Path as PathParameter

from kernel.commands import Commands
from kernel.handling import Handling
from kernel.http_limits import HttpLimits
from kernel.http_page import Cursors
from kernel.http_server import Asked, Caller, CallerOrPublic, HttpDoor
from kernel.identity import Principal, Role
from kernel.identity_issuer import built_in_verifier, issue, write_keys
from kernel.questions import Rows, Shown
from kernel.refusal import Refusal, not_allowed
from ledger.port import Ledger
from tests.kernel.parcel import CODEC, PARCEL, UNKNOWN

NOT_YOURS = not_allowed("parcel.not_yours", "您无权操作包裹。", "parcels are not yours to handle")

CLERK = Principal(subject="u-clerk", roles=frozenset({Role.OPERATOR}), units=frozenset({"31401"}))
OTHER_CLERK = Principal(subject="u-other", roles=frozenset({Role.OPERATOR}))
STRANGER = Principal(subject="u-stranger", roles=frozenset({Role.PUBLIC}))


class ParcelCard(msgspec.Struct, frozen=True, kw_only=True):
    """Where a parcel is."""

    parcel: str
    place: str
    delivered: bool


async def operators_only(principal: Principal, commands: Sequence[msgspec.Struct]) -> Sequence[Refusal | None]:
    return [None if Role.OPERATOR in principal.roles else NOT_YOURS() for _ in commands]


def parcel_commands(ledger: Ledger) -> Commands:
    handling = Handling(ledger, PARCEL, CODEC)
    return Commands(
        service="sample",
        decider=PARCEL,
        plural="parcels",
        do=handling.handle,
        do_many=handling.handle_many,
        permit=operators_only,
    )


def parcel_door(ledger: Ledger, keys: Path, limits: HttpLimits | None = None) -> HttpDoor:
    write_keys(keys)
    handling = Handling(ledger, PARCEL, CODEC)
    door = HttpDoor(
        title="sample",
        version="1",
        verifier=built_in_verifier(keys, ["127.0.0.1"]),
        cursors=Cursors(b"k" * 32),
        limits=limits,
    )
    door.commands(parcel_commands(ledger))

    @door.read("/v1/parcels/{parcel}", answers=ParcelCard, tag="parcels")
    async def card(parcel: Annotated[str, PathParameter(max_length=64)], caller: Caller) -> Shown:
        """Where a parcel is."""
        assert caller.subject
        state, version = await handling.state(f"parcel-{parcel}")
        if state.place is None:
            raise UNKNOWN(parcel=parcel)
        return Shown(value=ParcelCard(parcel=parcel, place=state.place, delivered=state.delivered), version=version)

    @door.read("/v1/numbers", answers=Number, rows=True)
    async def numbers(page: Asked, caller: CallerOrPublic, odd: bool = False) -> Shown:  # noqa: FBT001, FBT002  a query parameter
        """The numbers from 1 to 25."""
        assert caller.roles
        first = int(str(page.after[0])) + 1 if page.after else 1
        found = [n for n in range(first, 26) if not odd or n % 2][: page.limit]
        rows = [Number(number=n) for n in found]
        return Shown(value=Rows(items=rows, after=[found[-1]] if found and found[-1] < 25 else None), public=True)

    @door.read("/v1/fault", answers=Number)
    async def fault() -> Shown:
        """A fault of ours."""
        raise RuntimeError("secret detail")

    return door


class Number(msgspec.Struct, frozen=True):
    """A number."""

    number: int


def client(door: HttpDoor, keys: Path, principal: Principal | None = CLERK) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {issue(keys, principal)}"} if principal else {}
    transport = httpx.ASGITransport(door.app)
    return httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers)
