"""Any commands in any order, and any history: what never happens to an inspection.

What was recorded is told again by a plain account of the events alone, which knows nothing of the rules' own state.
"""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from kernel.refusal import Refusal
from services.sorting.inspection import INSPECTION
from services.sorting.inspection.departure import (
    AbandonDeparted,
    CloseInspection,
    InspectionClosed,
    InspectionSuperseded,
    SupersedeInspection,
)
from services.sorting.inspection.opening import (
    AbandonInspection,
    CheckIdentity,
    HandOverInspection,
    InspectionAbandoned,
    InspectionOpened,
    LoadRecorded,
    RecordLoad,
)
from services.sorting.inspection.override import (
    ConfirmOverride,
    OverrideProposed,
    OverrideRejected,
    ProposeOverride,
    RejectOverride,
    VerdictOverridden,
)
from services.sorting.inspection.population import (
    JoinPopulation,
    LeavePopulation,
    PopulationJoined,
    PopulationLeft,
)
from services.sorting.inspection.repair_order import CloseRepair, OrderRepair, RepairClosed, RepairOrdered
from services.sorting.inspection.steps import AccuracyInspected, AppearanceInspected, FunctionInspected
from services.sorting.inspection.verdict import HistoryAssessed, IndicatorsAssessed, ValueAssessed, VerdictReached
from tests.given import same_through_json
from tests.sorting.inspection.stories import (
    ADDRESS,
    AGAIN,
    ANA,
    BENCH,
    BO,
    GOOD,
    JUDGE,
    NUMBER,
    OTHER_BENCH,
    PHOTO,
    SCANNED,
    at_once,
    ending,
    found,
    measured,
    on,
    opening,
    rejudging,
    scheme,
    steps,
)
from tests.sorting.inspection.test_opening import LOAD

SIX = (
    AppearanceInspected,
    FunctionInspected,
    AccuracyInspected,
    HistoryAssessed,
    IndicatorsAssessed,
    ValueAssessed,
)
NEWER = scheme(appearance={"photos_min": 1})
OTHER_NUMBER = "9940101999999990000027"
ROUNDS = (steps(), steps(function=(found("relay", "bad"),)))
DISPOSITIONS = ("reuse", "claim", "scrap", "hold")
COMMANDS = (
    opening(),
    opening(bench=OTHER_BENCH),
    AGAIN,
    opening(NEWER, why="a newer scheme"),
    SCANNED,
    on(CheckIdentity, comm_address=ADDRESS),
    on(CheckIdentity, comm_address="46159514"),
    on(CheckIdentity, barcode=NUMBER[::-1]),
    on(CheckIdentity, barcode=NUMBER, comm_address=ADDRESS),
    on(CheckIdentity, why="unreadable"),
    on(HandOverInspection, bench=BENCH),
    on(HandOverInspection, bench=OTHER_BENCH),
    on(AbandonInspection, why="mistaken"),
    on(RecordLoad, load=LOAD),
    *steps(),
    ending("appearance", found("terminals", "bad", photos=(PHOTO,))),
    ending("appearance", found("terminals"), found("seal", "bad")),
    ending("function", found("relay", "bad")),
    ending("function", found("relay"), found("chip", "bad")),
    ending("accuracy", measured("basic_error", 20_000)),
    ending("accuracy", ended="waived", rule="W-1", why="obsolete"),
    *(ending(step, ended="not_possible", why="broken") for step in GOOD),
    JUDGE,
    rejudging(),
    *(at_once(why=why) for why in (None, "doubt")),
    *(on(ProposeOverride, disposition=one, why="doubt", by=who) for one in DISPOSITIONS for who in (ANA, BO)),
    *(on(ConfirmOverride, by=who) for who in (ANA, BO)),
    *(on(RejectOverride, why="no doubt", by=who) for who in (ANA, BO)),
    on(OrderRepair, route="no_fault", repairer="centre-1"),
    on(OrderRepair, route="fault", repairer="centre-1", scope="relay", price_fen=900),
    *(on(CloseRepair, repair=f"{NUMBER}-1", certificate=certificate) for certificate in (None, "C-1")),
    on(AbandonDeparted, departure="dispatched"),
    on(SupersedeInspection, number=OTHER_NUMBER),
    on(CloseInspection),
    *(on(join, review=review) for join in (JoinPopulation, LeavePopulation) for review in ("RV-1", "RV-2")),
)
ANY_COMMAND = st.integers(0, len(COMMANDS) - 1)
"""Its place: the commands carry whole schemes, and nobody reads those where a story fails."""


