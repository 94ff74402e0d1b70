"""What the rules need to remember of a device's inspections, and no more."""

from typing import Literal, TypeAlias

import msgspec

from kernel.device import DeviceClass, UnitCode
from kernel.quantity import CivilDate, Code, Name, refuse_far_days
from kernel.refusal import against_rules, not_found, stale
from services.sorting.assessment import HistoryFindings, IndicatorFindings, LoadFindings, ValueFindings
from services.sorting.norms import Part, SchemeRef
from services.sorting.vocabulary import INSPECTED, BenchId, Disposition, Ended, Inspected

UNKNOWN = not_found(
    "inspection.unknown",
    "器具 {asset_no} 没有分拣记录。请先扫码开检。",
    "{asset_no} has never been inspected; open its inspection first by scanning it",
)
NOT_OPEN = against_rules(
    "inspection.not_open",
    "器具 {asset_no} 没有进行中的分拣（{phase}）。请先扫码开检。",
    "no inspection of {asset_no} is under way ({phase}); open one first by scanning it",
)
STOPPED = against_rules(
    "inspection.stopped",
    "器具 {asset_no} 身份不符，分拣已停止。请核对实物，重新核验身份，或终止本次分拣。",
    "the inspection of {asset_no} is stopped: its identity does not match; look at the device, check its identity "
    "again, or abandon the inspection",
)
OPENED_ANEW = stale(
    "inspection.opened_anew",
    "器具 {asset_no} 刚刚重新开检，请重试。",
    "{asset_no} was opened anew a moment ago; try again",
)
OPEN_ELSEWHERE = against_rules(
    "inspection.open_elsewhere",
    "器具 {asset_no} 已在检测台 {bench} 开检。请在该台继续，或由其移交。",
    "{asset_no} is open at bench {bench}; go on there, or have it handed over",
)
FROZEN = against_rules(
    "inspection.frozen",
    "器具 {asset_no} 在复核总体 {review} 内，复核结束前不得变动。",
    "{asset_no} is in the population of review {review}, and nothing about it changes until that is concluded",
)

Read: TypeAlias = Literal["barcode", "held_number", "comm_address"]
READ: dict[Read, tuple[str, str]] = {
    "barcode": ("条码", "its barcode"),
    "held_number": ("表内资产编号", "the number that it holds itself"),
    "comm_address": ("通信地址", "its communication address"),
}
"""What the identity of a device is read from."""

UNDER_REPAIR = against_rules(
    "inspection.under_repair",
    "器具 {asset_no} 正按维修单 {repair} 处理。请先办结或撤销该单。",
    "{asset_no} is under repair by order {repair}; have that ended or cancelled first",
)
SUPERSEDED = against_rules(
    "inspection.superseded",
    "临时标识 {asset_no} 已绑定编号 {number}。请以该编号重新分拣。",
    "the temporary identity {asset_no} is bound to {number}; inspect the device anew under that number",
)

TO_BE_RESORTED = against_rules(
    "inspection.to_be_resorted",
    "器具 {asset_no} 所在批次经复核 {review} 须重新分拣，原结论已不成立。请先重新开检。",
    "{asset_no} is of a batch that is sorted again after review {review}, and its verdict stands no more; inspect it "
    "anew first",
)

Phase = Literal["none", "open", "stopped", "judged", "resort", "abandoned", "superseded", "closed"]
PHASES: dict[Phase, tuple[str, str]] = {
    "none": ("未开检", "never opened"),
    "open": ("分拣中", "under way"),
    "stopped": ("身份不符已停止", "stopped, its identity does not match"),
    "judged": ("已有结论", "judged"),
    "resort": ("整批重新分拣，待重新检验", "to be sorted again"),
    "abandoned": ("已终止", "abandoned"),
    "superseded": ("已改用编号", "goes on under its number"),
    "closed": ("已重新装用", "in service again"),
}


class Device(Part, frozen=True, kw_only=True):
    """What the record said of a device when its inspection was opened. `accuracy_class` is that of its name plate."""

    device_class: DeviceClass
    unit: UnitCode
    accuracy_class: Code | None = None
    maker: Code | None = None
    batch: Code | None = None
    model: Name | None = None
    made_on: CivilDate | None = None
    installed_on: CivilDate | None = None
    dismantled_on: CivilDate | None = None
    comm_address: Code | None = None

    def __post_init__(self) -> None:
        refuse_far_days(made_on=self.made_on, installed_on=self.installed_on, dismantled_on=self.dismantled_on)


class Proposal(msgspec.Struct, frozen=True):
    """An override that waits for a second person."""

    by: str
    disposition: Disposition
    why: str


