"""What a cell means, and what is said of one that means nothing. Each line of a table is one example."""

from datetime import date, timedelta
from datetime import time as clock_time
from decimal import Decimal

import pytest

from kernel.refusal import Refusal
from services.registry.imports import mapping as mappings
from services.registry.imports.converting import Context, converter
from services.registry.imports.mapping import (
    AssetNumberField,
    ChoiceField,
    CodeField,
    FlagField,
    InstantField,
    QuantityField,
    TextField,
)
from tests.registry.imports.sheets import DEFAULT, TODAY, number, shortly, wall

NUMBER = number(1)
WRONG = NUMBER[:-1] + str((int(NUMBER[-1]) + 1) % 10)
BLANKS = frozenset(DEFAULT.blanks)


def value_of(field, cell, **context):
    given = Context(today=TODAY, check_digit="warn", blanks=BLANKS, **context)
    return converter("field", field, given)(cell)


def code_of(field, cell, **context):
    with pytest.raises(Refusal) as refused:
        value_of(field, cell, **context)
    return refused.value.code


@pytest.mark.parametrize(
    "cell",
    [
        NUMBER,
        f" {NUMBER} ",
        f"'{NUMBER}",
        f"\u2018{NUMBER}",
        f'="{NUMBER}"',
        f"\t{NUMBER}",
        f"{NUMBER}.0",
        NUMBER.translate({48 + i: 0xFF10 + i for i in range(10)}),
        f"\ufeff{NUMBER}\u200b",
        f"{NUMBER[:11]}\u200b{NUMBER[11:]}\u00a0",
        f"{NUMBER[:5]} {NUMBER[5:7]} {NUMBER[7:21]} {NUMBER[21:]}",
        f"{NUMBER[0]},{NUMBER[1:4]},{NUMBER[4:7]},{NUMBER[7:10]},{NUMBER[10:13]},{NUMBER[13:16]},{NUMBER[16:19]},{NUMBER[19:]}",
        Decimal(NUMBER),
    ],
    ids=shortly,
)
def test_an_asset_number_however_it_was_pasted(cell):
    assert value_of(AssetNumberField(required=True), cell) == NUMBER


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("4.13E+21", "import_cell.scientific_notation"),
        ("4.13e+21", "import_cell.scientific_notation"),
        ("4.13E21", "import_cell.scientific_notation"),
        ("9.94010100000000E+21", "import_cell.scientific_notation"),
        (4.13e21, "import_cell.digits_lost"),
        (float(2**53), "import_cell.digits_lost"),
        (1e15, "import_cell.digits_lost"),
        (12345.0, "asset_number.not_22_digits"),
        (12345.5, "import_cell.fraction_in_code"),
        (NUMBER[:-1], "asset_number.not_22_digits"),
        (NUMBER + "0", "asset_number.not_22_digits"),
        (NUMBER[:-1] + "X", "asset_number.not_22_digits"),
        ("\u0663" * 22, "asset_number.not_22_digits"),
        ("-" + NUMBER, "asset_number.not_22_digits"),
        ("T99401AB12", "asset_number.not_22_digits"),
        ("", "import_cell.required"),
        ("   ", "import_cell.required"),
        ("\u200b\u00a0", "import_cell.required"),
        ("—", "import_cell.required"),
        (None, "import_cell.required"),
        (True, "import_cell.not_a_value"),
        (float("nan"), "import_cell.not_a_value"),
        (float("inf"), "import_cell.not_a_value"),
        (Decimal("NaN"), "import_cell.not_a_value"),
        (10**70, "import_cell.number_not_text"),
        (int(NUMBER), "import_cell.number_not_text"),
        ([NUMBER], "import_cell.not_a_value"),
        ({"no": NUMBER}, "import_cell.not_a_value"),
        (b"\x00", "import_cell.not_a_value"),
        (date(2024, 3, 5), "import_cell.date_in_code"),
        ("#N/A", "import_cell.spreadsheet_error"),
        (NUMBER[:-2] + "\ufffd", "import_cell.broken_text"),
    ],
    ids=shortly,
)
def test_an_asset_number_that_cannot_be_one(cell, code):
    assert code_of(AssetNumberField(required=True), cell) == code


