"""One document in this process. It keeps a core busy and fills memory: a service goes through workshop.py instead."""

from enum import Enum
from typing import Final, assert_never

from kernel.documents.typesetting import typesetter
from services.registry.documents import asset_page, recovery_ledger, transfer_note
from services.registry.documents.data import AssetPage, Document, RecoveryLedger, TransferNote
from services.registry.documents.refusals import NO_SUCH_FORMAT


class Format(Enum):
    """What a document may be made as."""

    PDF = "pdf"
    XLSX = "xlsx"


MEDIA_TYPES: Final = {
    Format.PDF: "application/pdf",
    Format.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


def render(document: Document, form: Format) -> bytes:
    """The same document and format give the same bytes. Refuses as refusals.py says."""
    match form:
        case Format.PDF:
            return _pdf(document)
        case Format.XLSX:
            return _xlsx(document)
        case _:
            assert_never(form)


def _pdf(document: Document) -> bytes:
    match document:
        case TransferNote():
            return transfer_note.pdf(document, typesetter())
        case RecoveryLedger():
            return recovery_ledger.pdf(document, typesetter())
        case AssetPage():
            return asset_page.pdf(document, typesetter())
        case _:
            assert_never(document)


def _xlsx(document: Document) -> bytes:
    match document:
        case TransferNote():
            return transfer_note.xlsx(document)
        case RecoveryLedger():
            return recovery_ledger.xlsx(document)
        case AssetPage():
            raise NO_SUCH_FORMAT(format=Format.XLSX.value)
        case _:
            assert_never(document)
