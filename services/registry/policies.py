"""What follows from the registry's own events: the devices follow their shipment, their container, their stocktake and
their new number. And what follows from sorting's: on what grounds a device may be released.
"""

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from kernel.handling import Ask
from kernel.policy import Policy
from ledger.port import Recorded
from services.registry import foreign
from services.registry.container import (
    DispatchContainer,
    MoveContainer,
    Packed,
    RecordContainerException,
    Unpacked,
)
from services.registry.meter.binding import (
    AdoptIdentity,
    AdoptionRefused,
    EndTemporaryIdentity,
    IdentityAdopted,
    IdentityClaimed,
    KeepTemporaryIdentity,
)
from services.registry.meter.custody import Dispatch, Receive
from services.registry.meter.hold import ApplySeal, LiftHold, PlaceHold
from services.registry.meter.missing import MarkMissing
from services.registry.meter.packing import PlaceInContainer, TakeOutOfContainer
from services.registry.meter.release import ReceivedFromMaker, RecordPrecondition, RecordReplacement
from services.registry.meter.unexpected import ReceiveUnexpected
from services.registry.shipment import Line, RecordShipmentException, ShipmentDispatched, ShipmentReceived
from services.registry.site import RecordStocktakeException, StocktakeRecorded
from services.registry.vocabulary import PreconditionKind


def when_shipment_dispatched_dispatch_devices(event: ShipmentDispatched, _recorded: Recorded) -> Iterator[Dispatch]:
    for line in event.manifest:
        yield Dispatch(
            **event.moment,
            asset_no=line.asset_no,
            shipment=event.shipment_id,
            from_site=event.from_site,
            to_site=event.to_site,
            device_class=line.device_class,
            container=line.container,
        )


def when_shipment_received_receive_devices(
    event: ShipmentReceived, _recorded: Recorded
) -> Iterator[Receive | ReceiveUnexpected | MarkMissing]:
    damaged = frozenset(event.damaged)
    for kind, lines in ((Receive, event.received), (ReceiveUnexpected, event.unexpected)):
        for line in lines:
            yield kind(
                **event.moment,
                asset_no=line.asset_no,
                shipment=event.shipment_id,
                site=event.to_site,
                device_class=line.device_class,
                damaged=line.asset_no in damaged,
            )
    for asset_no in event.missing:
        yield MarkMissing(**event.moment, asset_no=asset_no, shipment=event.shipment_id)


def when_shipment_dispatched_dispatch_containers(
    event: ShipmentDispatched, _recorded: Recorded
) -> Iterator[DispatchContainer]:
    for container in _containers(event.manifest):
        yield DispatchContainer(
            **event.moment,
            container_id=container,
            shipment=event.shipment_id,
            from_site=event.from_site,
            to_site=event.to_site,
        )


def when_shipment_received_move_containers(event: ShipmentReceived, _recorded: Recorded) -> Iterator[MoveContainer]:
    for container in _containers(event.received):
        yield MoveContainer(
            **event.moment,
            container_id=container,
            site=event.to_site,
            shipment=event.shipment_id,
        )


def _containers(lines: Iterable[Line]) -> list[str]:
    return sorted({line.container for line in lines if line.container is not None})


def when_packed_place_devices(event: Packed, _recorded: Recorded) -> Iterator[PlaceInContainer]:
    for asset_no in event.asset_numbers:
        yield PlaceInContainer(**event.moment, asset_no=asset_no, container=event.container_id, site=event.site)


def when_unpacked_take_devices_out(event: Unpacked, _recorded: Recorded) -> Iterator[TakeOutOfContainer]:
    for asset_no in event.asset_numbers:
        yield TakeOutOfContainer(**event.moment, asset_no=asset_no, container=event.container_id)


def when_stocktake_recorded_follow_differences(
    event: StocktakeRecorded, recorded: Recorded
) -> Iterator[MarkMissing | ReceiveUnexpected]:
    for kind, differences in ((MarkMissing, event.short), (ReceiveUnexpected, event.over)):
        for one in differences:
            yield kind(
                **event.moment,
                asset_no=one.asset_no,
                site=event.site_id,
                device_class=one.device_class,
                stocktake=recorded.id.hex(),
            )


def when_identity_claimed_adopt_identity(event: IdentityClaimed, _recorded: Recorded) -> Iterator[AdoptIdentity]:
    yield AdoptIdentity(
        **event.moment,
        asset_no=event.bound_to,
        temporary_id=event.asset_no,
        device_class=event.device_class,
        unit=event.unit,
        owner=event.owner,
        site=event.site,
        unexpected=event.unexpected,
        holds=event.holds,
        seals=event.seals,
        dismantled=event.dismantled,
        reading=event.reading,
        arrivals=event.arrivals,
    )


