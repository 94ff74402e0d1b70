"""What a running platform shows, against what its log says.

The platform goes on while it is asked, and a list comes page by page. So it is asked first; then the log is followed to
a newer checkpoint that covers the answers; and each figure must be what the log said at some entry from the audited
checkpoint to that one. What is not is asked for again, for views follow the log and may be late; what stays so is a
fault.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import date
from typing import Any, Final, Generic, TypeAlias, TypeVar

import msgspec

from auditor.balance import Cells, add_to, counted
from auditor.finding import Fault, Findings
from auditor.lives import DEVICES, SHOWN, Hold, Life, card_of
from auditor.saying import said_by
from auditor.source import Closed, Gateway, Missing, Unreadable
from auditor.trouble import Trouble
from ledger.proof.commitment import Envelope

BALANCES: Final = "v1/balances"
CARD: Final = "v1/meters/{asset_no}/card"
HOLDS: Final = "v1/holds/due"
NO_CARD: Final = "no card"

DEVICES_COMPARED: Final = 200
"""Devices whose cards are asked for, one by one, unless more are asked for: enough that a platform which shows one in
fifty wrong is found out, most likely.
"""

HOLDS_MAX: Final = 20_000
"""Holds that are read; they are listed by their ends, and those of the sample may be anywhere among them."""

PAGES_MAX: Final = 100_000
"""Pages of a list that are read: a list may be long, and one that never ends is none."""

LAST_DAY: Final = "9999-12-31"

PAUSES_S: Final = (2.0, 4.0, 8.0, 16.0)
"""How long after each time of asking the log is followed; the last of them is the last time."""

Group: TypeAlias = tuple[str, str]
"""A site and a device class."""

Days: TypeAlias = dict[str, tuple[int, int]]
"""Inflow and outflow by day."""

Figures: TypeAlias = tuple[int, int, int, int]
"""Opening, inflow, outflow, closing."""

Shown: TypeAlias = Mapping[str, Any] | None
"""A card as a platform shows it, None where it shows none."""

Holds: TypeAlias = Mapping[str, Hold]

Row = TypeVar("Row")


class _BalanceRow(msgspec.Struct, frozen=True):
    """A balance as a platform lists it."""

    site: str
    device_class: str
    day: str
    opening: int
    inflow: int
    outflow: int
    closing: int


class _HoldRow(msgspec.Struct, frozen=True):
    """A hold as a platform lists it."""

    asset_no: str
    hold: str
    kind: str
    reference: str
    until: str | None = None


class _Page(msgspec.Struct, Generic[Row], frozen=True):
    """A page of a list, and where the next one begins."""

    items: list[Row]
    next: str | None = None


class Device(msgspec.Struct):
    """A device of the sample: what it is, and what its card and its holds were to be while the log was followed."""

    life: Life
    cards: list[Mapping[str, Any]]
    holds: list[Holds]

    def take(self, version: int, type_: str, data: bytes) -> None:
        """One more event of it. Raises as `Life.take`."""
        self.life.take(version, type_, data)
        self.cards.append(self.life.card)
        self.holds.append(_listed(self.life.holds))


def device_of(life: Life) -> Device:
    return Device(life, [life.card], [_listed(life.holds)])


class Said:
    """What the log says, and what it said before as long as it was followed."""

    def __init__(self, cells: Cells, lives: Mapping[str, Life]) -> None:
        self.balances: Final[dict[Group, list[Days]]] = {}
        for (site, device_class, day), (inflow, outflow) in cells.items():
            days = self.balances.setdefault((site, device_class), [{}])[0]
            days[day] = inflow, outflow
        self.devices: Final = {stream: device_of(life) for stream, life in lives.items()}

    def take(self, envelope: Envelope) -> None:
        """One more event of the log. Raises Malformed, and what `Life.take` raises."""
        if (said := said_by(envelope)) is None:
            return
        if envelope.stream in self.devices:
            self.devices[envelope.stream].take(envelope.version, envelope.type, envelope.data)
        cells = counted()
        add_to(cells, said)
        changed: dict[Group, Days] = {}
        for (site, device_class, day), (inflow, outflow) in cells.items():
            group = site, device_class
            if group not in changed:
                changed[group] = dict(self.balances.setdefault(group, [{}])[-1])
            before = changed[group].get(day, (0, 0))
            changed[group][day] = before[0] + inflow, before[1] + outflow
        for group, days in changed.items():
            self.balances[group].append(days)

    @property
    def first(self) -> str | None:
        """The first day on which anything moved."""
        return min((day for versions in self.balances.values() for days in versions for day in days), default=None)

    def differ(self, shown: Mapping[Group, Mapping[str, Figures]], last: str) -> Iterator[tuple[str, str, str]]:
        """(where, log, platform) of each balance that the log never said, up to a day."""
        for group in sorted(self.balances.keys() | shown.keys()):
            theirs = shown.get(group, {})
            versions = self.balances.get(group, [{}])
            days = sorted({day for days in versions for day in days if day <= last} | theirs.keys())
            said = [figures(version, days) for version in versions]
            for day in days:
                ours = [one[day] for one in said]
                there = theirs.get(day)
                if there in ours or (there is None and any(not one[1] and not one[2] for one in ours)):
                    continue
                yield " ".join((BALANCES, *group, day)), str(ours[-1]), str(there)

    def mistaken(self, shown: Mapping[str, Shown]) -> Iterator[tuple[str, str, str]]:
        """(stream, log, platform) of each card that shows a device as the log never had it."""
        for stream, answer in shown.items():
            cards = self.devices[stream].cards
            there = {} if answer is None else card_of(answer)
            if there in cards:
                continue
            same = [card for card in cards if card.get("version") == there.get("version")]
            ours = (same or cards)[-1]
            if answer is None or not ours:
                yield stream, _spoken(ours) or NO_CARD, NO_CARD if answer is None else _spoken(there)
                continue
            differ = [name for name in SHOWN if ours[name] != there[name]]
            yield (
                stream,
                _spoken({name: ours[name] for name in differ}),
                _spoken({name: there[name] for name in differ}),
            )

    def misheld(self, shown: Mapping[str, Holds] | None) -> Iterator[tuple[str, str, str]]:
        """(stream, log, platform) of each device of the sample whose holds with an end are others than the log said."""
        for stream, device in self.devices.items() if shown is not None else ():
            there = (shown or {}).get(stream, {})
            if there not in device.holds:
                yield stream, str(device.holds[-1]), str(there)


def _listed(holds: Holds) -> Holds:
    """Those that a platform lists: holds that have an end."""
    return {name: hold for name, hold in holds.items() if hold[2] is not None}


def _spoken(said: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in said.items())


def figures(days: Days, of: list[str]) -> dict[str, Figures]:
    """The figures of these days, which are in order and hold all those on which anything moved up to the last."""
    stock, found = 0, {}
    for day in of:
        inflow, outflow = days.get(day, (0, 0))
        found[day] = stock, inflow, outflow, stock + inflow - outflow
        stock += inflow - outflow
    return found


def compare(
    platform: Gateway,
    said: Said,
    last: date,
    follow: Callable[[], bool],
    findings: Findings,
    pauses_s: tuple[float, ...] = PAUSES_S,
) -> dict[str, int]:
    """Compare the platform's balances up to a day, and the cards and holds of some devices. `follow` takes what is new
    in the log into `said`; False where that cannot be relied on. Returns how many of each were compared.
    """
    day = last.isoformat()
    for pause_s in pauses_s:
        balances = _balances(platform, min(said.first or day, day), day)
        cards = {stream: _card(platform, stream) for stream in said.devices}
        holds = _holds(platform, said.devices)
        time.sleep(pause_s)
        if not follow():
            return {}
        wrong = [
            *((where, None, log, shown) for where, log, shown in said.differ(balances, day)),
            *(
                (CARD.format(asset_no=stream.removeprefix(DEVICES)), stream, log, shown)
                for stream, log, shown in said.mistaken(cards)
            ),
            *((HOLDS, stream, log, shown) for stream, log, shown in said.misheld(holds)),
        ]
        if not wrong:
            break
    for where, of, log, there in wrong:
        findings.add(Fault.SHOWN_DIFFERS, where, stream=of, log=log, platform=there)
    compared = {"balances": sum(map(len, balances.values())), "cards": len(cards)}
    return compared if holds is None else compared | {"holds": sum(map(len, holds.values()))}


def _card(platform: Gateway, stream: str) -> Shown:
    try:
        return platform.ask(dict[str, Any], CARD.format(asset_no=stream.removeprefix(DEVICES)))
    except Missing:
        return None


def _holds(platform: Gateway, of: Collection[str]) -> dict[str, Holds] | None:
    """The holds with an end on these devices; None where there are more than are read, or who asks may not see them."""
    found: dict[str, dict[str, Hold]] = {}
    try:
        for number, row in enumerate(_rows(platform, _Page[_HoldRow], HOLDS, by=LAST_DAY)):
            if number >= HOLDS_MAX:
                return None
            stream = DEVICES + row.asset_no
            if stream in of:
                found.setdefault(stream, {})[row.hold] = row.kind, row.reference, row.until
    except Closed:
        return None
    return dict(found)


def _balances(platform: Gateway, first: str, last: str) -> dict[Group, dict[str, Figures]]:
    shown: dict[Group, dict[str, Figures]] = {}
    for row in _rows(platform, _Page[_BalanceRow], BALANCES, first=first, last=last):
        of = shown.setdefault((row.site, row.device_class), {})
        of[row.day] = row.opening, row.inflow, row.outflow, row.closing
    return shown


def _rows(platform: Gateway, of: type[_Page[Row]], path: str, **asked: str) -> Iterator[Row]:
    """Every row of a list, page by page. Raises Unreadable where it does not end."""
    begun: set[str] = set()
    while len(begun) < PAGES_MAX:
        page = platform.ask(of, path, **asked)
        yield from page.items
        if page.next is None:
            return
        if page.next in begun:
            raise Unreadable(f"{path}: pages that lead back to one before", Trouble.ANSWER)
        begun.add(page.next)
        asked["cursor"] = page.next
    raise Unreadable(f"{path}: over {PAGES_MAX} pages", Trouble.ANSWER)
