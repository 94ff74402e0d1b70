"""回收统计台账: of what each unit dismantled in each month, how much the centre has received by the cut-off.

Shares are cut to two decimals and stand beside their exact fraction. Unexpected devices are in no cohort; they are
counted apart, so no rate passes 100 %.
"""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Final

import msgspec

from services.registry.documents import sheet as parts
from services.registry.documents.data import Coded, Cohort, RecoveryLedger
from services.registry.documents.figures import NOTHING, fraction, percent
from services.registry.documents.font import Script
from services.registry.documents.refusals import TOO_MANY_ROWS
from services.registry.documents.sheet import Fact, Pair, verification_facts
from services.registry.documents.spreadsheet import Column, Value, Workbook
from services.registry.documents.typesetting import Typesetter, qr_svg

COHORTS_MAX: Final = 10_000
"""In one PDF: a province's counties over five years."""

TITLE: Final = ("拆回电能计量器具回收统计台账", "Recovery ledger of dismantled metering devices")
COUNTED: Final[tuple[Pair, ...]] = (
    ("拆回", "dismantled"),
    ("接收", "received"),
    ("回收率", "recovery rate"),
    ("精确值", "exact"),
    ("尚欠", "still owed"),
    ("其中缺失", "of which missing"),
)
UNEXPECTED: Final = ("意外接收", "unexpected")
RESTATED: Final = "更正 restated"
_DEFINED_ZH: Final = (
    "回收率＝当月（北京时间）依工单拆回的器具中，省级中心截止日（含）前已接收的份额。百分数截至两位小数，不进位："
    "全部收回才显示 100.00 %。尚欠＝拆回－接收。意外接收不属于任何月份，单列，不计入回收率。"
)
_DEFINED_EN: Final = (
    "Recovery rate: of the devices dismantled under work orders of a month (Beijing time), the share received at the "
    "provincial centre by the end of the cut-off day. Percentages are cut after two decimals, never rounded up: "
    "100.00 % means all. Still owed = dismantled - received. Unexpected receipts belong to no month and to no rate."
)
DEFINITION: Final = (_DEFINED_ZH, _DEFINED_EN)

_MONTHS_ABREAST: Final = 12


class Sum(msgspec.Struct, frozen=True):
    """Counts of one cohort or of several."""

    dismantled: int
    received: int
    missing: int
    restated: bool

    @property
    def owed(self) -> int:
        return self.dismantled - self.received


def sum_of(cohorts: Iterable[Cohort]) -> Sum:
    dismantled = received = missing = 0
    restated = False
    for cohort in cohorts:
        dismantled += cohort.dismantled
        received += cohort.received
        missing += cohort.missing
        restated = restated or cohort.restated
    return Sum(dismantled, received, missing, restated)


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
    return setter.pdf("recovery_ledger", sheet_of(ledger, setter.script), ledger.issued_on)


def sheet_of(ledger: RecoveryLedger, script: Script) -> dict[str, object]:
    """The ledger as its template takes it."""
    running = f"{ledger.number}　{ledger.scope.zh}　截止 cut-off {ledger.cut_off}"
    units = by_unit(ledger)
    return {
        **parts.head(TITLE, ledger.number, running, ledger.verification, script),
        "qr": qr_svg(ledger.verification.qr),
        "facts": parts.fact_rows(facts(ledger), script),
        "totals": _totals(ledger),
        "definition": DEFINITION,
        "matrices": [_matrix(units, abreast, script) for abreast in _twelve_at_a_time(months(ledger))],
        "detail": _detail(ledger, units, script),
        "unexpected": _unexpected(ledger, script),
        "signatures": parts.signature_boxes(ledger.signatures, script),
    }