def when_identity_adopted_end_temporary_identity(
    event: IdentityAdopted, _recorded: Recorded
) -> Iterator[EndTemporaryIdentity]:
    yield EndTemporaryIdentity(
        **event.moment,
        asset_no=event.temporary_id,
        bound_to=event.asset_no,
    )


def when_adoption_refused_keep_temporary_identity(
    event: AdoptionRefused, _recorded: Recorded
) -> Iterator[KeepTemporaryIdentity]:
    yield KeepTemporaryIdentity(
        **event.moment,
        asset_no=event.temporary_id,
        bound_to=event.asset_no,
        why=event.why,
    )


def when_received_from_maker_record_replacement(
    event: ReceivedFromMaker, _recorded: Recorded
) -> Iterator[RecordReplacement]:
    if event.replaces is not None:
        yield RecordReplacement(
            **event.moment,
            asset_no=event.replaces,
            replaced_by=event.asset_no,
        )


_VERDICTS: Final[Mapping[str, PreconditionKind]] = {
    "reuse": "verdict_reuse",
    "claim": "verdict_claim",
    "scrap": "verdict_scrap",
    "hold": "verdict_hold",
}


def when_inspection_opened_anew_suspend_verdict(
    event: foreign.InspectionOpened, recorded: Recorded
) -> Iterator[RecordPrecondition]:
    """What is looked at again goes nowhere on the verdict that is in doubt."""
    if event.round > 1:
        yield _ground(event, "verdict_hold", _said_in(event, recorded))


def when_inspection_abandoned_restore_verdict(
    event: foreign.InspectionAbandoned, recorded: Recorded
) -> Iterator[RecordPrecondition]:
    """The verdict, and not what it had led to: the device has been on a bench since."""
    if event.disposition is not None:
        yield _ground(event, _VERDICTS[event.disposition], _said_in(event, recorded))


def when_verdict_reached_record_verdict(
    event: foreign.VerdictReached, recorded: Recorded
) -> Iterator[RecordPrecondition]:
    yield _ground(event, _VERDICTS[event.disposition], _said_in(event, recorded))


def when_repair_ordered_record_order(event: foreign.RepairOrdered, _recorded: Recorded) -> Iterator[RecordPrecondition]:
    yield _ground(event, "repair_order", event.repair)


def when_re_verified_record_certificate(
    event: foreign.ReVerified, _recorded: Recorded
) -> Iterator[RecordPrecondition | ApplySeal]:
    """And the seals that were put on: who verifies does not record them twice."""
    yield msgspec.structs.replace(_ground(event, "re_verification", event.certificate), valid_until=event.valid_until)
    for seal_no in event.seals:
        yield ApplySeal(**event.moment, asset_no=event.asset_no, seal_no=seal_no)


def when_beyond_repair_suspend_verdict(
    event: foreign.RepairReturned, _recorded: Recorded
) -> Iterator[RecordPrecondition]:
    if event.outcome == "beyond_repair":
        yield _ground(event, "verdict_hold", event.repair)


def when_re_verification_failed_suspend_verdict(
    event: foreign.ReVerificationFailed, _recorded: Recorded
) -> Iterator[RecordPrecondition]:
    """Whatever certificate there was stands no more; the verdict that comes of it follows."""
    yield _ground(event, "verdict_hold", event.repair)


def when_repair_cancelled_withdraw_order(
    event: foreign.RepairCancelled, _recorded: Recorded
) -> Iterator[RecordPrecondition]:
    """Only what was judged for reuse is repaired, and that it is: told anew, it takes the place of the order."""
    yield _ground(event, "verdict_reuse", event.repair)


def when_population_joined_place_hold(event: foreign.PopulationJoined, _recorded: Recorded) -> Iterator[PlaceHold]:
    """Nothing that the institute would look at is destroyed before it has looked."""
    yield PlaceHold(**event.moment, asset_no=event.asset_no, hold=event.review, kind="review", reference=event.review)


def when_population_left_lift_hold(
    event: foreign.PopulationLeft, _recorded: Recorded
) -> Iterator[RecordPrecondition | LiftHold]:
    """Whatever stands no more ends before the hold does: in between nothing is released on it."""
    if event.resort:
        yield _ground(event, "verdict_hold", event.review)
    if event.sampled:
        yield msgspec.structs.replace(_ground(event, "review_sample", event.review), withdrawn=True)
    yield LiftHold(**event.moment, asset_no=event.asset_no, hold=event.review, reference=event.review)


def when_sample_drawn_record_sample(event: foreign.SampleDrawn, _recorded: Recorded) -> Iterator[RecordPrecondition]:
    """Spares too: they go along, so that one is at hand where a sample is missing."""
    for stratum in event.drawn:
        for asset_no in (*stratum.sample, *stratum.spares):
            yield RecordPrecondition(
                occurred_at=event.occurred_at,
                occurred_on=event.occurred_on,
                asset_no=asset_no,
                kind="review_sample",
                reference=event.review,
            )