def test_the_message_on_scientific_notation_says_how_to_mend_it():
    with pytest.raises(Refusal) as refused:
        value_of(AssetNumberField(), "4.13E+21")
    assert "4.13E+21" in refused.value.zh
    assert "文本" in refused.value.zh
    assert "format to text" in refused.value.en


def test_a_wrong_check_digit_warns_is_refused_or_is_let_pass():
    context = Context(today=TODAY, check_digit="warn", blanks=BLANKS)
    assert converter("asset_no", AssetNumberField(), context)(WRONG) == WRONG
    [(name, warning, cell)] = context.warnings
    assert (name, warning.code, cell) == ("asset_no", "asset_number.wrong_check_digit", WRONG)
    assert code_of(AssetNumberField(check_digit="refuse"), WRONG) == "asset_number.wrong_check_digit"
    assert value_of(AssetNumberField(check_digit="ignore"), WRONG) == WRONG


def test_leading_zeros_come_back_only_where_the_mapping_gives_the_length():
    short = "123456789012345678901"
    assert code_of(AssetNumberField(), short) == "asset_number.not_22_digits"
    assert value_of(AssetNumberField(length=22, check_digit="ignore"), short) == "0" + short
    assert value_of(CodeField(form="digits", length=12), "46159513") == "000046159513"
    assert value_of(CodeField(form="digits", length=12), 46159513.0) == "000046159513"
    assert value_of(CodeField(form="digits"), "46159513") == "46159513"
    assert code_of(CodeField(form="digits", length=12), "1" * 13) == "import_cell.wrong_length"


def test_a_temporary_identity_only_where_the_mapping_allows_it():
    assert value_of(AssetNumberField(temporary=True), "t99401ab12") == "T99401AB12"
    assert value_of(AssetNumberField(temporary=True), NUMBER) == NUMBER


@pytest.mark.parametrize(
    ("form", "cell", "value"),
    [
        ("code", 12345.0, "12345"),
        ("code", "12345.0", "12345"),
        ("code", "１２ＡＢ", "12AB"),
        ("code", "12,345", "12345"),
        ("code", "B/2019-03", "B/2019-03"),
        ("code", 0.0, "0"),
        ("key", "ZX_0001.a", "ZX_0001.a"),
        ("reference", "湘装拆〔2024〕第 8 号", "湘装拆〔2024〕第 8 号"),
        ("reference", "2E3", "2E3"),
        ("unit", 99401.0, "99401"),
        ("county", "430102", "430102"),
        ("code", "无", None),
        ("code", "NULL", None),
        ("code", None, None),
    ],
    ids=shortly,
)
def test_codes(form, cell, value):
    assert value_of(CodeField(form=form), cell) == value


@pytest.mark.parametrize(
    ("form", "cell", "code"),
    [
        ("code", "2.1E+15", "import_cell.scientific_notation"),
        ("code", "2E+15", "import_cell.scientific_notation"),
        ("code", "示例", "import_cell.wrong_form"),
        ("code", "A" * 65, "import_cell.wrong_form"),
        ("key", "a/b", "import_cell.wrong_form"),
        ("digits", "12a", "import_cell.wrong_form"),
        ("unit", "9940", "import_cell.wrong_form"),
        ("reference", "x" * 101, "import_cell.wrong_form"),
        ("code", -0.5, "import_cell.fraction_in_code"),
        ("code", timedelta(days=1), "import_cell.date_in_code"),
        ("code", clock_time(8, 30), "import_cell.date_in_code"),
    ],
    ids=shortly,
)
def test_codes_that_are_none(form, cell, code):
    assert code_of(CodeField(form=form), cell) == code


CLASSES = DEFAULT.kinds["devices"]["device_class"]
REASONS = DEFAULT.kinds["dismantled"]["reason"]
UNIT = DEFAULT.kinds["devices"]["unit"]


