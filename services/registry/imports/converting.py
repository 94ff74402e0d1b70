"""For each column one function from a cell to its value: None for an empty cell, a Refusal raised for a wrong one.

Cells are text in CSV; in other formats also numbers, dates and truth values. Text that needs no cleaning takes the
first branch of each function: most cells of most files.
"""

import math
import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple, Self, TypeAlias, assert_never

import msgspec

from kernel.quantity import BUSINESS_ZONE
from kernel.refusal import Refusal
from kernel.spreadsheet.wording import BROKEN, clean_code, clean_text, key_of, written
from services.registry import asset_number
from services.registry.asset_number import CheckDigit
from services.registry.imports import dates, faults
from services.registry.imports.mapping import (
    AssetNumberField,
    ChoiceField,
    CodeField,
    DateField,
    Field,
    FlagField,
    Form,
    InstantField,
    QuantityField,
    TextField,
)
from services.registry.imports.quantities import Quantity
from services.registry.imports.rows import Value

Convert: TypeAlias = Callable[[Any], Value | None]

SPREADSHEET_DIGITS: Final = 15
"""Significant digits that a spreadsheet keeps of a number; those after are noughts or noise."""
CHOICES_SHOWN: Final = 8
MEMO_ENTRIES_MAX: Final = 4096
MEMO_TEXT_MAX: Final = 64

_SCIENTIFIC_NUMBER: Final = re.compile(r"[0-9](?:\.[0-9]+)?[eE]\+?[0-9]{1,3}")
_SCIENTIFIC_CODE: Final = re.compile(r"[0-9]\.[0-9]+[eE]\+?[0-9]{1,3}|[0-9]+[eE]\+[0-9]{1,3}")
_WHOLE_WITH_POINT: Final = re.compile(r"([0-9]+)\.0+")
_GROUPED: Final = re.compile(r"[0-9]{1,3}(?:[, ][0-9]{3})+")
_TEMPORARY: Final = re.compile(r"T[0-9]{5}[0-9A-Z]{4,20}")
_ERROR_VALUES: Final = frozenset({"#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#ERROR!"})

FORMS: Final[dict[Form, tuple[re.Pattern[str], str, str]]] = {
    "digits": (re.compile(r"[0-9]{1,64}"), "数字", "digits only"),
    "unit": (re.compile(r"[0-9]{5}"), "5 位单位代码", "a unit's code of 5 digits"),
    "county": (re.compile(r"[0-9]{6}"), "6 位行政区划代码", "a county's code of 6 digits"),
    "key": (
        re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"),
        "字母数字编号（可含 . _ -，最多 64 位）",
        "letters, digits, . _ - (64 at most)",
    ),
    "code": (
        re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}"),
        "字母数字代码（可含 . _ : / -，最多 64 位）",
        "letters, digits, . _ : / - (64 at most)",
    ),
    "reference": (re.compile(r".{1,100}", re.DOTALL), "1 至 100 个字符", "1 to 100 characters"),
}


class Context(msgspec.Struct, kw_only=True):
    """What converting needs to know besides the column. Warnings about the row at hand gather in `warnings`. Where it
    `refuses_numbers` no longer, one with a wrong check digit is told at most.
    """

    today: date
    check_digit: CheckDigit
    refuses_numbers: bool = True
    blanks: frozenset[str] = frozenset()
    date1904: bool = False
    encoding: str = "UTF-8"
    warnings: list[tuple[str, Refusal, object]] = []


class Disagreement(str):
    """What stands in for a cell when columns of one name hold different values. Never equal to a cell that is well."""

    __slots__ = ()

    def __new__(cls, one: object, other: object) -> Self:
        return super().__new__(cls, f"{written(one)} / {written(other)}{BROKEN}")


class Measured(NamedTuple):
    """A cell whose unit is known beside it."""

    cell: Any
    unit: str


