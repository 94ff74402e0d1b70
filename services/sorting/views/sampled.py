"""样本清单 What was drawn for a review and where each device lies now, for whoever fetches it. No verdict is here, nor
anything else that was found: who re-tests is not to know it.
"""

from datetime import date
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, func, select

from services.sorting.views.device import DEVICES, SITES
from services.sorting.views.review import SAMPLES


class SampleRow(msgspec.Struct, frozen=True):
    """样本 A device that was drawn. `state` is awaited, recorded, replaced (by a spare) or spare. `found` is what the
    institute found; the verdict is not here. `site`, with its name, has the device now, at `location` and in
    `container` where the registry knows them; without a site it is out or on its way.
    """

    review: str
    asset_no: str
    state: str
    found: str | None
    report: str | None
    recorded_on: date | None
    device_class: str
    maker: str | None
    model: str | None
    site: str | None
    site_name: str | None
    location: str | None
    container: str | None


def sample_list(
    connection: Connection, review: str, state: str | None = None, after: str | None = None, limit: int | None = None
) -> list[SampleRow]:
    """By asset number, those after `after`: that order tells nothing of what was drawn with what."""
    drawn, device, site = SAMPLES.columns, DEVICES.columns.c, SITES.columns.c
    lying = drawn.outerjoin(DEVICES.columns, device.asset_no == drawn.c.asset_no)
    shown: list[ColumnElement[Any]] = [
        *drawn.c,
        func.coalesce(device.device_class, ""),
        device.maker,
        device.model,
        device.site,
        site.name,
        device.location,
        device.container,
    ]
    query = select(*shown).select_from(lying.outerjoin(SITES.columns, site.site == device.site))
    query = query.where(drawn.c.review == review).order_by(drawn.c.asset_no).limit(limit)
    if state is not None:
        query = query.where(drawn.c.state == state)
    if after is not None:
        query = query.where(drawn.c.asset_no > after)
    return [SampleRow(*row) for row in connection.execute(query)]
