"""Every sentence, in both languages, with its numbers as people write them."""

import re
from string import Formatter

import pytest

from services.sorting.assessment import SENTENCES, say
from services.sorting.assessment.history import LIMITATIONS


def names(text):
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("code", SENTENCES)
def test_a_sentence_says_the_same_numbers_in_both_languages(code):
    zh, en = SENTENCES[code]
    assert names(zh) == names(en)
    said = say(code, **dict.fromkeys(names(zh), 1_234_567)).words()
    assert said[0].endswith("。")
    assert said[1].endswith(".")
    assert all("{" not in text and re.search(r"[。.] ?$", text) for text in said)
    assert len(names(zh)) == 0 or all(re.search(r"\d", text) for text in said)


@pytest.mark.parametrize("limitation", LIMITATIONS)
def test_every_limit_of_a_load_curve_has_its_sentence(limitation):
    assert f"load.{limitation}" in SENTENCES
    assert {code for code in SENTENCES if code.startswith("load.")} == {f"load.{one}" for one in LIMITATIONS}


@pytest.mark.parametrize(
    ("code", "numbers", "zh", "en"),
    [
        ("value.scrap", {"worth_fen": 69_300, "cost_fen": 100, "net_fen": -5}, "净 -0.05 元", "-0.05 yuan net"),
        (
            "value.scrap",
            {"worth_fen": 123_456, "cost_fen": 0, "net_fen": 7},
            "材料 1234.56 元",
            "materials 1234.56 yuan",
        ),
        ("load.arcs", {"interval_s": 900}, "相隔 15 分钟", "15 minutes apart"),
        ("load.arcs", {"interval_s": 3_600}, "相隔 1 小时", "1 hour apart"),
        ("load.arcs", {"interval_s": 61}, "相隔 61 秒", "61 seconds apart"),
        (
            "load.points_missing",
            {"missing_ppm": 212_500, "longest_gap_min": 2_880},
            "缺 21.25 % 的点，最长连续缺 2 天",
            "21.25 % of its points are missing, for up to 2 days",
        ),
        (
            "value.carbon",
            {"reuse_co2_g": 7_788, "claim_co2_g": 0, "scrap_co2_g": -500},
            "利旧 7.788 kg，理赔 0 kg，报废 -0.5 kg",
            "7.788 kg by reuse, 0 kg by a claim, -0.5 kg by scrap",
        ),
        (
            "history.overloaded",
            {"i_max_ma": 60_000, "overload_dose_s": 3_721},
            "最大电流 60 A 下 3721 秒",
            "3721 seconds at the maximum current of 60 A",
        ),
    ],
)
def test_numbers_are_written_as_people_write_them(code, numbers, zh, en):
    said = say(code, **numbers).words()
    assert zh in said[0]
    assert en in said[1]
