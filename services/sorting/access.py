"""What each command is about, for the policies in policies.cedar: which device's inspection, and whose."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, False_

from kernel.authority import DENIED, Policies, Resource
from kernel.commands import Commands
from kernel.disclosure import Disclosure, load
from kernel.handling import Permit
from kernel.principal import Principal, Role
from kernel.refusal import Refusal, not_allowed
from kernel.view import View
from ledger.port import Recorded
from services.sorting.app import DECIDERS, SERVICE, Sorting
from services.sorting.certificate import ClaimCertificate
from services.sorting.inspection import INSPECTION
from services.sorting.inspection.at_once import InspectAtOnce, InspectAtOnceOnRecord
from services.sorting.inspection.departure import AbandonDeparted, CloseInspection, SupersedeInspection
from services.sorting.inspection.opening import InspectionOpened, OpenInspection, OpenOnRecord
from services.sorting.inspection.override import ConfirmOverride, ProposeOverride, RejectOverride
from services.sorting.inspection.population import JoinPopulation, LeavePopulation
from services.sorting.inspection.repair_order import CloseRepair
from services.sorting.inspection.state import UNKNOWN, Inspection
from services.sorting.inspection.steps import EndStep, StepReport
from services.sorting.inspection.verdict import (
    Judge,
    JudgeByRulebook,
    Rejudge,
    RejudgeByRulebook,
)
from services.sorting.nonce import ClaimNonce
from services.sorting.repair import (
    REPAIR,
    BeginRepair,
    FailReVerification,
    Repair,
    ReVerify,
    ReVerifyByScheme,
)
from services.sorting.repair import UNKNOWN as NO_REPAIR
from services.sorting.review import REVIEW
from services.sorting.review.committing import (
    CommitPopulation,
    CommitPopulationOf,
    EntrustNonce,
    ProposeReview,
    ProposeReviewByPlan,
    WithdrawReview,
)
from services.sorting.review.drawing import FailDraw, NoteCheckpoint, NoteCheckpointOf, RevealNonce, RevealNonceThen
from services.sorting.review.results import (
    ConcludeReview,
    CorrectResult,
    RecordResult,
    ReplaceSample,
    ReplaceSampleOnRecord,
)
from services.sorting.review.state import Review
from services.sorting.run import FreePositions, Run, TakePositions
from services.sorting.scheme import SCHEME
from services.sorting.table import TABLE
from services.sorting.views.inspection import INSPECTIONS, InspectionRow
from services.sorting.views.repair import RepairRow
from services.sorting.vocabulary import INSPECTED, STEPS

BY_ANOTHER = not_allowed(
    "verdict.by_another",
    "改判只能以本人名义：by 须为您自己的代号 {subject}。",
    "one overrules a verdict in one's own name: by must be your own subject id, {subject}",
)

VERIFIED_BY_ANOTHER = not_allowed(
    "repair.verified_by_another",
    "重新检定只能以本人名义：verifier 须为您自己的代号 {subject}。",
    "one verifies in one's own name: verifier must be your own subject id, {subject}",
)

SECOND_IS_FIRST = not_allowed(
    "inspection.second_is_first",
    "双人作业的第二人须是另一人，不能是记录人 {subject} 本人。",
    "the second person of a step is another than {subject}, who records it",
)

NOT_A_PERFORMER = not_allowed(
    "inspection.not_a_performer",
    "方案规定{step}由{performers}执行。请由有此角色的人员记录。",
    "by its scheme {step} is done by {performers}; have somebody of that role record it",
)

INSIDE: Final[frozenset[type[msgspec.Struct]]] = frozenset(
    (
        JoinPopulation,
        LeavePopulation,
        Rejudge,
        TakePositions,
        FreePositions,
        BeginRepair,
        CloseRepair,
        ClaimCertificate,
        AbandonDeparted,
        CloseInspection,
        SupersedeInspection,
        CommitPopulation,
        ClaimNonce,
        NoteCheckpoint,
        FailDraw,
    )
)
"""Given by the service itself: the review decides, its devices follow; a failed repair has its device judged again; the
reports of a run take its positions; a repair follows its order, an inspection its device.
"""

PLURALS: Final = {
    "inspection": "inspections",
    "repair": "repairs",
    "certificate": "certificates",
    "scheme": "schemes",
    "table": "tables",
    "run": "runs",
    "review": "reviews",
    "nonce": "nonces",
}
SHOWN_AT: Final = {
    INSPECTION.category: "/v1/inspections/{asset_no}",
    REPAIR.category: "/v1/repairs/{repair}",
    SCHEME.category: "/v1/schemes/{group}",
    TABLE.category: "/v1/tables/{name}",
    REVIEW.category: "/v1/reviews/{review}",
}
"""Where one noun is shown by its key."""

LABELS: Final = Path(__file__).with_name("disclosure.yaml")
"""A link to docs/disclosure.yaml, so that the file comes along wherever the program is installed."""

PARTIES: Final = {Role.OPERATOR: "unit", Role.MANUFACTURER: "manufacturer"}
"""As which party a role reads what it may see of a device."""

NOT_THE_UNITS: Final = {"proposed": None, "review": None}
"""What a row says to a unit in place of what is for the supervisor alone."""

NOT_THE_MAKERS: Final = {**NOT_THE_UNITS, "bench": "", "site": "", "identity": None}
"""The same to a maker, who is not told where its devices are kept either."""

RULES: Final = Resource(type="Rules")
BENCH: Final = Resource(type="Bench")
REVIEWS: Final = Resource(type="Reviews")
UNIT_DIGITS: Final = 5


class Access:
    """Asks the policies, and finds what they need to know."""

    def __init__(self, policies: Policies, sorting: Sorting, labels: Disclosure | None = None) -> None:
        self._policies: Final = policies
        self._sorting: Final = sorting
        self._labels: Final = labels or load(LABELS)

    def offered(self) -> Sequence[Commands]:
        """Sorting's commands as both doors offer them."""
        return [
            Commands(
                service=SERVICE,
                decider=decider,
                plural=PLURALS[decider.category],
                do=self._sorting.do,
                do_many=self._sorting.do_many,
                permit=self.permit,
                inside=INSIDE,
                shown_at=SHOWN_AT.get(decider.category),
            )
            for decider in DECIDERS
        ]

    async def permit(self, principal: Principal, _commands: Sequence[Any]) -> Permit:
        """Judges these commands by what is recorded of each one's own stream."""

        def judged(command: Any, state: Any) -> Refusal | None:
            refusal = self._policies.refusal(principal, action(command), _resource(command, state))
            if refusal is None and isinstance(command, _IN_ONES_NAME) and command.by != principal.subject:
                return BY_ANOTHER(subject=principal.subject, field="by")
            if refusal is None and isinstance(command, _VERIFIES) and command.verifier != principal.subject:
                return VERIFIED_BY_ANOTHER(subject=principal.subject, field="verifier")
            if refusal is None and principal.subject in _seconds(command):
                return SECOND_IS_FIRST(subject=principal.subject, field="second")
            return refusal or _not_a_performer(principal, command)

        return judged

    def may(self, principal: Principal, action_name: str, resource: Resource = RULES) -> None:
        """Nothing where it is allowed, else a refusal raised."""
        self._policies.authorize(principal, action_name, resource)

    def may_read(self, principal: Principal, row: InspectionRow) -> None:
        """Nothing where this principal may see this device's inspections. Else it is as if there were none."""
        self.may_read_of(principal, row.asset_no, inspection(row.unit, row.maker))

    def may_read_of(self, principal: Principal, asset_no: str, about: Resource) -> None:
        """The same of a device whose inspections are `about`."""
        if not self.allows(principal, "ReadInspection", about):
            raise UNKNOWN(asset_no=asset_no)

    def allows(self, principal: Principal, action_name: str, resource: Resource) -> bool:
        """Whether it is allowed."""
        return self._policies.decide(principal, action_name, resource).allowed

    def shown(
        self, principal: Principal, asset_no: str, told: Sequence[tuple[Any, Recorded]]
    ) -> list[tuple[Any, Recorded]]:
        """Those of these events of a device that this principal may read: all, or those that the labels show to the
        party that it is. Raises UNKNOWN where it may not see the device at all, or there is nothing.
        """
        device = next((event.device for event, _ in reversed(told) if isinstance(event, InspectionOpened)), None)
        unit, maker = (device.unit, device.maker) if device else (_unit_in(asset_no), None)
        resource = inspection(unit, maker)
        if not told or not self.allows(principal, "ReadInspection", resource):
            raise UNKNOWN(asset_no=asset_no)
        types = self.types(principal, resource)
        return [one for one in told if types is None or one[1].type in types]

    def types(self, principal: Principal, resource: Resource) -> frozenset[str] | None:
        """The types of a device's events that this principal may read whole, as the labels show them to the party that
        it is; None where it reads all.
        """
        if self.allows(principal, "ReadWholeInspection", resource):
            return None
        return self._labels.shown_to(self._parties(principal, resource))

    def row(self, principal: Principal, row: InspectionRow) -> InspectionRow:
        """How a device's sorting stands, without what the labels keep from this principal."""
        resource = inspection(row.unit, row.maker)
        if self.allows(principal, "ReadWholeInspection", resource):
            return row
        unit = PARTIES[Role.OPERATOR] in self._parties(principal, resource)
        return msgspec.structs.replace(row, **(NOT_THE_UNITS if unit else NOT_THE_MAKERS))

    def _parties(self, principal: Principal, resource: Resource) -> set[str]:
        return {party for role, party in PARTIES.items() if self._reads_as(principal, role, resource)}

    def _reads_as(self, principal: Principal, role: Role, resource: Resource) -> bool:
        alone = msgspec.structs.replace(principal, roles=principal.roles & {role})
        return self._policies.decide(alone, "ReadInspection", resource).allowed

    def may_read_repair(self, principal: Principal, row: RepairRow) -> None:
        """The same of a repair."""
        if not self.may_see_repair(principal, row.unit, row.maker):
            raise NO_REPAIR(repair=row.repair)

    def may_see_repair(self, principal: Principal, unit: str, maker: str | None) -> bool:
        """Whether this principal may see repairs, and their certificates, of this unit's and maker's devices."""
        return self.allows(principal, "ReadRepair", inspection(unit, maker))

    def visible(
        self, principal: Principal, view: View[Any] = INSPECTIONS, read: str = "ReadInspection"
    ) -> ColumnElement[bool]:
        """Which inspections, or which rows of another view of devices that one reads by another action, this principal
        may see: the same answer as `may_read` on each of them. Raises DENIED where it could be none, whatever there is.
        """
        of = view.columns.c
        columns = {"unit": of.unit, "maker": of.maker}
        rows = self._policies.where(principal, read, "Inspection", columns)
        if isinstance(rows, False_):
            raise DENIED(action=read)
        return rows


