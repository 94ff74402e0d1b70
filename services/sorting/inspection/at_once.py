"""A whole inspection in one command, as an automated line reports it: opened, identified, three steps, judged; all of
it is recorded or nothing. Where the identity does not match, it stops there, and that is what is recorded.
"""

from collections.abc import Sequence
from typing import Any, TypeAlias

from kernel import decider
from kernel.decider import members
from kernel.device import AssetNo, SiteId
from kernel.quantity import Code, Happened, Remark
from services.sorting.inspection import opening, steps
from services.sorting.inspection.state import Device, Inspection
from services.sorting.inspection.steps import StepReport
from services.sorting.inspection.verdict import Rulebook
from services.sorting.vocabulary import INSPECTED, BenchId


class InspectAtOnce(Happened, frozen=True, kw_only=True):
    """整只检毕 Everything that a line found of one device. `barcode` and `comm_address` are what it read of its
    identity, `identity_why` why it could read neither; `why` a device that was judged before is inspected again, and
    `comparison`: only to compare benches, with nothing amiss.
    """

    asset_no: AssetNo
    bench: BenchId
    site: SiteId
    appearance: StepReport
    function: StepReport
    accuracy: StepReport
    accuracy_class: Code | None = None
    barcode: Code | None = None
    comm_address: Code | None = None
    identity_why: Remark | None = None
    why: Remark | None = None
    comparison: bool = False


class InspectAtOnceOnRecord(InspectAtOnce, frozen=True, kw_only=True):
    """The same, with what the record says of the device, and what it is judged by."""

    device: Device
    rulebook: Rulebook


Command: TypeAlias = InspectAtOnce


def decide(command: Command | InspectAtOnceOnRecord, inspection: Inspection) -> Sequence[Any]:
    assert isinstance(command, InspectAtOnceOnRecord), "it is inspected with what the record says of the device"
    about = {**command.moment, "asset_no": command.asset_no}
    book = command.rulebook
    events: list[Any] = []

    def then(part: decider.Part[Inspection], asked: Happened) -> None:
        nonlocal inspection
        decided = part.decide(asked, inspection)
        events.extend(decided)
        # With the last step it is judged, and nothing is asked of it after that.
        if len(decided) == 1:
            inspection = part.evolve(inspection, decided[0])

    then(
        opening.PART,
        opening.OpenOnRecord(
            **about,
            bench=command.bench,
            site=command.site,
            accuracy_class=command.accuracy_class,
            why=command.why,
            comparison=command.comparison,
            device=command.device,
            scheme=book.scheme_ref,
        ),
    )
    then(
        opening.PART,
        opening.CheckIdentity(
            **about, barcode=command.barcode, comm_address=command.comm_address, why=command.identity_why
        ),
    )
    if inspection.phase == "stopped":
        return events
    for step in INSPECTED:
        report: StepReport = getattr(command, step)
        norm = book.scheme.norm(step)
        then(
            steps.PART,
            steps.EndStep(
                **about,
                report=report,
                norm=norm,
                scheme=book.scheme,
                ref=book.scheme_ref,
                obsolete=book.table.obsolete,
                rulebook=book,
            ),
        )
    return events


def evolve(_inspection: Inspection, event: Any) -> Inspection:
    raise AssertionError(f"{type(event).__name__} belongs to the part of its step")


PART = decider.Part(members(Command), (), decide, evolve, furnished=(InspectAtOnceOnRecord,))
