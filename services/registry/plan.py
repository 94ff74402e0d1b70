"""回收计划: how many devices a unit is to bring back for a month's cohort, and by when.

    PlanSet -> PlanRevised ...

The cohort is what was dismantled under work orders in the month; the cut-off is the last day on which a receipt at the
centre counts for it.
"""

from collections.abc import Sequence
from typing import Annotated, Final, TypeAlias

import msgspec

from kernel.decider import Decider, Part, becomes, members
from kernel.quantity import CivilDate, Count, Happened, PublicRemark, formed, refuse_far_days
from kernel.refusal import against_rules, not_found

UNKNOWN = not_found("plan.unknown", "没有回收计划 {plan_id}。", "there is no recovery plan {plan_id}")
ALREADY_SET = against_rules(
    "plan.already_set", "回收计划 {plan_id} 已设定，请修订。", "plan {plan_id} has been set; revise it instead"
)
CUT_OFF_TOO_EARLY = against_rules(
    "plan.cut_off_too_early",
    "截止日 {cut_off} 须在计划月份之后。",
    "the cut-off {cut_off} is not after the month of the plan",
)

PlanId: TypeAlias = Annotated[
    str,
    formed(
        r"[0-9]{5}-[1-9][0-9]{3}-(0[1-9]|1[0-2])",
        "单位与月份，如 99401-2026-03",
        "a unit and a month, as 99401-2026-03",
    ),
]
TargetPpm: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=1_000_000, description="a share in millionths")]


class Figures(Happened, frozen=True, kw_only=True):
    """What a plan says."""

    plan_id: PlanId
    expected: Count
    target_ppm: TargetPpm
    cut_off: CivilDate

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_far_days(cut_off=self.cut_off)


class SetPlan(Figures, frozen=True, kw_only=True):
    """设定计划 The number expected, the share to reach, the last day that counts."""


class RevisePlan(Figures, frozen=True, kw_only=True):
    """修订计划 New figures, and why."""

    why: PublicRemark


class PlanSet(Figures, frozen=True, kw_only=True):
    """A plan stands."""


class PlanRevised(Figures, frozen=True, kw_only=True):
    """It stands with new figures."""

    why: PublicRemark


Command: TypeAlias = SetPlan | RevisePlan
Event: TypeAlias = PlanSet | PlanRevised


class Plan(msgspec.Struct, frozen=True):
    """Whether it has been set."""

    exists: bool = False


def decide(command: Command, plan: Plan) -> Sequence[Event]:
    if command.cut_off.isoformat()[:7] <= command.plan_id[6:]:
        raise CUT_OFF_TOO_EARLY(cut_off=command.cut_off)
    match command:
        case SetPlan():
            if plan.exists:
                raise ALREADY_SET(plan_id=command.plan_id)
            return [becomes(command, PlanSet)]
        case RevisePlan():
            if not plan.exists:
                raise UNKNOWN(plan_id=command.plan_id)
            return [becomes(command, PlanRevised)]


def evolve(_plan: Plan, event: Event) -> Plan:
    match event:
        case PlanSet() | PlanRevised():
            return Plan(exists=True)


PLAN: Final = Decider(
    category="plan",
    initial=Plan(),
    key="plan_id",
    begins=(SetPlan,),
    parts=(Part(members(Command), members(Event), decide, evolve),),
)