class Account:
    """What the events say, told plainly."""

    def __init__(self):
        self.opened = 0
        self.since_opened = []
        self.verdicts = []
        self.proposal = None
        self.review = None
        self.repair = None
        self.superseded = False

    def take(self, event):
        if self.superseded:
            assert isinstance(event, PopulationLeft | RepairClosed | LoadRecorded), "it goes by its number"
        match event:
            case InspectionOpened(round=number):
                assert self.repair is None, "a device under repair was opened"
                assert self.review is None, "a frozen device was opened"
                assert number == self.opened + 1
                self.opened, self.since_opened, self.proposal = number, [], None
            case InspectionAbandoned(stands=stands):
                assert self.review is None
                assert stands == (self.verdicts[-1][0] if self.verdicts else None)
                self.since_opened = []
            case VerdictReached(round=number, again=again, disposition=disposition):
                assert self.review is None, "a frozen verdict was changed"
                if again is None:
                    assert number == self.opened
                    assert [type(one) for one in self.since_opened if isinstance(one, SIX)] == list(SIX)
                else:
                    assert number == self.verdicts[-1][0]
                self.verdicts.append((number, disposition))
                self.proposal = self.repair = None
            case InspectionSuperseded():
                self.superseded = True
            case InspectionClosed():
                self.verdicts, self.proposal = [], None
            case OverrideProposed() | VerdictOverridden() | OverrideRejected():
                self.overrule(event)
            case PopulationJoined() | PopulationLeft() | RepairOrdered() | RepairClosed():
                self.hold(event)
            case _:
                self.since_opened.append(event)

    def overrule(self, event):
        match event:
            case OverrideProposed():
                assert self.review is None
                assert self.proposal is None
                assert self.repair is None
                self.proposal = event
            case VerdictOverridden():
                assert self.review is None
                assert event.by != event.second, "one person overruled a verdict"
                assert (self.proposal.by, self.proposal.disposition) == (event.by, event.disposition)
                number, overruled = self.verdicts[-1]
                assert (event.round, event.overruled) == (number, overruled)
                self.verdicts.append((number, event.disposition))
                self.proposal = None
            case OverrideRejected():
                assert self.review is None
                assert self.proposal is not None
                self.proposal = None

    def hold(self, event):
        match event:
            case PopulationJoined(review=review):
                assert self.review is None, "a device is in two populations"
                assert self.repair is None
                assert (event.round, event.disposition) == self.verdicts[-1]
                self.review = review
            case PopulationLeft(review=review):
                assert self.review == review, "a device left a population that it was not in"
                self.review = None
            case RepairOrdered(repair=repair):
                assert (self.review, self.repair, self.proposal) == (None, None, None)
                assert self.verdicts[-1] == (event.round, "reuse")
                self.repair = repair
            case RepairClosed(repair=repair):
                assert self.repair == repair
                self.repair = None


class InspectionMachine(RuleBasedStateMachine):
    @initialize()
    def never_inspected(self):
        self.state, self.account, self.events = INSPECTION.initial, Account(), []

    def ask(self, command):
        before = self.state
        try:
            events = INSPECTION.decide(command, before)
        except Refusal:
            assert self.state is before
            return
        for event in events:
            assert same_through_json(event)
            self.account.take(event)
            self.state = INSPECTION.evolve(self.state, event)
        self.events += events

    @rule(command=ANY_COMMAND)
    def anything(self, command):
        self.ask(COMMANDS[command])

    @rule(round_of=st.integers(0, len(ROUNDS) - 1), why=st.sampled_from([None, "doubt"]))
    def a_whole_round(self, round_of, why):
        for command in (opening(why=why), SCANNED, *ROUNDS[round_of], JUDGE):
            self.ask(command)

    @rule(ended=st.integers(0, 3), first=ANY_COMMAND)
    def a_round_given_up(self, ended, first):
        self.ask(COMMANDS[first])
        for command in (AGAIN, SCANNED, *steps()[:ended], on(AbandonInspection, why="mistaken")):
            self.ask(command)

    @rule(tried=st.lists(ANY_COMMAND, min_size=1, max_size=3))
    def a_review(self, tried):
        for command in (
            on(JoinPopulation, review="RV-1"),
            AGAIN,
            *(COMMANDS[one] for one in tried),
            on(LeavePopulation, review="RV-1"),
        ):
            self.ask(command)

    @rule(route=st.sampled_from(["no_fault", "fault"]), tried=st.lists(ANY_COMMAND, max_size=2))
    def a_repair(self, route, tried):
        terms = {"scope": "relay", "price_fen": 900} if route == "fault" else {}
        self.ask(on(OrderRepair, route=route, repairer="centre-1", **terms))
        repair = self.account.repair or f"{NUMBER}-1"
        for command in (AGAIN, *(COMMANDS[one] for one in tried), on(CloseRepair, repair=repair)):
            self.ask(command)

    @rule(by=st.sampled_from([ANA, BO]), second=st.sampled_from([ANA, BO]), disposition=st.sampled_from(DISPOSITIONS))
    def two_persons(self, by, second, disposition):
        self.ask(on(ProposeOverride, disposition=disposition, why="doubt", by=by))
        self.ask(on(ConfirmOverride, by=second))

    @invariant()
    def the_state_is_that_of_the_account(self):
        state, account = self.state, self.account
        assert (state.population, state.repair) == (account.review, account.repair)
        assert (state.proposal is None) is (account.proposal is None)
        if account.verdicts and state.phase == "judged":
            assert (state.round, state.disposition) == account.verdicts[-1]
        assert (state.phase == "judged") <= bool(account.verdicts)
        assert state.phase != "abandoned" or not account.verdicts, "an abandoned inspection lost the verdict before it"

    @invariant()
    def the_log_tells_the_same_again(self):
        assert INSPECTION.fold(self.events) == self.state


TestInspection = InspectionMachine.TestCase
TestInspection.settings = settings(stateful_step_count=40, deadline=None)
