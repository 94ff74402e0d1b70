"""回收统计台账: of what each unit dismantled in each month, how much the centre has received by the cut-off.

Shares are cut to two decimals and stand beside their exact fraction. Unexpected devices are in no cohort; they are
counted apart, so no rate passes 100 %.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import Final, Self

import msgspec

from kernel.documents import sheet as parts
from kernel.documents.data import Coded
from kernel.documents.figures import NOTHING
from kernel.documents.font import Script
from kernel.documents.refusals import TOO_MANY_ROWS
from kernel.documents.sheet import Fact, Pair, verification_facts
from kernel.documents.typesetting import Typesetter, qr_svg
from services.registry.documents.data import Cohort, CohortPlan, RecoveryLedger
from services.registry.documents.figures import fraction, percent, share
from services.registry.documents.spreadsheet import Column, Value, Workbook

COHORTS_MAX: Final = 10_000
"""In one PDF: a province's counties over five years."""

TEMPLATE: Final = Path(__file__).parent / "templates" / "recovery_ledger.typ"
TITLE: Final = ("拆回电能计量器具回收统计台账", "Recovery ledger of dismantled metering devices")

PLANNED: Final[Pair] = ("计划", "planned")
DISMANTLED: Final[Pair] = ("拆回", "dismantled")
RATE: Final[Pair] = ("回收率", "recovery rate")
BECAME: Final[tuple[Pair, ...]] = (
    ("按期接收", "in time"),
    ("迟收", "late"),
    ("未交", "still owed"),
    ("缺失", "missing"),
    ("丢失", "lost"),
    ("待认领", "held apart"),
    ("已退或处置", "gone elsewhere"),
)
"""What became of those dismantled: each is in one of these."""

TARGET: Final[Pair] = ("目标", "target")
CUT_OFF: Final[Pair] = ("截止日", "cut-off")
RESULT: Final[Pair] = ("结果", "result")
UNEXPECTED: Final[Pair] = ("计划外（单列）", "unexpected, apart")

MET: Final[Pair] = ("达标", "met")
BELOW: Final[Pair] = ("未达", "below")
NOT_DUE: Final[Pair] = ("未到期", "not due")

_DEFINED_ZH: Final = (
    "回收率＝当月（北京时间）依工单拆回的器具中，省级中心截止日（含）前已接收的份额；无计划的月份没有截止日，接收即计入。"
    "百分数截至两位小数，不进位：全部收回才显示 100.00 %。拆回＝按期接收＋迟收＋未交＋缺失＋丢失＋待认领＋已退或处置。"
    "待认领：已拆回，未经移交单到货，隔离存放。已退或处置：未到中心即退还用户、重新装用、出售、试验损毁或留归厂家。"
    "计划外到货没有拆回工单，不属于任何月份，单列，不计入回收率。"
)
_DEFINED_EN: Final = (
    "Recovery rate: of the devices dismantled under work orders of a month (Beijing time), the share received at the "
    "provincial centre by the end of the cut-off day; a month without a plan has no cut-off, and every receipt counts. "
    "Percentages are cut after two decimals, never rounded up: 100.00 % means all. Dismantled = in time + late + still "
    "owed + missing + lost + held apart + gone elsewhere. Held apart: dismantled, and come in without a transfer note. "
    "Gone elsewhere: given back to its customer, in service again, sold, destroyed in a test or kept by its maker, "
    "without having come to the centre. Unexpected devices have no work order; they belong to no month and to no rate."
)
DEFINITION: Final = (_DEFINED_ZH, _DEFINED_EN)

_CHECKED_ZH: Final = (
    "核对：校验值由 GET /v1/recovery 的全部 items 算得（一个 JSON 数组，UTF-8，各成员按字母排序，无空格）。"
    "该接口只答现状：其后的事件改变这些行时，校验值即不同，本表仍为所记位置时的情形。"
)
_CHECKED_EN: Final = (
    "To check: the SHA-256 is of all items of GET /v1/recovery, as one JSON array in UTF-8, members in alphabetical "
    "order, no spaces. It answers for now only: once later events change these rows it differs, and this ledger "
    "stands for its position."
)
CHECKED: Final = (_CHECKED_ZH, _CHECKED_EN)

