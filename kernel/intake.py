"""From what outsiders send to structs, strictly. Both doors and the import read through this.

Nothing is guessed: an unknown or repeated field, a number as text, a time without its zone, a number out of range are
each refused under their own code and with the place, never with the value, which may be personal. Where a command has
several faults all fields at its top are named at once.
"""

import json
import re
from ast import literal_eval
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NoReturn, TypeVar

import msgspec
from msgspec.inspect import (
    DictType,
    EnumType,
    FrozenSetType,
    ListType,
    LiteralType,
    Metadata,
    SetType,
    StructType,
    Type,
    UnionType,
    VarTupleType,
    type_info,
)

from kernel.door import BadRequest
from kernel.quantity import form_in_words
from kernel.refusal import Contradiction, Reason, Refusal, Unreadable

T = TypeVar("T")

ERRORS_MAX: Final = 100
"""Faults named in one answer; whoever sends more has one problem, not a hundred."""

WHOLE: Final = "内容 content"
"""How messages name all of what was sent."""

ESCAPED_NUL: Final = b"\\u0000"
"""The only way to write U+0000 in JSON."""

FIELD_NAME_CHARS_MAX: Final = 80
"""How much of an outsider's own field name is repeated to them."""


class FieldError(msgspec.Struct, frozen=True, kw_only=True):
    """One fault in what was sent. `field` is its place, such as `items[3].mass_g`; empty where it is the whole."""

    field: str
    code: str
    zh: str
    en: str


class Malformed(Unreadable):
    """Well-formed, but not what was asked for. `errors` names every fault found; the first gives the code."""

    errors: tuple[FieldError, ...] = ()


class NotText(BadRequest):
    """Not JSON at all."""


def _malformed(code: str, zh: str, en: str) -> Reason:
    return Reason(Malformed, code, zh, en)


def _not_text(code: str, zh: str, en: str) -> Reason:
    return Reason(NotText, code, zh, en)


NOT_JSON = _not_text("input.not_json", "不是有效的 JSON：{why}", "not valid JSON: {why}")
NOT_UTF8 = _not_text("input.not_utf8", "不是 UTF-8 编码（第 {byte} 字节）", "not UTF-8 (at byte {byte})")
TOO_DEEP = _not_text("input.too_deep", "嵌套过深", "nested too deeply")
NOT_PROTO = _not_text("input.not_proto", "无法按协议解析", "cannot be parsed as the message it should be")
REPEATED_FIELD = _malformed("input.repeated_field", "字段 {field} 出现多次", "field {field} is there more than once")
UNKNOWN_FIELD = _malformed("input.unknown_field", "没有名为 {field} 的字段", "there is no field {field}")
MISSING_FIELD = _malformed("input.missing_field", "缺少字段 {field}", "field {field} is missing")
WRONG_TYPE = _malformed(
    "input.wrong_type", "{field} 应为{expected_zh}，实为{got_zh}", "{field} must be {expected}, it is {got}"
)
NO_ZONE = _malformed("input.no_zone", "{field} 缺少时区（如 +08:00）", "{field} lacks its time zone (such as +08:00)")
OUT_OF_RANGE = _malformed("input.out_of_range", "{field} 应 {limit}", "{field} must be {limit}")
WRONG_LENGTH = _malformed("input.wrong_length", "{field} 的长度应 {limit}", "{field} must have a length {limit}")
WRONG_FORMAT = _malformed("input.wrong_format", "{field} 格式不符，应为{expected_zh}", "{field} should be {expected}")
NOT_IN_LIST = _malformed(
    "input.not_in_list", "{field} 的取值应为以下之一：{choices}", "{field} must be one of: {choices}"
)
NUL = _malformed("input.nul_character", "{field} 含有空字符 U+0000", "{field} contains the character U+0000")
INVALID = _malformed("input.invalid", "{field} 无效：{why}", "{field} is not valid: {why}")

_TYPES: Final = {
    "int": ("整数", "a whole number"),
    "float": ("数", "a number"),
    "str": ("文字", "text"),
    "bytes": ("Base64 文字", "Base64 text"),
    "bool": ("是或否（true、false）", "true or false"),
    "array": ("列表", "a list"),
    "list": ("列表", "a list"),
    "object": ("对象", "an object"),
    "dict": ("对象", "an object"),
    "null": ("空", "null"),
    "NoneType": ("空", "null"),
    "date": ("日期，如 2026-03-05", "a date, as 2026-03-05"),
    "datetime": ("时刻，如 2026-03-05T08:00:00+08:00", "an instant, as 2026-03-05T08:00:00+08:00"),
    "uuid": ("UUID", "a UUID"),
    "enum": ("列出的值之一", "one of the values listed"),
    "other": ("另一种类型", "of another type"),
}
"""Types as msgspec calls them, and Python and protobuf, in words for people."""

