"""The demonstration's spreadsheets: they can be read as their tally says, and the registry's rules make of them what
`expected` says.
"""

import hashlib
from collections import Counter
from datetime import date

import msgspec
import pytest

from cli.demo.generate import CUT_OFF, DEVICES_MIN, Expected, generate, plain_devices
from cli.demo.story import CENTRE, PREFECTURES, tell
from kernel.refusal import Refusal
from services.registry import asset_number
from services.registry.imports import mapping
from services.registry.meter import METER
from services.registry.meter.custody import Dispatch, Receive
from services.registry.meter.dismantling import Dismantle
from services.registry.meter.identity import Register
from services.registry.meter.missing import MarkMissing
from services.registry.meter.state import AtSite, InService, MissingFrom
from tests.registry.imports.sheets import result_of

FILES = {
    "devices": "devices.csv",
    "dismantled": "dismantled.xlsx",
    "dispatched": "dispatched.csv",
    "received": "received.xlsx",
}


@pytest.fixture(scope="module", params=[(7, 2100), (1, DEVICES_MIN)], ids=["as shown", "small"])
def made(request, tmp_path_factory):
    directory = tmp_path_factory.mktemp("demo")
    seed, devices = request.param
    outcome = generate(directory, seed=seed, devices=devices)
    own = mapping.load(directory / "mapping.yaml")
    read = {
        kind: result_of((directory / name).read_bytes(), kind, mapping=own, today=CUT_OFF)
        for kind, name in FILES.items()
    }
    return outcome, read


def given_out(result):
    return dict(Counter(finding.code for finding in result))


def test_the_files_read_as_their_tallies_say(made):
    outcome, read = made
    for kind, tally in outcome.files.items():
        result = read[kind]
        of_the_rules = tally.refused.get("meter.unknown", 0)
        assert len(result.rows) == tally.accepted + tally.repeated + of_the_rules, kind
        assert given_out(result.errors) == {code: n for code, n in tally.refused.items() if code != "meter.unknown"}
        assert given_out(result.warnings) == tally.warnings, kind
        assert result.skipped == tally.skipped, kind


def test_every_repeated_row_says_just_what_another_said(made):
    outcome, read = made
    for kind, tally in outcome.files.items():
        rows = Counter(msgspec.json.encode(values, order="sorted") for values in read[kind].values)
        assert sum(rows.values()) - len(rows) == tally.repeated, kind


class Province:
    """The devices as the registry's rules have them, fed as an import would feed them."""

    def __init__(self):
        self.meters = {}
        self.refused = Counter()

    def do(self, type_, **values):
        command = msgspec.convert(values, type_)
        meter = self.meters.get(command.asset_no, METER.initial)
        try:
            events = METER.decide(command, meter)
        except Refusal as refusal:
            self.refused[refusal.code] += 1
        else:
            self.meters[command.asset_no] = METER.fold(events, meter)


def played(read):
    province = Province()
    for values in read["devices"].values:
        province.do(Register, occurred_on="2025-02-28", **values)
    for values in read["dismantled"].values:
        province.do(Dismantle, **values)
    listed = {}
    for values in read["dispatched"].values:
        listed.setdefault(values["shipment"], set()).add(values["asset_no"])
        dropped = {"unit", "carrier"}
        province.do(Dispatch, **{name: value for name, value in values.items() if name not in dropped})
    found = {}
    for values in read["received"].values:
        if values["asset_no"] not in found.setdefault(values["shipment"], set()):
            found[values["shipment"]].add(values["asset_no"])
            province.do(Receive, **values)
    for shipment, numbers in listed.items():
        for number in numbers - found[shipment]:
            province.do(MarkMissing, asset_no=number, shipment=shipment, occurred_on="2025-06-30")
    return province


