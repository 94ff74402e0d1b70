"""One season in which every command of sorting is given once at least, and is accepted; and those of a review, which
are asked only.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

import msgspec

from kernel.handling import Ask, Context, Outcome
from ledger.port import Ledger
from services.registry.app import CODEC as REGISTRY_CODEC
from services.registry.asset_number import compose
from services.registry.meter.custody import Received
from services.registry.meter.identity import Description, Registered
from services.registry.vocabulary import Movement
from services.sorting.app import Sorting
from services.sorting.assessment.history import LoadFindings
from services.sorting.certificate import ClaimCertificate
from services.sorting.evaluation import Measured
from services.sorting.inspection.departure import AbandonDeparted, CloseInspection, SupersedeInspection
from services.sorting.inspection.opening import (
    AbandonInspection,
    CheckIdentity,
    HandOverInspection,
    OpenInspection,
    RecordLoad,
)
from services.sorting.inspection.override import ConfirmOverride, ProposeOverride, RejectOverride
from services.sorting.inspection.population import JoinPopulation, LeavePopulation
from services.sorting.inspection.repair_order import CloseRepair, OrderRepair
from services.sorting.inspection.steps import InspectAccuracy, InspectAppearance, InspectFunction
from services.sorting.inspection.verdict import Judge, Rejudge
from services.sorting.nonce import ClaimNonce
from services.sorting.repair import (
    BeginRepair,
    CancelRepair,
    FailReVerification,
    RestoreKeys,
    ReturnFromRepair,
    ReVerify,
    SendForRepair,
)
from services.sorting.review.committing import CommitPopulation, EntrustNonce, ProposeReview, WithdrawReview
from services.sorting.review.drawing import FailDraw, NoteCheckpoint, RevealNonce
from services.sorting.review.results import ConcludeReview, CorrectResult, RecordResult, ReplaceSample
from services.sorting.review.state import ReviewCriteria
from services.sorting.run import EndRun, FreePositions, StartRun, Taken, TakePositions
from services.sorting.scheme import PublishScheme
from services.sorting.table import PublishTable
from tests.given import fresh_id
from tests.sorting.examples import (
    ACCURATE,
    BENCH,
    DAY,
    POWERED,
    PRICES,
    SCHEME,
    SITE,
    TABLE,
    UNIT,
    WHOLE,
    inspected,
    performed,
)
from tests.sorting.stories import DEVICE, REF
from tests.sorting.written import written

STEPPED, OVERRULED, GIVEN_UP, LEFT, REPAIRED, AT_ONCE = (
    compose(UNIT, "01", f"{serial:014d}") for serial in range(99999999000031, 99999999000037)
)
TEMPORARY = compose(UNIT, "01", "99999999000037")
"""Written as a number, superseded as a temporary identity is."""

NUMBERS = (STEPPED, OVERRULED, GIVEN_UP, LEFT, REPAIRED, AT_ONCE, TEMPORARY)
RUN, REVIEW, CERTIFICATE = "R1", "RV-1", "C-0001"
ORDERED = f"{REPAIRED}-1"
MAKERS, KEYED, FAILED, CANCELLED = "RP-1", "RP-2", "RP-3", "RP-4"
"""Repairs that no order led to: an order's own is begun by a policy, whenever that comes to it."""

CRITERIA = ReviewCriteria(judged_from=date(2020, 1, 1), judged_to=date(2020, 1, 2), dispositions=("reuse",))
"""By which nothing is frozen."""

VALID_UNTIL = date(2031, 5, 5)
LOAD = LoadFindings(
    first_on=date(2026, 3, 1),
    last_on=date(2026, 3, 2),
    points_expected=192,
    points_read=150,
    longest_gap_min=45,
    zero_days=0,
    days_read=2,
    interval_s=900,
)


def on(struct: Any, /, **fields: Any) -> Any:
    """A command of that day."""
    return struct(occurred_on=DAY, **fields)


