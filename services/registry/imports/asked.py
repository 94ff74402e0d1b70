"""What an import is asked to be."""

from typing import Annotated, Final, Literal, TypeAlias

import msgspec

from kernel.device import SiteId, UnitCode
from kernel.quantity import CivilDate, Name, refuse_far_days
from services.registry.asset_number import CheckDigit
from services.registry.imports.mapping import FILE_BYTES_MAX as MAPPING_BYTES_MAX

FILE_BYTES_MAX: Final = 4 << 30

Kind: TypeAlias = Literal["devices", "dismantled", "dispatched", "received"]

ROW_IS_COMMAND: Final = frozenset({"devices", "dismantled"})
"""Kinds of which each row is a command; those of the others make a shipment's commands together."""

NUMBERS_JUDGED_AS_READ: Final = frozenset({"devices"})
"""Kinds that bring every number onto the record. Devices of the others mostly are there, so the registry, which can ask
the record, judges their numbers.
"""


class NewImport(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be imported. The last six stand in where the file has no such column; `mapping` is a mapping file's
    text that goes before the default one. Of `check_digit` here, there and as the registry is set the
    strictest holds.
    """

    kind: Kind
    name: Name
    bytes: Annotated[int, msgspec.Meta(ge=1, le=FILE_BYTES_MAX)]
    dry_run: bool = False
    check_digit: CheckDigit | None = None
    mapping: Annotated[str, msgspec.Meta(max_length=MAPPING_BYTES_MAX)] | None = None
    occurred_on: CivilDate | None = None
    unit: UnitCode | None = None
    site: SiteId | None = None
    from_site: SiteId | None = None
    to_site: SiteId | None = None

    def __post_init__(self) -> None:
        refuse_far_days(occurred_on=self.occurred_on)
