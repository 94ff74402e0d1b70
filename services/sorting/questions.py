"""What one may ask sorting, who may ask it, and the answer: the same table for both doors."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Final

import msgspec

from kernel.life import Entry, entry
from kernel.principal import Principal
from kernel.questions import PageAsked, Question, Rows, Shown, columns_named, follows, paged
from services.sorting.access import Access
from services.sorting.app import Sorting
from services.sorting.inspection.state import UNKNOWN
from services.sorting.repair import UNKNOWN as NO_REPAIR
from services.sorting.views.inspection import INSPECTIONS, InspectionRow
from services.sorting.views.repair import REPAIRS, RepairRow
from services.sorting.views.scheme import SCHEMES, SchemeRow

Position = Annotated[int, msgspec.Meta(ge=0, le=2**53, description="a position of the log")]
Text = Annotated[str, msgspec.Meta(max_length=64)]


class _Ask(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A question to the views. `seen`: wait, within bounds, until the answer is as of this position or later."""

    seen: Position = 0


class GetInspection(_Ask, frozen=True, kw_only=True):
    """分拣 How a device's sorting stands."""

    asset_no: Text


class GetSortingLife(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """分拣履历 Every event of a device's sorting, in order, as it is in the log: all, or those up to a position of the
    log, or those of what had happened by the end of a business day.
    """

    asset_no: Text
    as_of_position: Position | None = None
    as_of_day: date | None = None


class ListInspections(_Ask, frozen=True, kw_only=True):
    """分拣列表 Devices that were inspected, by asset number, those that the caller may see."""

    phase: Text | None = None
    bench: Text | None = None
    site: Text | None = None
    disposition: Text | None = None
    unit: Text | None = None


class GetRepair(_Ask, frozen=True, kw_only=True):
    """维修单 How a repair stands."""

    repair: Text


class ListRepairs(_Ask, frozen=True, kw_only=True):
    """维修单列表 Repairs by their numbers, those that the caller may see; also who has which certificate number."""

    asset_no: Text | None = None
    phase: Text | None = None
    route: Text | None = None
    repairer: Text | None = None
    certificate: Text | None = None
    unit: Text | None = None


class ListSchemes(_Ask, frozen=True, kw_only=True):
    """方案 The scheme groups, their versions and the classes they cover."""


class Questions:
    """Answers for whoever may ask. Each method takes the caller, the question and the page asked for."""

    def __init__(self, sorting: Sorting, access: Access) -> None:
        self._sorting: Final = sorting
        self._access: Final = access

    def table(self) -> Sequence[Question]:
        """All of them, with their paths."""
        return (
            Question(GetInspection, "/v1/inspections/{asset_no}", InspectionRow, self._inspection),
            Question(GetSortingLife, "/v1/inspections/{asset_no}/life", Entry, self._life, rows=True, paged=True),
            Question(ListInspections, "/v1/inspections", InspectionRow, self._inspections, rows=True, paged=True),
            Question(GetRepair, "/v1/repairs/{repair}", RepairRow, self._repair),
            Question(ListRepairs, "/v1/repairs", RepairRow, self._repairs, rows=True, paged=True),
            Question(ListSchemes, "/v1/schemes", SchemeRow, self._schemes, rows=True, paged=True),
        )

    async def _inspection(self, caller: Principal, ask: GetInspection, _page: PageAsked) -> Shown:
        row = await self._sorting.one(INSPECTIONS, (ask.asset_no,), seen=ask.seen)
        if row is None:
            raise UNKNOWN(asset_no=ask.asset_no)
        self._access.may_read(caller, row)
        return Shown(value=row, version=row.version)

    async def _life(self, caller: Principal, ask: GetSortingLife, page: PageAsked) -> Rows:
        told = await self._sorting.events_of(ask.asset_no)
        shown = self._access.shown(caller, ask.asset_no, told)
        (after,) = follows(page, int) or (-1,)
        entries = [
            entry(recorded)
            for event, recorded in shown
            if recorded.version > after
            and (ask.as_of_position is None or recorded.position <= ask.as_of_position)
            and (ask.as_of_day is None or event.day <= ask.as_of_day)
        ]
        return paged(entries[: page.limit], page, "version")

    async def _inspections(self, caller: Principal, ask: ListInspections, page: PageAsked) -> Rows:
        visible, named = self._access.visible(caller), columns_named(ask)
        found = await self._sorting.page(INSPECTIONS, named, page.after, page.limit, visible, seen=ask.seen)
        return paged(found, page, "asset_no")

    async def _repair(self, caller: Principal, ask: GetRepair, _page: PageAsked) -> Shown:
        row = await self._sorting.one(REPAIRS, (ask.repair,), seen=ask.seen)
        if row is None:
            raise NO_REPAIR(repair=ask.repair)
        self._access.may_read_repair(caller, row)
        return Shown(value=row, version=row.version)

    async def _repairs(self, caller: Principal, ask: ListRepairs, page: PageAsked) -> Rows:
        visible, named = self._access.visible(caller, REPAIRS), msgspec.structs.asdict(ask)
        del named["seen"]
        found = await self._sorting.page(REPAIRS, named, page.after, page.limit, visible, seen=ask.seen)
        return paged(found, page, "repair")

    async def _schemes(self, caller: Principal, ask: ListSchemes, page: PageAsked) -> Rows:
        self._access.may(caller, "ReadRules")
        found = await self._sorting.page(SCHEMES, {}, page.after, page.limit, seen=ask.seen)
        return paged(found, page, "scheme_group")
