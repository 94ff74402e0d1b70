"""The queue of sorting's papers."""

from kernel.documents.workshop import Limits, Workshop
from services.sorting import documents


def workshop(limits: Limits | None = None) -> Workshop:
    """Makes documents of services.sorting.documents."""
    return Workshop(documents.__name__, limits)
