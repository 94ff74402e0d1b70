"""What each role may do at `meterloop ledger serve`: roles and docs/disclosure.yaml become a `Grant`.

    role service      reads everything; appends to the streams of its own deciders, where it has any
    supervisors       regulator and auditor read everything, with who recorded it and why
    everybody else    events of types that are public by their label, without metadata

The metadata of streams, `$$*`, are kept by role admin, and by whoever is every service.

Whoever is no service is outside: it appends to streams `ext-*` alone, and no type of the house's nor one that looks
like it, by names of which everything can be seen, so that nobody takes what comes from outside for the house's own.
What is in such streams no label names: services and supervisors read it, as the supervisors' set shows it; that
somebody may write to a log does not mean that others may read of it there.
"""

from collections.abc import Mapping
from typing import Final

from kernel.disclosure import OUTSIDE, Disclosure
from kernel.principal import Role
from ledger.server.access import Grant
from services.registry.app import SERVICE as REGISTRY
from services.registry.app import STREAMS as REGISTRY_STREAMS
from services.sorting.app import OWN_STREAMS as SORTING_STREAMS
from services.sorting.app import SERVICE as SORTING

SERVICES: Final[Mapping[str, tuple[str, ...]]] = {
    REGISTRY: REGISTRY_STREAMS,
    SORTING: SORTING_STREAMS,
    "sequencer": (),
    "discloser": (),
}
"""Each service that reads the log, and how the streams begin that it writes."""

SUPERVISORS: Final = frozenset({Role.REGULATOR, Role.AUDITOR})
"""As the gateway's policies have them. The institute, which tests again without knowing verdicts, is not among them."""

RESERVED: Final = ("registry.", "sorting.", "claims.", "tender.", "monitoring.", "meterloop.")
"""How the types begin that are the house's own, of the services that there are and that are to come."""

EVERY_SERVICE: Final = "*"
"""Whoever calls without credentials as role service, on this machine alone, is all of them."""


def grant_of(role: Role, service: str | None, disclosure: Disclosure) -> Grant:
    """What a caller of this role may do. `service`: which one, or EVERY_SERVICE, of role service alone."""
    if role is Role.SERVICE:
        appends = (
            tuple(stream for streams in SERVICES.values() for stream in streams)
            if service == EVERY_SERVICE
            # One that a newer release knew reads, and writes nothing.
            else SERVICES.get(service or "", ())
        )
        return Grant(
            reads=None,
            metadata=True,
            all_streams=True,
            appends=appends,
            carries=True,
            administers=service == EVERY_SERVICE,
        )
    supervises = role in SUPERVISORS
    return Grant(
        reads=None if supervises else disclosure.public,
        metadata=supervises,
        all_streams=True,
        appends=OUTSIDE,
        reserved=RESERVED,
        seen_names=True,
        administers=role is Role.ADMIN,
    )
