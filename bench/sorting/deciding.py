"""The decision by itself: what was found of a device, held against the decision table, with reasons and staircase."""

import itertools
import time
from datetime import date
from typing import Final

import msgspec

from bench.sorting.hall import CLASS, DAY, UNIT, line_reports, numbers
from services.sorting.defaults import default_prices, default_scheme, default_verdict_table
from services.sorting.inspection import INSPECTION
from services.sorting.inspection.at_once import InspectAtOnceOnRecord
from services.sorting.inspection.state import NEVER, Device, Inspection
from services.sorting.inspection.verdict import RejudgeByRulebook, Rulebook, TableRef
from services.sorting.norms import SchemeRef, digest

SAMPLES: Final = 200
DECIDED: Final = 100_000
ROUNDS: Final = 5


def verdicts_per_s() -> float:
    """Decisions a second on one core, over devices that were found sound and faulty: the median of some rounds."""
    scheme, table, prices = default_scheme("single_phase"), default_verdict_table(), default_prices()
    ref = SchemeRef(group=scheme.group, version=1, sha256=digest(scheme))
    book = Rulebook(
        scheme=scheme,
        scheme_ref=ref,
        table=table,
        table_ref=TableRef(version=1, sha256=digest(table)),
        value=prices.of(CLASS),
        prices_ref=TableRef(version=1, sha256=digest(prices)),
    )
    device = Device(device_class=CLASS, unit=UNIT, maker="M01", batch="A1", made_on=date(2019, 4, 1))
    judged: list[tuple[RejudgeByRulebook, Inspection]] = []
    for report in line_reports(numbers(SAMPLES), "R"):
        found = report.found
        said = {name: getattr(found, name) for name in found.__struct_fields__}
        plated = msgspec.structs.replace(device, accuracy_class=found.accuracy_class)
        command = InspectAtOnceOnRecord(**said, device=plated, rulebook=book)
        state = INSPECTION.fold(INSPECTION.decide(command, NEVER))
        judged.append(
            (RejudgeByRulebook(occurred_on=DAY, asset_no=found.asset_no, because="R-1", rulebook=book), state)
        )
    rates = sorted(_rate(judged) for _ in range(ROUNDS))
    return rates[ROUNDS // 2]


def _rate(judged: list[tuple[RejudgeByRulebook, Inspection]]) -> float:
    decide = INSPECTION.decide
    started = time.process_time()
    for command, state in itertools.islice(itertools.cycle(judged), DECIDED):
        decide(command, state)
    return DECIDED / (time.process_time() - started)
