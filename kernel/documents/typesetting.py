"""From a prepared sheet to PDF. The only place that knows Typst.

A sheet is plain JSON. It reaches the template as one string in `sys.inputs` and is decoded there; the template puts its
texts on the page as values. No text of a document is ever part of Typst source, so none can be read as markup. What
templates share lies in the folder `templates` here, which is all that a template can open.
"""

import io
from collections.abc import Mapping
from datetime import datetime, time
from functools import lru_cache
from pathlib import Path
from typing import Final

import msgspec
import segno
import typst

from kernel.documents.font import Script, installed_font
from kernel.documents.refusals import NOT_TYPESET, QR_TOO_LONG
from kernel.quantity import BUSINESS_ZONE, CivilDate

_SHARED: Final = Path(__file__).parent / "templates"
_QR_BYTES_MAX: Final = 300
"""A code of 25 mm with more than this is too fine for a hand scanner on a printed page."""

Sheet = Mapping[str, object]


class Typesetter:
    """A font made ready. Making one takes a quarter of a second; it serves any number of documents of one process."""

    def __init__(self, font_file: Path) -> None:
        self._fonts = typst.Fonts(
            include_system_fonts=False, include_embedded_fonts=False, font_paths=[font_file.parent]
        )
        self.script = Script(font_file)

    def pdf(self, template: Path, sheet: Sheet, dated: CivilDate) -> bytes:
        """PDF/A-2u by this template, so that it can be archived. The same sheet and date give the same bytes."""
        try:
            made, warnings = self.compiler(template, sheet).compile_with_warnings(
                format="pdf",
                pdf_standards=["a-2u"],
                pdf_tags=False,
                timestamp=datetime.combine(dated, time.min, BUSINESS_ZONE),
            )
        except typst.TypstError as error:
            raise NOT_TYPESET(cause=error.message) from error
        if warnings:
            raise NOT_TYPESET(cause="; ".join(warning.message for warning in warnings))
        assert isinstance(made, bytes)
        return made

    def compiler(self, template: Path, sheet: Sheet) -> typst.Compiler:
        return typst.Compiler(
            input=template.read_bytes(),
            root=_SHARED,
            font_paths=self._fonts,
            sys_inputs={"sheet": msgspec.json.encode(sheet).decode()},
        )


@lru_cache(maxsize=1)
def typesetter() -> Typesetter:
    """With the installed font. Refuses with `document.font_missing` where setup has not run."""
    return Typesetter(installed_font())


def qr_svg(content: str) -> str:
    """A QR code (ISO/IEC 18004, error correction M) as SVG, one unit a module, without a quiet zone."""
    if (length := len(content.encode())) > _QR_BYTES_MAX:
        raise QR_TOO_LONG(most=_QR_BYTES_MAX, length=length)
    drawn = io.BytesIO()
    segno.make(content, error="m", micro=False, boost_error=False).save(drawn, kind="svg", border=0, xmldecl=False)
    return drawn.getvalue().decode()
