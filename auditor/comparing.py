"""What a running platform shows, against what its log says.

The platform goes on while it is asked, and a list comes page by page. So it is asked first; then the log is followed to
a newer checkpoint that covers the answers; and each figure must be what the log said at some entry from the audited
checkpoint to that one. What is not is asked for again, for views follow the log and may be late; what stays so is a
fault.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from itertools import islice
from typing import Any, Final, TypeAlias

from auditor.balance import SAID, Cells, add_to, moves_of
from auditor.finding import Fault, Findings
from auditor.source import Gateway, Missing
from ledger.proof.commitment import Envelope

BALANCES: Final = "v1/balances"
CARD: Final = "v1/meters/{asset_no}/card"
DEVICES: Final = "meter-"
NO_CARD: Final = "no card"

CARDS_MAX: Final = 200
"""Cards that are asked for, one by one: enough that a platform which shows one in fifty wrong is found out."""

PAUSES_S: Final = (2.0, 4.0, 8.0, 16.0)
"""How long after each time of asking the log is followed; the last of them is the last time."""

Group: TypeAlias = tuple[str, str]
"""A site and a device class."""

Days: TypeAlias = dict[str, tuple[int, int]]
"""Inflow and outflow by day."""

Figures: TypeAlias = tuple[int, int, int, int]
"""Opening, inflow, outflow, closing."""

Place: TypeAlias = str | None


class Said:
    """What the log says, and what it said before as long as it was followed."""

    def __init__(self, cells: Cells, places: Mapping[str, Place]) -> None:
        self.balances: Final[dict[Group, list[Days]]] = {}
        for (site, device_class, day), (inflow, outflow) in cells.items():
            days = self.balances.setdefault((site, device_class), [{}])[0]
            days[day] = inflow, outflow
        chosen = (stream for stream in sorted(places) if stream.startswith(DEVICES))
        self.places: Final[dict[str, list[Place]]] = {stream: [places[stream]] for stream in islice(chosen, CARDS_MAX)}

    def take(self, envelope: Envelope) -> None:
        """One more event of the log. Raises DecodeError, Undated."""
        if not envelope.type.startswith("registry."):
            return
        said = SAID.decode(envelope.data)
        if envelope.stream in self.places:
            self.places[envelope.stream] += [to_site for _, to_site in moves_of(said)]
        cells: Cells = {}
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

    def misplaced(self, shown: Mapping[str, Place]) -> Iterator[tuple[str, str, str]]:
        """(stream, log, platform) of each card that shows a device where the log never had it."""
        for stream, there in shown.items():
            if there not in self.places[stream]:
                yield stream, str(self.places[stream][-1]), str(there)


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
    """Compare the platform's balances up to a day, and where it shows some devices. `follow` takes what is new in the
    log into `said`; False where that cannot be relied on. Returns how many of each were compared.
    """
    balances: dict[Group, dict[str, Figures]] = {}
    cards: dict[str, Place] = {}
    for pause_s in pauses_s:
        first = said.first or last.isoformat()
        balances = _balances(platform, min(first, last.isoformat()), last.isoformat())
        cards = {stream: _place(platform, stream) for stream in said.places}
        time.sleep(pause_s)
        if not follow():
            return {}
        if not any(said.differ(balances, last.isoformat())) and not any(said.misplaced(cards)):
            break
    for where, log, shown in said.differ(balances, last.isoformat()):
        findings.add(Fault.SHOWN_DIFFERS, where, log=log, platform=shown)
    for stream, log, shown in said.misplaced(cards):
        path = CARD.format(asset_no=stream.removeprefix(DEVICES))
        findings.add(Fault.SHOWN_DIFFERS, path, stream=stream, log=log, platform=shown)
    return {"balances": sum(map(len, balances.values())), "cards": len(cards)}


def _place(platform: Gateway, stream: str) -> Place:
    try:
        site: Place = platform.ask(CARD.format(asset_no=stream.removeprefix(DEVICES))).get("site")
    except Missing:
        return NO_CARD
    return site


def _balances(platform: Gateway, first: str, last: str) -> dict[Group, dict[str, Figures]]:
    shown: dict[Group, dict[str, Figures]] = {}
    for row in _rows(platform, BALANCES, first=first, last=last):
        of = shown.setdefault((row["site"], row["device_class"]), {})
        of[row["day"]] = row["opening"], row["inflow"], row["outflow"], row["closing"]
    return shown


def _rows(platform: Gateway, path: str, **asked: str) -> Iterator[dict[str, Any]]:
    """Every row of a list, page by page."""
    while True:
        page = platform.ask(path, **asked)
        yield from page["items"]
        if page.get("next") is None:
            return
        asked["cursor"] = page["next"]
