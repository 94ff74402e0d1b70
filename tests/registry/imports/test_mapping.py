"""The mapping file: what it says, what it may not say, and how one's own is added to the default."""

import msgspec
import pytest
import yaml

from kernel.device import DEVICE_CLASSES, UnitCode
from kernel.intake import struct_of
from kernel.quantity import Code, Key
from kernel.refusal import Refusal
from kernel.spreadsheet.heading import Headers
from services.registry.imports import mapping
from services.registry.imports.asked import NewImport
from services.registry.imports.converting import FORMS
from services.registry.imports.mapping import DEFAULT, FILE_BYTES_MAX, ChoiceField, parse
from services.registry.meter.dismantling import Reading
from services.registry.meter.identity import Description
from services.registry.vocabulary import DISMANTLE_REASONS
from tests.registry.imports.sheets import with_fields

REALISTIC = {
    "devices": {
        "asset_no": [
            "资产编号",
            "表号",
            "条形码",
            "*资产编号",
            "资产编号（22位）",
            "资产 编号：",
            "Asset No.",
            "BAR_CODE",
        ],
        "device_class": ["设备类别", "器具类别"],
        "unit": ["供电单位", "管理单位"],
        "description.maker": ["生产厂家", "厂家", "制造单位", "Manufacturer"],
        "description.arrival_batch": ["到货批次", "批次号"],
        "description.remark": ["备注"],
        "description.comm_address": ["通信地址", "通讯地址"],
    },
    "dismantled": {
        "asset_no": ["资产编号"],
        "work_order": ["工单编号", "工单号"],
        "occurred_on": ["拆回日期", "拆表日期"],
        "reason": ["更换原因"],
        "reading.total_wh": ["拆表底度", "拆表底度(kWh)", "总", "底度（MWh）"],
        "reading.sharp_wh": ["尖"],
        "reading.peak_wh": ["峰", "峰(kWh)"],
        "reading.flat_wh": ["平"],
        "reading.valley_wh": ["谷"],
        "reading.ratio_micro": ["倍率"],
    },
    "dispatched": {"shipment": ["移交单号"], "container": ["周转箱号"], "occurred_on": ["移交日期"]},
    "received": {"shipment": ["移交单号"], "occurred_on": ["接收日期"], "damaged": ["是否破损"]},
}


@pytest.mark.parametrize("kind", REALISTIC)
def test_the_default_mapping_knows_headers_as_they_are_written(kind):
    headers = Headers(mapping.load().fields(kind), mapping.KEY)
    for field, labels in REALISTIC[kind].items():
        for label in labels:
            match = headers.match(label)
            assert match is not None, label
            assert match.field == field, label


def test_a_unit_in_the_header_of_another_measure_is_another_column():
    headers = Headers(mapping.load().fields("dismantled"), mapping.KEY)
    assert headers.match("拆表底度(kvarh)") is None
    assert headers.match("底度(MWh)").unit == "MWh"
    assert headers.match("底度(1)").unit is None


def test_the_default_lists_are_the_registrys():
    fields = mapping.load().kinds
    assert set(fields["devices"]["device_class"].choices) == set(DEVICE_CLASSES)
    assert set(fields["dismantled"]["reason"].choices) == set(DISMANTLE_REASONS)
    for code, (chinese, _) in DISMANTLE_REASONS.items():
        assert chinese in fields["dismantled"]["reason"].choices[code]


def test_the_default_fields_are_those_of_the_registrys_records():
    fields = mapping.load().kinds
    described = {name.partition(".")[2] for name in fields["devices"] if name.startswith("description.")}
    read = {name.partition(".")[2] for name in fields["dismantled"] if name.startswith("reading.")}
    assert described <= set(Description.__struct_fields__)
    assert read <= set(Reading.__struct_fields__)


@pytest.mark.parametrize(("form", "type_"), [("code", Code), ("key", Key), ("unit", UnitCode)])
@pytest.mark.parametrize("text", ["A-1", "99401", "a/b", "a:b", "_a", "", "x" * 65, "示例", "1" * 6])
def test_forms_are_those_of_the_kernels_types(form, type_, text):
    try:
        msgspec.convert(text, type_)
        fits = True
    except msgspec.ValidationError:
        fits = False
    assert bool(FORMS[form][0].fullmatch(text)) is fits


def test_ones_own_mapping_adds_to_the_default():
    own = with_fields(
        "devices",
        """
description.maker: {choices: {"M01": [示例电气甲公司]}, headers: [供货方]}
asset_no: {check_digit: refuse}
""",
    )
    fields = own.kinds["devices"]
    assert fields["description.maker"].choices == {"M01": ("示例电气甲公司",)}
    assert fields["description.maker"].headers[0] == "供货方"
    assert "生产厂家" in fields["description.maker"].headers
    assert fields["asset_no"].check_digit == "refuse"
    assert own.kinds["received"] == mapping.load().kinds["received"]


def test_a_mapping_may_stand_alone():
    own = parse(b"kinds: {devices: {asset_no: {type: asset_no, headers: [x]}}}")
    assert list(own.kinds) == ["devices"]
    assert own.check_digit is None