@pytest.mark.parametrize(
    ("field", "cell", "value"),
    [
        (CLASSES, "单相电能表", "01"),
        (CLASSES, " 单相 智能电能表 ", "01"),
        (CLASSES, "01", "01"),
        (CLASSES, "1", "01"),
        (CLASSES, 1.0, "01"),
        (CLASSES, "０２", "02"),
        (CLASSES, "ｈｐｌｃ模块", "11"),
        (REASONS, "烧损", "burnt"),
        (REASONS, "烧表", "burnt"),
        (REASONS, "burnt", "burnt"),
        (REASONS, "到期轮换", "rotation_at_term"),
        (UNIT, "99401", "99401"),
        (UNIT, 99401.0, "99401"),
        (UNIT, "某个没有列出的单位", None),
    ],
    ids=shortly,
)
def test_choices(field, cell, value):
    assert value_of(field, cell) == value


def test_a_choice_that_is_not_in_the_list_names_some_that_are():
    with pytest.raises(Refusal) as refused:
        value_of(CLASSES, "水表")
    assert refused.value.code == "import_cell.not_in_list"
    assert "01 单相电能表" in refused.value.zh
    assert code_of(CLASSES, "99") == "import_cell.not_in_list"


def test_a_default_stands_for_an_empty_cell_only():
    field = ChoiceField(choices={"a": ("甲",), "b": ("乙",)}, default="b")
    assert [value_of(field, cell) for cell in ("", None, "甲")] == ["b", "b", "a"]
    assert code_of(field, "丙") == "import_cell.not_in_list"
    assert value_of(TextField(default="x"), " ") == "x"


@pytest.mark.parametrize(
    ("cell", "value"),
    [("是", True), ("无", False), ("完好", False), (True, True), ("YES", True), (0.0, False), ("", None), ("-", None)],
    ids=shortly,
)
def test_yes_and_no(cell, value):
    field = FlagField(true_words=("是", "yes"), false_words=("否", "无", "完好", "0"))
    assert value_of(field, cell) is value


def test_neither_yes_nor_no():
    assert code_of(FlagField(true_words=("是",), false_words=("否",)), "也许") == "import_cell.not_in_list"


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("  示例电气（甲）有限公司 ", "示例电气（甲）有限公司"),
        ("ＤＤＺＹ１０２－Ｚ", "DDZY102－Z"),
        ("两行\r\n文字", "两行 文字"),
        ("a\u200bb\u00a0 c", "ab c"),
        (12345.0, "12345"),
        (1.5, "1.5"),
        (True, "TRUE"),
        (date(2024, 3, 5), "2024-03-05"),
        ("无", None),
        ("", None),
    ],
    ids=shortly,
)
def test_text(cell, value):
    assert value_of(TextField(), cell) == value


def test_text_that_is_too_long_or_no_text():
    assert code_of(TextField(length_max=5), "六个字的文字") == "import_cell.too_long"
    assert code_of(TextField(), ["a"]) == "import_cell.not_a_value"
    assert code_of(TextField(), "旧编码\ufffd") == "import_cell.broken_text"


def kwh(unit="kWh", measure="energy_wh"):
    return QuantityField(measure=measure, unit=unit)


@pytest.mark.parametrize(
    ("field", "cell", "value"),
    [
        (kwh(), "1234.56", 1234560),
        (kwh(), "1234.56 kWh", 1234560),
        (kwh(), "1,234.56", 1234560),
        (kwh(), "１２３４．５６", 1234560),
        (kwh(), "1234.5600000", 1234560),
        (kwh(), "1234", 1234000),
        (kwh(), "1234.", 1234000),
        (kwh(), "+5", 5000),
        (kwh(), "0", 0),
        (kwh(), "0.001", 1),
        (kwh(), "1.5MWh", 1500000),
        (kwh(), "12 度", 12000),
        (kwh(), "1234 Wh", 1234),
        (kwh("Wh"), "1234", 1234),
        (kwh("MWh"), "0.000001", 1),
        (kwh(), 1234.56, 1234560),
        (kwh(), 0.1 + 0.2, 300),
        (kwh(), 1234, 1234000),
        (kwh(), Decimal("1234.56"), 1234560),
        (kwh(), "", None),
        (kwh(), "/", None),
        (kwh("kvarh", "reactive_varh"), "12.5 kvarh", 12500),
        (kwh("kW", "demand_w"), "3.2", 3200),
        (kwh("1", "ratio_micro"), "80", 80_000_000),
        (kwh("1", "ratio_micro"), "1.5 倍", 1_500_000),
        (kwh("1", "ratio_micro"), "100/5", 20_000_000),
        (kwh("元", "amount_fen"), "-12.34", -1234),
        (kwh("万元", "amount_fen"), "1.5", 1_500_000),
        (kwh("1", "count"), "2,000 只", 2000),
        (kwh("kg", "mass_g"), "0.5", 500),
    ],
    ids=shortly,
)
def test_quantities_are_exact(field, cell, value):
    assert value_of(field, cell) == value
    assert value is None or type(value_of(field, cell)) is int


