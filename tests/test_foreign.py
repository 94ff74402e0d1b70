"""What a service reads of another's public events is what the other writes: held against its proto, and against
examples of its events as they stand in the log.
"""

from datetime import date, datetime
from types import NoneType
from typing import Literal, get_args, get_origin, get_type_hints

import msgspec
import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from hypothesis import given, settings

from cli.inventory import deciders
from services.registry.foreign import EVENTS as OF_SORTING
from services.registry.foreign import READERS as REGISTRYS
from services.sorting.foreign import EVENTS as OF_REGISTRY
from services.sorting.foreign import READERS as SORTINGS
from tests.strategies import messages
from tests.test_proto import SCALARS, message_of, plain

WRITTEN = {
    f"{service}.{event.__name__}": event
    for service, nouns in deciders().items()
    for noun in nouns
    for event in noun.events
}
READ = [
    pytest.param(name.partition(".")[0], struct, id=f"{reader} reads {name}")
    for reader, readers, events in (("registry", REGISTRYS, OF_SORTING), ("sorting", SORTINGS, OF_REGISTRY))
    for name, struct in zip(readers, events, strict=True)
]


def assert_within(message: Descriptor, struct: type[msgspec.Struct]) -> None:
    """Every member that is read is one of the message, of its kind."""
    for name, hint in get_type_hints(struct, include_extras=True).items():
        field, kind = message.fields_by_name[name], plain(hint)
        if get_origin(kind) is tuple:
            assert field.is_repeated, field.full_name
            kind = plain(get_args(kind)[0])
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            assert_within(field.message_type, kind)
        elif kind is datetime or (kind is str and field.message_type is not None):
            assert field.message_type.full_name == "google.protobuf.Timestamp", field.full_name
        else:
            scalar = FieldDescriptor.TYPE_STRING if get_origin(kind) is Literal else SCALARS[kind]
            assert field.type == scalar, field.full_name


def assert_read(struct: type[msgspec.Struct], owner: type[msgspec.Struct]) -> None:
    """What the reader cannot do without is always there, and every word of the owner's lists is known to it."""
    theirs, owners = (
        get_type_hints(owner, include_extras=True),
        {one.name: one for one in msgspec.structs.fields(owner)},
    )
    hints = get_type_hints(struct, include_extras=True)
    for member in msgspec.structs.fields(struct):
        assert owners[member.name].required or not member.required, member.name
        mine, said = plain(hints[member.name]), plain(theirs[member.name])
        if NoneType in get_args(theirs[member.name]):
            assert NoneType in get_args(hints[member.name]), f"{member.name} may be absent"
        if get_origin(mine) is Literal:
            assert set(get_args(said)) <= set(get_args(mine)), member.name
        if isinstance(mine, type) and issubclass(mine, msgspec.Struct):
            assert_read(mine, said)


@pytest.mark.parametrize(("service", "struct"), READ)
def test_what_is_read_is_in_the_owners_proto(service, struct):
    assert_within(message_of(service, struct.__name__), struct)
    assert_read(struct, WRITTEN[f"{service}.{struct.__name__}"])


@pytest.mark.parametrize(("service", "struct"), READ)
def test_what_the_owner_writes_is_read_as_it_was_meant(service, struct):
    @settings(max_examples=20)
    @given(messages(WRITTEN[f"{service}.{struct.__name__}"]))
    def reads(event):
        read = msgspec.json.decode(msgspec.json.encode(event), type=struct)
        assert _same(msgspec.to_builtins(read), msgspec.to_builtins(event))

    reads()


def _same(read: object, said: object) -> bool:
    """Whether all that is read is what was said; a member with its default is not written, and the reader has none or
    the same.
    """
    if isinstance(read, dict) and isinstance(said, dict):
        return all(value is None or name not in said or _same(value, said[name]) for name, value in read.items())
    if isinstance(read, tuple | list) and isinstance(said, tuple | list):
        return len(read) == len(said) and all(map(_same, read, said))
    instants = isinstance(said, str) and "T" in said and said != read
    return datetime.fromisoformat(str(read)) == datetime.fromisoformat(said) if instants else read == said


def test_a_member_that_is_not_the_owners_is_noticed():
    class VerdictReached(msgspec.Struct):
        asset_no: str
        colour: str

    class Renumbered(msgspec.Struct):
        round: str

    with pytest.raises(KeyError, match="colour"):
        assert_within(message_of("sorting", "VerdictReached"), VerdictReached)
    with pytest.raises(AssertionError, match="round"):
        assert_within(message_of("sorting", "VerdictReached"), Renumbered)


def test_what_is_not_always_there_is_not_counted_upon():
    class Dismantled(msgspec.Struct):
        occurred_on: date

    with pytest.raises(AssertionError, match="occurred_on"):
        assert_read(Dismantled, WRITTEN["registry.Dismantled"])
