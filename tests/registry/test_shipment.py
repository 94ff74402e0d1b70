"""A shipment is decided as a whole."""

import hashlib
import json
import time

import msgspec
import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from kernel.http_limits import COMMAND_BYTES_MAX
from ledger.port import EVENT_BYTES_MAX, JSON, Recorded
from services.registry.asset_number import compose
from services.registry.shipment import (
    ALREADY_PREPARED,
    ALREADY_SIGNED,
    CLASS_UNKNOWN,
    EMPTY,
    LISTED_TWICE,
    MANIFEST_LINES_MAX,
    NOT_ON_THE_WAY,
    NOT_PREPARED,
    OTHER_SITE,
    PARTIES,
    SAME_SIGNER,
    SAME_SITE,
    SHIPMENT,
    TOO_EARLY_TO_SIGN,
    UNKNOWN,
    CancelShipment,
    DispatchShipment,
    FoundLine,
    HandoverSigned,
    Line,
    PrepareShipment,
    ReceiveShipment,
    RecordShipmentException,
    ShipmentCancelled,
    ShipmentDispatched,
    ShipmentExceptionRecorded,
    ShipmentPrepared,
    ShipmentReceived,
    SignHandover,
)
from services.registry.views.consignment import consignment
from services.registry.vocabulary import class_in_number
from tests.given import given
from tests.registry.stories import CENTRE, DAY, STORE, TEMPORARY, UNIT, on, told

A, B, C, D = (compose(UNIT, "01", f"9999999900000{n}") for n in range(4))
LINES = (Line(asset_no=A, device_class="01", container="BOX-1"), Line(asset_no=B, device_class="02"))
SH = {"shipment_id": "SH-1"}
PREPARE = on(PrepareShipment, **SH, from_site=STORE, to_site=CENTRE, unit=UNIT, manifest=LINES, carrier="own lorry")
DISPATCH = on(DispatchShipment, **SH, seal_no="S-1")
RECEIVE_ALL = on(ReceiveShipment, **SH, found=(FoundLine(asset_no=A), FoundLine(asset_no=B)))
CANCEL = on(CancelShipment, **SH, why="lorry broke down")
TO = {"to_site": CENTRE}


def sign(party, signer=""):
    return on(SignHandover, **SH, party=party, signer=signer or f"subject-{party}")


def shipment(*commands):
    return told(SHIPMENT, *commands)


def test_a_shipment_is_prepared_dispatched_received_and_signed():
    story = given(SHIPMENT).when(PREPARE)
    digest = hashlib.sha256("".join(f"{number}\n" for number in sorted([A, B])).encode()).hexdigest()
    prepared = {"from_site": STORE, **TO, "unit": UNIT, "manifest": LINES, "carrier": "own lorry"}
    story.then([on(ShipmentPrepared, **SH, **prepared, manifest_sha256=digest)])
    story.when(DISPATCH)
    story.then([on(ShipmentDispatched, **SH, from_site=STORE, **TO, manifest=LINES, seal_no="S-1")])
    story.when(sign("from")).then([on(HandoverSigned, **SH, party="from", signer="subject-from")])
    story.when(RECEIVE_ALL).then([on(ShipmentReceived, **SH, **TO, received=LINES)])
    story.when(sign("to")).then([on(HandoverSigned, **SH, party="to", signer="subject-to")])


def test_a_shipment_is_prepared_once_between_two_sites():
    shipment(PREPARE).when(PREPARE).refused(ALREADY_PREPARED, shipment_id="SH-1")
    given(SHIPMENT).when(msgspec.structs.replace(PREPARE, to_site=STORE)).refused(SAME_SITE)
    given(SHIPMENT).when(msgspec.structs.replace(PREPARE, manifest=(*LINES, LINES[0]))).refused(
        LISTED_TWICE, asset_no=A
    )


def test_a_shipment_of_nothing_is_none():
    given(SHIPMENT).when(msgspec.structs.replace(PREPARE, manifest=())).refused(EMPTY, shipment_id="SH-1")


@for_all(st.permutations([A, B, C, D]))
def test_the_hash_of_a_manifest_does_not_hang_on_its_order(numbers):
    lines = tuple(Line(asset_no=number, device_class="01") for number in numbers)
    (prepared,) = given(SHIPMENT).when(msgspec.structs.replace(PREPARE, manifest=lines)).outcome
    by_hand = "".join(f"{number}\n" for number in sorted(numbers))
    assert prepared.manifest_sha256 == hashlib.sha256(by_hand.encode()).hexdigest()