def facts(ledger: RecoveryLedger) -> list[Fact]:
    shown = months(ledger)
    span = NOTHING if not shown else f"{_month(shown[0])} — {_month(shown[-1])}" if shown[1:] else _month(shown[0])
    lines = [
        Fact(("台账编号", "ledger number"), ledger.number),
        Fact(("统计范围", "scope"), parts.party(ledger.scope)),
        Fact(("拆回月份", "cohort months"), span),
        Fact(("截止日期", "cut-off"), ledger.cut_off.isoformat()),
        Fact(("制表日期", "issued"), ledger.issued_on.isoformat()),
        Fact(("单位 / 月份数", "units / cohorts"), f"{len(by_unit(ledger)):,} / {len(ledger.cohorts):,}"),
    ]
    if ledger.remark:
        lines.append(Fact(("备注", "remark"), ledger.remark, wide=True))
    return lines


def counts(total: Sum) -> tuple[str, ...]:
    """The columns of `COUNTED`."""
    return (
        f"{total.dismantled:,}",
        f"{total.received:,}",
        percent(total.received, total.dismantled),
        fraction(total.received, total.dismantled),
        f"{total.owed:,}",
        f"{total.missing:,}",
    )


def _totals(ledger: RecoveryLedger) -> list[tuple[Pair, str, str]]:
    """Name, figure, and the exact fraction under the rate."""
    total = sum_of(ledger.cohorts)
    return [
        (COUNTED[0], f"{total.dismantled:,}", ""),
        (COUNTED[1], f"{total.received:,}", ""),
        (COUNTED[2], percent(total.received, total.dismantled), fraction(total.received, total.dismantled)),
        (COUNTED[4], f"{total.owed:,}", ""),
        (COUNTED[5], f"{total.missing:,}", ""),
        (("意外（单列）", "unexpected"), f"{unexpected_total(ledger):,}", ""),
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
    sums = [sum_of(found) for found in of_month.values()]
    sums.append(sum_of(cohort for found in of_month.values() for cohort in found))
    return [percent(total.received, total.dismantled).removesuffix(" %") for total in sums]


def _detail(ledger: RecoveryLedger, units: list[tuple[Coded, list[Cohort]]], script: Script) -> dict[str, object]:
    return {
        "columns": [("单位 / 拆回月份", "unit / cohort month"), *COUNTED, ("备注", "remark")],
        "groups": [
            {
                "name": script.legible(parts.party(unit)),
                "counts": counts(sum_of(cohorts)),
                "rows": [
                    (_month(cohort.month), *counts(sum_of([cohort])), RESTATED if cohort.restated else "")
                    for cohort in cohorts
                ],
            }
            for unit, cohorts in units
        ],
        "total": counts(sum_of(ledger.cohorts)),
    }


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
    Column(zh="拆回", en="dismantled", width=16, number_format="#,##0"),
    Column(zh="接收", en="received", width=16, number_format="#,##0"),
    Column(zh="回收率", en="recovery rate", width=16, right=True),
    Column(zh="精确值", en="exact", width=24, right=True),
    Column(zh="尚欠", en="still owed", width=14, number_format="#,##0"),
    Column(zh="其中缺失", en="of which missing", width=20, number_format="#,##0"),
    Column(zh="备注", en="remark", width=16),
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
            [(unit.code, unit.zh, unit.en, *_cells(sum_of(cohorts))) for unit, cohorts in units],
        )
        month = Column(zh="拆回月份", en="cohort month", width=12)
        book.rows(
            "明细 Cohorts",
            (*_UNIT_COLUMNS, month, *_COUNT_COLUMNS),
            (
                (unit.code, unit.zh, unit.en, _month(cohort.month), *_cells(sum_of([cohort])))
                for unit, cohorts in units
                for cohort in cohorts
            ),
        )
        book.rows(
            "意外 Unexpected",
            (*_UNIT_COLUMNS, Column(zh="件数", en="devices", width=12, number_format="#,##0")),
            [(line.unit.code, line.unit.zh, line.unit.en, line.count) for line in ledger.unexpected],
        )
    return book.content()


def _cells(total: Sum) -> tuple[Value, ...]:
    return (
        total.dismantled,
        total.received,
        percent(total.received, total.dismantled),
        fraction(total.received, total.dismantled),
        total.owed,
        total.missing,
        RESTATED if total.restated else "",
    )
