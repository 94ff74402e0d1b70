"""从扫码到表单 What a bench needs after a scan, in one answer: how the device stands, what is done next, and the form
of the step that is due; of a device that is judged the verdict, and where it goes.

It is made from the streams themselves: what was recorded a moment ago is in it.
"""

from collections.abc import Iterable
from typing import Any, Final, Literal, TypeAlias

import msgspec

from kernel.device import DEVICE_CLASSES, AssetNo
from kernel.quantity import CivilDate, Code, Name
from services.sorting.inspection.staircase import Stair
from services.sorting.inspection.state import PHASES, Device, Inspection, Phase
from services.sorting.inspection.steps import ORDER
from services.sorting.inspection.verdict import VerdictReached
from services.sorting.norms import Choice, Fault, Item, Norm, Scheme, SchemeRef, Waiver
from services.sorting.vocabulary import (
    DISPOSITIONS,
    STEPS,
    UNITS_OF_MEASURE,
    BenchId,
    Disposition,
    Inspected,
    Measure,
    RuleId,
    UnitOfMeasure,
    Words,
)

Act: TypeAlias = Literal["open", "identify", "end_step", "judge", "stopped", "elsewhere", "carry", "decide"]
ACTS: Final[dict[Act, tuple[str, str]]] = {
    "open": ("选铭牌准确度等级，开检。", "Choose the accuracy class on the name plate and open the inspection."),
    "identify": ("扫描条码核验身份。", "Scan the barcode to check its identity."),
    "end_step": ("逐项填写，然后结束本步。", "Fill in the items, then end the step."),
    "judge": ("三项检查已结束，作结论。", "All three inspections have ended: have it judged."),
    "stopped": (
        "身份不符。核对实物后重新扫码；仍不符则终止分拣。",
        "The identity does not match. Look at the device and scan again; if it still differs, abandon the inspection.",
    ),
    "elsewhere": (
        "该器具在另一检测台开检。送回该台，或移交到本台。",
        "It is open at another bench. Take it there, or have it handed over to this one.",
    ),
    "carry": ("放入所示周转箱。", "Put it into the container shown."),
    "decide": ("放入待裁定区，由主管裁定。", "Put it into the area for decisions; a supervisor decides."),
}
"""What is done next with a device that was scanned, in words."""

AREAS: Final[dict[Disposition, tuple[str, str]]] = {
    "reuse": ("A 利旧箱，送清洁与检定", "A, reuse: to cleaning and verification"),
    "claim": ("B 理赔箱，送理赔暂存区", "B, claim: to the claims area"),
    "scrap": ("C 报废箱，送报废暂存区", "C, scrap: to the scrap area"),
    "hold": ("D 待裁定区", "D, hold: to the area for decisions"),
}
"""Into which container a device goes from a bench, by the letter that is painted on it."""


class FormItem(msgspec.Struct, frozen=True, kw_only=True):
    """One item with the limit that holds for this device: `least` to `most`, both allowed, from `source`. Without
    `limited` the norm has none for its accuracy class.
    """

    code: Code
    name: Words
    unit: UnitOfMeasure | None = None
    unit_name: Words | None = None
    range_least: Measure | None = None
    range_most: Measure | None = None
    least: Measure | None = None
    most: Measure | None = None
    limited: bool = False
    confirmed: bool = False
    source: Name | None = None
    choices: tuple[Choice, ...] = ()
    photo: bool = False
    required: bool = True


class FormStep(msgspec.Struct, frozen=True, kw_only=True):
    """The step that is due, as its norm has it. `unsafe`: the fault by which the device must not be powered, so that
    the step ends as not possible.
    """

    step: Inspected
    name: Words
    place: int
    purpose: Words
    applicable: bool
    items: tuple[FormItem, ...]
    procedure: tuple[Words, ...] = ()
    instruments: tuple[Words, ...] = ()
    safety: tuple[Words, ...] = ()
    pass_rule: Words | None = None
    performers: tuple[Code, ...] = ()
    dual_control: bool = False
    photos_min: int = 0
    waivers: tuple[Waiver, ...] = ()
    unsafe: Words | None = None


class FormVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict that stands, its staircase, and into which container it sends the device. `overruled`: two persons
    set another disposition than the table's, and the staircase is the table's.
    """

    disposition: Disposition
    name: Words
    area: Words
    rule: RuleId
    because: Words
    stairs: tuple[Stair, ...]
    judged_on: CivilDate
    overruled: bool = False


class Form(msgspec.Struct, frozen=True, kw_only=True):
    """What a bench sees after a scan. `act` is what is done next, `said` the same in words. `bench` has the inspection
    that is under way. `accuracy_classes` are those that the scheme has limits for, to be read off the name plate when
    the inspection is opened; none where it makes no difference. `review`: frozen until that is concluded.
    """

    asset_no: AssetNo
    act: Act
    said: Words
    phase: Phase
    phase_name: Words
    round: int
    device: Device
    class_name: Words
    scheme: SchemeRef | None = None
    scheme_name: Words | None = None
    bench: BenchId | None = None
    site: Code | None = None
    accuracy_classes: tuple[Code, ...] = ()
    step: FormStep | None = None
    faults: tuple[Fault, ...] = ()
    verdict: FormVerdict | None = None
    review: Code | None = None


def unopened(asset_no: str, device: Device, site: str | None, scheme: Scheme, now: Inspection, ref: SchemeRef) -> Form:
    """Of a device on record with no inspection under way, and no verdict."""
    return Form(
        asset_no=asset_no,
        act="open",
        said=_words(ACTS["open"]),
        phase=now.phase,
        phase_name=_words(PHASES[now.phase]),
        round=now.round,
        device=device,
        class_name=_words(DEVICE_CLASSES[device.device_class]),
        scheme=ref,
        scheme_name=scheme.name,
        site=site,
        accuracy_classes=_accuracy_classes(scheme),
    )


def form(asset_no: str, now: Inspection, scheme: Scheme, bench: str | None, events: Iterable[Any]) -> Form:
    """Of a device whose inspection is under way, or that is judged; `events` are its stream's, for the verdict."""
    assert now.device is not None
    act = _act(now, bench)
    return Form(
        asset_no=asset_no,
        act=act,
        said=_words(ACTS[act]),
        phase=now.phase,
        phase_name=_words(PHASES[now.phase]),
        round=now.round,
        device=now.device,
        class_name=_words(DEVICE_CLASSES[now.device.device_class]),
        scheme=now.scheme,
        scheme_name=scheme.name,
        bench=now.bench if now.phase in ("open", "stopped") else None,
        accuracy_classes=_accuracy_classes(scheme) if now.phase == "judged" else (),
        step=_step(scheme, now) if act in ("identify", "end_step") else None,
        faults=tuple(fault for fault in scheme.faults if fault.code in now.faults),
        verdict=_verdict(now, events) if now.phase == "judged" else None,
        review=now.population,
    )


def _act(now: Inspection, bench: str | None) -> Act:
    if now.phase == "judged":
        return "decide" if now.disposition == "hold" else "carry"
    if bench is not None and bench != now.bench:
        return "elsewhere"
    if now.phase == "stopped":
        return "stopped"
    if now.identity is None:
        return "identify"
    return "judge" if now.inspected else "end_step"


def _step(scheme: Scheme, now: Inspection) -> FormStep:
    assert now.device is not None
    step = ORDER[len(now.ends)]
    norm, accuracy_class = scheme.norm(step), now.device.accuracy_class
    return FormStep(
        step=step,
        name=_words(STEPS[step]),
        place=len(now.ends) + 1,
        purpose=norm.purpose,
        applicable=norm.applicable,
        items=tuple(_item(item, accuracy_class) for item in norm.items),
        procedure=norm.procedure,
        instruments=norm.instruments,
        safety=norm.safety,
        pass_rule=norm.pass_rule,
        performers=norm.performers,
        dual_control=norm.dual_control,
        photos_min=norm.photos_min,
        waivers=norm.waivers,
        unsafe=_unsafe(scheme, norm, now),
    )


def _item(item: Item, accuracy_class: str | None) -> FormItem:
    limit = item.limit(accuracy_class)
    return FormItem(
        code=item.code,
        name=item.name,
        unit=item.unit,
        unit_name=None if item.unit is None else _words(UNITS_OF_MEASURE[item.unit]),
        range_least=item.range_least,
        range_most=item.range_most,
        least=limit.least if limit else None,
        most=limit.most if limit else None,
        limited=limit is not None,
        confirmed=limit.confirmed if limit else False,
        source=limit.source if limit else None,
        choices=item.choices,
        photo=item.photo,
        required=item.required,
    )


def _unsafe(scheme: Scheme, norm: Norm, now: Inspection) -> Words | None:
    if norm.step == "appearance" or not norm.applicable:
        return None
    unsafe = (fault.name for fault in scheme.faults if fault.unsafe_to_power and fault.code in now.faults)
    return next(unsafe, None)


def _verdict(now: Inspection, events: Iterable[Any]) -> FormVerdict:
    reached = [one for one in events if isinstance(one, VerdictReached) and one.round == now.round][-1]
    # What two persons set stands in the state; the event is what the table said.
    disposition = now.disposition or reached.disposition
    return FormVerdict(
        disposition=disposition,
        name=_words(DISPOSITIONS[disposition]),
        area=_words(AREAS[disposition]),
        rule=reached.rule,
        because=reached.because,
        stairs=reached.stairs,
        judged_on=reached.day,
        overruled=disposition != reached.disposition,
    )


def _accuracy_classes(scheme: Scheme) -> tuple[str, ...]:
    named = {
        one for norm in scheme.norms for item in norm.items for limit in item.limits for one in limit.accuracy_classes
    }
    return tuple(sorted(named))


def _words(both: tuple[str, str]) -> Words:
    return Words(zh=both[0], en=both[1])
