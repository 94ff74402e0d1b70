"""Somebody who only reads the log, knows nothing of the rules' own state, and says what must never be in it."""

from collections import Counter
from typing import Any, Final

import msgspec

from services.registry.meter import binding, custody, dismantling, end, hold, identity, missing, release, unexpected
from services.registry.vocabulary import Movement

GROUNDS: Final = {
    "review": {"review_sample"},
    "laboratory": {"laboratory_request"},
    "evidence": {"evidence_order"},
    "maker_sample": {"maker_sample_request"},
    "repair": {"verdict_reuse", "repair_order"},
    "reinstall": {"verdict_reuse", "re_verification"},
    "maker": {"verdict_claim", "claim_agreement"},
    "materials": {"verdict_scrap", "scrap_approval"},
    "customer": set(),
}
"""On what ground a device leaves for each purpose, said once more."""

AGAINST_A_HOLD: Final = (
    end.DataCleared,
    end.ChipDestroyed,
    end.BatteryRemoved,
    end.Defaced,
    end.HandedToRecycler,
    end.Destroyed,
    end.DestroyedInTest,
    end.KeptByMaker,
    release.Reinstalled,
    release.ReturnedToMaker,
    release.ReturnedToCustomer,
)
ON_THE_COMPANYS_OWN: Final = (
    end.DataCleared,
    end.ChipDestroyed,
    end.BatteryRemoved,
    end.Defaced,
    end.DestroyedInTest,
)
KEEPS_NOTHING: Final = {"06", "07", "08", "09", "20", "21", "23", "24", *(f"3{kind}" for kind in range(1, 8)), "41"}
"""Classes without records or keys, said once more."""
AFTER_THE_END: Final = (
    unexpected.Reappeared,
    identity.RecordCorrected,
    release.Replaced,
    binding.AdoptionRefused,
)
KEEPS_EVIDENCE: Final = {"review", "laboratory", "evidence"}


class Witnessed(msgspec.Struct):
    """What the witness remembers of a device."""

    site: str | None = None
    device_class: str | None = None
    owner: str = "company"
    consented: bool = False
    new: bool = False
    holds: set[str] = msgspec.field(default_factory=set)
    holds_due: set[str] = msgspec.field(default_factory=set)
    lifted: set[str] = msgspec.field(default_factory=set)
    seals: set[str] = msgspec.field(default_factory=set)
    disputed: bool = False
    grounds: dict[str, str] = msgspec.field(default_factory=dict)
    cleared: bool = False
    chip: bool = False
    defaced: bool = False
    sold: bool = False
    out_for: str | None = None
    with_maker: bool = False
    destroyed: bool = False
    bound: bool = False

    @property
    def held(self) -> bool:
        return bool(self.holds) or self.disputed