class Memo(dict[str, Value | None]):
    """Remembers what texts mean, for columns where they repeat. Bounded in entries and in their length."""

    __slots__ = ("_convert",)

    def __init__(self, convert: Convert) -> None:
        super().__init__()
        self._convert = convert

    def __missing__(self, text: str) -> Value | None:
        value = self._convert(text)
        if len(self) < MEMO_ENTRIES_MAX and len(text) <= MEMO_TEXT_MAX:
            self[str(text)] = value
        return value


def converter(name: str, field: Field, context: Context, *, unit: str | None = None) -> Convert:
    """The function for a column of this field. `unit` is the one that the column's header says, if it does."""
    match field:
        case AssetNumberField():
            return _asset_number(name, field, context)
        case QuantityField():
            convert = _quantity(field, unit or field.unit, context)
        case CodeField():
            convert = _code(field, context)
        case ChoiceField():
            convert = _choice(name, field, context)
        case FlagField():
            convert = _flag(field, context)
        case TextField():
            convert = _text(field, context)
        case DateField() | InstantField():
            convert = _date(field, context)
        case _:
            assert_never(field)
    return or_default(convert, field)


def remembering(convert: Convert, field: Field, *, text_only: bool) -> Convert:
    """The same function, remembering texts where a column is likely to repeat them."""
    if isinstance(field, AssetNumberField | QuantityField):
        return convert
    memo = Memo(convert)
    if text_only:
        return memo.__getitem__
    # Other cells are not remembered: 1, 1.0 and True are one key of a dictionary, and mean different things.
    return lambda cell: memo[cell] if type(cell) is str else convert(cell)


def or_default(convert: Convert, field: Field) -> Convert:
    """The same function with the field's default in place of an empty cell, or a refusal where it must be filled."""
    default: Value | None = getattr(field, "default", None)
    if not field.required and default is None:
        return convert

    def filled(cell: Any) -> Value | None:
        value = convert(cell)
        if value is not None:
            return value
        if field.required:
            raise faults.REQUIRED()
        return default

    return filled


def _asset_number(name: str, field: AssetNumberField, context: Context) -> Convert:
    policy = asset_number.strictest(field.check_digit, context.check_digit)
    refuses = policy == "refuse" and context.refuses_numbers

    def convert(cell: Any) -> Value | None:
        if type(cell) is str and len(cell) == asset_number.LENGTH and cell.isascii() and cell.isdigit():
            text = cell
        else:
            text = _long_number(cell, field, context) or ""
            if not text and field.required:
                raise faults.REQUIRED()
            if text[:1] in {"", "T"}:
                return text or None
        if policy != "ignore" and (wrong := asset_number.wrong_check_digit(text)) is not None:
            if refuses:
                raise wrong
            context.warnings.append((name, wrong, cell))
        return text

    return convert


def _long_number(cell: Any, field: AssetNumberField, context: Context) -> str | None:
    if type(cell) is int and abs(cell) >= 10**SPREADSHEET_DIGITS:
        # Exact here, but the next program to read the same file keeps its first digits only.
        raise faults.NUMBER_AS_NUMBER()
    text = _code_text(cell, context, _SCIENTIFIC_NUMBER)
    if text is None:
        return None
    if field.temporary and _TEMPORARY.fullmatch(text.upper()):
        return text.upper()
    text = text.replace(" ", "")
    if field.length and text.isdigit():
        text = text.zfill(field.length)
    if not asset_number.is_well_formed(text):
        raise asset_number.NOT_22_DIGITS(length=len(text))
    return text


def _code(field: CodeField, context: Context) -> Convert:
    def convert(cell: Any) -> Value | None:
        text = _code_text(cell, context, _SCIENTIFIC_CODE)
        if text is None:
            return None
        return _formed(_lengthened(text, field.length), field.form)

    return convert


