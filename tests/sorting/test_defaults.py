"""What comes with the program: complete, in both languages, and nothing passed off as confirmed."""

import re
from itertools import product

import msgspec
import pytest

from kernel.device import DEVICE_CLASSES
from kernel.yaml_file import read_yaml
from services.sorting.cases import misses
from services.sorting.decision import INPUTS
from services.sorting.defaults import (
    SCHEMES,
    TABLES,
    Cases,
    default_groups,
    default_prices,
    default_scheme,
    default_verdict_table,
    read_scheme,
)
from services.sorting.evaluation import Measured, shown_faults
from services.sorting.vocabulary import INSPECTED, STEPS

GROUPS = default_groups()
KINDS_OF_FAULT = {
    "appearance", "metering", "clock", "display", "communication", "memory", "relay", "security", "power", "identity",
}  # fmt: skip
TO_CONFIRM = "待确认 / "
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def texts(document):
    """Every pair of words in it, and where."""
    if isinstance(document, dict):
        if set(document) == {"zh", "en"}:
            yield document
        else:
            for one in document.values():
                yield from texts(one)
    elif isinstance(document, list | tuple):
        for one in document:
            yield from texts(one)


def sound(norm, accuracy_class):
    """What a device without any fault gives."""
    for item in norm.items:
        if item.unit is None:
            answer = next(choice for choice in item.choices if choice.fault is None)
            yield Measured(item=item.code, choice=answer.code)
        elif limit := item.limit(accuracy_class):
            least = max(one for one in (limit.least, item.range_least) if one is not None)
            most = min(one for one in (limit.most, item.range_most) if one is not None)
            yield Measured(item=item.code, value=(least + most) // 2)


def test_eight_groups_of_six_norms_cover_every_class_once():
    schemes = [default_scheme(group) for group in GROUPS]
    assert len(schemes) == 8
    assert sum(len(scheme.norms) for scheme in schemes) == 48
    assert all([norm.step for norm in scheme.norms] == list(STEPS) for scheme in schemes)
    assert sorted(code for scheme in schemes for code in scheme.device_classes) == sorted(DEVICE_CLASSES)
    assert [scheme.group for scheme in schemes] == list(GROUPS)


@pytest.mark.parametrize("group", GROUPS)
def test_a_norm_has_its_internal_controls_or_says_why_it_does_not_apply(group):
    for norm in default_scheme(group).norms:
        if not norm.applicable:
            assert norm.items == ()
            continue
        assert norm.procedure
        assert norm.pass_rule is not None
        assert norm.performers
        if norm.step in INSPECTED:
            assert norm.instruments
            assert norm.safety
            # Tampering is seen there: whatever is waived, that is looked for.
            assert bool(norm.waivers) is (norm.step != "appearance")
            assert all(waiver.condition is not None for waiver in norm.waivers)


@pytest.mark.parametrize("path", [*SCHEMES.glob("*.yaml"), *TABLES.glob("*.yaml")], ids=lambda path: path.stem)
def test_whatever_is_said_is_said_in_both_languages(path):
    # A unit's or a product's name is the same in both.
    for said in texts(msgspec.yaml.decode(path.read_bytes())):
        assert CHINESE.search(said["zh"]), said
        assert not CHINESE.search(said["en"]), said


@pytest.mark.parametrize("group", GROUPS)
def test_no_limit_or_cost_claims_a_source_that_nobody_checked(group):
    scheme = default_scheme(group)
    for norm in scheme.norms:
        for item in norm.items:
            for limit in item.limits:
                assert not limit.confirmed
                assert TO_CONFIRM in limit.source, (norm.step, item.code)
                assert not re.search(r"\d+\.\d+(\.\d+)*\s*条|clause \d", limit.source), (
                    "a clause number nobody has read"
                )
    for fault in scheme.faults:
        if fault.remedy_cost_fen:
            assert TO_CONFIRM in (fault.cost_source or ""), fault.code
    limits = sum(len(item.limits) for norm in scheme.norms for item in norm.items)
    costs = sum(1 for fault in scheme.faults if fault.remedy_cost_fen)
    assert len(scheme.unconfirmed()) == limits + costs


@pytest.mark.parametrize("group", GROUPS)
def test_every_fault_is_of_a_kind_and_can_be_found(group):
    scheme = default_scheme(group)
    shown = {
        fault
        for norm in scheme.norms
        for item in norm.items
        for fault in (item.fault, *(choice.fault for choice in item.choices))
    }
    for fault in scheme.faults:
        assert fault.code.partition(".")[0] in KINDS_OF_FAULT
        assert fault.code in shown


@pytest.mark.parametrize(("group", "accuracy_class"), [*product(GROUPS, ("2", "0.5S"))])
def test_a_sound_device_passes(group, accuracy_class):
    classes = {name for norm in default_scheme(group).norms for item in norm.items for limit in item.limits
               for name in limit.accuracy_classes}  # fmt: skip
    if classes and accuracy_class not in classes:
        pytest.skip("no such class in this group")
    for norm in default_scheme(group).norms:
        assert shown_faults(norm, tuple(sound(norm, accuracy_class)), accuracy_class) == ()


def test_what_a_reader_of_meters_fills_is_there():
    function = default_scheme("single_phase").norm("function")
    units = {item.code: item.unit for item in function.items}
    named = {
        "clock_offset": "s", "clock_battery": "mv", "esam": None, "display": None, "relay": None, "comm_rs485": None,
        "self_test": None, "error_code": None, "cover_opened": "count", "cleared": "count", "programmed": "count",
        "overcurrent": "count", "power_down": "count", "internal_temperature": "decicelsius",
    }  # fmt: skip
    assert named.items() <= units.items()
    accuracy = {item.code: item.unit for item in default_scheme("single_phase").norm("accuracy").items}
    assert {"error_ib_pf100": "ppm", "starting": "pulse", "creep": "pulse", "clock_daily": "ppb"}.items() <= (
        accuracy.items()
    )


def test_a_transformer_has_no_clock_and_a_module_no_accuracy():
    transformer = default_scheme("transformer")
    assert not any("clock" in item.code for norm in transformer.norms for item in norm.items)
    assert [item.unit for item in transformer.norm("accuracy").items if item.code.startswith("phase")] == ["urad"] * 5
    assert not default_scheme("module").norm("accuracy").applicable


def test_a_dead_meter_ends_the_inspection_of_its_functions():
    norm = default_scheme("single_phase").norm("function")
    assert shown_faults(norm, [Measured(item="self_test", choice="dead")], "2") == ("power.dead",)


@pytest.mark.parametrize("group", ["single_phase", "three_phase", "terminal", "concentrator"])
def test_what_the_norm_says_is_not_powered_is_not_powered(group):
    scheme = default_scheme(group)
    faults = {fault.code: fault for fault in scheme.faults}
    never = {
        "case": ("cracked", "deformed"), "window": ("broken",), "terminals": ("overheated", "burnt"),
        "moisture": ("traces", "corrosion"), "battery_leak": ("seen",),
    }  # fmt: skip
    shown = {
        (item.code, choice.code): choice.fault
        for item in scheme.norm("appearance").items
        for choice in item.choices
        if choice.fault is not None
    }
    unsafe = {at for at, code in shown.items() if faults[code].unsafe_to_power}
    assert unsafe == {(item, choice) for item, choices in never.items() for choice in choices}
    for step in ("function", "accuracy"):
        assert not scheme.norm(step).without_appearance


def test_the_table_answers_every_combination_by_one_rule():
    table = default_verdict_table()
    assert list(table.disagreements()) == []
    met = {table.rule(inputs).rule for inputs in product(*INPUTS.values())}
    assert met == {rule.rule for rule in table.rules}


def test_the_table_comes_to_what_its_cases_say():
    cases = read_yaml(TABLES / "verdict_cases.yaml", Cases).cases
    assert {case.expected for case in cases} == {"reuse", "claim", "scrap", "hold"}
    assert list(misses(default_verdict_table(), cases)) == []


def test_no_doubt_about_a_device_ends_in_anything_but_a_person():
    table = default_verdict_table()
    for inputs in product(*INPUTS.values()):
        said = dict(zip(INPUTS, inputs, strict=True))
        disposition = table.rule(inputs).disposition
        if said["identity"] == "unverified" or said["evidence"] != "none":
            assert disposition == "hold"
        elif (said["defect"], said["warranty"], said["repair"]) == ("original", "inside", "failed"):
            # Nobody has claimed: a repair that failed is no claim that came to nothing.
            assert disposition == "hold"
        elif said["obsolete"] == "yes":
            assert disposition in ("scrap", "claim")
        elif said["condition"] == "unknown" or said["defect"] == "unknown":
            assert disposition == "hold" or (disposition, said["defect"]) == ("claim", "original")
        elif disposition == "claim":
            assert (said["defect"], said["warranty"], said["repair"]) == ("original", "inside", "untried")
        elif disposition == "reuse":
            assert said["condition"] in ("sound", "repairable")
            assert (said["life"], said["repair"], said["batch"]) == ("enough", "untried", "clear")
        if disposition == "reuse" and said["condition"] == "repairable":
            assert said["pays"] == "reuse"


def test_every_class_has_its_parameters_and_none_is_passed_off_as_confirmed():
    prices = default_prices()
    assert sorted(code for one in prices.classes for code in one.device_classes) == sorted(DEVICE_CLASSES)
    for one in prices.classes:
        assert not one.confirmed
        assert TO_CONFIRM[:3] in one.source
        assert one.reuse_co2_g == 0 or "implied" in one.source
        assert 0 < one.life_left_months_min < one.life_months


def test_a_file_that_says_anything_twice_or_unknown_is_refused_by_name(tmp_path):
    said = (SCHEMES / "seal.yaml").read_text("utf-8")
    bad = tmp_path / "seal.yaml"
    bad.write_text(said.replace("group: seal", "group: seal\ngroup: seals"), "utf-8")
    with pytest.raises(ValueError, match=r"seal\.yaml: .*twice"):
        read_scheme(bad)
    bad.write_text(said.replace("group: seal", "grupo: seal"), "utf-8")
    with pytest.raises(ValueError, match=r"seal\.yaml: .*grupo"):
        read_scheme(bad)
    bad.write_text(said.replace("fault: identity.seal_broken", "fault: identity.seal_borken"), "utf-8")
    with pytest.raises(ValueError, match=r"seal\.yaml: .*identity\.seal_borken"):
        read_scheme(bad)
