"""The registry's three entrances."""

from pathlib import Path

from kernel.authority import Policies
from kernel.documents.workshop import Limits, Workshop
from kernel.wire.registry.v1 import registry_pb2
from ledger.memory import MemoryLedger
from ledger.transparency.evidence import EvidenceOfLog
from services.registry.access import Access
from services.registry.app import Registry
from services.registry.documents.workshop import workshop as registry_workshop
from services.registry.papers.offered import Papers
from services.registry.proofs import Proofs
from services.registry.questions import Questions
from tests.doors import entrances
from tests.gateway.behind import ROOT, Behind

SERVICE = registry_pb2.DESCRIPTOR.services_by_name["Registry"]
NO_PAPER = Limits(at_once_max=0, waiting_max=0)
"""A workshop whose queue is always full: whoever may have a paper is told so, and nobody waits for it to be made."""

PAPER_ASKED_FOR = "document.busy"


def offered(registry: Registry) -> entrances.Offered:
    """What the registry offers."""
    access = Access(Policies.load(ROOT / "services" / "registry"), registry)
    proofs = Proofs(registry, access, EvidenceOfLog(MemoryLedger(), Path()))
    return entrances.Offered(
        access.offered(),
        [*Questions(registry, access).table(), *Papers(registry, access).table(), *proofs.table()],
    )


class Entrances(entrances.Entrances):
    """All three of one platform."""

    def __init__(self, platform: Behind) -> None:
        super().__init__(platform, SERVICE, offered(platform.registry), platform.rest, platform.peer)


def workshop() -> Workshop:
    return registry_workshop(NO_PAPER)
