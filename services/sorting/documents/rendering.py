"""One paper in this process. It keeps a core busy and fills memory: a service goes through workshop.py instead."""

from typing import assert_never

from kernel.documents.typesetting import typesetter
from services.sorting.documents import certificate, sample_list
from services.sorting.documents.data import Certificate, Document, SampleList


def render(document: Document) -> bytes:
    """The same document gives the same bytes. Refuses as kernel.documents.refusals says."""
    match document:
        case SampleList():
            return sample_list.pdf(document, typesetter())
        case Certificate():
            return certificate.pdf(document, typesetter())
        case _:
            assert_never(document)
