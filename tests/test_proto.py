"""proto/ only grows, says what the deciders say, and every event in the log is proto3 JSON of its message."""

import re
from datetime import date, datetime
from types import NoneType, UnionType
from typing import Annotated, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest
from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from hypothesis import given, settings

from cli.inventory import deciders
from cli.reference import ROOT
from services.registry.access import INSIDE as REGISTRY_INSIDE
from services.sorting.access import INSIDE as SORTING_INSIDE
from tests.given import same_through_json
from tests.proto_lock import LOCK, compared, lines, service_files
from tests.strategies import messages

FILES = service_files()
DECIDED = [
    pytest.param(service, kind, id=f"{service}.{kind.__name__}")
    for service, nouns in deciders().items()
    for noun in nouns
    for kind in (*noun.commands, *noun.events)
]
EVENTS = [
    pytest.param(service, event, id=f"{service}.{event.__name__}")
    for service, nouns in deciders().items()
    for noun in nouns
    for event in noun.events
]
SCALARS = {
    str: FieldDescriptor.TYPE_STRING,
    date: FieldDescriptor.TYPE_STRING,
    int: FieldDescriptor.TYPE_INT64,
    bool: FieldDescriptor.TYPE_BOOL,
}


def message_of(service: str, name: str) -> Descriptor:
    """The message of this name in the service's proto."""
    return FILES[service].DESCRIPTOR.message_types_by_name[name]


def plain(hint):
    """The hint without bounds, and without the None that says it may be absent."""
    if get_origin(hint) is Annotated:
        return plain(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        (one,) = (each for each in get_args(hint) if each is not NoneType)
        return plain(one)
    return hint


def assert_carries(field: FieldDescriptor, hint: object, *, may_be_absent: bool) -> None:
    """The field carries values of the hint, and tells absent from zero where they differ."""
    hint = plain(hint)
    if get_origin(hint) is tuple:
        assert field.is_repeated
        hint = plain(get_args(hint)[0])
    else:
        assert not field.is_repeated
        assert field.has_presence or not may_be_absent, f"{field.full_name} must be optional"
    if get_origin(hint) is Literal:
        assert field.type == FieldDescriptor.TYPE_STRING
    elif hint is datetime:
        assert field.message_type.full_name == "google.protobuf.Timestamp"
    elif isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        assert_says_the_same(field.message_type, hint)
    else:
        assert field.type == SCALARS[hint]


def assert_says_the_same(message: Descriptor, struct: type[msgspec.Struct]) -> None:
    """The message has the struct's members, by name and type, and no more."""
    hints = get_type_hints(struct, include_extras=True)
    assert message.name == struct.__name__
    assert set(message.fields_by_name) == set(hints)
    for member in msgspec.structs.fields(struct):
        assert_carries(message.fields_by_name[member.name], hints[member.name], may_be_absent=not member.required)


@pytest.mark.parametrize(("service", "kind"), DECIDED)
def test_commands_and_events_have_the_same_members_in_proto(service, kind):
    assert_says_the_same(message_of(service, kind.__name__), kind)


@pytest.mark.parametrize(("service", "event"), EVENTS)
def test_an_event_in_the_log_is_proto3_json_of_its_message(service, event):
    message = getattr(FILES[service], event.__name__)

    @settings(max_examples=20)
    @given(messages(event))
    def parses(example):
        assert same_through_json(example)
        data = msgspec.json.encode(example)
        read = json_format.Parse(data, message(), ignore_unknown_fields=False)
        again = json_format.MessageToJson(read, preserving_proto_field_name=True)
        assert json_format.Parse(again, message()) == read

    parses()


@pytest.mark.parametrize("service", FILES)
def test_every_command_has_its_method(service):
    inside = {command.__name__ for command in (*REGISTRY_INSIDE, *SORTING_INSIDE)}
    commands = {command.__name__ for noun in deciders()[service] for command in noun.commands} - inside
    (rpc,) = FILES[service].DESCRIPTOR.services_by_name.values()
    methods = {method.name: method.input_type.name for method in rpc.methods if method.output_type.name == "Outcome"}
    assert methods == {name: name for name in commands}


def test_proto_imports_nothing_but_googles_own():
    paths = sorted((ROOT / "proto").rglob("*.proto"))
    text = "".join(path.read_text("utf-8") for path in paths)
    imports = re.findall(r'(?m)^import [^"]*"([^"]+)"', text)
    assert len(paths) == len(FILES)
    assert [found for found in imports if not found.startswith("google/protobuf/")] == []


def test_proto_only_grows():
    locked = LOCK.read_text("utf-8").splitlines()
    lost, new = compared(locked, lines(FILES))
    assert lost == [], "what proto once promised is gone or changed; a name or number is never used again"
    assert new == [], "proto has grown: run `make docs` and commit docs/reference/proto.lock"


def test_a_removed_renumbered_or_retyped_member_is_noticed():
    now = ["m.A.x 1 string", "m.A.y 2 int64"]
    assert compared(now, now) == ([], [])
    assert compared(now, now[:1]) == (now[1:], [])
    assert compared(now, ["m.A.x 3 string", now[1]]) == ([now[0]], ["m.A.x 3 string"])
    assert compared(now, ["m.A.x 1 int64", now[1]]) == ([now[0]], ["m.A.x 1 int64"])
    assert compared(now, [*now, "m.A.z 3 bool"]) == ([], ["m.A.z 3 bool"])
