"""Sites, plans, shipments, containers: a row each, as their last event leaves it."""

from services.registry.container import (
    BreakContainerSeal,
    DispatchContainer,
    MoveContainer,
    Pack,
    RegisterContainer,
    SealContainer,
    Unpack,
)
from services.registry.plan import RevisePlan
from services.registry.shipment import CancelShipment, Line, PrepareShipment, SignHandover, manifest_sha256
from services.registry.site import CloseSite, CountLine, Difference, OpenSite, RecordStocktake
from services.registry.views.contents import containers
from services.registry.views.places import CONTAINERS, PLANS, SHIPMENTS, SITES, ContainerStand, PlanRow, ShipmentRow
from tests.registry.stories import CENTRE, IN_STORE, NUMBER, OTHER, STORE, UNIT
from tests.registry.views.telling import PLAN, Told, arrived, day, held, shipped
from tests.registry.views.telling import SITES as OPENED
from tests.registry.views.test_recovery import A, B, C, dismantle, register


def site(told, name=STORE):
    return told.rows(SITES)[(name,)]


def test_a_site_is_open_until_it_is_closed_and_may_open_again():
    told = Told().tell(OPENED[0], recorded_on=day(4))
    began = site(told)
    assert (began.kind, began.unit, began.opened_on, began.recorded_on) == ("unit_store", UNIT, day(1), day(4))
    assert began.open
    told.tell(CloseSite(occurred_on=day(9), site_id=STORE, why="moved"))
    assert not site(told).open
    again = {"kind": "unit_store", "name": "synthetic two", "unit": UNIT}
    told.tell(OpenSite(occurred_on=day(12), site_id=STORE, **again))
    assert (site(told).open, site(told).name, site(told).opened_on, site(told).recorded_on) == (
        True,
        "synthetic two",
        day(12),
        day(4),
    )


def test_a_stocktake_records_what_was_short_and_over_and_the_devices_follow():
    told = Told(*OPENED, register(A), dismantle(A, day(3)), register(B), dismantle(B, day(3)))
    found = Difference(asset_no=C, device_class="01")
    lines = (CountLine(device_class="01", book=2, counted=2),)
    gone = Difference(asset_no=A, device_class="01")
    told.tell(RecordStocktake(occurred_on=day(8), site_id=STORE, lines=lines, short=(gone,), over=(found,)))
    assert (site(told).stocktaken_on, site(told).short, site(told).over) == (day(8), 1, 1)
    assert [told.state(RecordStocktake, STORE).phase] == ["open"]
    places = {number: told.state(type(register(A)), number).site for number in (A, B, C)}
    assert places == {A: None, B: STORE, C: STORE}


def test_a_plan_stands_as_it_was_revised_last():
    told = Told(PLAN)
    assert told.rows(PLANS) == {(UNIT, "2026-03"): PlanRow(UNIT, "2026-03", 10, 999_900, day(10, 4), 0, 0)}
    figures = {"expected": 9, "target_ppm": 900_000, "cut_off": day(12, 4), "why": "snow"}
    told.tell(RevisePlan(occurred_on=day(9), plan_id=PLAN.plan_id, **figures))
    assert told.rows(PLANS) == {(UNIT, "2026-03"): PlanRow(UNIT, "2026-03", 9, 900_000, day(12, 4), 1, 1)}


def shipment(told):
    return told.rows(SHIPMENTS)[("SH-1",)]


def sign(party, signer):
    return SignHandover(occurred_on=day(6), shipment_id="SH-1", party=party, signer=signer)


def test_a_shipment_from_its_list_to_its_signatures():
    told = Told(*OPENED, *(command for number in (A, B) for command in (register(number), dismantle(number, day(3)))))
    told.tell(*shipped([A, B], day(5)))
    on_the_way = shipment(told)
    assert (on_the_way.phase, on_the_way.devices, on_the_way.prepared_on, on_the_way.dispatched_on) == (
        "dispatched",
        2,
        day(5),
        day(5),
    )
    told.tell(arrived([A, C], day(6), damaged=True), sign("to", "s-2"), sign("from", "s-1"))
    assert shipment(told) == ShipmentRow(
        shipment="SH-1",
        phase="received",
        from_site=STORE,
        to_site=CENTRE,
        unit=UNIT,
        devices=2,
        manifest_sha256=manifest_sha256([A, B]),
        prepared_on=day(5),
        dispatched_on=day(5),
        received_on=day(6),
        received=1,
        missing=1,
        unexpected=1,
        damaged=2,
        exceptions=0,
        signed="from,to",
        version=4,
    )


