"""Between proto messages and plain values, by field name, so that gRPC says exactly what REST says.

Reading: a field with presence that is not set is absent, one without presence is always there (proto3 does not send
zeros), a Timestamp is an instant in UTC, an enum its value's name. A field number that the message does not know and a
known one sent in another wire type are refused, as an unknown member or text for a number is in JSON. Writing: None is
left out, and a name that the message does not have is a fault of ours.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from functools import cache
from typing import Annotated, Any, Final, TypeAlias

import msgspec
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.unknown_fields import UnknownFieldSet

from kernel.intake import (
    ESCAPED_NUL,
    INVALID,
    NOT_PROTO,
    OUT_OF_RANGE,
    UNKNOWN_FIELD,
    field_error,
    malformed,
    refuse_nul,
    wrong_type,
)

TIMESTAMP: Final = "google.protobuf.Timestamp"

Read: TypeAlias = Callable[[Any, bool], Any]
"""A field's value, and whether what is absent in it is told as None. Raises _Amiss."""

Write: TypeAlias = Callable[[Any, Any], None]


def plain_of_bytes(kind: Descriptor, body: bytes) -> dict[str, Any]:
    """A request as plain values, or a refusal: NotText where it is no such message, Malformed where it is not right."""
    try:
        message = GetMessageClass(kind).FromString(body)
    except DecodeError:
        raise NOT_PROTO() from None
    plain = plain_of_message(message)
    # Most messages have bytes of zero without a text that has one, and writing JSON is quicker than looking for it.
    if b"\0" in body and ESCAPED_NUL in msgspec.json.encode(plain):
        refuse_nul(plain)
    return plain


def plain_of_message(message: Message, *, nulls: bool = False) -> dict[str, Any]:
    """The message as plain values, or Malformed raised. With `nulls` every absent field is there as None, in the
    message's order, as JSON answers have it.
    """
    try:
        return _plain(message, _reading(message.DESCRIPTOR), nulls)
    except _Amiss:
        # Only now is it of interest where: to keep count of places costs more than reading.
        _refuse(message, "")
        raise


class _Amiss(Exception):
    """Something in the message is to be refused."""


def _plain(message: Message, reading: "_Reading", nulls: bool) -> dict[str, Any]:  # noqa: FBT001  one of the functions for values
    if len(UnknownFieldSet(message)):
        raise _Amiss
    plain = (reading.whole if nulls else reading.unset).copy()
    for name in reading.lists:
        plain[name] = []
    for name in reading.maps:
        plain[name] = {}
    of = reading.of
    for field, value in message.ListFields():
        name, read = of[field]
        plain[name] = value if read is None else read(value, nulls)
    return plain


def _refuse(message: Message, at: str) -> None:
    """Raises Malformed for the first thing that is amiss in the message, by its place."""
    _refuse_unknown(message, at)
    for field, value in message.ListFields():
        kind = _value_field(field).message_type if _is_map(field) else field.message_type
        if kind is None:
            continue
        for place, one in _held(field, value, f"{at}.{field.name}" if at else field.name):
            if kind.full_name == TIMESTAMP:
                _refuse_instant(one, place)
            else:
                _refuse(one, place)


def _held(field: FieldDescriptor, value: Any, at: str) -> Iterator[tuple[str, Any]]:
    """What the field holds, each with its place."""
    if not field.is_repeated:
        yield at, value
        return
    for key, one in value.items() if _is_map(field) else enumerate(value):
        yield f"{at}[{key}]", one


def message_of(kind: Descriptor, value: object) -> Message:
    """A struct, or plain values, as a message of this kind."""
    message = GetMessageClass(kind)()
    _fill(message, value)
    return message


@cache
def struct_for(kind: Descriptor) -> type[msgspec.Struct]:
    """A struct with the fields of this message, for reading JSON as strictly as a command is read: no unknown field, no
    number as text, no time without zone. Bounds that proto cannot say are left to who answers the message.
    """
    return msgspec.defstruct(
        kind.name,
        [(field.name, *_member(field)) for field in kind.fields],
        frozen=True,
        kw_only=True,
        forbid_unknown_fields=True,
    )


