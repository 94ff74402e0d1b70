"""One paper in this process. It keeps a core busy and fills memory: a service goes through workshop.py instead."""

from kernel.documents.typesetting import typesetter
from services.sorting.documents import sample_list
from services.sorting.documents.data import Document


def render(document: Document) -> bytes:
    """The same document gives the same bytes. Refuses as kernel.documents.refusals says."""
    return sample_list.pdf(document, typesetter())