def test_nothing_is_done_to_a_shipment_that_nobody_prepared():
    for command in (CANCEL, DISPATCH, RECEIVE_ALL, sign("from"), exception("meter.unknown")):
        given(SHIPMENT).when(command).refused(UNKNOWN, shipment_id="SH-1")


def test_only_what_has_not_left_can_be_cancelled():
    story = shipment(PREPARE).when(CANCEL).then([on(ShipmentCancelled, **SH, why="lorry broke down")])
    story.when(CANCEL).refused(NOT_PREPARED, phase=("已作废", "cancelled"))
    story.when(DISPATCH).refused(NOT_PREPARED)
    shipment(PREPARE, DISPATCH).when(CANCEL).refused(NOT_PREPARED)
    shipment(PREPARE, DISPATCH).when(DISPATCH).refused(NOT_PREPARED)


def test_a_shipment_is_received_where_it_went():
    there = msgspec.structs.replace(RECEIVE_ALL, site=CENTRE)
    shipment(PREPARE, DISPATCH).when(there).then([on(ShipmentReceived, **SH, **TO, received=LINES)])
    elsewhere = msgspec.structs.replace(RECEIVE_ALL, site=STORE)
    shipment(PREPARE, DISPATCH).when(elsewhere).refused(OTHER_SITE, site=STORE, to_site=CENTRE)


def test_a_shipment_is_received_once_and_on_the_way():
    shipment(PREPARE).when(RECEIVE_ALL).refused(NOT_ON_THE_WAY)
    shipment(PREPARE, CANCEL).when(RECEIVE_ALL).refused(NOT_ON_THE_WAY)
    shipment(PREPARE, DISPATCH, RECEIVE_ALL).when(RECEIVE_ALL).refused(NOT_ON_THE_WAY, phase=("已接收", "received"))


NUMBERS = st.lists(st.sampled_from([A, B, C, D]), unique=True)


@for_all(NUMBERS.filter(bool), NUMBERS, st.sets(st.sampled_from([A, B, C, D])))
def test_everything_listed_or_found_is_accounted_for_once(listed, found, damaged):
    manifest = tuple(Line(asset_no=number, device_class="02") for number in listed)
    arrived = tuple(FoundLine(asset_no=number, damaged=number in damaged) for number in found)
    story = shipment(msgspec.structs.replace(PREPARE, manifest=manifest), DISPATCH)
    (event,) = story.when(msgspec.structs.replace(RECEIVE_ALL, found=arrived)).outcome
    received = {line.asset_no for line in event.received}
    unexpected = {line.asset_no for line in event.unexpected}
    assert received == set(listed) & set(found)
    assert set(event.missing) == set(listed) - set(found)
    assert unexpected == set(found) - set(listed)
    assert len(event.received) + len(event.missing) + len(event.unexpected) == len(set(listed) | set(found))
    assert set(event.damaged) == damaged & set(found)
    assert {line.device_class for line in event.received} <= {"02"}, "the manifest says the class"


def test_the_class_of_a_stranger_comes_from_its_line_or_its_number():
    story = shipment(PREPARE, DISPATCH)
    unreadable = FoundLine(asset_no=TEMPORARY)
    story.when(msgspec.structs.replace(RECEIVE_ALL, found=(unreadable,))).refused(CLASS_UNKNOWN, asset_no=TEMPORARY)
    named = msgspec.structs.replace(unreadable, device_class="04")
    story.when(msgspec.structs.replace(RECEIVE_ALL, found=(named, FoundLine(asset_no=C))))
    assert [line.device_class for line in story.outcome[0].unexpected] == ["04", class_in_number(C)]


def test_what_was_found_is_listed_once():
    twice = msgspec.structs.replace(RECEIVE_ALL, found=(FoundLine(asset_no=A), FoundLine(asset_no=A)))
    shipment(PREPARE, DISPATCH).when(twice).refused(LISTED_TWICE, asset_no=A)


@pytest.mark.parametrize("party", PARTIES)
def test_each_party_signs_once(party):
    story = shipment(PREPARE, DISPATCH, RECEIVE_ALL, sign(party))
    story.when(sign(party)).refused(ALREADY_SIGNED, party=PARTIES[party])


