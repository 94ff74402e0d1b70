"""What is on record of shipments, containers, sites and plans, kept by somebody who only reads the log and objects to
what must never be in it. Of devices the witness knows more.
"""

from datetime import date
from typing import Any

import msgspec

from services.registry import container, plan, shipment, site


class ShipmentBook(msgspec.Struct):
    """A shipment: its phase, its ends, what it lists, what came of that, who signed."""

    from_site: str
    to_site: str
    unit: str
    listed: tuple[str, ...]
    version: int = 0
    phase: str = "prepared"
    left_on: date = date.min
    received: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()
    left_behind: set[tuple[str, str]] = msgspec.field(default_factory=set)
    signers: dict[str, str] = msgspec.field(default_factory=dict)


class ContainerBook(msgspec.Struct):
    """A container: where it is, or was last and with what it left, its seal, and how many did not follow it."""

    site: str
    version: int
    shipment: str | None = None
    seal: str | None = None
    exceptions: int = 0


class SiteBook(msgspec.Struct):
    """A site: its kind, whether it is open, when it was counted last, and which devices did not follow which of its
    stocktakes.
    """

    kind: str
    version: int
    open: bool = True
    counted_on: date | None = None
    left_behind: list[tuple[str, str]] = msgspec.field(default_factory=list)


class PlanBook(msgspec.Struct):
    """A plan: what it says now, and how often it has been revised."""

    expected: int
    cut_off: date
    version: int
    revisions: int = 0


class Books:
    """Reads events in the order of the log and objects by AssertionError."""

    def __init__(self) -> None:
        self.shipments: dict[str, ShipmentBook] = {}
        self.containers: dict[str, ContainerBook] = {}
        self.sites: dict[str, SiteBook] = {}
        self.plans: dict[str, PlanBook] = {}

    def reads(self, event: Any, version: int) -> None:
        match event:
            case shipment.ShipmentPrepared(shipment_id=key):
                assert key not in self.shipments
                assert event.from_site != event.to_site, event
                listed = tuple(line.asset_no for line in event.manifest)
                assert listed, event
                assert len({*listed}) == len(listed), event
                self.shipments[key] = ShipmentBook(event.from_site, event.to_site, event.unit, listed)
            case site.SiteOpened(site_id=key):
                assert key not in self.sites or not self.sites[key].open, event
                left_behind = self.sites[key].left_behind if key in self.sites else []
                self.sites[key] = SiteBook(event.kind, version, left_behind=left_behind)
            case plan.PlanSet(plan_id=key):
                assert key not in self.plans, event
                self.plans[key] = PlanBook(event.expected, event.cut_off, version)
            case plan.PlanRevised(plan_id=key):
                revisions = self.plans[key].revisions + 1
                self.plans[key] = PlanBook(event.expected, event.cut_off, version, revisions)
            case container.ContainerRegistered(container_id=key):
                assert key not in self.containers, event
                self.containers[key] = ContainerBook(event.site, version)
            case site.StocktakeExceptionRecorded(site_id=key):
                self.sites[key].left_behind.append((event.stocktake, event.asset_no))
            case site.SiteClosed() | site.StocktakeRecorded():
                self._of_site(self.sites[event.site_id], event, version)
            case _ if hasattr(event, "shipment_id"):
                self._of_shipment(self.shipments[event.shipment_id], event, version)
            case _ if hasattr(event, "container_id"):
                self._of_container(self.containers[event.container_id], event, version)
        if isinstance(event, plan.PlanSet | plan.PlanRevised):
            assert event.cut_off.isoformat()[:7] > event.plan_id[6:], event

    def _of_site(self, book: SiteBook, event: Any, version: int) -> None:
        book.version = version
        assert book.open, event
        if isinstance(event, site.SiteClosed):
            book.open = False
        else:
            short, over = ({one.asset_no for one in some} for some in (event.short, event.over))
            assert len(short) + len(over) == len({*short, *over}) == len(event.short) + len(event.over), event
            for line in event.lines:
                gone, more = (
                    sum(one.device_class == line.device_class for one in some) for some in (event.short, event.over)
                )
                assert line.book + more - gone == line.counted, event
            book.counted_on = event.day

    def _of_shipment(self, book: ShipmentBook, event: Any, version: int) -> None:
        match event:
            case shipment.ShipmentDispatched():
                assert book.phase == "prepared", event
                assert tuple(line.asset_no for line in event.manifest) == book.listed, event
                assert (event.from_site, event.to_site) == (book.from_site, book.to_site), event
                book.phase, book.left_on = "dispatched", event.day
            case shipment.ShipmentCancelled():
                assert book.phase == "prepared", event
                book.phase = "cancelled"
            case shipment.ShipmentReceived():
                assert book.phase == "dispatched", event
                assert event.day >= book.left_on, event
                book.phase = "received"
                book.received, book.unexpected = (
                    tuple(line.asset_no for line in lines) for lines in (event.received, event.unexpected)
                )
                book.missing, book.damaged = event.missing, event.damaged
                assert sorted((*book.received, *book.missing)) == sorted(book.listed), event
                assert not {*book.unexpected} & {*book.listed}, event
                assert {*book.damaged} <= {*book.received, *book.unexpected}, event
                assert event.to_site == book.to_site, event
            case shipment.HandoverSigned(party=party, signer=signer):
                assert book.phase in ({"dispatched", "received"} if party == "from" else {"received"}), event
                assert party not in book.signers, event
                assert signer not in book.signers.values(), event
                book.signers[party] = signer
            case shipment.ShipmentExceptionRecorded(asset_no=asset_no, code=code):
                assert (asset_no, code) not in book.left_behind, event
                book.left_behind.add((asset_no, code))
        book.version = version

    def _of_container(self, book: ContainerBook, event: Any, version: int) -> None:
        match event:
            case container.Packed() | container.Unpacked():
                assert (book.seal, book.shipment) == (None, None), event
            case container.ContainerDispatched(from_site=at, shipment=shipment_id):
                book.site, book.shipment = at, shipment_id
            case container.ContainerExceptionRecorded():
                book.exceptions += 1
            case container.ContainerSealed(seal_no=seal):
                assert book.seal is None, event
                book.seal = seal
            case container.ContainerSealBroken(seal_no=seal):
                assert book.seal == seal, event
                book.seal = None
            case container.ContainerMoved(site=at):
                book.site, book.shipment = at, None
        book.version = version
