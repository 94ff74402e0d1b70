"""A van that takes many parcels at once, and the policy by which each of them is sent. Sample nouns of the tests."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from kernel.codec import Codec, Reader
from kernel.handling import Handling
from kernel.policy import Policy
from ledger.port import ANY, Append, Draft, Ledger, Recorded
from tests.kernel.parcel import PARCEL, Send


class Loaded(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A van was loaded with these parcels."""

    van: str
    parcels: tuple[str, ...]


CODEC = Codec("sample", (Loaded, *PARCEL.events))
READER = Reader(CODEC)


def when_loaded_send_parcels(event, _recorded):
    return (Send(parcel=parcel, place=event.van, weight_g=1) for parcel in event.parcels)


SEND_PARCELS = Policy(name="parcels_follow_van", when={Loaded: when_loaded_send_parcels})


def parcels_of(ledger: Ledger) -> Handling:
    return Handling(ledger, PARCEL, CODEC)


async def load(ledger: Ledger, van: str, parcels: Sequence[str], metadata: bytes = b"") -> int:
    event = Loaded(van=van, parcels=tuple(parcels))
    return await put(ledger, CODEC.type_of(event), CODEC.encode(event), metadata)


async def put(ledger: Ledger, type_name: str, data: bytes, metadata: bytes = b"") -> int:
    """Append an event of any type; its position."""
    draft = Draft(UUID(int=1 + await ledger.head()).bytes, type_name, data, metadata)
    return (await ledger.append([Append("van-1", ANY, [draft])])).position


def sent_of(log: Sequence[Recorded]) -> list[tuple[str, str]]:
    """Each (parcel, van) that was sent, in the log's order."""
    events = [CODEC.decode(recorded) for recorded in log if recorded.type == "sample.Sent"]
    return [(event.parcel, event.place) for event in events]