class Witness:
    """Reads events in the order of the log and objects by AssertionError."""

    def __init__(self) -> None:
        self.devices: dict[str, Witnessed] = {}
        self.balance: Counter[tuple[str, str]] = Counter()
        self.days: dict[tuple[str, str], Counter[tuple[str, str]]] = {}

    def reads(self, event: Any) -> None:
        device = self.devices.setdefault(event.asset_no, Witnessed())
        assert not device.destroyed or isinstance(event, AFTER_THE_END), event
        assert not device.bound or isinstance(event, identity.RecordCorrected), event
        self._moves(device, event)
        self._objects(device, event)
        self._remembers(device, event)
        self._bears(device, event)
        self._follows(device, event)

    def _follows(self, device: Witnessed, event: Any) -> None:
        """Where it is besides sites."""
        match event:
            case release.Released(purpose=purpose):
                device.out_for = purpose
            case release.ReturnedToMaker():
                device.out_for, device.with_maker = None, True
            case end.KeptByMaker():
                device.with_maker = False
            case _ if device.site is not None or isinstance(event, missing.Missing):
                device.out_for, device.with_maker = None, False

    def _moves(self, device: Witnessed, event: Any) -> None:
        movements = [getattr(event, name, None) for name in ("moved", "moved_out", "moved_in")]
        for moved in filter(None, movements):
            assert isinstance(moved, Movement)
            # One custodian at a time: what leaves a site was there, and what comes to one has left the last.
            assert moved.from_site == device.site or moved == Movement(device_class=moved.device_class), event
            assert moved.from_site is None or moved.device_class == device.device_class, event
            if moved.from_site is not None:
                self._counts(moved.from_site, moved, event, -1)
            if moved.to_site is not None:
                self._counts(moved.to_site, moved, event, +1)
            if moved.from_site is not None or moved.to_site is not None:
                device.site = moved.to_site
            device.device_class = moved.device_class

        self._recounts(event)

    def _recounts(self, event: Any) -> None:
        """A dismantling counts on another day than until now: the same inflow, taken from the one, put to the other."""
        if (again := getattr(event, "restated", None)) is not None:
            day = self.days[again.to_site, again.device_class]
            day[again.instead_of.isoformat(), "in"] -= 1
            day[again.on.isoformat(), "in"] += 1

    def _counts(self, site: str, moved: Movement, event: Any, change: int) -> None:
        device_class, on = moved.device_class, moved.on or event.day
        self.balance[site, device_class] += change
        assert self.balance[site, device_class] >= 0, event
        day = self.days.setdefault((site, device_class), Counter())
        day[on.isoformat(), "in" if change > 0 else "out"] += 1

    def _objects(self, device: Witnessed, event: Any) -> None:
        if isinstance(event, AGAINST_A_HOLD):
            assert not device.held, event
        if isinstance(event, ON_THE_COMPANYS_OWN):
            assert device.owner == "company" or device.consented, event
        match event:
            case hold.SealRemoved(found_broken=found_broken, seal_no=seal_no):
                assert found_broken or (seal_no in device.seals and not device.held), event
            case release.Released(purpose=purpose):
                needs = GROUNDS[purpose] - ({"verdict_reuse"} if device.new else set())
                assert needs <= set(device.grounds), event
                assert purpose in KEEPS_EVIDENCE or not device.held, event
                assert purpose != "customer" or device.owner == "customer", event
                assert purpose == "customer" or device.owner == "company" or device.consented, event
                assert purpose not in ("repair", "reinstall") or not (device.chip or device.defaced), event
            case release.Reinstalled():
                assert "re_verification" in device.grounds, event
            case end.ChipDestroyed() | end.Defaced():
                assert "scrap_approval" in device.grounds, event
            case end.HandedToRecycler():
                assert device.cleared or device.chip or device.device_class in KEEPS_NOTHING, event
                assert device.defaced, event
                assert "scrap_approval" in device.grounds, event
            case end.Destroyed():
                assert device.sold, event
            case end.DestroyedInTest(purpose=purpose):
                assert device.out_for == purpose in {"laboratory", "maker_sample", "evidence"}, event
            case end.KeptByMaker():
                assert device.with_maker, event
            case custody.Received(dismantled_version=version):
                assert event.moved.to_site is not None, (event, version)

    def _bears(self, device: Witnessed, event: Any) -> None:
        """Its holds and seals."""
        match event:
            case hold.HoldPlaced():
                device.holds.add(event.hold)
            case hold.SealApplied(seal_no=seal_no):
                device.seals.add(seal_no)
            case hold.SealRemoved(seal_no=seal_no):
                device.seals.discard(seal_no)
            case hold.HoldLifted():
                device.holds.remove(event.hold)
                device.lifted.add(event.hold)
            case binding.IdentityAdopted():
                device.lifted = set()

    def _remembers(self, device: Witnessed, event: Any) -> None:
        match event:
            case identity.Registered():
                device.owner, device.new, device.device_class = event.owner, event.origin == "maker", event.device_class
            case identity.TemporaryIdentityAssigned() | binding.IdentityAdopted() | unexpected.Unexpected():
                device.owner = event.owner
                device.sold = False
                device.grounds.pop("re_verification", None)
                device.cleared = False
            case binding.IdentityBound(bound_to=number):
                device.bound = True
                self.devices.setdefault(number, Witnessed()).holds_due |= device.holds
            case identity.RecordCorrected(did_not_happen=True):
                device.grounds, device.cleared = {}, False
            case identity.RecordCorrected(owner=owner, device_class=device_class):
                device.owner, device.device_class = owner or device.owner, device_class or device.device_class
            case unexpected.CustomerConsented():
                device.consented = True
            case missing.Found():
                device.grounds.pop("re_verification", None)
                device.cleared = False
            case dismantling.FinalReadingDisputed():
                device.disputed = True
            case dismantling.FinalReadingResolved():
                device.disputed = False
            case release.PreconditionRecorded(kind=kind, reference=reference):
                if kind.startswith("verdict") and device.grounds.get(kind) != reference:
                    lasting = {"review_sample", "laboratory_request", "maker_sample_request", "evidence_order"}
                    device.grounds = {known: of for known, of in device.grounds.items() if known in lasting}
                device.grounds[kind] = reference
            case release.SampleReturned() | release.ReceivedFromMaker():
                device.grounds.pop("re_verification", None)
                device.cleared = False
            case release.Reinstalled():
                device.grounds, device.cleared, device.new = {}, False, False
            case release.ReturnedToCustomer():
                device.consented = False
            case end.DataCleared():
                device.cleared = True
            case end.ChipDestroyed():
                device.chip = True
            case end.Defaced():
                device.defaced = True
            case end.HandedToRecycler():
                device.sold = True
            case end.Destroyed() | end.DestroyedInTest():
                device.destroyed = True

    def adds_up(self) -> None:
        """At every site and class: what came in less what went out lies there, on every day, and has names. Holds on a
        temporary record have gone along to the number, where they stand unless they were lifted there since.
        """
        for device in self.devices.values():
            assert device.holds_due <= device.holds | device.lifted
            device.holds_due = set()
        lying = Counter((one.site, one.device_class) for one in self.devices.values() if one.site is not None)
        assert lying == +self.balance
        for place, day in self.days.items():
            closing = 0
            for date in sorted({date for date, _ in day}):
                opening = closing
                closing = opening + day[date, "in"] - day[date, "out"]
                assert closing >= 0, (place, date)
            assert closing == self.balance[place]