def _said_in(
    event: foreign.InspectionOpened | foreign.InspectionAbandoned | foreign.VerdictReached, recorded: Recorded
) -> str:
    """Which inspection, which round of it, and which event of its stream: a round may be judged twice."""
    return f"{recorded.stream}/{event.round}/{recorded.version}"


def _ground(event: foreign.OfDevice, kind: PreconditionKind, reference: str) -> RecordPrecondition:
    return RecordPrecondition(**event.moment, asset_no=event.asset_no, kind=kind, reference=reference)


DEVICES_FOLLOW_SHIPMENT: Final = Policy(
    name="devices_follow_shipment",
    when={
        ShipmentDispatched: when_shipment_dispatched_dispatch_devices,
        ShipmentReceived: when_shipment_received_receive_devices,
    },
)

DEVICES_FOLLOW_CONTAINER: Final = Policy(
    name="devices_follow_container",
    when={Packed: when_packed_place_devices, Unpacked: when_unpacked_take_devices_out},
)

DEVICES_FOLLOW_STOCKTAKE: Final = Policy(
    name="devices_follow_stocktake", when={StocktakeRecorded: when_stocktake_recorded_follow_differences}
)

POLICIES: Final = (
    DEVICES_FOLLOW_SHIPMENT,
    DEVICES_FOLLOW_CONTAINER,
    Policy(
        name="containers_follow_shipment",
        when={
            ShipmentDispatched: when_shipment_dispatched_dispatch_containers,
            ShipmentReceived: when_shipment_received_move_containers,
        },
    ),
    DEVICES_FOLLOW_STOCKTAKE,
    Policy(
        name="identity_follows_binding",
        when={
            IdentityClaimed: when_identity_claimed_adopt_identity,
            IdentityAdopted: when_identity_adopted_end_temporary_identity,
            AdoptionRefused: when_adoption_refused_keep_temporary_identity,
        },
    ),
    Policy(
        name="replacement_stands_on_both_records",
        when={ReceivedFromMaker: when_received_from_maker_record_replacement},
    ),
    Policy(
        name="grounds_follow_sorting",
        when={
            foreign.InspectionOpened: when_inspection_opened_anew_suspend_verdict,
            foreign.InspectionAbandoned: when_inspection_abandoned_restore_verdict,
            foreign.VerdictReached: when_verdict_reached_record_verdict,
            foreign.VerdictOverridden: when_verdict_reached_record_verdict,
            foreign.RepairOrdered: when_repair_ordered_record_order,
            foreign.RepairReturned: when_beyond_repair_suspend_verdict,
            foreign.ReVerified: when_re_verified_record_certificate,
            foreign.ReVerificationFailed: when_re_verification_failed_suspend_verdict,
            foreign.RepairCancelled: when_repair_cancelled_withdraw_order,
            foreign.PopulationJoined: when_population_joined_place_hold,
            foreign.PopulationLeft: when_population_left_lift_hold,
            foreign.SampleDrawn: when_sample_drawn_record_sample,
        },
    ),
)
"""One policy where the order of events counts: a device is dispatched before it is received, put in before it is taken
out, judged before its repair is ordered, and out of a review before it is inspected anew.
"""


def _on_shipment(command: Dispatch | Receive | ReceiveUnexpected | MarkMissing, code: str) -> msgspec.Struct:
    assert command.shipment is not None
    return RecordShipmentException(**command.moment, shipment_id=command.shipment, asset_no=command.asset_no, code=code)


def _on_container(command: PlaceInContainer | TakeOutOfContainer, code: str) -> msgspec.Struct:
    return RecordContainerException(
        **command.moment, container_id=command.container, asset_no=command.asset_no, code=code
    )


def _at_site(command: MarkMissing | ReceiveUnexpected, code: str) -> msgspec.Struct:
    assert command.stocktake is not None
    assert command.site is not None
    return RecordStocktakeException(
        **command.moment, site_id=command.site, stocktake=command.stocktake, asset_no=command.asset_no, code=code
    )


_EXCEPTIONS: Final[Mapping[str, Callable[[Any, str], msgspec.Struct]]] = {
    DEVICES_FOLLOW_SHIPMENT.name: _on_shipment,
    DEVICES_FOLLOW_CONTAINER.name: _on_container,
    DEVICES_FOLLOW_STOCKTAKE.name: _at_site,
}


def exception_of(policy: str, ask: Ask, code: str) -> Ask | None:
    """What a shipment, a container or a site is to know of a device that did not follow it: its command, which this
    policy asked, was refused with this code.
    """
    if (exception := _EXCEPTIONS.get(policy)) is None:
        return None
    context = msgspec.structs.replace(ask.context, command_id=uuid.uuid5(ask.context.command_id, "exception"))
    return Ask(exception(ask.command, code), context)
