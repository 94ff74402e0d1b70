"""Every type of event has a label, and nothing that is public tells of a device, a customer or a person."""

from pathlib import Path
from typing import get_args, get_type_hints

import msgspec
import pytest

from cli.inventory import deciders
from cli.reference import DISCLOSURE
from kernel.device import AssetNo
from kernel.disclosure import load
from kernel.quantity import PublicRemark, Remark

EVENTS = {
    f"{service}.{event.__name__}": event
    for service, nouns in deciders().items()
    for noun in nouns
    for event in noun.events
}
PRIVATE_MEMBERS = {"signer", "liable_unit", "work_order", "comm_address", "last_holder", "location", "case"}
LABEL = "{kind: must, right: participation, audience: public, zh: 理由, en: reason}"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "disclosure.yaml"
    path.write_text(text, "utf-8")
    return path


def parts(hint):
    yield hint
    for part in get_args(hint):
        yield from parts(part)


def members(struct):
    """Every member of a struct and of the structs within it: name, and the parts of its type."""
    for name, hint in get_type_hints(struct, include_extras=True).items():
        yield name, list(parts(hint))
        for part in parts(hint):
            if isinstance(part, type) and issubclass(part, msgspec.Struct):
                yield from members(part)


def test_every_type_of_event_has_a_label_and_every_label_a_type():
    assert load(DISCLOSURE).disagreements(EVENTS) == []


def test_a_type_without_label_and_a_label_without_type_are_told(tmp_path):
    disclosure = load(written(tmp_path, f"parties: {{}}\nevents:\n  a.Done: {LABEL}\n  a.Left: {LABEL}\n"))
    assert disclosure.disagreements(["a.Done", "a.New"]) == ["a.New has no label", "a.Left is no type of event"]
    assert disclosure.public == {"a.Done", "a.Left"}


def test_what_is_public_tells_of_no_device_customer_or_person():
    for name in load(DISCLOSURE).public:
        for member, kinds in members(EVENTS[name]):
            assert AssetNo not in kinds, f"{name}.{member} names a device"
            assert Remark not in kinds, f"{name}.{member} is free text; what the public reads is a PublicRemark"
            assert member not in PRIVATE_MEMBERS, f"{name}.{member}"


def test_free_text_marked_as_public_is_public():
    """Whoever writes a PublicRemark was told that it will be read by all; it must not be the other way round."""
    public = load(DISCLOSURE).public
    for name, event in EVENTS.items():
        marked = any(PublicRemark in kinds for _, kinds in members(event))
        assert not marked or name in public, name


def test_the_devices_are_found_where_there_are_some():
    """The guard above would be worth nothing if it saw no device anywhere."""
    telling = {name for name, event in EVENTS.items() if any(AssetNo in kinds for _, kinds in members(event))}
    assert {"registry.Registered", "registry.ShipmentPrepared", "registry.StocktakeRecorded"} <= telling
    assert "registry.PlanSet" not in telling


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"parties: {{}}\nevents: {{a.Done: {LABEL.replace('must', 'may')}}}", "kind"),
        (f"parties: {{}}\nevents: {{a.Done: {LABEL.replace('participation', 'knowledge')}}}", "serves"),
        (f"parties: {{}}\nevents: {{a.Done: {LABEL.replace('public', 'everyone')}}}", "audience"),
        (f"parties: {{}}\nevents: {{a.Done: {LABEL.replace('public', 'party')}}}", "parties"),
        (f"parties: {{}}\nevents: {{a.Done: {LABEL.replace('public', 'party, parties: [unit]')}}}", "declared"),
        ("parties: {unit: {zh: 单位, en: unit}}\nevents: {}", "declared"),
        (f"parties: {{}}\nevents: {{a.Done: {LABEL.replace('zh: 理由', 'zh: ')}}}", "zh"),
        (f"parties: {{}}\nevents: {{a.Done: {LABEL.replace('en:', 'fr:')}}}", "fr"),
        (f"parties: {{}}\nevents: {{Done: {LABEL}}}", "regex"),
        (f"parties: {{}}\nevents: {{a.Done: {LABEL}, a.Done: {LABEL}}}", "twice"),
        ("parties: {}", "events"),
        ("parties: [", "parsing"),
    ],
)
def test_a_file_that_is_not_quite_right_is_refused(tmp_path, text, says):
    with pytest.raises(ValueError, match=says):
        load(written(tmp_path, text))
