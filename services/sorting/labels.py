"""标签 Labels for devices and containers: the number as a QR code, as a Code 128 where it fits, and in figures. As PDF,
a label a page, or as ZPL for a label printer of 8 dots a millimetre.

A label says the number and nothing else, as a scanner types it.
"""

import io
import re
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

import msgspec
import segno
import typst

from kernel.refusal import unreadable

CANNOT_BE_A_LABEL = unreadable(
    "label.cannot_be",
    "“{text}”不能印成标签：须为资产编号、临时标识或周转箱编号（字母、数字与 . _ -，最多 64 位）。",
    "{text} cannot be put on a label: it must be an asset number, a temporary identity or a container's id (letters, "
    "digits and . _ -, 64 at most)",
)

WIDTH_MM: Final = 60
HEIGHT_MM: Final = 40
QUIET_MODULES: Final = 10
"""ISO/IEC 15417: empty on each side of a Code 128."""

MODULE_UM_MAX: Final = 300
MODULE_UM_MIN: Final = 190
"""Narrowest bars: what a hand scanner reads at arm's length from a laser print."""

DOTS_MM: Final = 8
MODULE_DOTS_MIN: Final = 2

_LABEL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_DIGITS_AT_END: Final = re.compile(r"(?:[0-9]{2}){2,}$")
_START_B, _START_C, _TO_C, _STOP = 104, 105, 99, 106
_BARS: Final[list[str]] = re.findall(
    "[1-4]+",
    "212222 222122 222221 121223 121322 131222 122213 122312 132212 221213 221312 231212 112232 122132 122231 "
    "113222 123122 123221 223211 221132 221231 213212 223112 312131 311222 321122 321221 312212 322112 322211 "
    "212123 212321 232121 111323 131123 131321 112313 132113 132311 211313 231113 231311 112133 112331 132131 "
    "113123 113321 133121 313121 211331 231131 213113 213311 213131 311123 311321 331121 312113 312311 332111 "
    "314111 221411 431111 111224 111422 121124 121421 141122 141221 112214 112412 122114 122411 142112 142211 "
    "241211 221114 413111 241112 134111 111242 121142 121241 114212 124112 124211 411212 421112 421211 212141 "
    "214121 412121 111143 111341 131141 114113 114311 411113 411311 113141 114131 311141 411131 211412 211214 "
    "211232 2331112 ",
)
"""Widths of bar and space in modules, by symbol value: ISO/IEC 15417, table 1."""

_TEMPLATE: Final = b"""
#let sheet = json(bytes(sys.inputs.sheet))
#set page(width: sheet.width * 1mm, height: sheet.height * 1mm, margin: 2mm)
#set text(font: "DejaVu Sans Mono", size: 9pt)
#for (at, label) in sheet.labels.enumerate() [
  #if at > 0 { pagebreak() }
  #if label.bars != none {
    align(center, image(bytes(label.bars), format: "svg", fit: "stretch", width: label.bars_mm * 1mm, height: 11mm))
  }
  #place(bottom + left, image(bytes(label.qr), format: "svg", height: 20mm))
  #place(bottom + left, dx: 23mm, block(width: 32mm, height: 20mm, align(horizon, text(
    weight: "bold", label.lines.join(linebreak()),
  ))))
]
"""


class Label(msgspec.Struct, frozen=True):
    """One label, `text` as it is scanned."""

    text: str

    def __post_init__(self) -> None:
        if _LABEL.fullmatch(self.text) is None:
            raise CANNOT_BE_A_LABEL(text=self.text[:80])


def code_128(text: str) -> tuple[int, ...]:
    """Widths of bars and spaces in modules, a bar first, start, check and stop symbols included: digits at the end two
    by two, what is before them one by one.
    """
    tail = _DIGITS_AT_END.search(text)
    singly = text[: tail.start()] if tail else text
    pairs = [int(text[at : at + 2]) for at in range(len(singly), len(text), 2)]
    one_by_one = [_START_B, *(ord(char) - 32 for char in singly), *([_TO_C] if pairs else [])]
    symbols = [*(one_by_one if singly else [_START_C]), *pairs]
    check = (symbols[0] + sum(at * symbol for at, symbol in enumerate(symbols))) % 103
    return tuple(int(width) for symbol in (*symbols, check, _STOP) for width in _BARS[symbol])


def pdf(labels: Sequence[Label]) -> bytes:
    """A PDF with a page of 60 x 40 mm for each."""
    sheet = {"width": WIDTH_MM, "height": HEIGHT_MM, "labels": [_drawn(label.text) for label in labels]}
    made = typst.compile(_TEMPLATE, format="pdf", sys_inputs={"sheet": msgspec.json.encode(sheet).decode()})
    assert isinstance(made, bytes)
    return made


def zpl(labels: Sequence[Label]) -> str:
    """ZPL II for each, for a printer of 8 dots a millimetre. The printer makes the codes itself."""
    return "".join(_zpl(label.text) for label in labels)


def in_groups(text: str) -> list[str]:
    """As people read it aloud: by fours, three groups a line."""
    fours = [text[at : at + 4] for at in range(0, len(text), 4)]
    return [" ".join(fours[at : at + 3]) for at in range(0, len(fours), 3)]


def _drawn(text: str) -> dict[str, object]:
    bars = code_128(text)
    modules = sum(bars) + 2 * QUIET_MODULES
    module_um = min(MODULE_UM_MAX, (WIDTH_MM - 4) * 1_000 // modules)
    fits = module_um >= MODULE_UM_MIN
    drawn = io.BytesIO()
    segno.make(text, error="m", micro=False).save(drawn, kind="svg", border=2, xmldecl=False)
    return {
        "qr": drawn.getvalue().decode(),
        "bars": _bars_svg(bars, modules) if fits else None,
        "bars_mm": module_um * modules / 1_000,
        "lines": in_groups(text),
    }


def _bars_svg(bars: Sequence[int], modules: int) -> str:
    """Bars as rectangles, one unit a module, stretched to the height of the place they are put in."""
    places = accumulate(bars, initial=QUIET_MODULES)
    each = enumerate(zip(places, bars, strict=False))
    drawn = "".join(f"M{at} 0h{width}v1h-{width}z" for nth, (at, width) in each if nth % 2 == 0)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {modules} 1" preserveAspectRatio="none">'
        f'<path d="{drawn}" shape-rendering="crispEdges"/></svg>'
    )


def _zpl(text: str) -> str:
    dots = (WIDTH_MM - 4) * DOTS_MM // (sum(code_128(text)) + 2 * QUIET_MODULES)
    fields = [f"^XA^CI28^PW{WIDTH_MM * DOTS_MM}^LL{HEIGHT_MM * DOTS_MM}"]
    if dots >= MODULE_DOTS_MIN:
        # Mode A chooses the code set by itself, and packs digits two by two.
        fields.append(f"^BY{min(dots, 3)}^FO40,20^BCN,88,N,N,N,A^FD{text}^FS")
    fields.append(f"^FO30,140^BQN,2,6^FDMA,{text}^FS")
    fields += [f"^FO210,{170 + 36 * nth}^A0N,30,30^FD{line}^FS" for nth, line in enumerate(in_groups(text))]
    return "".join((*fields, "^XZ\n"))