_MONTHS_ABREAST: Final = 12


class Sum(msgspec.Struct, frozen=True):
    """Counts of one cohort or of several. `expected` is None where one of them has no plan; `became` as in BECAME."""

    expected: int | None
    dismantled: int
    became: tuple[int, ...]

    @classmethod
    def of(cls, cohorts: Iterable[Cohort]) -> Self:
        expected: int | None = 0
        dismantled, became = 0, [0] * len(BECAME)
        for cohort in cohorts:
            dismantled += cohort.dismantled
            for at, number in enumerate(_became(cohort)):
                became[at] += number
            expected = None if expected is None or cohort.plan is None else expected + cohort.plan.expected
        return cls(expected, dismantled, tuple(became))

    @property
    def received(self) -> int:
        """By the cut-off."""
        return self.became[0]

    @property
    def rate(self) -> str:
        return percent(self.received, self.dismantled)

    @property
    def exact(self) -> str:
        return fraction(self.received, self.dismantled)


def _became(cohort: Cohort) -> tuple[int, ...]:
    return (cohort.received, cohort.late, cohort.owed, cohort.missing, cohort.lost, cohort.apart, cohort.returned)


def result(cohort: Cohort, today: date) -> Pair | None:
    """Whether the target was met; None where there is none, or nothing to be measured by it."""
    plan = cohort.plan
    if plan is None or cohort.dismantled == 0:
        return None
    if cohort.received * 1_000_000 >= plan.target_ppm * cohort.dismantled:
        return MET
    return NOT_DUE if today <= plan.cut_off else BELOW


COLUMNS: Final[tuple[Pair, ...]] = (PLANNED, DISMANTLED, BECAME[0], RATE, *BECAME[1:], TARGET, CUT_OFF, RESULT)


def by_unit(ledger: RecoveryLedger) -> list[tuple[Coded, list[Cohort]]]:
    """Units in the order of their first cohort, each with its cohorts by month."""
    units: dict[str, list[Cohort]] = {}
    for cohort in ledger.cohorts:
        units.setdefault(cohort.unit.code, []).append(cohort)
    return [(cohorts[0].unit, sorted(cohorts, key=lambda cohort: cohort.month)) for cohorts in units.values()]


def months(ledger: RecoveryLedger) -> list[date]:
    return sorted({cohort.month for cohort in ledger.cohorts})


def unexpected_total(ledger: RecoveryLedger) -> int:
    return sum(line.count for line in ledger.unexpected)


def pdf(ledger: RecoveryLedger, setter: Typesetter) -> bytes:
    """A4 landscape. Refuses more than `COHORTS_MAX` cohorts."""
    if len(ledger.cohorts) > COHORTS_MAX:
        raise TOO_MANY_ROWS(most=f"{COHORTS_MAX:,}", rows=f"{len(ledger.cohorts):,}")
    return setter.pdf(TEMPLATE, sheet_of(ledger, setter.script), ledger.issued_on)


def sheet_of(ledger: RecoveryLedger, script: Script) -> dict[str, object]:
    """The ledger as its template takes it."""
    running = f"{ledger.number}　{ledger.scope.zh or ledger.scope.code}　{ledger.issued_on}"
    units = by_unit(ledger)
    return {
        **parts.head(TITLE, ledger.number, running, ledger.verification, script),
        "qr": qr_svg(ledger.verification.qr),
        "facts": parts.fact_rows(facts(ledger), script),
        "totals": _totals(ledger),
        "definition": DEFINITION,
        "checked": CHECKED if ledger.rows_sha256 else None,
        "matrices": [_matrix(units, abreast, script) for abreast in _twelve_at_a_time(months(ledger))],
        "detail": _detail(ledger, units, script),
        "unexpected": _unexpected(ledger, script),
        "signatures": parts.signature_boxes(ledger.signatures, script),
    }