def inspection(unit: str, maker: str | None) -> Resource:
    """A device's inspections, as the policies see them."""
    return Resource(type="Inspection", attrs={"unit": unit, "maker": maker})


def action(command: Any) -> str:
    """The name under which the policies know a command: that of the one which was given."""
    if isinstance(command, EndStep):
        return _STEPS[command.norm.step]
    kind: type[msgspec.Struct] = type(command)
    return _GIVEN.get(kind, kind).__name__


_STEPS: Final = {"appearance": "InspectAppearance", "function": "InspectFunction", "accuracy": "InspectAccuracy"}
_GIVEN: Final[dict[type[msgspec.Struct], type[msgspec.Struct]]] = {
    OpenOnRecord: OpenInspection,
    InspectAtOnceOnRecord: InspectAtOnce,
    JudgeByRulebook: Judge,
    RejudgeByRulebook: Rejudge,
    ReVerifyByScheme: ReVerify,
    ProposeReviewByPlan: ProposeReview,
    NoteCheckpointOf: NoteCheckpoint,
    RevealNonceThen: RevealNonce,
    CommitPopulationOf: CommitPopulation,
    ReplaceSampleOnRecord: ReplaceSample,
}
_IN_ONES_NAME: Final = (
    ProposeOverride,
    ConfirmOverride,
    RejectOverride,
    ProposeReview,
    EntrustNonce,
    WithdrawReview,
    RevealNonce,
    ReplaceSample,
    RecordResult,
    CorrectResult,
    ConcludeReview,
)
_VERIFIES: Final = (ReVerify, FailReVerification)