@pytest.mark.parametrize(
    ("field", "cell", "code"),
    [
        (kwh(), "1234.5678", "import_cell.too_precise"),
        (kwh(), 1234.5678, "import_cell.too_precise"),
        (kwh("1", "ratio_micro"), "100/3", "import_cell.too_precise"),
        (kwh("1", "ratio_micro"), "0", "import_cell.out_of_range"),
        (kwh("1", "ratio_micro"), "1/0", "import_cell.not_a_number"),
        (kwh(), "-1", "import_cell.out_of_range"),
        (kwh(), "1" + "0" * 30, "import_cell.out_of_range"),
        (kwh(), 10**30, "import_cell.out_of_range"),
        (kwh(), "9" * 50, "import_cell.not_a_number"),
        (kwh(), float(2**53), "import_cell.digits_lost"),
        (kwh(), 1e300, "import_cell.digits_lost"),
        (kwh(), 1e-300, "import_cell.not_a_number"),
        (kwh(), float("nan"), "import_cell.not_a_number"),
        (kwh(), Decimal("1E+999999"), "import_cell.not_a_number"),
        (kwh(), "1.2E+3", "import_cell.scientific_notation"),
        (kwh(), "1e999999999", "import_cell.scientific_notation"),
        (kwh(), "1234,56", "import_cell.number_ambiguous"),
        (kwh(), "1.234,56", "import_cell.not_a_number"),
        (kwh(), "12 kvarh", "import_cell.unit_wrong"),
        (kwh(), "12 斤", "import_cell.not_a_number"),
        (kwh(), "约12", "import_cell.not_a_number"),
        (kwh(), "١٢", "import_cell.not_a_number"),
        (kwh(), True, "import_cell.not_a_number"),
        (kwh(), date(2024, 3, 5), "import_cell.not_a_number"),
        (kwh(), [1], "import_cell.not_a_number"),
        (kwh(), "#VALUE!", "import_cell.spreadsheet_error"),
    ],
    ids=shortly,
)
def test_quantities_that_are_none(field, cell, code):
    assert code_of(field, cell) == code


def test_every_unit_of_every_measure_is_understood():
    for measure, units in mappings.UNITS.items():
        for unit, multiple in units.items():
            field = QuantityField(measure=measure, unit=unit)
            assert value_of(field, "3") == 3 * multiple, (measure, unit)


def test_a_moment_needs_its_zone():
    aware = InstantField()
    assert value_of(aware, "2024-03-05T08:30:00+08:00") == "2024-03-05T08:30:00+08:00"
    assert value_of(aware, "2024-03-05 08:30:00.25Z") == "2024-03-05T08:30:00.250000+00:00"
    assert code_of(aware, "2024-03-05 08:30:00") == "import_cell.zone_missing"
    assert code_of(aware, "2024-03-05") == "import_cell.time_missing"
    here = InstantField(zone="Asia/Shanghai")
    assert value_of(here, "2024-03-05 08:30") == "2024-03-05T08:30:00+08:00"
    assert value_of(here, wall(2024, 3, 5, 8, 30)) == "2024-03-05T08:30:00+08:00"
