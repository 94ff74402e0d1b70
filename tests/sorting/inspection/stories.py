"""Small builders for stories about inspections. Scheme, table, prices and numbers are made up and say so."""

from datetime import date

import msgspec

from services.sorting.decision import Condition, Obsolete, Rule, VerdictTable
from services.sorting.evaluation import Measured
from services.sorting.inspection import INSPECTION
from services.sorting.inspection.at_once import InspectAtOnceOnRecord
from services.sorting.inspection.opening import CheckIdentity, InspectionOpened, OpenOnRecord
from services.sorting.inspection.state import Device
from services.sorting.inspection.steps import EndStep, StepReport
from services.sorting.inspection.verdict import Counts, JudgeByRulebook, RejudgeByRulebook, Rulebook, TableRef
from services.sorting.norms import Choice, Fault, Item, Limit, Norm, Scheme, SchemeRef, Waiver, digest
from services.sorting.prices import ClassValue, Material
from services.sorting.vocabulary import STEPS, Words
from tests.given import given

DAY = date(2026, 3, 5)
NUMBER = "9940101999999990000010"
ADDRESS = "000046159513"
BENCH, OTHER_BENCH, SITE = "bench-1", "bench-2", "centre"
PHOTO = "0" * 64
ANA, BO = "subject-ana", "subject-bo"

DEVICE = Device(
    device_class="01",
    unit="99401",
    accuracy_class="1",
    maker="maker-m",
    batch="batch-b",
    model="synthetic model",
    made_on=date(2020, 1, 10),
    installed_on=date(2020, 3, 5),
    dismantled_on=date(2026, 3, 1),
    comm_address=ADDRESS,
)


def said(text):
    """The same in both languages."""
    return Words(zh=f"{text}（合成）", en=f"{text}, synthetic")


def _look(code, fault, **more):
    choices = (Choice(code="ok", name=said("ok")), Choice(code="bad", name=said("bad"), fault=fault))
    return Item(code=code, name=said(code), choices=choices, **more)


def _measure(code, fault, unit, most, **more):
    limits = (Limit(accuracy_classes=("1",), least=-most, most=most, source="synthetic"),)
    return Item(
        code=code,
        name=said(code),
        unit=unit,
        range_least=-100 * most,
        range_most=100 * most,
        limits=limits,
        fault=fault,
        **more,
    )


FAULTS = (
    Fault(code="dirty", name=said("dirty"), origin="wear", remedy="clean"),
    Fault(code="burnt", name=said("burnt"), origin="external", remedy="none", unsafe_to_power=True),
    Fault(code="opened", name=said("opened"), origin="external", remedy="repair", tampering=True),
    Fault(code="relay_stuck", name=said("relay stuck"), origin="original", remedy="repair", remedy_cost_fen=900),
    Fault(code="error_high", name=said("error too large"), origin="undetermined", remedy="adjust"),
    Fault(code="chip_dead", name=said("chip dead"), origin="original", remedy="none"),
)
ITEMS = {
    "appearance": (
        _look("cover", "dirty", required=False),
        _look("terminals", "burnt", photo=True),
        _look("seal", "opened", required=False),
    ),
    "function": (_look("relay", "relay_stuck"), _look("chip", "chip_dead", required=False)),
    "accuracy": (_measure("basic_error", "error_high", "ppm", 10_000),),
}
WAIVERS = {"accuracy": (Waiver(rule="W-1", when=said("obsolete")),)}


def scheme(**norms):
    """The made-up scheme, with changes to the norms of some steps."""
    return Scheme(
        group="single_phase",
        name=said("single-phase"),
        device_classes=("01",),
        norms=tuple(
            msgspec.structs.replace(
                Norm(step=step, purpose=said(step), items=ITEMS.get(step, ()), waivers=WAIVERS.get(step, ())),
                **norms.get(step, {}),
            )
            for step in STEPS
        ),
        faults=FAULTS,
    )


SCHEME = scheme()


def ref(of=SCHEME):
    return SchemeRef(group=of.group, version=1, sha256=digest(of))


def rule(name, disposition, **when):
    conditions = tuple(Condition(column=column, any_of=tuple(words.split())) for column, words in when.items())
    return Rule(
        rule=name,
        when=conditions,
        disposition=disposition,
        because=said(name),
        not_reuse=said("not reuse"),
        not_claim=said("not claim"),
    )