def test_nobody_signs_for_both_parties():
    story = shipment(PREPARE, DISPATCH, sign("from"), RECEIVE_ALL)
    story.when(sign("to", signer="subject-from")).refused(SAME_SIGNER, shipment_id="SH-1")


@pytest.mark.parametrize(
    ("life", "party"),
    [((), "from"), ((), "to"), ((DISPATCH,), "to"), ((CANCEL,), "from"), ((CANCEL,), "to")],
    ids=["prepared-from", "prepared-to", "dispatched-to", "cancelled-from", "cancelled-to"],
)
def test_nobody_signs_for_what_they_have_not_done(life, party):
    shipment(PREPARE, *life).when(sign(party)).refused(TOO_EARLY_TO_SIGN, party=PARTIES[party])


def exception(code):
    return on(RecordShipmentException, **SH, asset_no=A, code=code)


def test_what_a_device_refused_is_an_exception_on_its_shipment():
    story = shipment(PREPARE, DISPATCH).when(exception("meter.not_at_site"))
    story.then([on(ShipmentExceptionRecorded, **SH, asset_no=A, code="meter.not_at_site")])
    story.when(exception("meter.not_at_site")).then([])
    story.when(exception("meter.kept_apart"))
    story.then([on(ShipmentExceptionRecorded, **SH, asset_no=A, code="meter.kept_apart")])


def test_the_largest_shipment_fits_into_a_request_and_into_the_ledger():
    numbers = [f"T{UNIT}{n:020}" for n in range(MANIFEST_LINES_MAX)]
    manifest = tuple(Line(asset_no=number, device_class="01", container="B" * 64) for number in numbers)
    widest = {"shipment_id": "S" * 64, "from_site": "F" * 64, "to_site": "T" * 64}
    prepare = PrepareShipment(occurred_on=DAY, **widest, unit=UNIT, manifest=manifest, carrier="箱" * 200)
    story = told(SHIPMENT, prepare, DispatchShipment(occurred_on=DAY, shipment_id="S" * 64, seal_no="S" * 64))
    all_here = tuple(FoundLine(asset_no=number, device_class="01", damaged=True) for number in numbers)
    strangers = tuple(
        msgspec.structs.replace(line, asset_no=line.asset_no.replace("T99401", "T99402")) for line in all_here
    )
    for found in (all_here, strangers):
        receive = ReceiveShipment(occurred_on=DAY, shipment_id="S" * 64, found=found)
        story.when(receive)
        for command in (prepare, receive):
            # As a program may write it: with spaces, and everything but ASCII escaped.
            assert len(json.dumps(msgspec.to_builtins(command))) <= COMMAND_BYTES_MAX
        assert len(msgspec.json.encode(story.outcome[0])) < EVENT_BYTES_MAX - 10_000
    one_more = msgspec.structs.replace(prepare, manifest=(*manifest, Line(asset_no=A, device_class="01")))
    with pytest.raises(msgspec.ValidationError):
        given(SHIPMENT).when(one_more)


def test_exceptions_by_the_thousand_are_folded_in_a_time_that_grows_with_their_number():
    (first,) = SHIPMENT.decide(PREPARE, SHIPMENT.initial)

    def took(number):
        events = [on(ShipmentExceptionRecorded, **SH, asset_no=f"{one:022d}", code="c") for one in range(number)]
        told = [(event, _recorded(version)) for version, event in enumerate([first, *events])]
        begun = time.process_time()
        shipment, whole = SHIPMENT.fold([first, *events]), consignment("SH-1", told)
        seconds = time.process_time() - begun
        assert [one.asset_no for one in whole.exceptions] == [event.asset_no for event in events]
        assert len(whole.events) == number + 1 == whole.version + 1
        assert sum(len(some) for some in shipment.exceptions) == number
        for event in (events[0], events[number // 3], events[-1]):
            again = on(RecordShipmentException, **SH, asset_no=event.asset_no, code="c")
            assert SHIPMENT.decide(again, shipment) == []
        return seconds

    few, many = (min(took(number) for _ in range(3)) for number in (2_000, 16_000))
    assert many < 24 * few, "eight times as many take eight times as long, not sixty-four"


def _recorded(version):
    return Recorded(bytes(16), "shipment-SH-1", version, version + 1, "t", JSON, b"", b"", 0, bytes(32))
