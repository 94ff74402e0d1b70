"""The same account once more, by brute force, from what the design calls custody, balance and recovery: every question
is answered by reading the whole log, device by device. It knows no view, no row and of movements only where they lead.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from services.registry.meter import binding, custody, dismantling, end, hold, identity, missing, release, unexpected
from services.registry.site import SiteOpened

OF_NO_PLACE = (
    dismantling.FinalReadingRecorded,
    dismantling.FinalReadingDisputed,
    dismantling.FinalReadingResolved,
    hold.HoldPlaced,
    hold.HoldLifted,
    release.PreconditionRecorded,
)
"""Papers: they may be about a device that has moved on."""

BEIJING = timedelta(hours=8)
CENTRE_KIND = "centre"


@dataclass(frozen=True)
class Stand:
    """How a device stands: where, held apart or not, of which class and unit, and in whose hands since when."""

    phase: str = ""
    site: str | None = None
    apart: bool = False
    holder: str | None = None
    since: date = date.min
    device_class: str = ""
    unit: str = ""
    unit_version: int = -1
    dismantling: int | None = None
    as_dismantled: bool = False
    going_home: bool = False


def recorded_day(recorded: Any) -> date:
    return (datetime.fromtimestamp(recorded.recorded_at_us // 1_000_000, UTC) + BEIJING).date()


def place(stand: Stand) -> tuple[str | None, str]:
    """Which balance counts it."""
    return (stand.site, stand.device_class if stand.site else "")


def after(stand: Stand, event: Any, version: int, on: date) -> Stand:
    """How it stands after one more event, which counts on this day; a corrected dismantling does."""

    def placed(phase: str, site: str | None = None, holder: str | None = None, **more: Any) -> Stand:
        fresh = {"phase": phase, "site": site, "holder": holder or site, "apart": False, "going_home": False}
        fresh["as_dismantled"] = False
        return replace(stand, **fresh, since=on, **more)

    def said(**more: Any) -> dict[str, Any]:
        return {"unit": event.unit, "unit_version": version, **more}

    match event:
        case identity.Registered(device_class=device_class, origin=origin):
            phase = "in_service" if origin == "in_service" else "with_maker"
            return placed(phase, **said(device_class=device_class))
        case identity.TemporaryIdentityAssigned(device_class=device_class, moved=moved):
            return placed("at_site", moved.to_site, **said(device_class=device_class))
        case binding.IdentityBound():
            return placed("bound")
        case binding.IdentityAdopted(device_class=device_class, site=site, unexpected=apart):
            return replace(placed("at_site", site, **said(device_class=device_class)), apart=apart)
        case identity.RecordCorrected(did_not_happen=True):
            return placed("in_service", dismantling=None)
        case identity.RecordCorrected(device_class=device_class, unit=unit, corrects_version=corrected):
            unit = unit if corrected == stand.unit_version else None
            if stand.as_dismantled and corrected == stand.dismantling:
                stand = replace(stand, since=stand.since if event.dismantled_on is None else on)
            return replace(stand, device_class=device_class or stand.device_class, unit=unit or stand.unit)
        case dismantling.Dismantled(moved=moved):
            new = stand.phase == "in_service"
            here = placed("at_site", moved.to_site) if new else stand
            return replace(here, dismantling=version, as_dismantled=new, **said())
        case custody.Dispatched():
            return placed("in_transit", holder=stand.site)
        case unexpected.Unexpected(moved=moved):
            known = {} if stand.phase else said()
            return replace(placed("at_site", moved.to_site, device_class=moved.device_class, **known), apart=True)
        case unexpected.UnexpectedAccepted():
            return replace(stand, apart=False)
        case missing.Missing():
            return placed("missing", holder=stand.holder)
        case missing.LossConfirmed():
            return placed("lost", holder=stand.holder)
        case missing.WrittenOff():
            return placed("written_off", holder=stand.holder)
        case release.Released(purpose=purpose):
            home = stand.apart and purpose == "customer"
            return replace(placed("out", holder=stand.site), going_home=home)
        case release.Reinstalled():
            return placed("in_service", dismantling=None, **said())
        case release.ReturnedToMaker(maker=maker):
            return placed("with_maker", holder=maker)
        case release.ReturnedToCustomer():
            return placed("returned_to_customer", dismantling=None)
        case end.HandedToRecycler(recycler=recycler):
            return placed("with_recycler", holder=recycler)
        case end.Destroyed():
            return placed("destroyed", holder=stand.holder)
        case end.DestroyedInTest(holder=holder):
            return placed("destroyed_in_test", holder=holder)
        case end.KeptByMaker(maker=maker):
            return placed("kept_by_maker", holder=maker)
        case custody.Received() | missing.Found() | release.SampleReturned() | release.ReceivedFromMaker():
            return placed("at_site", event.moved.to_site)
        case _:
            return stand


@dataclass
class Happening:
    """An event of a device, how it stood after it, and the business day on which it counts. `moves`: into or out of a
    site. Of a dismantling its version, and when it was counted on another day: the day until then, the day from then,
    and by what. `told_on` is the day on which it counted when it was told, or the dismantling that it `corrects` from
    then on.
    """

    event: Any
    recorded: Any
    stand: Stand
    on: date
    moves: bool
    dismantling: int | None = None
    told_on: date = date.min
    corrects: "Happening | None" = None
    recounted: list[tuple[date, date, Any]] = field(default_factory=list)


class Account:
    """What the log comes to, read whole."""

    def __init__(self, log: Sequence[tuple[Any, Any]]) -> None:
        self.log = log
        self.lives: defaultdict[str, list[tuple[Any, Any]]] = defaultdict(list)
        self.centres: set[str] = set()
        self.began: dict[str, date] = {}
        for event, recorded in log:
            if recorded.stream.startswith("meter-"):
                self.lives[event.asset_no].append((event, recorded))
            if isinstance(event, SiteOpened):
                self.began.setdefault(event.site_id, recorded_day(recorded))
                if event.kind == CENTRE_KIND:
                    self.centres.add(event.site_id)

    def told(self, asset_no: str) -> list[Happening]:
        """Every event of a device, how it stood after it, and the day on which each counts: what is dated before the
        device last moved counts on that day, what moves nothing not before the device got where it was, and a
        dismantling that was on another day counts there, between the movements before and after it.
        """
        lines: list[Happening] = []
        before = Stand()
        for event, recorded in self.lives[asset_no]:
            corrected = None
            if isinstance(event, identity.RecordCorrected) and event.dismantled_on is not None:
                moves = [one for one in lines if one.moves]
                corrected = next((one for one in moves if one.dismantling == event.corrects_version), None)
                if corrected is not None:
                    nth = moves.index(corrected)
                    latest = [event.dismantled_on, *(one.on for one in moves[:nth])]
                    on = min([max(latest), *(one.on for one in moves[nth + 1 :])])
                    corrected.recounted.append((corrected.on, on, recorded))
                    corrected.on = on
            moved_on = max((one.on for one in lines if one.moves), default=date.min)
            on = event.day
            moves_it = place(after(before, event, recorded.version, on)) != place(before)
            if moves_it:
                on = max(moved_on, on)
            elif not isinstance(event, OF_NO_PLACE):
                on = max(before.since, moved_on, on)
            told_on = on if corrected is None else corrected.on
            stand = after(before, event, recorded.version, told_on)
            of = recorded.version if isinstance(event, dismantling.Dismantled) else None
            place_in = {"moves": moves_it, "dismantling": of, "told_on": told_on, "corrects": corrected}
            lines.append(Happening(event, recorded, stand, on, **place_in))
            before = stand
        return lines

    def stood(self, asset_no: str, *, position: int | None = None, day: date | None = None) -> Stand | None:
        """How a device stood by what had been recorded up to a position, or had happened by the end of a day. What was
        recorded up to a position is taken as it was told, what had happened by a day as it is known now.
        """
        told = self.told(asset_no)
        happened = [
            one
            for one in told
            if (position is None or one.recorded.position <= position) and (day is None or one.on <= day)
        ]
        if happened and happened[0] is not told[0] and isinstance(told[0].event, identity.Registered):
            happened.insert(0, told[0])
        stand = Stand()
        for one in happened:
            on = one.told_on if day is None else (one.corrects or one).on
            stand = after(stand, one.event, one.recorded.version, on)
        if day is not None:
            stand = replace(stand, device_class=self._class_on(told, day))
        return stand if stand.phase else None

    def _class_on(self, told: list[Happening], day: date) -> str:
        """Of which class a device was on a day, as it is known now: nobody changes a device, but a site counts it by
        what was known until then.
        """
        later = next((nth for nth, one in enumerate(told) if one.moves and one.on > day), len(told))
        return told[later - 1].stand.device_class if later else ""

    def closing(self, day: date) -> Counter[tuple[str, str]]:
        """The devices whose last custody event, by the end of that day, is at a site, by site and class."""
        stood = [self.stood(asset_no, day=day) for asset_no in self.lives]
        return Counter((one.site, one.device_class) for one in stood if one is not None and one.site is not None)

    def balances(self, first: date, last: date) -> list[tuple[Any, ...]]:
        """Site, class, day, opening, inflow, outflow, closing, restated on."""
        moved: defaultdict[tuple[str, str, date], list[tuple[int, date]]] = defaultdict(list)
        for asset_no in self.lives:
            before: tuple[str | None, str] = (None, "")
            for one in self.told(asset_no):
                now = place(one.stand)
                if one.moves:
                    for (site, device_class), change in ((before, -1), (now, +1)):
                        if site is not None:
                            moved[site, device_class, one.on].append((change, recorded_day(one.recorded)))
                for was, on, recorded in one.recounted:
                    if was != on:
                        for day in (was, on):
                            moved[now[0] or "", now[1], day].append((0, recorded_day(recorded)))
                before = now
        lines = []
        lay = self.closing(first - timedelta(days=1))
        for site, device_class in {(site, kind) for site, kind, _ in moved}:
            days = sorted({day for *place, day in moved if (*place,) == (site, device_class) and first <= day <= last})
            for day in days or ([first] if lay[site, device_class] else []):
                changes = moved.get((site, device_class, day), [])
                figures = [
                    self.closing(day - timedelta(days=1))[site, device_class],
                    sum(change > 0 for change, _ in changes),
                    sum(change < 0 for change, _ in changes),
                    self.closing(day)[site, device_class],
                ]
                latest = max((told for _, told in changes), default=day)
                late = latest > max(day, self.began.get(site, day))
                lines.append((site, device_class, day, *figures, latest if late else None))
        return sorted(lines)

    def dismantlings(self) -> Iterator[dict[str, Any]]:
        """Every dismantling that stands, with its corrections and what became of its device."""
        for asset_no in self.lives:
            for event, recorded in self.lives[asset_no]:
                if isinstance(event, dismantling.Dismantled):
                    told = self._dismantling(event, recorded.version)
                    if told is not None:
                        yield told

    def _dismantling(self, dismantled: dismantling.Dismantled, version: int) -> dict[str, Any] | None:
        if any(isinstance(event, binding.IdentityBound) for event, _ in self.lives[dismantled.asset_no]):
            return None  # it is told of under its number
        names = ("unit", "county", "reason", "work_order")
        told: dict[str, Any] = {name: getattr(dismantled, name) for name in names}
        told |= {"asset_no": dismantled.asset_no, "dismantled_on": dismantled.day, "came": None}
        last, was, over = Stand(), Stand(), False
        for one in self.told(dismantled.asset_no):
            event, recorded, stand = one.event, one.recorded, one.stand
            if isinstance(event, identity.RecordCorrected) and event.corrects_version == version:
                if event.did_not_happen:
                    return None
                for name in (*names, "dismantled_on"):
                    told[name] = getattr(event, name) if getattr(event, name) is not None else told[name]
            if recorded.version < version or over or isinstance(event, binding.IdentityBound):
                continue  # what becomes of a temporary identity once it is bound is told of its number
            last, over = stand, stand.dismantling != version
            here = stand.site in self.centres and not stand.apart
            days = [one.on]
            if isinstance(event, binding.IdentityAdopted) and not event.unexpected:
                days, here = self._arrived(event.temporary_id), bool(self._arrived(event.temporary_id))
            if recorded.version == version and dismantled.temporary_id is not None:
                came = [] if dismantled.unexpected else self._arrived(dismantled.temporary_id)
                told["came"] = min(came, default=None)
            elif recorded.version == version and not one.moves:
                # Its work order came after it: a temporary identity may have been in stock by then.
                came = [] if stand.apart else self._arrived(dismantled.asset_no, version)
                told["came"] = min(came, default=None)
            elif here and (stand.site, stand.apart) != (was.site, was.apart):
                told["came"] = min([*days, told["came"] or date.max])
            was = stand
        became = {"missing": "missing", "lost": "lost", "written_off": "lost"}.get(last.phase, "owed")
        if last.phase in ("with_recycler", "destroyed", "destroyed_in_test", "kept_by_maker"):
            became = "disposed"
        if over:
            became = "returned"
        elif last.apart or last.going_home:
            became = "unexpected"
        return told | {"became": became}

    def _arrived(self, temporary_id: str, before: int | None = None) -> list[date]:
        """When it came into ordinary stock at centres, under a temporary identity, since it was in service last."""
        days: list[date] = []
        was = Stand()
        for one in self.told(temporary_id):
            stand = one.stand
            if one.recorded.version == before:
                break
            if stand.phase == "in_service":
                days = []
            elif stand.site in self.centres and not stand.apart and (was.site, was.apart) != (stand.site, stand.apart):
                days.append(one.on)
            was = stand
        return days

    def rates(self, cut_offs: dict[tuple[str, str], date]) -> dict[tuple[str, str], Counter[str]]:
        """By unit and month: how many were dismantled, and how many of them became what."""
        cohorts: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        for told in self.dismantlings():
            cohort = (told["unit"], told["dismantled_on"].isoformat()[:7])
            became = told["became"]
            if told["came"] is not None:
                late = cohort in cut_offs and told["came"] > cut_offs[cohort]
                became = "received_late" if late else "received"
            cohorts[cohort] += Counter({"dismantled": 1, became: 1})
        return dict(cohorts)

    def owed(self, unit: str) -> list[tuple[date, str]]:
        """What a unit dismantled, and no centre received, and somebody can still bring."""
        return sorted(
            (told["dismantled_on"], told["asset_no"])
            for told in self.dismantlings()
            if told["unit"] == unit and told["came"] is None and told["became"] in ("owed", "missing", "unexpected")
        )

    def apart_without_work_order(self) -> Counter[str]:
        """By unit: held apart now, and no dismantling of theirs stands."""
        stood = [self.stood(asset_no) for asset_no in self.lives]
        return Counter(one.unit for one in stood if one is not None and one.apart and one.dismantling is None)

    def gaps(self, before: date) -> list[tuple[date, str, str]]:
        """Since when, which, and how: whatever is between two custodians since before a day."""
        found = []
        for asset_no in self.lives:
            stand = self.stood(asset_no)
            if stand and stand.since < before and (stand.apart or stand.phase in ("in_transit", "missing", "lost")):
                found.append((stand.since, asset_no, "unexpected" if stand.apart else stand.phase))
        return sorted(found)

    def holds_due(self, by: date) -> list[tuple[date, str, str]]:
        """The holds that stand and end by a day; those of a temporary identity went along when it was bound."""
        standing: dict[tuple[str, str], date | None] = {}
        for event, _ in self.log:
            match event:
                case hold.HoldPlaced():
                    standing[event.asset_no, event.hold] = event.until
                case hold.HoldLifted():
                    del standing[event.asset_no, event.hold]
                case binding.IdentityBound():
                    standing = {key: until for key, until in standing.items() if key[0] != event.asset_no}
        return sorted((until, *key) for key, until in standing.items() if until is not None and until <= by)

    def duplicates(self) -> list[tuple[int, str]]:
        """How many devices have a communication address that is not theirs alone, the most shared first."""
        addresses: dict[str, str] = {}
        bound = {event.asset_no for event, _ in self.log if isinstance(event, binding.IdentityBound)}
        for event, _ in self.log:
            said = getattr(event, "description", None)
            if said is not None and said.comm_address is not None:
                addresses[event.asset_no] = said.comm_address
        numbers = Counter(address for asset_no, address in addresses.items() if asset_no not in bound)
        shared = [(devices, address) for address, devices in numbers.items() if devices > 1]
        return sorted(shared, key=lambda one: (-one[0], one[1]))

    def alarms(self) -> Counter[tuple[str, str]]:
        """Devices and how often each kind of alarm was raised for them."""
        raised: Counter[tuple[str, str]] = Counter()
        for event, _ in self.log:
            if isinstance(event, unexpected.Reappeared):
                raised[event.asset_no, "reappeared"] += 1
            elif isinstance(event, binding.AdoptionRefused):
                raised[event.asset_no, "duplicate"] += 1
            elif getattr(event, "recorded_as", None) is not None:
                raised[event.asset_no, "displaced"] += 1
        return raised
