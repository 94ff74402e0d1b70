"""The end of a device: scrapped and destroyed, destroyed in a test, or left with its maker.

    in stock or with materials -> DataCleared | ChipDestroyed, BatteryRemoved, Defaced
    released to materials      -> HandedToRecycler -> Destroyed
    out to be tested           -> DestroyedInTest
    back with its maker        -> KeptByMaker

Nothing goes to a recycler without defacing and, where its class keeps data, cleared data or a destroyed security chip.
Destroyed is the end. What a maker keeps after a claim was paid or another device sent has ended here; a claim that was
refused ends nothing, and the device comes back to be judged again.
"""

from collections.abc import Sequence
from typing import Final, TypeAlias

import msgspec

from kernel.decider import Part, becomes, members
from kernel.device import DATA_BEARING, AssetNo, Reference, SiteId
from kernel.quantity import Code, Happened, Sha256, Version
from kernel.refusal import against_rules
from services.registry.meter.state import (
    Ended,
    Meter,
    Out,
    WithMaker,
    WithRecycler,
    consented,
    in_ordinary_stock,
    known,
    spoken,
    unheld,
)
from services.registry.vocabulary import Purpose, Settlement

NOT_APPROVED = against_rules(
    "meter.not_approved",
    "器具 {asset_no} 尚无报废审批，不得作不可逆处置。",
    "{asset_no} has no scrap approval; nothing irreversible may be done to it",
)
DATA_NOT_CLEARED = against_rules(
    "meter.data_not_cleared",
    "器具 {asset_no} 的数据未清除、安全芯片也未销毁，不得交回收商。",
    "{asset_no} has neither cleared data nor a destroyed security chip and cannot go to a recycler",
)
NOT_DEFACED = against_rules(
    "meter.not_defaced",
    "器具 {asset_no} 尚未打孔毁形，不得交回收商。",
    "{asset_no} has not been defaced and cannot go to a recycler",
)
NOT_WITH_MATERIALS = against_rules(
    "meter.not_with_materials",
    "器具 {asset_no} 未移交物资部门（{place}）。",
    "{asset_no} has not been handed to materials ({place})",
)
NOT_WITH_RECYCLER = against_rules(
    "meter.not_with_recycler",
    "器具 {asset_no} 未交回收商（{place}），不能登记销毁。",
    "{asset_no} is not with a recycler ({place}); there is no destruction to record",
)


NOT_UNDER_TEST = against_rules(
    "meter.not_under_test",
    "器具 {asset_no} 未为试验或取证出库（{place}），不能登记试验损毁。",
    "{asset_no} is not out for a test or as evidence ({place}); no test can have destroyed it",
)
NOT_RETURNED_TO_MAKER = against_rules(
    "meter.not_returned_to_maker",
    "器具 {asset_no} 未返厂（{place}），不能留归厂家。",
    "{asset_no} has not been returned to its maker ({place}) and cannot be left there",
)

MAY_DESTROY: Final[frozenset[Purpose]] = frozenset({"laboratory", "maker_sample", "evidence"})
"""Releases for an examination that may not leave the device whole. The institute's review tests and gives back."""


class ClearData(Happened, frozen=True, kw_only=True):
    """清除数据 Keys and records are wiped."""

    asset_no: AssetNo
    method: Code
    evidence_sha256: Sha256 | None = None


class DestroyChip(Happened, frozen=True, kw_only=True):
    """销毁安全芯片 The security chip is destroyed."""

    asset_no: AssetNo
    evidence_sha256: Sha256 | None = None


class RemoveBattery(Happened, frozen=True, kw_only=True):
    """拆除电池 The battery is taken out, to go its own way."""

    asset_no: AssetNo


class Deface(Happened, frozen=True, kw_only=True):
    """打孔毁形 The device is made useless for the market. The evidence is a photo's hash."""

    asset_no: AssetNo
    evidence_sha256: Sha256


class HandToRecycler(Happened, frozen=True, kw_only=True):
    """交回收商 The recycler who bought the lot takes the device."""

    asset_no: AssetNo
    recycler: Code
    lot: Code
    contract: Reference


class Destroy(Happened, frozen=True, kw_only=True):
    """销毁 The device is destroyed and certified so."""

    asset_no: AssetNo
    certificate: Reference


class RecordTestDestruction(Happened, frozen=True, kw_only=True):
    """登记试验损毁 The examination for which the device is out has destroyed it. `holder` has what remains."""

    asset_no: AssetNo
    holder: Code
    report: Reference
    evidence_sha256: Sha256 | None = None


class LeaveWithMaker(Happened, frozen=True, kw_only=True):
    """留归厂家 The claim for a returned device is settled, and the device stays with its maker."""

    asset_no: AssetNo
    settlement: Settlement
    reference: Reference


class DataCleared(Happened, frozen=True, kw_only=True):
    """Keys and records are wiped."""

    asset_no: AssetNo
    method: Code
    evidence_sha256: Sha256 | None = None


class ChipDestroyed(Happened, frozen=True, kw_only=True):
    """The security chip is destroyed."""

    asset_no: AssetNo
    evidence_sha256: Sha256 | None = None


class BatteryRemoved(Happened, frozen=True, kw_only=True):
    """The battery goes its own way."""

    asset_no: AssetNo