def test_a_device_that_could_not_follow_is_an_exception():
    told = Told(*OPENED, register(A), dismantle(A, day(3)), register(B), *shipped([A, B], day(5)))
    assert (shipment(told).devices, shipment(told).exceptions) == (2, 1)


def test_a_shipment_that_is_cancelled_moved_nothing():
    line = Line(asset_no=NUMBER, device_class="01")
    ends = {"from_site": STORE, "to_site": CENTRE, "unit": UNIT}
    told = Told(PrepareShipment(occurred_on=day(5), shipment_id="SH-1", manifest=(line,), **ends))
    assert (shipment(told).phase, shipment(told).dispatched_on) == ("prepared", None)
    told.tell(CancelShipment(occurred_on=day(6), shipment_id="SH-1", why="no lorry"))
    assert (shipment(told).phase, shipment(told).received_on, shipment(told).version) == ("cancelled", None, 1)


def box(**more):
    shown = {"container": "BOX-1", "device_class": "23", "site": STORE, "shipment": None, "seal_no": None}
    return {("BOX-1",): ContainerStand(**shown | {"exceptions": 0, "version": 0} | more)}


def test_a_container_is_packed_sealed_moved_and_opened():
    about = {"occurred_on": day(5), "container_id": "BOX-1"}
    told = Told(*IN_STORE, RegisterContainer(**about, device_class="23", site=STORE))
    assert told.rows(CONTAINERS) == box()
    told.tell(Pack(**about, asset_numbers=(NUMBER,)), Unpack(**about, asset_numbers=(NUMBER,)))
    assert told.rows(CONTAINERS) == box(version=2)
    told.tell(Unpack(**about, asset_numbers=(OTHER,)))
    assert told.rows(CONTAINERS) == box(version=4, exceptions=1)
    leaves = {"shipment": "SH-1", "from_site": STORE, "to_site": CENTRE}
    told.tell(SealContainer(**about, seal_no="S-1"), DispatchContainer(**about, **leaves))
    assert told.rows(CONTAINERS) == box(version=6, exceptions=1, seal_no="S-1", shipment="SH-1")
    told.tell(MoveContainer(**about, site=CENTRE, shipment="SH-1"), BreakContainerSeal(**about, seal_no="S-1"))
    assert told.rows(CONTAINERS) == box(version=8, exceptions=1, site=CENTRE)


def test_a_container_nobody_registered_is_on_record_where_it_came_in():
    told = Told(MoveContainer(occurred_on=day(5), container_id="BOX-1", site=CENTRE))
    assert told.rows(CONTAINERS) == box(site=CENTRE)


def test_a_container_is_the_units_at_whose_site_it_is():
    theirs = OpenSite(occurred_on=day(1), site_id=CENTRE, kind="centre", name="synthetic", unit="99000")
    at = {"occurred_on": day(5), "device_class": "23"}
    told = Told(OPENED[0], theirs, RegisterContainer(**at, container_id="BOX-1", site=STORE))
    told.tell(RegisterContainer(**at, container_id="BOX-2", site=CENTRE))
    told.tell(RegisterContainer(**at, container_id="BOX-3", site="nowhere"))
    with held(told) as connection:
        shown = containers(connection, 9)
        assert [(one.container, one.unit) for one in shown] == [("BOX-1", UNIT), ("BOX-2", "99000"), ("BOX-3", None)]
        assert containers(connection, 9, unit="99000") == containers(connection, 9, site=CENTRE) == [shown[1]]
        assert containers(connection, 9, "BOX-1", visible=SITES.columns.c.unit == UNIT) == []
        assert containers(connection, 1, "BOX-1") == [shown[1]]
