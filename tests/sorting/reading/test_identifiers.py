"""Our identifiers against what is known of the standard, and what is wrong in the tables of dlt645 3.2.0."""

from itertools import groupby

import pytest
from dlt645.common.transform import bcd_to_value
from dlt645.config.energy_types import ENERGY_TYPES
from dlt645.config.event_record_types import EVENT_RECORD_TYPES
from dlt645.config.parameter_types import PARAMETER_TYPES
from dlt645.config.variable_types import VARIABLE_TYPES

from kernel.refusal import Refusal
from services.sorting.reading.identifiers import Identifier, Phases, load, moment_of, value_of
from tests.sorting.reading.peer import VALUES, low_first, text

IDENTIFIERS = load()

KNOWN = {
    "comm_address": "04000401", "meter_no": "04000402", "asset_no": "04000403", "made_on": "0400040C",
    "software_version": "04800001", "hardware_version": "04800002", "maker_code": "04800003",
    "energy_forward": "00010000", "clock_date": "04000101", "clock_time": "04000102",
    "neutral_current": "02800001", "frequency": "02800002", "internal_temperature": "02800007",
    "clock_battery": "02800008", "reading_battery": "02800009", "battery_minutes": "0280000A",
    "status_1": "04000501", "status_7": "04000507",
    "cover_opened": "03300D00", "terminal_cover_opened": "03300E00", "cleared": "03300100", "programmed": "03300000",
    "events_cleared": "03300300", "clock_set": "03300400", "power_down": "03110000",
    "voltage_lost": "03010000", "undervoltage": "03020000", "overvoltage": "03030000", "current_lost": "030B0000",
    "overcurrent": "030C0000", "overload": "030F0000",
}  # fmt: skip

LIBRARY = {
    di: [(row["Name"], row["DataFormat"], row["Unit"].strip()) for row in rows]
    for di, rows in groupby((*EVENT_RECORD_TYPES, *PARAMETER_TYPES, *VARIABLE_TYPES), key=lambda row: row["Di"])
}


def bytes_of(data_format):
    return sum(c.isalpha() for c in data_format) // 2


@pytest.mark.parametrize("code", KNOWN)
def test_what_is_known_of_the_standard(code):
    assert IDENTIFIERS[code].di == KNOWN[code]


def test_every_identifier_has_an_example():
    assert {one.di for one in IDENTIFIERS.values()} == set(VALUES)


def test_lengths_agree_with_the_library_where_it_lists_one():
    """Of a record only the times in front are ours."""
    differ = {}
    for one in IDENTIFIERS.values():
        theirs = sum(bytes_of(data_format) for _, data_format, _ in LIBRARY.get(one.di, ()))
        if theirs and not (theirs == one.bytes or (one.form == "event" and theirs > one.bytes)):
            differ[one.code] = (one.bytes, theirs)
    assert differ == {}


def test_the_library_knows_registers_by_their_place_in_a_list_only():
    assert set(ENERGY_TYPES[0]) == {"Name", "Unit"}


@pytest.mark.parametrize(
    "code", ["voltage_lost", "undervoltage", "overvoltage", "current_lost", "overcurrent", "overload"]
)
def test_corrected_counts_of_three_phases_are_one_block(code):
    """The library lists three values of 6 bytes under one identifier; the meter answers with 18."""
    one = IDENTIFIERS[code]
    assert [data_format for _, data_format, _ in LIBRARY[one.di]] == ["XXXXXX,XXXXXX"] * 3
    block = b"".join(map(low_first, ("000002", "000030", "000001", "000005", "000000", "000000")))
    assert one.bytes == len(block)
    assert value_of(one, block) == Phases((2, 1, 0), (30, 5, 0))


@pytest.mark.parametrize(
    ("di", "wrongly", "rightly"), [("03020101", "失压", "undervoltage"), ("030C0101", "失流", "overcurrent")]
)
def test_corrected_labels(di, wrongly, rightly):
    """The fields of the library's records of one event are named after another."""
    assert any(f"记录：{wrongly}期间" in name for name, _, _ in LIBRARY[di])
    assert wrongly not in IDENTIFIERS[rightly].zh


def test_corrected_end_of_the_last_power_down():
    """It ended the last time, and not in the last month."""
    assert LIBRARY["03110001"][1][0] == "(上1月)掉电结束时刻"
    assert "月" not in IDENTIFIERS["power_down_last"].zh
    assert IDENTIFIERS["power_down_last"].bytes == 12


def test_corrected_status_words_are_bits():
    """The library takes them for signed decimal numbers, and a digit above 9 for two."""
    assert LIBRARY["04000503"][0][1] == "XXXX"
    word = bytes.fromhex("1F8A")
    assert bcd_to_value(bytearray(word), "XXXX", "little") == "810115"
    assert value_of(IDENTIFIERS["status_3"], word) == "8A1F"


def test_corrected_text_is_text():
    """The library reads the characters' codes as decimal digits."""
    assert set(LIBRARY["04000403"][0][1]) == {"N"}
    data = text("MOCK-17", 32)
    assert "MOCK" not in bcd_to_value(bytearray(data), LIBRARY["04000403"][0][1], "little")
    assert value_of(IDENTIFIERS["asset_no"], data) == "MOCK-17"


def test_corrected_units():
    assert LIBRARY["0280000A"][0][2] == ""
    assert IDENTIFIERS["battery_minutes"].unit == "min"
    assert {LIBRARY[di][0][2] for di in ("02060000", "02060100")} == {"kW"}, "a power factor has none; it is not read"


def test_corrected_registers_are_exact():
    """The library gives a float of kWh; a register is a whole number of watt-hours."""
    data = low_first("99999999")
    assert bcd_to_value(bytearray(low_first("80000001")), "XXXXXX.XX", "little") == -0.01, "a register has no sign"
    assert value_of(IDENTIFIERS["energy_forward"], data) == 999_999_990
    assert value_of(IDENTIFIERS["energy_forward"], low_first("80000001")) == 800_000_010


@pytest.mark.parametrize(("digits", "value"), [("0105", 105), ("8105", -105), ("7999", 7999), ("8000", 0)])
def test_the_sign_of_a_temperature(digits, value):
    assert value_of(IDENTIFIERS["internal_temperature"], low_first(digits)) == value


@pytest.mark.parametrize(
    ("date", "time"), [("260229", "000000"), ("261301", "000000"), ("261102", "246000"), ("261102", "235960")]
)
def test_no_such_time(date, time):
    with pytest.raises(Refusal) as refused:
        moment_of(date, time)
    assert refused.value.code == "meter_read.no_such_time"


def test_an_identifier_says_its_unit_or_has_none():
    named = {"code": "x", "di": "00000000", "group": "energy", "bytes": 2, "zh": "x", "en": "x"}
    for wrong in ({"form": "number"}, {"form": "ascii", "unit": "wh"}, {"form": "count", "unit": "bushel"}):
        with pytest.raises(ValueError, match="unit"):
            Identifier(**named, **wrong)


def test_no_identifier_twice(tmp_path):
    line = '- {code: %s, di: "%s", group: energy, form: bits, bytes: 2, zh: x, en: x}\n'
    file = tmp_path / "twice.yaml"
    for rows in ((("a", "00000001"), ("b", "00000001")), (("a", "00000001"), ("a", "00000002"))):
        file.write_text("identifiers:\n" + "".join("  " + line % row for row in rows), "utf-8")
        with pytest.raises(ValueError, match="twice"):
            load(file)