class Defaced(Happened, frozen=True, kw_only=True):
    """Useless for the market."""

    asset_no: AssetNo
    evidence_sha256: Sha256


class HandedToRecycler(Happened, frozen=True, kw_only=True):
    """With the recycler who bought the lot."""

    asset_no: AssetNo
    recycler: Code
    lot: Code
    contract: Reference
    dismantled_version: Version | None = None


class Destroyed(Happened, frozen=True, kw_only=True):
    """The end."""

    asset_no: AssetNo
    recycler: Code
    lot: Code
    certificate: Reference


class DestroyedInTest(Happened, frozen=True, kw_only=True):
    """The end, by a test."""

    asset_no: AssetNo
    purpose: Purpose
    last_site: SiteId
    holder: Code
    report: Reference
    evidence_sha256: Sha256 | None = None
    dismantled_version: Version | None = None


class KeptByMaker(Happened, frozen=True, kw_only=True):
    """The end here: the maker keeps it."""

    asset_no: AssetNo
    maker: Code
    settlement: Settlement
    reference: Reference
    dismantled_version: Version | None = None


Command: TypeAlias = (
    ClearData | DestroyChip | RemoveBattery | Deface | HandToRecycler | Destroy | RecordTestDestruction | LeaveWithMaker
)
Event: TypeAlias = (
    DataCleared
    | ChipDestroyed
    | BatteryRemoved
    | Defaced
    | HandedToRecycler
    | Destroyed
    | DestroyedInTest
    | KeptByMaker
)


def decide(command: Command, meter: Meter) -> Sequence[Event]:
    asset_no = command.asset_no
    place = known(asset_no, meter)
    match command:
        case ClearData():
            _in_hand(asset_no, meter)
            return [becomes(command, DataCleared)]
        case RemoveBattery():
            _in_hand(asset_no, meter)
            return [becomes(command, BatteryRemoved)]
        case DestroyChip():
            _irreversible(asset_no, meter)
            return [becomes(command, ChipDestroyed)]
        case Deface():
            _irreversible(asset_no, meter)
            return [becomes(command, Defaced)]
        case HandToRecycler():
            unheld(asset_no, meter)
            if not (isinstance(place, Out) and place.purpose == "materials"):
                raise NOT_WITH_MATERIALS(asset_no=asset_no, place=spoken(place))
            _approved(asset_no, meter)
            if meter.device_class in DATA_BEARING and not (meter.data_cleared or meter.chip_destroyed):
                raise DATA_NOT_CLEARED(asset_no=asset_no)
            if not meter.defaced:
                raise NOT_DEFACED(asset_no=asset_no)
            return [becomes(command, HandedToRecycler, **meter.dismantlement)]
        case Destroy():
            unheld(asset_no, meter)
            if not isinstance(place, WithRecycler):
                raise NOT_WITH_RECYCLER(asset_no=asset_no, place=spoken(place))
            return [becomes(command, Destroyed, recycler=place.recycler, lot=place.lot)]
        case RecordTestDestruction():
            if not (isinstance(place, Out) and place.purpose in MAY_DESTROY):
                raise NOT_UNDER_TEST(asset_no=asset_no, place=spoken(place))
            consented(asset_no, meter)
            unheld(asset_no, meter)
            return [
                becomes(
                    command, DestroyedInTest, purpose=place.purpose, last_site=place.last_site, **meter.dismantlement
                )
            ]
        case LeaveWithMaker():
            if not (isinstance(place, WithMaker) and place.maker is not None):
                raise NOT_RETURNED_TO_MAKER(asset_no=asset_no, place=spoken(place))
            unheld(asset_no, meter)
            return [becomes(command, KeptByMaker, maker=place.maker, **meter.dismantlement)]


def evolve(meter: Meter, event: Event) -> Meter:
    match event:
        case DataCleared():
            return msgspec.structs.replace(meter, data_cleared=True)
        case ChipDestroyed():
            return msgspec.structs.replace(meter, chip_destroyed=True)
        case BatteryRemoved():
            return meter
        case Defaced():
            return msgspec.structs.replace(meter, defaced=True)
        case HandedToRecycler(recycler=recycler, lot=lot):
            return msgspec.structs.replace(meter, place=WithRecycler(recycler, lot))
        case Destroyed(recycler=recycler):
            return msgspec.structs.replace(meter, place=Ended("destroyed", recycler))
        case DestroyedInTest(holder=holder):
            return msgspec.structs.replace(meter, place=Ended("destroyed_in_test", holder))
        case KeptByMaker(maker=maker):
            return msgspec.structs.replace(meter, place=Ended("kept_by_maker", maker))


def _in_hand(asset_no: str, meter: Meter) -> None:
    place = known(asset_no, meter)
    if not (isinstance(place, Out) and place.purpose == "materials"):
        in_ordinary_stock(asset_no, meter)
    consented(asset_no, meter)
    unheld(asset_no, meter)


def _irreversible(asset_no: str, meter: Meter) -> None:
    _in_hand(asset_no, meter)
    _approved(asset_no, meter)


def _approved(asset_no: str, meter: Meter) -> None:
    if "scrap_approval" not in meter.preconditions:
        raise NOT_APPROVED(asset_no=asset_no)


PART = Part(members(Command), members(Event), decide, evolve)