def _choice(name: str, field: ChoiceField, context: Context) -> Convert:
    codes = {key_of(word): code for code, names in field.choices.items() for word in (code, *names)}
    shown = ", ".join(f"{code} {names[0]}" if names else code for code, names in field.choices.items() if names)
    if len(field.choices) > CHOICES_SHOWN:
        some = [f"{code} {names[0]}" for code, names in field.choices.items() if names][:CHOICES_SHOWN]
        shown = ", ".join(some) + ", ..."

    def convert(cell: Any) -> Value | None:
        text = _code_text(cell, context, _SCIENTIFIC_CODE)
        if text is None:
            return None
        code = codes.get(key_of(text))
        if code is None and field.length and text.isdigit():
            text = text.zfill(field.length)
            code = codes.get(text)
        if code is None and field.form and FORMS[field.form][0].fullmatch(text):
            return text
        if code is not None:
            return code
        if field.unlisted == "ignore":
            context.warnings.append((name, faults.UNLISTED(value=text[:MEMO_TEXT_MAX]), cell))
            return None
        raise faults.NOT_IN_LIST(choices=shown or FORMS[field.form or "code"][1])

    return convert


def _flag(field: FlagField, context: Context) -> Convert:
    meanings = {key_of(word): True for word in field.true_words} | {key_of(word): False for word in field.false_words}
    # A word of the list may be among the words for an empty cell too: 无 says no where the question is of damage.
    no_blanks = msgspec.structs.replace(context, blanks=frozenset())

    def convert(cell: Any) -> Value | None:
        if isinstance(cell, bool):
            return cell
        text = _code_text(cell, no_blanks, _SCIENTIFIC_CODE)
        if text is None:
            return None
        if (meaning := meanings.get(key_of(text))) is None:
            if text.casefold() in context.blanks:
                return None
            raise faults.NOT_IN_LIST(choices=f"{field.true_words[0]}, {field.false_words[0]}")
        return meaning

    return convert


def _text(field: TextField, context: Context) -> Convert:
    def convert(cell: Any) -> Value | None:
        text = clean_text(_plain_text(cell, context))
        if not text or text.casefold() in context.blanks:
            return None
        if len(text) > field.length_max:
            raise faults.TOO_LONG(found=len(text), limit=field.length_max)
        return text

    return convert


def _quantity(field: QuantityField, unit: str, context: Context) -> Convert:
    quantity = Quantity(field.measure, unit)

    def convert(cell: Any) -> Value | None:
        if isinstance(cell, str):
            if _is_blank(text := clean_code(_sound(cell, context)), context):
                return None
            return quantity.of_text(text)
        if isinstance(cell, Measured):
            return _quantity(field, cell.unit, context)(cell.cell)
        if cell is None:
            return None
        if isinstance(cell, int | float | Decimal) and not isinstance(cell, bool):
            return quantity.of_number(cell)
        raise faults.NOT_A_NUMBER(units=quantity.names)

    return convert


def _date(field: DateField | InstantField, context: Context) -> Convert:
    latest = context.today + timedelta(days=field.future_days)
    needs_time = isinstance(field, InstantField)
    zone = BUSINESS_ZONE if isinstance(field, InstantField) and field.zone else None

    def convert(cell: Any) -> Value | None:
        found = _moment(cell, context)
        if found is None:
            return None
        if needs_time:
            if not isinstance(found, datetime):
                raise faults.TIME_MISSING()
            if found.tzinfo is None:
                if zone is None:
                    raise faults.ZONE_MISSING()
                found = found.replace(tzinfo=zone)
        try:
            day = dates.day_of(found)
        except OverflowError as error:
            raise faults.NOT_A_DATE() from error
        if day < field.earliest:
            raise faults.DATE_TOO_EARLY(earliest=field.earliest)
        if day > latest:
            raise faults.DATE_TOO_LATE(latest=latest)
        return found.isoformat() if needs_time else day.isoformat()

    return convert


def _moment(cell: Any, context: Context) -> dates.Moment | None:
    if isinstance(cell, str):
        if _is_blank(text := clean_code(_sound(cell, context)), context):
            return None
        return dates.moment(text, date1904=context.date1904)
    if cell is None:
        return None
    if isinstance(cell, date):
        return cell
    if isinstance(cell, int | float | Decimal) and not isinstance(cell, bool):
        # A number is a serial day, or a day written as 20240305 in a cell that took it for a number.
        if isinstance(cell, Decimal) and not (cell.is_finite() and abs(cell.adjusted()) <= SPREADSHEET_DIGITS):
            raise faults.NOT_A_DATE()
        if not isinstance(cell, float) or math.isfinite(cell):
            whole = int(cell)
            if whole == cell and 0 <= whole <= 99_991_231_235_959:  # noqa: PLR2004  the last moment as 14 digits
                return dates.moment(str(whole), date1904=context.date1904)
        return dates.serial_moment(cell, date1904=context.date1904)
    raise faults.NOT_A_DATE()


