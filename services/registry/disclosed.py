"""What of a device's life and card each party to it may read, by the labels of docs/disclosure.yaml.

The centre's own people and those who supervise it read everything. A party reads the events whose label names it and
that concern it, and a card to match: a maker without what would tell where its devices are kept and how they are
reached, the institute without what would tell how they were judged.
"""

from collections.abc import Collection, Iterable, Mapping
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
MANUFACTURER: Final = "manufacturer"
INSTITUTE: Final = "institute"
PARTIES: Final = {Role.OPERATOR: UNIT, Role.MANUFACTURER: MANUFACTURER, Role.INSTITUTE: INSTITUTE}
"""As which party a role reads what it may see of a device."""

CONCERNED: Final[dict[Purpose, str]] = {
    "review": INSTITUTE,
    "maker_sample": MANUFACTURER,
    "repair": MANUFACTURER,
    "maker": MANUFACTURER,
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


NOT_THE_INSTITUTES: Final = {
    "phase": "out",
    "purpose": None,
    "reference": None,
    "holder": None,
    "data_cleared": False,
    "chip_destroyed": False,
    "defaced": False,
    "county": None,
    "comm_address": None,
    "work_order": None,
    "seals": "",
}
"""What a card says to the institute in place of what became of a device, by which its verdict would be known, and of
what the labels show to units alone. Where the device lies is not among them: there it is fetched for the test.
"""

UNTOLD: Final = frozenset({"in_service", "at_site", "in_transit", "missing", "lost", "written_off", "bound"})
"""Phases of a card that say nothing of a verdict."""

NOT_BY: Final[Mapping[Role, Collection[str]]] = {
    Role.MANUFACTURER: NOT_THE_MAKERS.keys(),
    Role.INSTITUTE: NOT_THE_INSTITUTES.keys(),
}
"""By what a role does not search for devices: to find them by what their cards do not say would be to learn it."""


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
        if self.has_pages or self.parties is None:
            return card
        first, *others = [_hidden(party, card) for party in self.parties] or [{**NOT_THE_MAKERS, **NOT_THE_INSTITUTES}]
        said = {name: value for name, value in first.items() if all(name in other for other in others)}
        return msgspec.structs.replace(card, **said)

    def _may_read(self, event: Any, recorded: Recorded) -> bool:
        if self.parties is None:
            return True
        concerned = not isinstance(event, Released | SampleReturned) or CONCERNED.get(event.purpose) in self.parties
        return recorded.type in self.types and (concerned or UNIT in self.parties)


def _hidden(party: str, card: Card) -> Mapping[str, Any]:
    """What a card says to a party in place of what is not for it."""
    if party != INSTITUTE:
        return NOT_THE_MAKERS
    told = {"phase"} if card.phase in UNTOLD else set()
    if card.purpose == "review":
        told = {"phase", "purpose", "reference"}
    return {name: value for name, value in NOT_THE_INSTITUTES.items() if name not in told}


WHOLE: Final = Circle(None)
"""Of the centre's own people, of those who supervise it, and of machines."""
