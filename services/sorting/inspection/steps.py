"""三检: appearance, function, accuracy. Each ends once: performed, not possible, not applicable, or waived by a rule.

    InspectionOpened -> IdentityChecked -> AppearanceInspected -> FunctionInspected -> AccuracyInspected

A step ends only after the one before it. With the last of them the device is judged (verdict.py), in the same append.
Repeating a device's step takes another round. A `bench` that is named must be
the one that has the inspection.
"""

from collections.abc import Sequence
from typing import Final, TypeAlias

import msgspec

from kernel import decider
from kernel.decider import members
from kernel.device import AssetNo
from kernel.quantity import Code, Happened, Remark, Sha256, Subject
from kernel.refusal import against_rules, unreadable
from services.sorting.decision import Obsolete
from services.sorting.evaluation import Measured, shown_faults
from services.sorting.inspection import verdict
from services.sorting.inspection.staircase import is_obsolete
from services.sorting.inspection.state import Inspection, at_bench, same_scheme, under_way
from services.sorting.norms import Norm, Part, Scheme, SchemeRef
from services.sorting.vocabulary import INSPECTED, STEPS, WAIVED_IF, BenchId, Ended, Inspected, Round, RuleId

IDENTITY_FIRST = against_rules(
    "inspection.identity_first",
    "器具 {asset_no} 尚未核验身份，请先扫描条码或读取通信地址。",
    "the identity of {asset_no} has not been checked; scan its barcode or read its communication address first",
)
OUT_OF_ORDER = against_rules(
    "inspection.out_of_order",
    "器具 {asset_no} 的下一步是{expected}，不是{step}。",
    "the next step of {asset_no} is {expected}, not {step}",
)
STEP_ENDED = against_rules(
    "inspection.step_ended",
    "器具 {asset_no} 的{step}已结束，不能再记。如须重做请重新开检。",
    "{step} of {asset_no} has ended and is not recorded again; to do it again open another inspection",
)
NOT_APPLICABLE = against_rules(
    "inspection.not_applicable",
    "方案规定该类器具不做{step}。请以“不适用”结束该步。",
    "the scheme has no {step} for this class; end the step as not applicable",
)
APPLICABLE = against_rules(
    "inspection.applicable",
    "方案规定该类器具须做{step}，不能以“不适用”结束。",
    "the scheme asks for {step} of this class; it cannot end as not applicable",
)
NO_SUCH_WAIVER = against_rules(
    "inspection.no_such_waiver",
    "方案没有可免{step}的规则 {rule}。",
    "the scheme has no rule {rule} by which {step} may be waived",
)
WHY_MISSING = unreadable(
    "inspection.why_missing",
    "{step}没有执行，须说明原因。",
    "{step} was not performed; say why",
)
NOT_PERFORMED = unreadable(
    "inspection.not_performed",
    "{step}没有执行，不得附测得值。",
    "{step} was not performed and has no measurements",
)
RULE_ALONE = unreadable(
    "inspection.rule_alone",
    "只有免检须给出规则编号，且必须给出。",
    "a rule is named where a step is waived, and nowhere else",
)
SECOND_MISSING = unreadable(
    "inspection.second_missing",
    "{step}须双人作业，请给出第二人。",
    "{step} is done by two; name the second person",
)
UNSAFE = against_rules(
    "inspection.unsafe_to_power",
    "器具 {asset_no} 有 {fault}，不得通电。请以“无法执行”结束{step}。",
    "{asset_no} shows {fault} and must not be powered; end {step} as not possible",
)

UNSEEN = against_rules(
    "inspection.appearance_unseen",
    "器具 {asset_no} 的外观没有检查，无人判定能否通电，不能执行{step}。请以“无法执行”结束该步，或重新开检。",
    "nobody has looked at the appearance of {asset_no} and judged whether it may be powered: {step} cannot be "
    "performed; end it as not possible, or have the device inspected anew",
)
APPEARANCE_WAIVED = against_rules(
    "inspection.appearance_not_waived",
    "外观检查不得免检：窃电痕迹在这一步查看。",
    "the appearance is never waived: it is where traces of tampering are looked for",
)
WAIVER_WITHOUT_GROUND = against_rules(
    "inspection.waiver_without_ground",
    "器具 {asset_no} 不能按规则 {rule} 免检：其条件“{condition}”不成立。",
    "{asset_no} is not waived by rule {rule}: it is not so that {condition}",
)
WAIVER_ALONE = unreadable(
    "inspection.waiver_alone",
    "规则 {rule} 的条件须由人判断，请给出同意免检的第二人。",
    "whether rule {rule} holds is for persons to say; name the second one who agrees",
)