_ENCODINGS: Final = {"RFC3339 encoded date": "date", "RFC3339 encoded datetime": "datetime", "UUID": "uuid"}


def wrong_type(field: str, expected: str, got: str) -> Refusal:
    """A refusal of what is of another type, both named as msgspec does: `int | null`."""
    (expected_zh, expected_en), (got_zh, got_en) = _typed(expected), _typed(got)
    return WRONG_TYPE(field=field, expected_zh=expected_zh, expected=expected_en, got_zh=got_zh, got=got_en)


def wrong_pattern(field: str, pattern: str) -> Refusal:
    """A refusal of text that does not match."""
    zh, en = form_in_words(pattern)
    return WRONG_FORMAT(field=field, expected_zh=zh, expected=en)


def wrong_encoding(field: str, encoding: str) -> Refusal:
    """A refusal of text that should say something else than text, named as msgspec does."""
    zh, en = _TYPES.get(_ENCODINGS.get(encoding, encoding), (encoding, encoding))
    return WRONG_FORMAT(field=field, expected_zh=zh, expected=en)


def _typed(types: str) -> tuple[str, str]:
    words = [_TYPES.get(one, (one, one)) for one in types.split(" | ")]
    return "或".join(zh for zh, _ in words), " or ".join(en for _, en in words)


_AT: Final = re.compile(r"(?s)^(.*?)(?: - at `(?:key in )?\$?(.*)`)?$")
_NO_CHOICE: Final = re.compile(r"(?s)Invalid enum value .+|Invalid value .+")
_STEP: Final = re.compile(r"\.([^.\[]+)|\[[^\]]*\]")
_BELOW: Final[tuple[tuple[re.Pattern[str], Reason], ...]] = (
    (re.compile(r"(?s)Object missing required field `(.+)`"), MISSING_FIELD),
    (re.compile(r"(?s)Object contains unknown field `(.+)`"), UNKNOWN_FIELD),
)
_READINGS: Final[tuple[tuple[re.Pattern[str], Callable[[re.Match[str], str], Refusal]], ...]] = (
    (re.compile(r"Expected `.+` with a timezone component"), lambda _, at: NO_ZONE(field=at)),
    (
        re.compile(r"Expected `(?:str|array|object|bytes)` of length (.+)"),
        lambda said, at: WRONG_LENGTH(field=at, limit=said[1]),
    ),
    (
        re.compile(r"Expected `(.+)`, got `(.+)`"),
        lambda said, at: wrong_type(at, said[1], said[2]),
    ),
    (
        re.compile(r"Expected `\w+` ((?:<|>)=? .+|that's a multiple of .+)"),
        lambda said, at: OUT_OF_RANGE(field=at, limit=said[1]),
    ),
    (re.compile(r"Expected `str` matching regex (.+)"), lambda said, at: wrong_pattern(at, literal_eval(said[1]))),
    (re.compile(r".*out of range.*"), lambda _, at: OUT_OF_RANGE(field=at, limit="within what can be represented")),
    (re.compile(r"Invalid (.+)"), lambda said, at: wrong_encoding(at, said[1])),
)
"""msgspec's messages, each with what it is here. A pattern further down sees only what those above let by."""


def plain_of_json(body: bytes) -> Any:
    """JSON as plain values, or a refusal: NotText, or Malformed for a repeated field or U+0000."""
    plain = parsed_json(body)
    if ESCAPED_NUL in body:
        refuse_nul(plain)
    return plain


def parsed_json(body: bytes) -> Any:
    """The same without looking for U+0000, for a list whose members are judged one by one."""
    try:
        plain = msgspec.json.decode(body)
        json.loads(body, object_pairs_hook=_refuse_repeated)
    except UnicodeDecodeError as error:
        raise NOT_UTF8(byte=error.start) from None
    except RecursionError:
        raise TOO_DEEP() from None
    except ValueError as error:
        # msgspec.DecodeError is a ValueError, and so is a number of more digits than Python will read.
        raise NOT_JSON(why=str(error)) from None
    return plain


def struct_of(kind: type[T], plain: object, *, strict: bool = True) -> T:
    """Plain values as this struct, or Malformed raised, naming every fault. Parameters of a path or a query are all
    text: not `strict`.
    """
    try:
        return msgspec.convert(plain, kind, strict=strict)
    except msgspec.ValidationError as error:
        _refuse(kind, plain, error, strict=strict)


def value_of(kind: Any, text: str, field: str) -> Any:
    """Text from a path or a query as a bounded value, such as the key of a stream."""
    try:
        return msgspec.convert(text, kind, strict=False)
    except msgspec.ValidationError as error:
        raise malformed([_reading(kind, error, field)]) from None


def malformed(errors: Iterable[FieldError]) -> Malformed:
    """These faults as one refusal, under the first one's code and words."""
    listed = tuple(errors)[:ERRORS_MAX]
    first = listed[0]
    refusal = Malformed(Reason(Malformed, first.code, "{zh}", "{en}"), {"zh": first.zh, "en": first.en})
    refusal.errors = listed
    return refusal


