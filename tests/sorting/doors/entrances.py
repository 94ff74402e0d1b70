"""Sorting's three entrances."""

from kernel.authority import Policies
from kernel.documents.workshop import Workshop
from kernel.wire.sorting.v1 import sorting_pb2
from services.sorting.access import Access
from services.sorting.app import Sorting
from services.sorting.documents.workshop import workshop as sorting_workshop
from services.sorting.papers.offered import Papers
from services.sorting.questions import Questions
from tests.doors import entrances
from tests.gateway.behind import ROOT, Behind
from tests.registry.doors.entrances import NO_PAPER

SERVICE = sorting_pb2.DESCRIPTOR.services_by_name["Sorting"]


def offered(sorting: Sorting) -> entrances.Offered:
    """What sorting offers."""
    access = Access(Policies.load(ROOT / "services" / "sorting"), sorting)
    questions = (*Questions(sorting, access).table(), *Papers(sorting, access).table())
    return entrances.Offered(access.offered(), questions)


class Entrances(entrances.Entrances):
    """All three of one platform."""

    def __init__(self, platform: Behind) -> None:
        self.sorting = platform.sorting.sorting
        super().__init__(platform, SERVICE, offered(self.sorting), platform.sorting.rest, platform.sorting.peer)


def workshop() -> Workshop:
    return sorting_workshop(NO_PAPER)