ORDER: Final[tuple[Inspected, ...]] = tuple(INSPECTED)


class StepReport(Part, frozen=True, kw_only=True):
    """How a step ended. `why` where it was not performed, `rule` where a rule waives it; `measured` and `photos` where
    it was performed; `second` who did it along with whoever reports, where two are asked for.
    """

    ended: Ended = "performed"
    why: Remark | None = None
    rule: RuleId | None = None
    measured: tuple[Measured, ...] = ()
    photos: tuple[Sha256, ...] = ()
    second: Subject | None = None


class InspectAppearance(Happened, frozen=True, kw_only=True):
    """外观检查 Findings with photos, seals, burn marks, traces of tampering."""

    asset_no: AssetNo
    report: StepReport
    bench: BenchId | None = None


class InspectFunction(Happened, frozen=True, kw_only=True):
    """功能检查 Self-test, display, clock, battery, relay, communication, security chip, counters of events."""

    asset_no: AssetNo
    report: StepReport
    bench: BenchId | None = None


class InspectAccuracy(Happened, frozen=True, kw_only=True):
    """计量性能检查 Basic error at load points, starting, creep, daily clock error."""

    asset_no: AssetNo
    report: StepReport
    bench: BenchId | None = None


class EndStep(Happened, frozen=True, kw_only=True):
    """The same of any of them, with the norm of the step and the scheme's faults; with what is `obsolete` by policy,
    where it is to be waived; and with what the device is judged by, if the tables are published.
    """

    asset_no: AssetNo
    report: StepReport
    norm: Norm
    scheme: Scheme
    ref: SchemeRef
    bench: BenchId | None = None
    obsolete: tuple[Obsolete, ...] = ()
    rulebook: verdict.Rulebook | None = None


class AppearanceInspected(Happened, frozen=True, kw_only=True):
    """The appearance has been seen to, and shows these faults."""

    asset_no: AssetNo
    round: Round
    report: StepReport
    faults: tuple[Code, ...] = ()


class FunctionInspected(Happened, frozen=True, kw_only=True):
    """The functions have been seen to, and show these faults."""

    asset_no: AssetNo
    round: Round
    report: StepReport
    faults: tuple[Code, ...] = ()


class AccuracyInspected(Happened, frozen=True, kw_only=True):
    """The accuracy has been seen to, and shows these faults."""

    asset_no: AssetNo
    round: Round
    report: StepReport
    faults: tuple[Code, ...] = ()


Command: TypeAlias = InspectAppearance | InspectFunction | InspectAccuracy
Event: TypeAlias = AppearanceInspected | FunctionInspected | AccuracyInspected

EVENTS: Final[dict[str, type[AppearanceInspected] | type[FunctionInspected] | type[AccuracyInspected]]] = {
    "appearance": AppearanceInspected,
    "function": FunctionInspected,
    "accuracy": AccuracyInspected,
}
STEP_OF: Final[dict[type[msgspec.Struct], Inspected]] = {
    InspectAppearance: "appearance",
    InspectFunction: "function",
    InspectAccuracy: "accuracy",
    AppearanceInspected: "appearance",
    FunctionInspected: "function",
    AccuracyInspected: "accuracy",
}