def facts(ledger: RecoveryLedger) -> list[Fact]:
    shown = months(ledger)
    span = NOTHING if not shown else f"{_month(shown[0])} — {_month(shown[-1])}" if shown[1:] else _month(shown[0])
    lines = [
        Fact(("本表编号", "number"), ledger.number),
        Fact(("统计范围", "scope"), parts.party(ledger.scope)),
        Fact(("拆回月份", "cohort months"), span),
        Fact(("制表日期", "issued"), ledger.issued_on.isoformat()),
        Fact(("单位 / 月份数", "units / cohorts"), f"{len(by_unit(ledger)):,} / {len(ledger.cohorts):,}"),
        Fact(("台账位置", "as of position"), f"{ledger.verification.position:,}"),
    ]
    if ledger.rows_sha256:
        lines.append(Fact(("各行校验值", "SHA-256 of rows"), ledger.rows_sha256, wide=True, is_hash=True))
    if ledger.remark:
        lines.append(Fact(("备注", "remark"), ledger.remark, wide=True))
    return lines


def _totals(ledger: RecoveryLedger) -> list[tuple[Pair, str, str]]:
    """Name, figure, and the exact fraction under the rate."""
    total = Sum.of(ledger.cohorts)
    became = [(name, f"{number:,}", "") for name, number in zip(BECAME, total.became, strict=True)]
    return [
        (DISMANTLED, f"{total.dismantled:,}", ""),
        (RATE, total.rate, total.exact),
        *became,
        (UNEXPECTED, f"{unexpected_total(ledger):,}", ""),
    ]


def _twelve_at_a_time(shown: Sequence[date]) -> list[Sequence[date]]:
    return [shown[at : at + _MONTHS_ABREAST] for at in range(0, len(shown), _MONTHS_ABREAST)]


def _matrix(units: list[tuple[Coded, list[Cohort]]], abreast: Sequence[date], script: Script) -> dict[str, object]:
    """Rates by unit and month, with the rate of the months shown at the right and of all units below."""
    everything = [cohort for _, cohorts in units for cohort in cohorts]
    return {
        "months": [_month(month) for month in abreast],
        "rows": [(parts.coded(unit, script), _rates(cohorts, abreast)) for unit, cohorts in units],
        "total": (("合计", "total"), _rates(everything, abreast)),
    }


def _rates(cohorts: list[Cohort], abreast: Sequence[date]) -> list[str]:
    of_month: dict[date, list[Cohort]] = {month: [] for month in abreast}
    for cohort in cohorts:
        if cohort.month in of_month:
            of_month[cohort.month].append(cohort)
    sums = [Sum.of(found) for found in of_month.values()]
    sums.append(Sum.of(cohort for found in of_month.values() for cohort in found))
    return [total.rate.removesuffix(" %") for total in sums]


def _detail(ledger: RecoveryLedger, units: list[tuple[Coded, list[Cohort]]], script: Script) -> dict[str, object]:
    return {
        "columns": [("单位 / 拆回月份", "unit / cohort month"), *COLUMNS],
        "groups": [
            {
                "name": script.legible(parts.party(unit)),
                "counts": _counts(Sum.of(cohorts)),
                "rows": [(_month(cohort.month), *_line(cohort, ledger.issued_on)) for cohort in cohorts],
            }
            for unit, cohorts in units
        ],
        "total": _counts(Sum.of(ledger.cohorts)),
    }


def _counts(total: Sum) -> tuple[str, ...]:
    """The numbers of `COLUMNS`, up to those that only a single cohort has."""
    planned = NOTHING if total.expected is None else f"{total.expected:,}"
    received, *others = (f"{number:,}" for number in total.became)
    return (planned, f"{total.dismantled:,}", received, total.rate, *others)