def _member(field: FieldDescriptor) -> tuple[Any, ...]:
    """The type of a field, and its default where it may be absent."""
    if field.message_type is None:
        one: Any = _SCALARS[field.cpp_type]
    elif field.message_type.full_name == TIMESTAMP:
        one = Annotated[datetime, msgspec.Meta(tz=True)]
    else:
        one = struct_for(field.message_type)
    if field.is_repeated:
        return tuple[one, ...], ()
    return (one | None, None) if field.has_presence else (one,)


def _refuse_unknown(message: Message, at: str) -> None:
    unknown = UnknownFieldSet(message)
    if not len(unknown):
        return
    known = message.DESCRIPTOR.fields_by_number
    errors = []
    for index in range(len(unknown)):
        number = unknown[index].field_number
        field = known.get(number)
        name = (f"{at}." if at else "") + (field.name if field else f"#{number}")
        refusal = wrong_type(name, _spoken(field), "other") if field else UNKNOWN_FIELD(field=name)
        errors.append(field_error(refusal, name))
    raise malformed(errors)


class _Reading(msgspec.Struct, frozen=True):
    """How a message is read: what its fields are when it does not have them, with and without those that may be absent,
    which of them are lists and which are maps, and the name of each, with a function where its value is not plain
    already.
    """

    unset: dict[str, Any]
    whole: dict[str, Any]
    lists: tuple[str, ...]
    maps: tuple[str, ...]
    of: dict[FieldDescriptor, tuple[str, Read | None]]


@cache
def _reading(kind: Descriptor) -> _Reading:
    whole = {field.name: None if field.has_presence else _unset(field) for field in kind.fields}
    return _Reading(
        {field.name: whole[field.name] for field in kind.fields if not field.has_presence},
        whole,
        tuple(field.name for field in kind.fields if field.is_repeated and not _is_map(field)),
        tuple(field.name for field in kind.fields if _is_map(field)),
        {field: (field.name, _read_of(field)) for field in kind.fields},
    )


def _unset(field: FieldDescriptor) -> Any:
    if field.is_repeated:
        return None
    return field.enum_type.values_by_number[0].name if field.enum_type is not None else field.default_value


def _read_of(field: FieldDescriptor) -> Read | None:
    if _is_map(field):
        read_value = _read_one(_value_field(field))
        return lambda value, nulls: {
            key: one if read_value is None else read_value(one, nulls) for key, one in value.items()
        }
    read = _read_one(field)
    if not field.is_repeated:
        return read
    if read is None:
        return lambda value, _nulls: list(value)
    if (kind := field.message_type) is not None and kind.full_name != TIMESTAMP:
        return lambda value, nulls: _plain_of_each(value, _reading(kind), nulls)
    return lambda value, nulls: [read(one, nulls) for one in value]


def _plain_of_each(messages: Iterable[Message], reading: "_Reading", nulls: bool) -> list[dict[str, Any]]:  # noqa: FBT001  as _plain
    return [_plain(message, reading, nulls) for message in messages]


def _read_one(field: FieldDescriptor) -> Read | None:
    if (kind := field.message_type) is not None:
        # A message may hold its own kind: how that is read is looked up when one is there.
        return _instant if kind.full_name == TIMESTAMP else lambda value, nulls: _plain(value, _reading(kind), nulls)
    if field.enum_type is not None:
        names = {value.number: value.name for value in field.enum_type.values}
        return lambda value, _nulls: names.get(value, value)
    return None


def _instant(value: Any, _nulls: bool) -> datetime:  # noqa: FBT001  one of the functions for values
    try:
        instant: datetime = value.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise _Amiss from None
    return instant


