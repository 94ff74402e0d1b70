"""Text as people type and paste it, made comparable: full-width forms, invisible characters, spreadsheet prefixes."""

import re
import unicodedata
from typing import Final

_FULL_WIDTH: Final = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_SPACE_CODES: Final = [*range(0x09, 0x0E), 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F]
_SPACES: Final = dict.fromkeys([*_SPACE_CODES, 0x3000], " ")
_CONTROLS: Final = [code for code in [*range(0x20), *range(0x7F, 0xA0)] if code not in _SPACES]
_INVISIBLE: Final = dict.fromkeys(
    [*_CONTROLS, 0xAD, 0x180E, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0xFEFF], None
)
"""No mark of these is on paper: controls, soft hyphen, zero-width characters, writing directions, byte order mark."""

_CODE_TABLE: Final = {**_INVISIBLE, **_SPACES, **_FULL_WIDTH}
_TEXT_TABLE: Final = {
    **_INVISIBLE,
    **_SPACES,
    **{code: half for code, half in _FULL_WIDTH.items() if chr(half).isalnum()},
}

_FORMULA_TEXT: Final = re.compile(r'="(.*)"', re.ASCII)
_PREFIXES: Final = "'`\u2018\u2019"
_RUN_OF_SPACES: Final = re.compile(r" {2,}")
_NOT_IN_KEYS: Final = re.compile(r"[\s_*·.:：'\"\-/\\]+")

_INT_SHOWN_MAX: Final = 10**64
_INT_FLOAT_MAX: Final = 10**300

BROKEN: Final = "\ufffd"
"""What a decoder puts where bytes mean nothing."""


def clean_code(text: str) -> str:
    """A code, number or date: all forms half-width, nothing invisible, no spreadsheet prefix, no outer spaces."""
    if not text.isascii() or not text.isprintable():
        text = text.translate(_CODE_TABLE)
    text = text.strip()
    if text[:1] in {"=", *_PREFIXES}:
        if quoted := _FORMULA_TEXT.fullmatch(text):
            text = quoted[1].strip()
        text = text.lstrip(_PREFIXES)
    return text


def clean_text(text: str) -> str:
    """Words: digits and letters half-width, punctuation as it was, one space for many."""
    if not text.isascii() or not text.isprintable():
        text = text.translate(_TEXT_TABLE)
    return _RUN_OF_SPACES.sub(" ", text).strip()


def written(cell: object) -> str:
    """Any cell as text, to look at and to show. What is no single value, or no number anybody wrote, stays short."""
    match cell:
        case None:
            return ""
        case str():
            return cell
        case list() | tuple() | dict() | bytes():
            return "..."
        case int() if abs(cell) >= _INT_SHOWN_MAX:
            return f"{cell:.3e}" if abs(cell) < _INT_FLOAT_MAX else "..."
        case _:
            return str(cell)


def key_of(text: str) -> str:
    """What two spellings of a header or of a code's name have in common."""
    return _NOT_IN_KEYS.sub("", unicodedata.normalize("NFKC", text.translate(_CODE_TABLE))).casefold()
