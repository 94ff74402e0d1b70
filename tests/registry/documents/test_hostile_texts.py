"""Any text may stand anywhere: it is shown, it is not obeyed, and it stays inside the margins."""

import io
import re
from pathlib import Path

import pypdf
import pytest
import zxingcpp
from PIL import Image, ImageChops

from kernel.documents.data import Coded, Label, Signature, Verification, When
from kernel.documents.typesetting import typesetter
from services.registry.documents import asset_page, recovery_ledger, transfer_note
from services.registry.documents.data import Container, NoteDevice
from services.registry.documents.rendering import Format, render
from tests.registry.documents import papers

_PPI = 110


def hostile_devices() -> list[NoteDevice]:
    return [
        NoteDevice(
            asset_number=text if at % 2 else papers.meter_number(at),
            device_class=papers.SINGLE,
            maker=text,
            model=text,
            reason=Label(text, text),
            exceptions=(Coded(code=text, zh=text, en=text),),
        )
        for at, text in enumerate([*papers.HOSTILE, *papers.UNSEEN])
    ]


def squeezed(text: str) -> str:
    return re.sub(r"[\s\u200b]", "", text)


def pictures(template: Path, sheet: dict, ppi: float) -> list[Image.Image]:
    made = typesetter().compiler(template, sheet).compile(format="png", ppi=ppi)
    return [Image.open(io.BytesIO(page)).convert("L") for page in (made if isinstance(made, list) else [made])]


def test_texts_are_shown_and_never_read_as_markup():
    content = render(papers.transfer_note(hostile_devices()), Format.PDF)
    text = squeezed("".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content)).pages))
    # A long one may go on over the page.
    assert [hostile for hostile in papers.HOSTILE if squeezed(hostile)[:8] not in text] == []
    for hostile, shown in papers.UNSEEN.items():
        assert squeezed(shown) in text
        assert hostile not in text


@pytest.mark.parametrize("hostile", [*papers.HOSTILE, *papers.UNSEEN], ids=lambda text: ascii(text)[:20])
def test_any_text_may_stand_anywhere(hostile):
    label = Label(hostile, hostile)
    unit = Coded(code=hostile, zh=hostile, en=hostile)
    verification = Verification(ledger_id=hostile, position=1, instruction=hostile, qr="q", event_ids=(hostile,) * 9)
    signed = Signature(role=label, party=hostile, signer=hostile, signed=When(), event_id=hostile)
    note = papers.transfer_note(
        hostile_devices()[:2],
        number=hostile,
        sender=unit,
        receiver=unit,
        remark=hostile,
        transport=hostile,
        verification=verification,
        signatures=(signed, signed),
        containers=(Container(number=hostile, kind=label, seals=(hostile, hostile)),),
    )
    ledger = papers.recovery_ledger(
        [papers.cohort(1, 2, unit=unit)],
        number=hostile,
        scope=unit,
        remark=hostile,
        verification=verification,
        signatures=(signed,),
    )
    page = papers.asset_page(
        asset_number=hostile, unit=unit, owner=label, status=label, custodian=hostile, verification=verification
    )
    for document in (note, ledger, page):
        assert render(document, Format.PDF).startswith(b"%PDF")


def test_nothing_leaves_the_margins():
    wide = Label("示范" * 40, "W" * 300)
    unit = Coded(code="W" * 40, zh="合成" * 60, en="W" * 200)
    verification = Verification(
        ledger_id="W" * 200, position=10**9, instruction="W" * 500, qr="q", event_ids=("W" * 90,) * 9
    )
    signed = Signature(role=wide, party="W" * 200, signer="W" * 60, signed=When(at=papers.MORNING), event_id="W" * 36)
    script = typesetter().script
    note = papers.transfer_note(
        hostile_devices(), sender=unit, receiver=unit, number="W" * 80, verification=verification
    )
    ledger = papers.recovery_ledger(
        [papers.cohort(10**9 - n, 10**9, unit=unit, month=n + 1) for n in range(12)],
        verification=verification,
        signatures=(signed, signed),
    )
    page = papers.asset_page(status=wide, owner=wide, unit=unit, custodian="W" * 300, verification=verification)
    a_mm = _PPI / 25.4
    for template, sheet in (
        (transfer_note.TEMPLATE, transfer_note.sheet_of(note, script)),
        (recovery_ledger.TEMPLATE, recovery_ledger.sheet_of(ledger, script)),
        (asset_page.TEMPLATE, asset_page.sheet_of(page, script)),
    ):
        for picture in pictures(template, sheet, _PPI):
            white = Image.new("L", picture.size, 255)
            left, top, right, bottom = ImageChops.difference(picture, white).getbbox()
            # The margins are 15 mm; frames and rounding may take one of them.
            assert left >= 14 * a_mm
            assert right <= picture.width - 14 * a_mm
            assert top >= 7 * a_mm
            assert bottom <= picture.height - 5 * a_mm


def test_the_qr_code_says_what_was_passed_in():
    script = typesetter().script
    for template, sheet in (
        (transfer_note.TEMPLATE, transfer_note.sheet_of(papers.transfer_note([]), script)),
        (recovery_ledger.TEMPLATE, recovery_ledger.sheet_of(papers.recovery_ledger([]), script)),
        (asset_page.TEMPLATE, asset_page.sheet_of(papers.asset_page(), script)),
    ):
        found = zxingcpp.read_barcodes(pictures(template, sheet, ppi=200)[0])
        assert [code.text for code in found] == [papers.QR]