def _refuse_instant(value: Any, at: str) -> None:
    try:
        value.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        refusal = OUT_OF_RANGE(field=at, limit="0001-01-01T00:00:00Z .. 9999-12-31T23:59:59Z")
        raise malformed([field_error(refusal, at)]) from None


def _fill(message: Message, value: Any) -> None:
    writing = _writing(message.DESCRIPTOR)
    members = msgspec.structs.asdict(value) if isinstance(value, msgspec.Struct) else value
    for name, one in members.items():
        if one is None:
            continue
        write = writing[name]
        if write is None:
            setattr(message, name, one if type(one) in _AS_THEY_ARE else _scalar(one))
        else:
            write(message, one)


_AS_THEY_ARE: Final = frozenset({str, int, bool})


def _scalar(value: Any) -> Any:
    match value:
        case date():
            return value.isoformat()
        case msgspec.Raw():
            return bytes(value).decode()
        case _:
            return value


@cache
def _writing(kind: Descriptor) -> dict[str, Write | None]:
    return {field.name: _write_of(field) for field in kind.fields}


def _write_of(field: FieldDescriptor) -> Write | None:
    """The function that writes such a field, none where it is set as it is."""
    name = field.name
    if _is_map(field):
        holds_messages = _value_field(field).message_type is not None

        def write_map(message: Any, value: Mapping[Any, Any]) -> None:
            entries = getattr(message, name)
            for key, one in value.items():
                if holds_messages:
                    _fill(entries[key], one)
                else:
                    entries[key] = one

        return write_map
    if field.message_type is not None:
        fill = _filling_instant(name) if field.message_type.full_name == TIMESTAMP else _fill
        if field.is_repeated:

            def write_messages(message: Any, value: Any) -> None:
                for one in value:
                    fill(getattr(message, name).add(), one)

            return write_messages

        def write_message(message: Any, value: Any) -> None:
            inner = getattr(message, name)
            inner.SetInParent()
            fill(inner, value)

        return write_message
    number_of = {value.name: value.number for value in field.enum_type.values} if field.enum_type else None
    if field.is_repeated:
        one = _scalar if number_of is None else number_of.__getitem__
        return lambda message, value: getattr(message, name).extend(map(one, value))
    if number_of is not None:
        return lambda message, value: setattr(message, name, number_of[value])
    return None


def _filling_instant(name: str) -> Write:
    def fill(message: Any, value: Any) -> None:
        try:
            message.FromDatetime(value)
        except (OverflowError, ValueError):
            # Its zone takes it before the year 1 or after 9999, where no Timestamp goes.
            refusal = INVALID(field=name, why="0001-01-01T00:00:00Z .. 9999-12-31T23:59:59Z")
            raise malformed([field_error(refusal, name)]) from None

    return fill


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _value_field(field: FieldDescriptor) -> FieldDescriptor:
    """The field of a map's values."""
    assert field.message_type is not None
    return field.message_type.fields_by_name["value"]


def _spoken(field: Any) -> str:
    return field.message_type.name if field.message_type is not None else _WORDS.get(field.cpp_type, "str")


_SCALARS: Final[dict[int, Any]] = {
    FieldDescriptor.CPPTYPE_INT64: Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)],
    FieldDescriptor.CPPTYPE_BOOL: bool,
    FieldDescriptor.CPPTYPE_STRING: str,
}
"""What our protos use. A field of another kind is refused when the gateway starts, until it is thought through."""

_WORDS: Final = {
    FieldDescriptor.CPPTYPE_INT32: "int",
    FieldDescriptor.CPPTYPE_INT64: "int",
    FieldDescriptor.CPPTYPE_UINT32: "int",
    FieldDescriptor.CPPTYPE_UINT64: "int",
    FieldDescriptor.CPPTYPE_DOUBLE: "float",
    FieldDescriptor.CPPTYPE_FLOAT: "float",
    FieldDescriptor.CPPTYPE_BOOL: "bool",
    FieldDescriptor.CPPTYPE_ENUM: "enum",
}
