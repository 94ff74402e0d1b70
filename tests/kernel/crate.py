"""A crate that is weighed: a sample with every kind of field, to hold both doors to one table of bad input."""

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec

from kernel.codec import Codec
from kernel.decider import Decider, Part
from kernel.quantity import INT64_MAX, Instant, Key, MassG, Name, Remark


class Item(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What lies in the crate."""

    name: Name
    mass_g: MassG


class Weigh(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """称重 Put a crate on the scales."""

    crate: Key
    mass_g: MassG
    at: Instant
    colour: Literal["red", "blue"] = "red"
    remark: Remark | None = None
    items: tuple[Item, ...] = ()
    tags: dict[str, Annotated[int, msgspec.Meta(ge=-(2**63), le=INT64_MAX)]] = {}


class Weighed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    crate: Key
    mass_g: MassG
    at: Instant


def decide(command: Weigh, _: int) -> Sequence[Weighed]:
    return [Weighed(crate=command.crate, mass_g=command.mass_g, at=command.at)]


def evolve(times: int, _: Weighed) -> int:
    return times + 1


CRATE = Decider(
    category="crate",
    initial=0,
    key="crate",
    begins=(),
    parts=(Part((Weigh,), (Weighed,), decide, evolve),),
)
CODEC = Codec("sample", CRATE.events)
