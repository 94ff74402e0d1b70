"""Synthetic documents: numbers, firms and places are invented, and say so where there is room."""

import random
from datetime import UTC, date, datetime, timedelta

from kernel.documents.data import Coded, Label, Signature, Verification, When
from services.registry.asset_number import compose
from services.registry.documents.data import (
    AssetPage,
    Cohort,
    CohortPlan,
    Container,
    DocumentLine,
    Fact,
    HoldLine,
    NoteDevice,
    Outcome,
    ReadingLine,
    RecoveryLedger,
    SealLine,
    TimelineEntry,
    TransferNote,
    UnexpectedCount,
)

UNIT = "99401"
SINGLE = Coded(code="01", zh="单相电能表", en="single-phase meter")
THREE = Coded(code="02", zh="三相电能表", en="three-phase meter")
MODULE = Coded(code="11", zh="通信模块", en="communication module")
ROTATION = Label("到期轮换", "rotation at term")
CITY = Coded(code=UNIT, zh="合成市供电公司", en="Synthetic City")
CENTRE = Coded(code="99000", zh="合成省级分拣中心", en="synthetic provincial centre")
MANIFEST = "0123456789abcdef" * 4
NOTE_NUMBER = "YJ-99401-202403-0017"
QR = f"urn:meterloop:shipment:{NOTE_NUMBER}:sha256:{MANIFEST}"
EVENTS = tuple(f"00000000-0000-5000-8000-{n:012d}" for n in range(1, 4))
VERIFY = Verification(
    ledger_id="11111111-2222-4333-8444-555555555555",
    position=184_223,
    instruction="meterloop audit --shipment " + NOTE_NUMBER,
    qr=QR,
    event_ids=EVENTS,
)
MORNING = datetime(2024, 3, 4, 16, 30, tzinfo=UTC)
"""Half past midnight on 5 March in Shanghai."""

PER_BOX = 24


def box_number(at: int) -> str:
    return compose(UNIT, "23", f"{at:014d}")


def meter_number(at: int, kind: str = "01") -> str:
    return compose(UNIT, kind, f"{at:014d}")