def _seconds(command: Any) -> set[str]:
    """Who is named as having done a step along with whoever records it."""
    told = (getattr(command, name, None) for name in ("report", *INSPECTED))
    return {report.second for report in told if isinstance(report, StepReport) and report.second is not None}


def _not_a_performer(principal: Principal, command: Any) -> Refusal | None:
    """What is against this principal recording these steps. Automated lines are set up by those who may."""
    if Role.SERVICE in principal.roles:
        return None
    norms = [command.norm] if isinstance(command, EndStep) else []
    if isinstance(command, InspectAtOnceOnRecord):
        norms = [
            command.rulebook.scheme.norm(step) for step in INSPECTED if getattr(command, step).ended == "performed"
        ]
    for norm in norms:
        if norm.performers and not principal.roles.intersection(norm.performers):
            return NOT_A_PERFORMER(step=STEPS[norm.step], performers=", ".join(norm.performers))
    return None


def _resource(command: Any, state: Any) -> Resource:
    if isinstance(state, Review):
        return REVIEWS
    if isinstance(state, Run):
        return BENCH
    if not isinstance(state, Inspection | Repair):
        return RULES
    unit = str(state.device.unit) if state.device else _unit_in(getattr(command, "asset_no", ""))
    return inspection(unit, state.device.maker if state.device else None)


def _unit_in(asset_no: str) -> str:
    """The unit that a number begins with; nobody's where there is no number."""
    return asset_no.removeprefix("T")[:UNIT_DIGITS]