KNOWN = {"evidence": "none", "identity": "confirmed", "obsolete": "no", "condition": "sound repairable beyond_repair"}
TABLE = VerdictTable(
    rules=(
        rule("evidence", "hold", evidence="tampering"),
        rule("unsought", "hold", evidence="unknown"),
        rule("identity", "hold", evidence="none", identity="unverified"),
        rule("obsolete", "scrap", evidence="none", identity="confirmed", obsolete="yes"),
        rule("untested", "hold", evidence="none", identity="confirmed", obsolete="no", condition="unknown"),
        rule("unknown_worth", "hold", **KNOWN, pays="unknown"),
        rule("worth_reusing", "reuse", **KNOWN, pays="reuse", repair="untried"),
        rule("repair_failed", "scrap", **KNOWN, pays="reuse", repair="failed"),
        rule("worth_claiming", "claim", **KNOWN, pays="claim"),
        rule("worth_scrapping", "scrap", **KNOWN, pays="scrap"),
    ),
    obsolete=(Obsolete(rule="OB-1", device_classes=("01",), models=("old model",), because=said("old model")),),
)
VALUE = ClassValue(
    device_classes=("01",),
    life_months=120,
    life_left_months_min=24,
    warranty_months=96,
    new_fen=18_000,
    clean_fen=500,
    re_verify_fen=800,
    claim_share_ppm=800_000,
    claim_odds_ppm=600_000,
    claim_handling_fen=1_000,
    scrap_handling_fen=100,
    materials=(
        Material(code="copper", name=said("copper"), mass_g=70, fen_per_kg=6_000),
        Material(code="plastic", name=said("plastic"), mass_g=683, fen_per_kg=401),
    ),
    reuse_co2_g=7_000,
    claim_co2_g=6_000,
    scrap_co2_g=500,
    source="synthetic",
    confirmed=True,
)


def book(of=SCHEME, **more):
    """What a device is judged by."""
    fields = {
        "scheme": of,
        "scheme_ref": ref(of),
        "table": TABLE,
        "table_ref": TableRef(version=1, sha256=PHOTO),
        "value": VALUE,
        "prices_ref": TableRef(version=2, sha256=PHOTO),
        "counts": Counts(),
    }
    return Rulebook(**fields | more)


def on(struct, /, **fields):
    """A command or an event of that day about the device."""
    return struct(**{"occurred_on": DAY, "asset_no": NUMBER} | fields)


def opening(of=SCHEME, device=DEVICE, **fields):
    return on(OpenOnRecord, **{"bench": BENCH, "site": SITE, "device": device, "scheme": ref(of)} | fields)


def opened(of=SCHEME, device=DEVICE, **fields):
    said = {"bench": BENCH, "site": SITE, "device": device, "scheme": ref(of), "round": 1}
    return on(InspectionOpened, **said | fields)


def found(item, choice="ok", **more):
    return Measured(item=item, choice=choice, **more)


def measured(item, value):
    return Measured(item=item, value=value)


GOOD = {
    "appearance": (found("terminals"),),
    "function": (found("relay"),),
    "accuracy": (measured("basic_error", 4_000),),
}


def ending(step, *seen, of=SCHEME, bench=None, **report):
    """A step ended; performed and in order unless the report says otherwise."""
    performed = report.get("ended", "performed") == "performed"
    report = {"measured": seen or GOOD[step]} | report if performed else report
    return on(EndStep, report=StepReport(**report), norm=of.norm(step), scheme=of, ref=ref(of), bench=bench)


SCANNED = on(CheckIdentity, barcode=NUMBER)
JUDGE = on(JudgeByRulebook, rulebook=book())


def at_once(**more):
    """All of it in one command, as a line reports a sound device."""
    reports = {step: StepReport(measured=GOOD[step]) for step in GOOD}
    said = {"bench": BENCH, "site": SITE, "device": DEVICE, "barcode": NUMBER, "rulebook": book()}
    return on(InspectAtOnceOnRecord, **said | reports | more)


def steps(**seen):
    """The three inspections, with what was seen in some of them."""
    return [ending(step, *seen.get(step, ())) for step in GOOD]


def rejudging(because="R-1", **more):
    return on(RejudgeByRulebook, because=because, rulebook=book(**more))


def done(*commands):
    """A story in which these were decided, one after another, none refused."""
    story = given(INSPECTION)
    return go_on(story, *commands)


def go_on(story, *commands):
    for command in commands:
        story = story.when(command)
        story.then(story.outcome)
    return story


INSPECTED = (opening(), SCANNED, *steps())
JUDGED = (*INSPECTED, JUDGE)
BURNT = (
    opening(),
    SCANNED,
    ending("appearance", found("terminals", "bad", photos=(PHOTO,))),
    ending("function", ended="not_possible", why="burnt"),
    ending("accuracy", ended="not_possible", why="burnt"),
    JUDGE,
)
STUCK = (opening(), SCANNED, *steps(function=(found("relay", "bad"),)), JUDGE)
AGAIN = opening(why="doubt about the first inspection")