def _code_text(cell: Any, context: Context, scientific: re.Pattern[str]) -> str | None:
    """A cell's code as text, or None where it is empty. Refuses what a spreadsheet has done to codes."""
    if isinstance(cell, str):
        if _is_blank(text := clean_code(_sound(cell, context)), context):
            return None
        if scientific.fullmatch(text):
            raise faults.SCIENTIFIC(value=text)
        if whole := _WHOLE_WITH_POINT.fullmatch(text):
            return whole[1]
        if _GROUPED.fullmatch(text):
            return text.replace(",", "").replace(" ", "")
        return text
    if cell is None:
        return None
    if isinstance(cell, bool) or not isinstance(cell, int | float | Decimal):
        return _no_code(cell)
    if isinstance(cell, float):
        if not math.isfinite(cell):
            raise faults.NOT_A_VALUE(what=cell)
        if abs(cell) >= 10**SPREADSHEET_DIGITS:
            raise faults.DIGITS_LOST()
    if isinstance(cell, Decimal) and not (cell.is_finite() and abs(cell.adjusted()) <= MEMO_TEXT_MAX):
        raise faults.NOT_A_VALUE(what=cell)
    if int(cell) != cell:
        raise faults.FRACTION_IN_CODE(value=cell)
    return str(int(cell)) if not isinstance(cell, int) or abs(cell) < 10**MEMO_TEXT_MAX else _no_code(cell)


def _no_code(cell: Any) -> str:
    if isinstance(cell, date | time | timedelta):
        raise faults.DATE_IN_CODE()
    raise faults.NOT_A_VALUE(what=_kind(cell))


def _plain_text(cell: Any, context: Context) -> str:
    match cell:
        case None:
            return ""
        case str():
            return _sound(cell, context)
        case bool():
            return "TRUE" if cell else "FALSE"
        case float() if cell.is_integer() and abs(cell) < 10**SPREADSHEET_DIGITS:
            return str(int(cell))
        case int() if abs(cell) >= 10**MEMO_TEXT_MAX:
            raise faults.NOT_A_VALUE(what=_kind(cell))
        case int() | float() | Decimal() | date() | time() | timedelta():
            return str(cell)
        case _:
            raise faults.NOT_A_VALUE(what=_kind(cell))


def _sound(text: str, context: Context) -> str:
    """The text, unless it is known to be damaged."""
    if isinstance(text, Disagreement):
        raise faults.COLUMNS_DISAGREE()
    if text[:1] == "#" and text.strip().upper() in _ERROR_VALUES:
        raise faults.SPREADSHEET_ERROR()
    if BROKEN in text:
        raise faults.BROKEN_TEXT(encoding=context.encoding)
    return text


def _is_blank(text: str, context: Context) -> bool:
    return not text or text.casefold() in context.blanks


def _lengthened(text: str, length: int | None) -> str:
    """Leading zeros back where a spreadsheet took them, only where the mapping says how long the code is."""
    if length is None:
        return text
    if text.isdigit():
        text = text.zfill(length)
    if len(text) != length:
        raise faults.WRONG_LENGTH(length=length, found=len(text))
    return text


def _formed(text: str, form: Form) -> str:
    pattern, zh, en = FORMS[form]
    if not pattern.fullmatch(text):
        raise faults.WRONG_FORM(form_zh=zh, form_en=en)
    return text


def _kind(cell: Any) -> str:
    match cell:
        case bool():
            return "TRUE/FALSE"
        case list() | tuple():
            return "[...]"
        case dict():
            return "{...}"
        case bytes():
            return "bytes"
        case _:
            return type(cell).__name__