def test_the_registrys_rules_make_of_it_what_is_expected(made):
    outcome, read = made
    province = played(read)
    places = Counter()
    for meter in province.meters.values():
        match meter.place:
            case InService():
                places["in_service"] += 1
            case AtSite(site, unexpected):
                places["unexpected" if unexpected else "received" if site == CENTRE else "owed"] += 1
            case MissingFrom():
                places["missing"] += 1
    assert len(province.meters) == outcome.meters
    assert places == {
        "in_service": outcome.in_service,
        "owed": outcome.owed,
        "received": outcome.received,
        "missing": outcome.missing,
        "unexpected": outcome.unexpected,
    }
    assert places.total() == outcome.meters
    assert province.refused == {"meter.already_registered": 1, "meter.not_in_service": 1, "meter.unknown": 1}
    assert sum(1 for meter in province.meters.values() if meter.owner == "customer") == outcome.customer_owned
    closing = {site.site_id: Counter() for site in outcome.sites}
    for meter in province.meters.values():
        if meter.site is not None:
            closing[meter.site][meter.device_class] += 1
    assert closing == {site.site_id: site.closing for site in outcome.sites}


def test_the_story_has_all_that_a_demonstration_should_show(made):
    outcome, read = made
    assert len({site.unit for site in outcome.sites if site.kind == "unit_store"}) == len(PREFECTURES) == 14
    assert len({values["description"]["maker"] for values in read["devices"].values}) == 7
    assert len({values["description"]["arrival_batch"] for values in read["devices"].values}) > 50
    assert outcome.missing >= 4
    assert min(outcome.unexpected_by_record.values()) >= 2
    assert outcome.customer_owned >= 3
    assert len(outcome.reasons) >= 6
    assert outcome.reasons["burnt"] >= 1
    assert set(outcome.cohorts) == {"2025-03", "2025-04", "2025-05"}
    assert sum(cohort.dismantled for cohort in outcome.cohorts.values()) == outcome.files["dismantled"].accepted
    assert sum(shipment.received for shipment in outcome.shipments) == outcome.received
    assert sum(shipment.missing for shipment in outcome.shipments) == outcome.missing
    assert sum(shipment.unexpected for shipment in outcome.shipments) == outcome.unexpected
    if outcome.meters > 2000:
        assert outcome.files["devices"].accepted >= 2000
        assert any(shipment.damaged for shipment in outcome.shipments)


def test_all_numbers_say_that_they_are_synthetic():
    story = tell(3, 500)
    numbers = [device.asset_no for device in story.devices] + [stranger.asset_no for stranger in story.strangers]
    assert len(set(numbers)) == len(numbers)
    assert {number[:3] for number in numbers} == {"994", "990"}
    assert {number[7:11] for number in numbers} == {"9999"}
    assert sum(1 for number in numbers if number[-1] != asset_number.check_digit(number[:-1])) == 1


def digests(directory):
    files = [path for path in directory.iterdir() if path.name != "mapping.yaml"]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_same_seed_writes_the_same_bytes(tmp_path):
    first = generate(tmp_path / "a", seed=5, devices=DEVICES_MIN)
    second = generate(tmp_path / "b", seed=5, devices=DEVICES_MIN)
    generate(tmp_path / "c", seed=6, devices=DEVICES_MIN)
    assert first == second
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    assert not set(digests(tmp_path / "a").values()) & set(digests(tmp_path / "c").values())


def test_what_is_expected_can_be_read_back(tmp_path):
    outcome = generate(tmp_path, seed=5, devices=DEVICES_MIN)
    assert msgspec.json.decode((tmp_path / "expected.json").read_bytes(), type=Expected) == outcome
    assert outcome.cut_off == date(2025, 6, 30)


def test_too_small_a_story_is_not_told(tmp_path):
    with pytest.raises(ValueError, match="needs"):
        generate(tmp_path, devices=DEVICES_MIN - 1)


def test_plain_devices_for_measuring(tmp_path):
    plain_devices(tmp_path / "plain.csv", 3000)
    result = result_of((tmp_path / "plain.csv").read_bytes())
    assert len(result.rows) == 3000
    assert result.errors == result.warnings == []
    assert result.headings[0].dropped == ()