class Inspection(msgspec.Struct, frozen=True):
    """A device's inspections: the one under way, or the one whose verdict stands. `rounds` were opened and `judged` of
    them came to a verdict; `before` is how it stood with the verdict before the one under way, which stands again if
    that is abandoned. `differing` was read and is not what the record says; `unlike_number`: its
    address, which the record does not have, is not that of its number. `population` is the review that froze it,
    `repair` the order by which it is being made fit for use again, `repairs` how many there were, `certificate` what
    the last verdict of reuse led to, `number` what a temporary identity turned out to be, `since` what its
    counters said when it was last re-verified, `faults_judged` the faults of the last verdict, in whichever life.
    `resort` is the review after which its batch is sorted again: the verdict stands no more.
    """

    phase: Phase = "none"
    round: int = 0
    rounds: int = 0
    judged: int = 0
    bench: BenchId = ""
    device: Device | None = None
    scheme: SchemeRef | None = None
    identity: Literal["confirmed", "mismatch", "unverified"] | None = None
    differing: tuple[Read, ...] = ()
    unlike_number: bool = False
    ends: dict[Inspected, Ended] = {}
    faults: tuple[str, ...] = ()
    load: LoadFindings | None = None
    history: HistoryFindings | None = None
    indicators: IndicatorFindings | None = None
    value: ValueFindings | None = None
    disposition: Disposition | None = None
    proposal: Proposal | None = None
    population: str | None = None
    repairs: int = 0
    repair: str | None = None
    certificate: str | None = None
    number: str | None = None
    repair_failed: bool = False
    since: dict[str, int] = {}
    resort: str | None = None
    faults_judged: tuple[str, ...] = ()
    before: "Inspection | None" = None

    @property
    def inspected(self) -> bool:
        """Whether all three inspections have ended."""
        return len(self.ends) == len(INSPECTED)

    @property
    def left_out(self) -> int:
        """How many of them were not performed though they apply."""
        return sum(1 for ended in self.ends.values() if ended in ("not_possible", "waived"))


NEVER = Inspection()


def known(asset_no: str, inspection: Inspection) -> Inspection:
    """The same, or a refusal where the device was never inspected, goes by another number now, or is to be sorted
    again.
    """
    if inspection.round == 0:
        raise UNKNOWN(asset_no=asset_no)
    unbound(asset_no, inspection)
    if inspection.resort is not None:
        raise TO_BE_RESORTED(asset_no=asset_no, review=inspection.resort)
    return inspection


def under_way(asset_no: str, inspection: Inspection) -> Inspection:
    """The same, or a refusal where no inspection is under way or it is stopped."""
    known(asset_no, inspection)
    if inspection.phase == "stopped":
        raise STOPPED(asset_no=asset_no)
    if inspection.phase != "open":
        raise NOT_OPEN(asset_no=asset_no, phase=PHASES[inspection.phase])
    return inspection


def free(asset_no: str, inspection: Inspection) -> Inspection:
    """A device that has its verdict and is free to get another."""
    known(asset_no, inspection)
    if inspection.phase != "judged":
        raise NOT_OPEN(asset_no=asset_no, phase=PHASES[inspection.phase])
    unfrozen(asset_no, inspection)
    return inspection


def at_bench(asset_no: str, inspection: Inspection, bench: str | None) -> None:
    """Nothing where this bench has the inspection, or none is named; OPEN_ELSEWHERE raised where another has it."""
    if bench is not None and bench != inspection.bench:
        raise OPEN_ELSEWHERE(asset_no=asset_no, bench=inspection.bench, field="bench")


def same_scheme(asset_no: str, inspection: Inspection, ref: SchemeRef) -> None:
    """Nothing where the inspection is by this version of its scheme; OPENED_ANEW raised where it was opened anew since
    that was looked up.
    """
    if inspection.scheme != ref:
        raise OPENED_ANEW(asset_no=asset_no)


def unfrozen(asset_no: str, inspection: Inspection) -> None:
    """Nothing, or FROZEN raised."""
    if inspection.population is not None:
        raise FROZEN(asset_no=asset_no, review=inspection.population)


def unrepaired(asset_no: str, inspection: Inspection) -> None:
    """Nothing, or UNDER_REPAIR raised: what a repair rests on does not change before it has ended."""
    if inspection.repair is not None:
        raise UNDER_REPAIR(asset_no=asset_no, repair=inspection.repair)


def unbound(asset_no: str, inspection: Inspection) -> None:
    """Nothing, or SUPERSEDED raised."""
    if inspection.number is not None:
        raise SUPERSEDED(asset_no=asset_no, number=inspection.number)
