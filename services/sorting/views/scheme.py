"""方案 Which scheme covers which class of device now."""

from typing import Any, Final

import msgspec
from sqlalchemy import Connection, select
from sqlmodel import Field

from kernel.view import View
from ledger.port import Recorded
from services.sorting.scheme import SchemePublished
from services.sorting.views.tables import Tables

SEPARATOR: Final = " "


class SchemeRow(msgspec.Struct, frozen=True):
    """The version of a scheme group that stands. `classes` are device classes, one beside the other; `unconfirmed`
    limits are to be confirmed by the metrologist.
    """

    scheme_group: str
    version: int
    sha256: str
    zh: str
    en: str
    classes: str
    unconfirmed: int


class SchemeTable(Tables, table=True):
    """The rows of SchemeRow."""

    __tablename__ = "scheme_v1"

    scheme_group: str = Field(primary_key=True)
    version: int
    sha256: str
    zh: str
    en: str
    classes: str
    unconfirmed: int


def evolve(_row: SchemeRow | None, event: SchemePublished, _recorded: Recorded, _key: tuple[str]) -> SchemeRow:
    scheme = event.scheme
    return SchemeRow(
        scheme_group=event.group,
        version=event.version,
        sha256=event.sha256,
        zh=scheme.name.zh,
        en=scheme.name.en,
        classes=SEPARATOR.join(scheme.device_classes),
        unconfirmed=len(scheme.unconfirmed()),
    )


SCHEMES: Final = View[Any](
    name="scheme",
    row=SchemeRow,
    table=SchemeTable,
    events=(SchemePublished,),
    keys=lambda event, _recorded: ((event.group,),),
    evolve=evolve,
)


def groups_by_class(connection: Connection) -> dict[str, tuple[str, ...]]:
    """The scheme groups of every class that is covered, by name: one, but where two were published at once, or before
    a second was refused.
    """
    of = SCHEMES.columns.c
    found: dict[str, tuple[str, ...]] = {}
    for group, classes in connection.execute(select(of.scheme_group, of.classes).order_by(of.scheme_group)):
        for code in classes.split(SEPARATOR):
            found[code] = (*found.get(code, ()), group)
    return found