KEY = "asset_no: {type: asset_no}"
INVALID = {
    "not YAML": "kinds: [",
    "a tag": "kinds: !!python/object/apply:os.system [ls]",
    "an alias": "kinds: {devices: &a {asset_no: {type: asset_no}}, received: *a}",
    "a list": "- a",
    "nothing": "",
    "a key twice": "check_digit: warn\ncheck_digit: refuse\nkinds: {}",
    "a key that is no text": "kinds: {devices: {asset_no: {type: asset_no}, c: {type: choice, choices: {01: [a]}}}}",
    "an unknown setting": "colour: red\nkinds: {}",
    "an unknown type": "kinds: {devices: {asset_no: {type: number}}}",
    "a setting of another type": "kinds: {devices: {asset_no: {type: asset_no, unit: kWh}}}",
    "a misspelt setting": "kinds: {devices: {asset_no: {type: asset_no, header: [x]}}}",
    "no asset number": "kinds: {devices: {name: {type: text}}}",
    "an asset number of another type": "kinds: {devices: {asset_no: {type: text}}}",
    "a unit of nothing": "kinds: {d: {asset_no: {type: asset_no}, q: {type: quantity, measure: energy_wh, unit: kg}}}",
    "a header twice": "kinds: {d: {asset_no: {type: asset_no, headers: [x]}, t: {type: text, headers: ['X ']}}}",
    "an empty header": "kinds: {d: {asset_no: {type: asset_no, headers: ['*']}}}",
    "a name for two codes": "kinds: {d: {asset_no: {type: asset_no}, c: {type: choice, choices: {a: [x], b: [X]}}}}",
    "an empty list": "kinds: {d: {asset_no: {type: asset_no}, c: {type: choice}}}",
    "a default not in the list": f"kinds: {{d: {{{KEY}, c: {{type: choice, choices: {{a: []}}, default: b}}}}}}",
    "a default for what is required": f"kinds: {{d: {{{KEY}, t: {{type: text, required: true, default: x}}}}}}",
    "a word that says yes and no": f"kinds: {{d: {{{KEY}, f: {{type: flag, true_words: [a], false_words: [A]}}}}}}",
    "a strange field name": "kinds: {d: {asset_no: {type: asset_no}, 'a.b.c': {type: text}}}",
    "a field and a group": "kinds: {d: {asset_no: {type: asset_no}, a: {type: text}, a.b: {type: text}}}",
    "a length beyond reason": "kinds: {d: {asset_no: {type: asset_no}, c: {type: code, length: 1000000}}}",
    "far too much": "# " + "x" * (64 << 10),
    "deep nesting": "[" * 5000,
}


@pytest.mark.parametrize("text", INVALID.values(), ids=list(INVALID))
def test_what_is_not_exactly_right_is_refused(text):
    with pytest.raises(Refusal) as refused:
        parse(text.encode())
    assert refused.value.code in {"import_mapping.unreadable", "import_mapping.invalid"}
    assert refused.value.zh
    assert refused.value.en


def test_the_refusal_says_where():
    with pytest.raises(Refusal) as refused:
        parse(b"kinds: {devices: {asset_no: {type: asset_no, requird: true}}}")
    assert "requird" in refused.value.en
    with pytest.raises(Refusal) as refused:
        parse(b"kinds:\n  a: 1\n  a: 2")
    assert "line 3" in refused.value.en


def test_a_kind_that_is_not_mapped():
    with pytest.raises(Refusal) as refused:
        mapping.load().fields("lost")
    assert refused.value.code == "import_mapping.kind_unknown"
    assert "devices" in refused.value.en


def test_bytes_that_are_no_text():
    with pytest.raises(Refusal):
        parse(b"\xff\xfe\x00")


def test_the_default_is_read_with_its_aliases():
    assert b"&asset_no" in DEFAULT.read_bytes()
    assert isinstance(mapping.load().kinds["received"]["device_class"], ChoiceField)
    assert not mapping.load().kinds["received"]["device_class"].required


def test_the_largest_mapping_has_room_for_several_times_the_default():
    assert DEFAULT.stat().st_size * 4 < FILE_BYTES_MAX <= 64 << 10


def test_a_mapping_of_many_levels_and_the_loader_in_c():
    """Events are counted before anything is composed: what composes goes down as deep as the file does."""
    assert yaml.__with_libyaml__
    for content in (b"[" * 17 + b"]" * 17, b"{a: " * 17 + b"}" * 17, b"[" * 60_000):
        with pytest.raises(Refusal) as refused:
            parse(content)
        assert refused.value.code == "import_mapping.unreadable"
        assert "16 levels" in refused.value.en


def test_an_import_takes_no_mapping_that_is_larger():
    ask = {"kind": "devices", "name": "合成.csv", "bytes": 1, "mapping": "#" * (FILE_BYTES_MAX + 1)}
    with pytest.raises(Refusal) as refused:
        struct_of(NewImport, ask)
    assert refused.value.code.startswith("input.")
