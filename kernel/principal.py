"""Who asks, as the rules and the doors see it. How a token becomes a principal is kernel.identity."""

from enum import StrEnum
from typing import Final

import msgspec

EVERY_UNIT: Final = "*"
"""Among a principal's units it stands for all of them."""


class Role(StrEnum):
    """What a person or machine is to the centre. These and no others."""

    OPERATOR = "operator"
    STOREKEEPER = "storekeeper"
    INSPECTOR = "inspector"
    METROLOGIST = "metrologist"
    LABORATORY = "laboratory"
    MATERIALS = "materials"
    FINANCE = "finance"
    LEGAL = "legal"
    DISCIPLINE_INSPECTION = "discipline_inspection"
    DISPATCHER = "dispatcher"
    CUSTOMER_SERVICE = "customer_service"
    ADMIN = "admin"
    REGULATOR = "regulator"
    INSTITUTE = "institute"
    MANUFACTURER = "manufacturer"
    RECYCLER = "recycler"
    AUDITOR = "auditor"
    PUBLIC = "public"
    SERVICE = "service"


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks. `subject` is opaque: names live with `people`. `units` are the managing units (the first five digits
    of an asset number) it acts for, `organisation` the maker, recycler or institute it belongs to.
    """

    subject: str
    roles: frozenset[Role]
    units: frozenset[str] = frozenset()
    organisation: str | None = None


ANONYMOUS: Final = Principal(subject="anonymous", roles=frozenset({Role.PUBLIC}))
"""Whoever comes without a token where that is allowed."""
