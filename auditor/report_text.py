"""Text from a log, made fit for a page: what cannot be seen is named, and nothing is longer than its place.

A log's operator decides what stands in streams, origins, keys' names and evidence. Marks of direction would change how
the text around them reads, control characters are not allowed in every format, and a text of a mebibyte would bury the
rest.
"""

import unicodedata
from collections.abc import Container, Iterable
from itertools import groupby
from typing import Final

TEXT_MAX: Final = 240
"""Characters of a text that are shown. The whole of it is in the result for machines (--json)."""

_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Categories that show nothing, or change how other characters are shown."""


def shown(text: str, most: int = TEXT_MAX, glyphs: Container[str] | None = None) -> str:
    """The text on one line, at most so long. What is not seen becomes its code point, such as [U+202E]; so does what a
    font has no glyph for, where `glyphs` are those that it has.
    """
    line = " ".join(cut(text, most).split())
    runs = groupby(line, lambda char: _is_seen(char) and (glyphs is None or char in glyphs))
    return "".join("".join(run) if seen else code_points(run) for seen, run in runs)


def cut(text: str, most: int = TEXT_MAX) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def code_points(chars: Iterable[str]) -> str:
    return "[" + " ".join(f"U+{ord(char):04X}" for char in chars) + "]"


def short(digest: str | None) -> str:
    """The beginning of a hash, to be compared by eye; a dash where there is none."""
    return "—" if digest is None else digest[:8]


def _is_seen(char: str) -> bool:
    return unicodedata.category(char) not in _UNSEEN
