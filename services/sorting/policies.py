"""What follows from sorting's own events: a device whose three inspections have ended is judged."""

from collections.abc import Iterator
from typing import Final

from kernel.policy import Policy
from ledger.port import Recorded
from services.sorting.inspection.steps import AccuracyInspected
from services.sorting.inspection.verdict import Judge


def when_accuracy_inspected_judge(event: AccuracyInspected, _recorded: Recorded) -> Iterator[Judge]:
    yield Judge(**event.moment, asset_no=event.asset_no)


POLICIES: Final = (Policy(name="verdict_follows_inspections", when={AccuracyInspected: when_accuracy_inspected_judge}),)