RULES = [
    on(PublishScheme, group=SCHEME.group, version=1, scheme=SCHEME, why="合成 synthetic"),
    on(PublishTable, name="verdict", version=1, verdict=TABLE, why="合成 synthetic"),
    on(PublishTable, name="prices", version=1, prices=PRICES, why="合成 synthetic"),
]
"""Without them nothing is inspected."""


def opened(asset_no: str) -> OpenInspection:
    return OpenInspection(occurred_on=DAY, asset_no=asset_no, bench=BENCH, site=SITE, accuracy_class="1")


def begun(repair: str, asset_no: str = REPAIRED, route: str = "no_fault", **device: Any) -> BeginRepair:
    """A repair of this device, which is sound in all else."""
    return BeginRepair(
        occurred_on=DAY,
        repair=repair,
        asset_no=asset_no,
        round=1,
        route=route,  # type: ignore[arg-type]  # one of the two
        repaired_by="maker" if route == "fault" else "centre",
        repairer="M01" if route == "fault" else "CENTRE",
        device=msgspec.structs.replace(DEVICE, **device),
        scheme=REF,
    )


BENCHED = [
    (on(RecordLoad, asset_no=STEPPED, load=LOAD),),
    (opened(STEPPED),),
    (on(CheckIdentity, asset_no=STEPPED, barcode=STEPPED),),
    (on(HandOverInspection, asset_no=STEPPED, bench="B2"),),
    (on(InspectAppearance, asset_no=STEPPED, report=WHOLE),),
    (on(InspectFunction, asset_no=STEPPED, report=POWERED),),
    (on(InspectAccuracy, asset_no=STEPPED, report=ACCURATE),),
    # With the tables published it would have been judged with its last inspection.
    *((one,) for one in RULES[1:]),
    (on(Judge, asset_no=STEPPED),),
    (inspected(AT_ONCE),),
    (inspected(OVERRULED, appearance=performed(Measured(item="case", choice="whole"))),),
    (on(ProposeOverride, asset_no=OVERRULED, disposition="scrap", why="合成 synthetic", by="u-1"),),
    (on(RejectOverride, asset_no=OVERRULED, why="合成 synthetic", by="u-2"),),
    (on(ProposeOverride, asset_no=OVERRULED, disposition="hold", why="合成 synthetic", by="u-1"),),
    (on(ConfirmOverride, asset_no=OVERRULED, by="u-2"),),
    (opened(GIVEN_UP),),
    (on(AbandonInspection, asset_no=GIVEN_UP, why="合成 synthetic"),),
    (opened(LEFT),),
    (on(AbandonDeparted, asset_no=LEFT, departure="dispatched"),),
    (opened(TEMPORARY),),
    (on(SupersedeInspection, asset_no=TEMPORARY, number=LEFT),),
    (on(JoinPopulation, asset_no=AT_ONCE, review=REVIEW),),
    (on(LeavePopulation, asset_no=AT_ONCE, review=REVIEW),),
    (on(Rejudge, asset_no=AT_ONCE, because="RP-0"),),
    (on(CloseInspection, asset_no=AT_ONCE),),
]
REPAIRS = [
    (inspected(REPAIRED),),
    (on(OrderRepair, asset_no=REPAIRED, route="no_fault", repairer="CENTRE"),),
    (on(CloseRepair, asset_no=REPAIRED, repair=ORDERED),),
    (begun(MAKERS, route="fault"),),
    (on(SendForRepair, repair=MAKERS, reference="DN-1"),),
    (on(ReturnFromRepair, repair=MAKERS, outcome="repaired"),),
    (begun(KEYED),),
    (on(RestoreKeys, repair=KEYED, reference="KEY-1"),),
    (
        on(
            ReVerify,
            repair=KEYED,
            site=SITE,
            certificate=CERTIFICATE,
            verifier="u-1",
            valid_until=VALID_UNTIL,
            seals=("S-1", "S-2"),
            appearance=WHOLE,
            function=POWERED,
            accuracy=ACCURATE,
        ),
    ),
    (begun(FAILED),),
    (on(FailReVerification, repair=FAILED, verifier="u-1", why="合成 synthetic"),),
    (begun(CANCELLED),),
    (on(CancelRepair, repair=CANCELLED, why="合成 synthetic"),),
    (on(ClaimCertificate, certificate="C-0002", repair=MAKERS, asset_no=REPAIRED),),
]
RUNS = [
    (on(StartRun, run_id=RUN, bench=BENCH, site=SITE),),
    (on(TakePositions, run_id=RUN, bench=BENCH, site=SITE, taken=(Taken(position=1, asset_no=AT_ONCE),)),),
    (on(FreePositions, run_id=RUN, positions=(1,)),),
    (on(EndRun, run_id=RUN),),
]
WAVES: Sequence[tuple[msgspec.Struct, ...]] = [(RULES[0],), *BENCHED, *REPAIRS, *RUNS]
"""In this order each is accepted; those of one wave in one call."""