def decide(command: Command | EndStep, inspection: Inspection) -> Sequence[Event | verdict.Event]:
    assert isinstance(command, EndStep), "a step is ended with its norm"
    under_way(command.asset_no, inspection)
    at_bench(command.asset_no, inspection, command.bench)
    same_scheme(command.asset_no, inspection, command.ref)
    step, report = command.norm.step, command.report
    said = STEPS[step]
    if inspection.identity is None:
        raise IDENTITY_FIRST(asset_no=command.asset_no)
    if step in inspection.ends:
        raise STEP_ENDED(asset_no=command.asset_no, step=said)
    expected = ORDER[len(inspection.ends)]
    if step != expected:
        raise OUT_OF_ORDER(asset_no=command.asset_no, step=said, expected=STEPS[expected])
    ended_rightly(command.norm, report)
    if report.ended == "waived":
        _waived_rightly(command, inspection)
    faults: tuple[Code, ...] = ()
    if report.ended == "performed":
        _powered_safely(command, inspection)
        assert inspection.device is not None
        faults = shown_faults(
            command.norm,
            report.measured,
            inspection.device.accuracy_class,
            report.photos,
            since=inspection.since,
        )
    about = {**command.moment, "asset_no": command.asset_no}
    ended = EVENTS[step](**about, round=inspection.round, report=report, faults=faults)
    if step != ORDER[-1] or command.rulebook is None:
        return [ended]
    judging = verdict.JudgeByRulebook(**about, rulebook=command.rulebook)
    return [ended, *verdict.decide(judging, evolve(inspection, ended))]


def evolve(inspection: Inspection, event: Event) -> Inspection:
    found = tuple(dict.fromkeys((*inspection.faults, *event.faults))) if event.faults else inspection.faults
    ends = inspection.ends | {STEP_OF[type(event)]: event.report.ended}
    return msgspec.structs.replace(inspection, ends=ends, faults=found)


def ended_rightly(norm: Norm, report: StepReport) -> None:
    """Nothing where a step may end in this way by its norm, else a refusal raised."""
    said = STEPS[norm.step]
    if (report.ended == "waived") is (report.rule is None):
        raise RULE_ALONE(field="report.rule")
    if not norm.applicable and report.ended != "not_applicable":
        raise NOT_APPLICABLE(step=said, field="report.ended")
    if report.ended == "performed":
        if norm.dual_control and report.second is None:
            raise SECOND_MISSING(step=said, field="report.second")
        return
    if report.measured:
        raise NOT_PERFORMED(step=said, field="report.measured")
    if report.ended == "not_applicable":
        if norm.applicable:
            raise APPLICABLE(step=said, field="report.ended")
        return
    if report.why is None:
        raise WHY_MISSING(step=said, field="report.why")
    if report.ended == "waived" and report.rule not in {waiver.rule for waiver in norm.waivers}:
        raise NO_SUCH_WAIVER(step=said, rule=report.rule, field="report.rule")


def _waived_rightly(command: EndStep, inspection: Inspection) -> None:
    """Nothing where the condition of the waiver holds, or two persons say so of one that nothing on record shows."""
    if command.norm.step == "appearance":
        raise APPEARANCE_WAIVED(field="report.ended")
    waiver = next(one for one in command.norm.waivers if one.rule == command.report.rule)
    if waiver.condition is None:
        if command.report.second is None:
            raise WAIVER_ALONE(rule=waiver.rule, field="report.second")
        return
    device = inspection.device
    assert device is not None
    if waiver.condition == "obsolete":
        holds = any(is_obsolete(one, device) for one in command.obsolete)
    else:
        beyond = {fault.code for fault in command.scheme.faults if fault.remedy == "none"}
        holds = not beyond.isdisjoint(inspection.faults)
    if not holds:
        condition = WAIVED_IF[waiver.condition]
        raise WAIVER_WITHOUT_GROUND(
            asset_no=command.asset_no, rule=waiver.rule, condition=condition, field="report.rule"
        )


def _powered_safely(command: EndStep, inspection: Inspection) -> None:
    """A burnt device is not powered, nor one at which nobody has looked, so its functions and its accuracy cannot have
    been tested.
    """
    if command.norm.step == "appearance":
        return
    if inspection.ends["appearance"] in ("not_possible", "waived") and not command.norm.without_appearance:
        raise UNSEEN(asset_no=command.asset_no, step=STEPS[command.norm.step], field="report.ended")
    if not inspection.faults:
        return
    for fault in command.scheme.faults:
        if fault.unsafe_to_power and fault.code in inspection.faults:
            raise UNSAFE(asset_no=command.asset_no, fault=(fault.name.zh, fault.name.en), step=STEPS[command.norm.step])


PART = decider.Part(members(Command), members(Event), decide, evolve, furnished=(EndStep,))
