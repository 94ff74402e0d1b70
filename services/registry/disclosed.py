"""What of a device's life and card each party to it may read, by the labels of docs/disclosure.yaml.

The centre's own people and those who supervise it read everything. A party reads the events whose label names it and
that concern it, and a maker a card without what would tell where its devices are kept, and how they are reached.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import msgspec

from kernel.disclosure import Disclosure, load
from kernel.principal import Role
from ledger.port import Recorded
from services.registry.meter.release import Released, SampleReturned
from services.registry.views.card import Card
from services.registry.vocabulary import Purpose

FILE: Final = Path(__file__).with_name("disclosure.yaml")
"""A link to docs/disclosure.yaml, so that the file comes along wherever the program is installed."""

UNIT: Final = "unit"
PARTIES: Final = {Role.OPERATOR: UNIT, Role.MANUFACTURER: "manufacturer"}
"""As which party a role reads what it may see of a device."""

CONCERNED: Final[dict[Purpose, str]] = {
    "review": "institute",
    "maker_sample": "manufacturer",
    "repair": "manufacturer",
    "maker": "manufacturer",
    "customer": "customer",
}
"""Whom, beside the unit, a release for a purpose concerns, and the return from it."""

NOT_THE_MAKERS: Final = {
    "site": None,
    "shipment": None,
    "container": None,
    "location": None,
    "reference": None,
    "county": None,
    "comm_address": None,
    "work_order": None,
    "holder": None,
    "bound_to": None,
    "seals": "",
}
"""What a card says to a maker in place of where a device is kept, how it is sealed and how it is reached."""


def disclosed(path: Path | None = None) -> Disclosure:
    """The labels in the file, or those that came with the program. ValueError where it cannot be read."""
    return load(path or FILE)


class Circle(msgspec.Struct, frozen=True):
    """As what a caller reads a device: as these parties, or as one who reads everything where that is None."""

    parties: frozenset[str] | None
    types: frozenset[str] = frozenset()

    @property
    def has_pages(self) -> bool:
        """Whether the page of a device (一表一档) is for this reader: it tells where a device is kept."""
        return self.parties is None or UNIT in self.parties

    def events(self, told: Iterable[tuple[Any, Recorded]]) -> list[tuple[Any, Recorded]]:
        """Those of these events that may be read."""
        return [one for one in told if self._may_read(*one)]

    def card(self, card: Card) -> Card:
        """The card as it may be read."""
        return card if self.has_pages else msgspec.structs.replace(card, **NOT_THE_MAKERS)

    def _may_read(self, event: Any, recorded: Recorded) -> bool:
        if self.parties is None:
            return True
        concerned = not isinstance(event, Released | SampleReturned) or CONCERNED.get(event.purpose) in self.parties
        return recorded.type in self.types and (concerned or UNIT in self.parties)


WHOLE: Final = Circle(None)
"""Of the centre's own people, of those who supervise it, and of machines."""