def _line(cohort: Cohort, today: date) -> tuple[object, ...]:
    target, cut_off = _planned(cohort.plan)
    found = result(cohort, today)
    return (*_counts(Sum.of([cohort])), target, cut_off, None if found is None else (*found, found is BELOW))


def _planned(plan: CohortPlan | None) -> tuple[str, str]:
    return (NOTHING, NOTHING) if plan is None else (share(plan.target_ppm), plan.cut_off.isoformat())


def _unexpected(ledger: RecoveryLedger, script: Script) -> dict[str, object]:
    return {
        "rows": [(script.legible(parts.party(line.unit)), f"{line.count:,}") for line in ledger.unexpected],
        "total": f"{unexpected_total(ledger):,}",
    }


def _month(month: date) -> str:
    return month.strftime("%Y-%m")


_UNIT_COLUMNS: Final = (
    Column(zh="单位编码", en="unit code", width=12),
    Column(zh="单位", en="unit", width=30),
    Column(zh="单位（英）", en="unit in English", width=30),
)
_COUNT_COLUMNS: Final = (
    Column(zh=PLANNED[0], en=PLANNED[1], width=12, number_format="#,##0"),
    Column(zh=DISMANTLED[0], en=DISMANTLED[1], width=14, number_format="#,##0"),
    *(Column(zh=zh, en=en, width=12, number_format="#,##0") for zh, en in BECAME),
    Column(zh=RATE[0], en=RATE[1], width=14, right=True),
    Column(zh="精确值", en="exact", width=24, right=True),
)
_PLAN_COLUMNS: Final = (
    Column(zh=TARGET[0], en=TARGET[1], width=12, right=True),
    Column(zh=CUT_OFF[0], en=CUT_OFF[1], width=14),
    Column(zh=RESULT[0], en=RESULT[1], width=16),
)


def xlsx(ledger: RecoveryLedger) -> bytes:
    """Four sheets: totals, units, cohorts, unexpected devices. Rates are texts, or a spreadsheet would round them."""
    book = Workbook(TITLE, ledger.verification, ledger.issued_on)
    with book:
        totals = [Fact(name, " = ".join(filter(None, (exact, figure)))) for name, figure, exact in _totals(ledger)]
        defined = Fact(("说明", "definition"), "\n".join(DEFINITION))
        book.facts("汇总 Summary", TITLE, [*facts(ledger), *totals, defined, *verification_facts(ledger.verification)])
        units = by_unit(ledger)
        book.rows(
            "单位 Units",
            (*_UNIT_COLUMNS, *_COUNT_COLUMNS),
            [(unit.code, unit.zh, unit.en, *_cells(Sum.of(cohorts))) for unit, cohorts in units],
        )
        month = Column(zh="拆回月份", en="cohort month", width=12)
        book.rows(
            "明细 Cohorts",
            (*_UNIT_COLUMNS, month, *_COUNT_COLUMNS, *_PLAN_COLUMNS),
            (_row(unit, cohort, ledger.issued_on) for unit, cohorts in units for cohort in cohorts),
        )
        book.rows(
            "计划外 Unexpected",
            (*_UNIT_COLUMNS, Column(zh="件数", en="devices", width=12, number_format="#,##0")),
            [(line.unit.code, line.unit.zh, line.unit.en, line.count) for line in ledger.unexpected],
        )
    return book.content()


def _cells(total: Sum) -> tuple[Value, ...]:
    return (total.expected, total.dismantled, *total.became, total.rate, total.exact)


def _row(unit: Coded, cohort: Cohort, today: date) -> tuple[Value, ...]:
    found = " ".join(result(cohort, today) or (NOTHING,))
    counted = _cells(Sum.of([cohort]))
    return (unit.code, unit.zh, unit.en, _month(cohort.month), *counted, *_planned(cohort.plan), found)