EVERY = [command for wave in WAVES for command in wave]
REVIEWS = [
    on(ProposeReview, review=REVIEW, criteria=CRITERIA, plan="8.0", by="u-1"),
    on(EntrustNonce, review=REVIEW, nonce_sha256="0" * 64, by="u-2"),
    on(ClaimNonce, nonce_sha256="0" * 64, review=REVIEW),
    on(CommitPopulation, review=REVIEW),
    on(NoteCheckpoint, review=REVIEW),
    on(RevealNonce, review=REVIEW, nonce="0" * 64, checkpoint_size=1, checkpoint_root="0" * 64, by="u-2"),
    on(FailDraw, review=REVIEW),
    on(ReplaceSample, review=REVIEW, asset_no=AT_ONCE, reason="missing", why="合成 synthetic", by="u-3"),
    on(RecordResult, review=REVIEW, asset_no=AT_ONCE, disposition="reuse", report="IR-1", by="u-3"),
    on(CorrectResult, review=REVIEW, asset_no=AT_ONCE, disposition="scrap", report="IR-1", why="合成", by="u-4"),
    on(ConcludeReview, review=REVIEW, by="u-3"),
    on(WithdrawReview, review=REVIEW, why="合成 synthetic", by="u-1"),
]
"""Asked at the doors and not part of the season: tests/sorting/test_review_running.py tells whole reviews, which take a
published checkpoint.
"""

EXAMPLES = {type(command): command for command in reversed([*EVERY, *REVIEWS])}
"""The first of each kind."""


async def arrived(ledger: Ledger, asset_nos: Iterable[str], *, unit: str = UNIT, maker: str = "M01") -> None:
    """These devices are at the centre, as the registry records it."""
    for asset_no in asset_nos:
        description = Description(
            maker=maker, arrival_batch="A1", made_on=date(2020, 1, 5), installed_on=date(2020, 6, 1)
        )
        await written(
            ledger,
            REGISTRY_CODEC,
            f"meter-{asset_no}",
            Registered(
                occurred_on=DAY, asset_no=asset_no, device_class="01", unit=unit, owner="company", origin="in_service",
                description=description,
            ),
            Received(
                occurred_on=DAY, asset_no=asset_no, shipment="S1", moved=Movement(device_class="01", to_site=SITE)
            ),
        )  # fmt: skip


async def tell(sorting: Sorting, waves: Iterable[tuple[Any, ...]]) -> int:
    """Have every command done, and the position of the last event, which the views then have."""
    position = 0
    for wave in waves:
        for outcome in await sorting.do_many([Ask(one, Context(command_id=fresh_id(), actor="u-1")) for one in wave]):
            assert isinstance(outcome, Outcome), (wave, outcome)
            assert outcome.events, wave
            position = max(position, outcome.position)
    await sorting.ask(lambda _connection: None, seen=position)
    return position
