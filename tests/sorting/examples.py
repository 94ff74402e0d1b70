"""A small scheme, a table and prices for tests, all made up; unit 99101 and maker M01 belong to nobody."""

from datetime import date

from services.sorting.decision import Condition, Rule, VerdictTable
from services.sorting.evaluation import Measured
from services.sorting.inspection.at_once import InspectAtOnce
from services.sorting.inspection.steps import StepReport
from services.sorting.norms import Choice, Fault, Item, Limit, Norm, Scheme
from services.sorting.prices import ClassValue, Material, Prices
from services.sorting.vocabulary import Words

DAY = date(2026, 5, 6)
UNIT = "99101"
SITE = "centre"
BENCH = "B1"
SOURCE = "合成 synthetic"


def words(en: str) -> Words:
    return Words(zh=f"（合成）{en}", en=en)


APPEARANCE = Norm(
    step="appearance",
    purpose=words("what one sees"),
    items=(
        Item(
            code="case",
            name=words("case"),
            choices=(
                Choice(code="whole", name=words("whole")),
                Choice(code="burnt", name=words("burnt"), fault="burnt"),
                Choice(code="opened", name=words("seal broken"), fault="opened"),
            ),
            photo=True,
        ),
    ),
    performers=("inspector", "metrologist"),
)
FUNCTION = Norm(
    step="function",
    purpose=words("what it does"),
    items=(
        Item(
            code="clock_battery",
            name=words("clock battery"),
            unit="mv",
            range_least=0,
            range_most=6_000,
            limits=(Limit(least=3_000, source=SOURCE, confirmed=True),),
            fault="battery_low",
        ),
    ),
    performers=("inspector", "metrologist", "laboratory"),
)
ACCURACY = Norm(
    step="accuracy",
    purpose=words("how well it measures"),
    items=(
        Item(
            code="error_ib_pf100",
            name=words("basic error"),
            unit="ppm",
            range_least=-100_000,
            range_most=100_000,
            limits=(
                Limit(accuracy_classes=("1",), least=-10_000, most=10_000, source=SOURCE, confirmed=True),
                Limit(accuracy_classes=("2",), least=-20_000, most=20_000, source=SOURCE, confirmed=True),
            ),
            fault="error",
        ),
    ),
    performers=("inspector", "metrologist", "laboratory"),
)
SCHEME = Scheme(
    group="single_phase",
    name=words("single-phase meters"),
    device_classes=("01",),
    norms=(
        APPEARANCE,
        FUNCTION,
        ACCURACY,
        *(Norm(step=step, purpose=words(step)) for step in ("history", "indicators", "value")),
    ),
    faults=(
        Fault(code="burnt", name=words("burnt"), origin="external", remedy="none", unsafe_to_power=True),
        Fault(code="opened", name=words("opened"), origin="external", remedy="repair", tampering=True),
        Fault(code="battery_low", name=words("battery low"), origin="wear", remedy="repair", remedy_cost_fen=500),
        Fault(code="error", name=words("out of limits"), origin="original", remedy="repair", remedy_cost_fen=2_000),
    ),
)
UNCLEAR = Condition(column="condition", any_of=("unknown",))
CLEAR = Condition(column="condition", any_of=("sound", "repairable", "beyond_repair"))
TABLE = VerdictTable(
    rules=(
        Rule(rule="hold.unclear", when=(UNCLEAR,), disposition="hold", because=words("not known enough")),
        Rule(
            rule="claim.original",
            when=(CLEAR, Condition(column="defect", any_of=("original",))),
            disposition="claim",
            because=words("a defect of manufacture"),
            not_reuse=words("the maker answers for it"),
        ),
        Rule(
            rule="reuse.sound",
            when=(
                Condition(column="condition", any_of=("sound", "repairable")),
                Condition(column="defect", any_of=("none", "other", "undetermined", "unknown")),
            ),
            disposition="reuse",
            because=words("sound, or made so"),
        ),
        Rule(
            rule="scrap.beyond_repair",
            when=(
                Condition(column="condition", any_of=("beyond_repair",)),
                Condition(column="defect", any_of=("none", "other", "undetermined", "unknown")),
            ),
            disposition="scrap",
            because=words("beyond repair"),
            not_reuse=words("beyond repair"),
            not_claim=words("no defect of manufacture"),
        ),
    )
)
PRICES = Prices(
    classes=(
        ClassValue(
            device_classes=("01",),
            life_months=180,
            life_left_months_min=24,
            warranty_months=36,
            new_fen=18_000,
            clean_fen=200,
            re_verify_fen=800,
            claim_share_ppm=800_000,
            claim_odds_ppm=700_000,
            claim_handling_fen=500,
            scrap_handling_fen=100,
            materials=(Material(code="copper", name=words("copper"), mass_g=70, fen_per_kg=4_500),),
            reuse_co2_g=7_000,
            claim_co2_g=2_000,
            scrap_co2_g=200,
            source=SOURCE,
        ),
    )
)


def performed(*measured: Measured) -> StepReport:
    """A step that was performed."""
    return StepReport(measured=measured)


WHOLE = performed(Measured(item="case", choice="whole"))
POWERED = performed(Measured(item="clock_battery", value=3_600))
ACCURATE = performed(Measured(item="error_ib_pf100", value=1_200))


def inspected(asset_no: str, **changed: object) -> InspectAtOnce:
    """A sound single-phase meter, but for what is changed."""
    members: dict[str, object] = {
        "occurred_on": DAY,
        "asset_no": asset_no,
        "bench": BENCH,
        "site": SITE,
        "accuracy_class": "1",
        "barcode": asset_no,
        "appearance": WHOLE,
        "function": POWERED,
        "accuracy": ACCURATE,
    }
    return InspectAtOnce(**(members | changed))