def errors_of(refusal: Refusal) -> tuple[FieldError, ...]:
    """The faults that a refusal names one by one, none for most."""
    return refusal.errors if isinstance(refusal, Malformed) else ()


def field_error(refusal: Refusal, field: str) -> FieldError:
    return FieldError(field=field, code=refusal.code, zh=refusal.zh, en=refusal.en)


def refuse_nul(plain: object, at: str = "") -> None:
    """Refuse U+0000 in any text: PostgreSQL cannot store it, and a view must never choke on what a door let in."""
    match plain:
        case str():
            if "\0" in plain:
                raise malformed([field_error(NUL(field=at), at)])
        case list():
            for index, one in enumerate(plain):
                refuse_nul(one, f"{at}[{index}]")
        case dict():
            for name, one in plain.items():
                refuse_nul(name, at)
                refuse_nul(one, _below(at, name))
        case _:
            pass


def _refuse(kind: type, plain: object, error: msgspec.ValidationError, *, strict: bool) -> NoReturn:
    errors: list[FieldError] = []
    if isinstance(plain, Mapping) and issubclass(kind, msgspec.Struct):
        fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
        known = {*fields, kind.__struct_config__.tag_field}
        errors += [field_error(UNKNOWN_FIELD(field=_shown(name)), _shown(name)) for name in plain if name not in known]
        for name, field in fields.items():
            if name in plain:
                errors += _faults(field.type, plain[name], name, strict=strict)
            elif field.required:
                errors.append(field_error(MISSING_FIELD(field=name), name))
    # What only the whole shows (a check across fields) has no fault of its own in any field.
    raise malformed(errors or [_reading(kind, error, "")]) from None


def _faults(kind: Any, value: object, name: str, *, strict: bool) -> list[FieldError]:
    try:
        msgspec.convert(value, kind, strict=strict)
    except msgspec.ValidationError as error:
        return [_reading(kind, error, name)]
    return []


def _reading(kind: Any, error: msgspec.ValidationError, below: str) -> FieldError:
    """Msgspec's message about a value of this kind as one of our codes. What is not recognised keeps its words."""
    message = str(error)
    split = _AT.match(message)
    said, path = (split[1], split[2] or "") if split else (message, "")
    at = _shown((below + path).removeprefix("."))
    if isinstance(cause := error.__cause__, Contradiction):
        return field_error(INVALID(field=at or WHOLE, why=(cause.zh, cause.en)), at)
    if _NO_CHOICE.fullmatch(said) and (choices := _choices(kind, path)):
        return field_error(NOT_IN_LIST(field=at or WHOLE, choices=", ".join(choices)), at)
    for pattern, reason in _BELOW:
        if (found := pattern.fullmatch(said)) is not None:
            field = _below(at, found[1])
            return field_error(reason(field=field), field)
    for pattern, refuse in _READINGS:
        if (found := pattern.fullmatch(said)) is not None:
            return field_error(refuse(found, at or WHOLE), at)
    return field_error(INVALID(field=at or WHOLE, why=said), at)


def _choices(kind: Any, path: str) -> list[str]:
    """The values that there are at a place in a kind, as msgspec names places; none where it lists none."""
    found = [type_info(kind)]
    for step in _STEP.finditer(path):
        found = [below for one in _alternatives(found) for below in _members(one, step[1])]
    listed: list[str] = []
    for one in _alternatives(found):
        if isinstance(one, LiteralType):
            listed += map(str, one.values)
        elif isinstance(one, EnumType):
            listed += (str(member.value) for member in one.cls)
    return listed


def _alternatives(found: Iterable[Type]) -> Iterator[Type]:
    for one in found:
        match one:
            case UnionType():
                yield from _alternatives(one.types)
            case Metadata():
                yield from _alternatives([one.type])
            case _:
                yield one


def _members(kind: Type, name: str | None) -> Iterator[Type]:
    """What is in it: the field of this name, or, where there is none, each of a list or a mapping."""
    match kind:
        case StructType():
            yield from (field.type for field in kind.fields if field.encode_name == name)
        case ListType() | VarTupleType() | SetType() | FrozenSetType() if name is None:
            yield kind.item_type
        case DictType() if name is None:
            yield kind.value_type
        case _:
            return


def _below(at: str, name: str) -> str:
    return f"{at}.{_shown(name)}" if at else _shown(name)


def _shown(name: str) -> str:
    return name if len(name) <= FIELD_NAME_CHARS_MAX else name[:FIELD_NAME_CHARS_MAX] + "..."


def _refuse_repeated(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        name = _shown(next(name for name in names if names.count(name) > 1))
        raise malformed([field_error(REPEATED_FIELD(field=name), name)])
    return members
