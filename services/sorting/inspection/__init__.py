"""A device's inspections, round after round, each from the scan to a verdict. One stream `inspection-<asset_no>`: two
benches that open the same device meet there, and its verdicts stand one after another.

opening.py       opened, identity checked, handed over, abandoned; what its load curve showed
steps.py         三检: appearance, function, accuracy
at_once.py       all of it in one command
verdict.py       三评 and the verdict; staircase.py why not a better way
override.py      what overrules a verdict
population.py    frozen for a review
repair_order.py  made fit for use again
departure.py     its device has left, or bears another number
"""

from typing import Final

from kernel.decider import Decider
from services.sorting.inspection import (
    at_once,
    departure,
    opening,
    override,
    population,
    repair_order,
    steps,
    verdict,
)
from services.sorting.inspection.state import NEVER

INSPECTION: Final = Decider(
    category="inspection",
    initial=NEVER,
    key="asset_no",
    begins=(
        opening.OpenInspection,
        opening.OpenOnRecord,
        opening.RecordLoad,
        at_once.InspectAtOnce,
        at_once.InspectAtOnceOnRecord,
    ),
    parts=tuple(
        module.PART for module in (opening, steps, verdict, override, at_once, population, repair_order, departure)
    ),
)
