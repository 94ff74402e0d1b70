"""The queue of the registry's documents."""

from kernel.documents.workshop import Limits, Workshop
from services.registry import documents
from services.registry.documents import refusals


def workshop(limits: Limits | None = None) -> Workshop:
    """Makes documents of services.registry.documents."""
    return Workshop(documents.__name__, limits, refusals)