def devices(count: int, *, received: bool, seed: int = 1) -> list[NoteDevice]:
    dice = random.Random(seed)
    made = []
    for at in range(count):
        kind = dice.choices([SINGLE, THREE, MODULE], [85, 10, 5])[0]
        outcome = (Outcome.MISSING if dice.random() < 0.01 else Outcome.RECEIVED) if received else None
        made.append(
            NoteDevice(
                asset_number=meter_number(dice.randrange(10**12), kind.code),
                device_class=kind,
                maker=dice.choice(["合成电气股份有限公司", "样例仪表有限公司"]),
                model="SYN-1",
                reason=ROTATION,
                final_reading_wh=None if kind is MODULE else dice.randrange(10**9),
                reading_disputed=dice.random() < 0.01,
                container=box_number(at // PER_BOX),
                outcome=outcome,
                damaged=outcome is Outcome.RECEIVED and dice.random() < 0.02,
            )
        )
    return made


def transfer_note(listed: list[NoteDevice], **changes: object) -> TransferNote:
    boxes = sorted({device.container for device in listed if device.container})
    given: dict = {
        "number": NOTE_NUMBER,
        "issued_on": date(2024, 3, 6),
        "status": Label("在途", "on the way"),
        "unit": CITY,
        "sender": CITY,
        "receiver": CENTRE,
        "manifest_hash": MANIFEST,
        "devices": tuple(listed),
        "containers": tuple(
            Container(number=number, kind=Label("周转箱", "turnover box"), seals=("FY000001",)) for number in boxes
        ),
        "prepared": When(at=MORNING),
        "dispatched": When(at=MORNING + timedelta(hours=4)),
        "signatures": (
            Signature(
                role=Label("移交单位", "handed over by"),
                party=CITY.zh,
                signed=When(at=MORNING),
                signer="subject-7",
                event_id=EVENTS[1],
            ),
            Signature(role=Label("接收单位", "received by"), party=CENTRE.zh),
        ),
        "verification": VERIFY,
    }
    return TransferNote(**{**given, **changes})


def recovery_ledger(cohorts: list[Cohort], **changes: object) -> RecoveryLedger:
    given: dict = {
        "number": "HS-2023",
        "issued_on": date(2024, 1, 16),
        "scope": CENTRE,
        "cohorts": tuple(cohorts),
        "unexpected": (UnexpectedCount(unit=CITY, count=3),),
        "signatures": (Signature(role=Label("制表", "prepared by"), party=CENTRE.zh),),
        "verification": VERIFY,
    }
    return RecoveryLedger(**{**given, **changes})


def cohort(
    received: int,
    dismantled: int,
    *,
    unit: Coded = CITY,
    month: int = 1,
    cut_off: date = date(2024, 1, 15),
    **more: int,
) -> Cohort:
    """What is not said to be anything else is still owed. The plan asks for 99.99 % of as many as were dismantled."""
    owed = dismantled - received - sum(more.values())
    plan = CohortPlan(expected=dismantled, target_ppm=999_900, cut_off=cut_off)
    begins = date(2023, month, 1)
    return Cohort(unit=unit, month=begins, dismantled=dismantled, received=received, owed=owed, plan=plan, **more)


def timeline(count: int) -> tuple[TimelineEntry, ...]:
    return tuple(
        TimelineEntry(
            when=When(at=MORNING + timedelta(hours=at)),
            what=Label("入库", "stored"),
            where="合成省级分拣中心",
            reference=NOTE_NUMBER,
            position=1_000 + at,
            event_id=f"00000000-0000-5000-9000-{at:012d}",
        )
        for at in range(count)
    )


def asset_page(events: int = 14, **changes: object) -> AssetPage:
    given: dict = {
        "asset_number": meter_number(48_293_342_975),
        "issued_on": date(2024, 6, 6),
        "device_class": SINGLE,
        "owner": Label("公司资产", "company"),
        "unit": CITY,
        "status": Label("在库", "in stock"),
        "custodian": CENTRE.zh,
        "maker": "样例仪表有限公司",
        "model": "SYN-1",
        "facts": (Fact(Label("准确度等级", "accuracy class"), "2.0"),),
        "timeline": timeline(events),
        "readings": (
            ReadingLine(
                when=When(at=MORNING),
                occasion=Label("拆回底度", "final"),
                total_wh=12_345_670,
                demand_w=5_120,
                ratio_micro=1_500_000,
                disputed=True,
            ),
        ),
        "holds": (
            HoldLine(
                kind=Label("争议", "dispute"),
                placed=When(at=MORNING),
                until=date(2024, 9, 2),
                lifted=When(on=date(2024, 3, 12)),
                reference="LC-0007",
            ),
        ),
        "seals": (SealLine(number="FY000001", removed=When(on=date(2024, 3, 20)), condition=Label("破损", "broken")),),
        "documents": (
            DocumentLine(
                kind=Label("移交单", "transfer note"),
                number=NOTE_NUMBER,
                dated=date(2024, 3, 5),
                content_hash=MANIFEST,
            ),
        ),
        "verification": VERIFY,
    }
    return AssetPage(**{**given, **changes})


HOSTILE = (
    '#panic("no")',
    "#import sys: inputs",
    "\\ \\u{41} \\n",
    "$ x^2 $",
    "[unclosed",
    "closed]",
    "*bold* _em_ `raw`",
    "@reference <label>",
    "= heading",
    "// comment",
    "/* open",
    '"quote',
    "{ } ; ~",
    "A" * 400,
    "，" * 200,
    "《" * 200,
    "㐂𠮷",
    "=1+1",
    "+cmd|' /C calc'!A0",
    "@SUM(A1)",
    "<script>alert(1)</script>",
    "&L&P",
)
"""Shown as they are, character for character."""

UNSEEN = {
    "😀": "[U+1F600]",
    "𪜀": "[U+2A700]",
    "👩‍🚀": "[U+1F469 U+200D U+1F680]",
    "مرحبا": "[U+0645 U+0631 U+062D U+0628 U+0627]",
    "a\u202eb": "a[U+202E]b",
    "x\x00y": "x[U+0000]y",
}
"""No glyph, or none that may be trusted: named instead."""
