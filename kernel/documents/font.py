"""The one font of every document: Noto Sans CJK SC (SIL Open Font License 1.1), from a package that setup installs.

No font of the system and none that Typst brings along is used, so a document looks alike on every machine. The font is
variable; Typst takes the weights from it and embeds only the glyphs it used.
"""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import Final

from fontTools.ttLib import TTFont

from kernel.documents.refusals import FONT_MISSING

FAMILY: Final = "Noto Sans CJK SC"
_PACKAGE: Final = "manimgx_fonts_cjk"
_FILE: Final = "NotoSansCJK-VF.otf.ttc"
_FACE: Final = 2
"""The collection holds the same glyphs for five regions; the third face is the one for simplified Chinese."""

_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Categories that show nothing or, as the marks of direction do, change how other characters are shown."""

_BREAK: Final = "\u200b"
_UNBROKEN: Final = re.compile(r"[^ \u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\U00020000-\U0003ffff]{13,}")
"""Lines break between any two ideographs. A longer run of anything else would leave its cell, were it not for `_BREAK`
between its characters; that includes runs of punctuation, which a line may not begin with.
"""


def installed_font() -> Path:
    """Where the font file is. Refuses with `document.font_missing` when setup has not brought it."""
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise FONT_MISSING(path=_PACKAGE)
    return present(Path(spec.origin).parent / _FILE)


def present(path: Path) -> Path:
    if not path.is_file():
        raise FONT_MISSING(path=path)
    return path


@lru_cache(maxsize=1)
def covered(path: Path) -> frozenset[str]:
    """The characters that the font has."""
    with TTFont(path, fontNumber=_FACE, lazy=True) as font:
        return frozenset(map(chr, font.getBestCmap()))


class Script:
    """Makes a text fit for the page: what cannot be seen is named, what cannot be broken may be."""

    def __init__(self, path: Path) -> None:
        self._covered = covered(path)
        self.legible = lru_cache(maxsize=20_000)(self._legible)

    def _legible(self, text: str) -> str:
        """The text with places to break it, so that it stays inside its cell."""
        return _UNBROKEN.sub(lambda run: _BREAK.join(run[0]), self.visible(text))

    def visible(self, text: str) -> str:
        """Characters without a glyph become their code points, such as [U+1F600], so that a name stays complete."""
        runs = groupby(" ".join(text.split()), self._is_seen)
        return "".join("".join(run) if seen else code_points(run) for seen, run in runs)

    def _is_seen(self, char: str) -> bool:
        return char in self._covered and unicodedata.category(char) not in _UNSEEN


def code_points(chars: Iterable[str]) -> str:
    return "[" + " ".join(f"U+{ord(char):04X}" for char in chars) + "]"
