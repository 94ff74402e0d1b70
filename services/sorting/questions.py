"""What one may ask sorting, who may ask it, and the answer: the same table for both doors."""

from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec

from kernel.principal import Principal
from kernel.questions import PageAsked, Question, Rows, Shown
from services.sorting.access import Access
from services.sorting.app import Sorting
from services.sorting.inspection.state import UNKNOWN
from services.sorting.views.inspection import INSPECTIONS, InspectionRow
from services.sorting.views.scheme import SCHEMES, SchemeRow

Position = Annotated[int, msgspec.Meta(ge=0, le=2**53, description="a position of the log")]
Text = Annotated[str, msgspec.Meta(max_length=64)]


class _Ask(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A question to the views. `seen`: wait, within bounds, until the answer is as of this position or later."""

    seen: Position = 0


class GetInspection(_Ask, frozen=True, kw_only=True):
    """分拣 How a device's sorting stands."""

    asset_no: Text


class ListInspections(_Ask, frozen=True, kw_only=True):
    """分拣列表 Devices that were inspected, by asset number, those that the caller may see."""

    phase: Text | None = None
    bench: Text | None = None
    site: Text | None = None
    disposition: Text | None = None
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
            Question(ListInspections, "/v1/inspections", InspectionRow, self._inspections, rows=True, paged=True),
            Question(ListSchemes, "/v1/schemes", SchemeRow, self._schemes, rows=True, paged=True),
        )

    async def _inspection(self, caller: Principal, ask: GetInspection, _page: PageAsked) -> Shown:
        row = await self._sorting.one(INSPECTIONS, (ask.asset_no,), seen=ask.seen)
        if row is None:
            raise UNKNOWN(asset_no=ask.asset_no)
        self._access.may_read(caller, row)
        return Shown(value=row, version=row.version)

    async def _inspections(self, caller: Principal, ask: ListInspections, page: PageAsked) -> Rows:
        visible, named = self._access.visible(caller), msgspec.structs.asdict(ask)
        del named["seen"]
        found = await self._sorting.page(INSPECTIONS, named, page.after, page.limit, visible, seen=ask.seen)
        return _paged(found, page, "asset_no")

    async def _schemes(self, caller: Principal, ask: ListSchemes, page: PageAsked) -> Rows:
        self._access.may(caller, "ReadRules")
        found = await self._sorting.page(SCHEMES, {}, page.after, page.limit, seen=ask.seen)
        return _paged(found, page, "scheme_group")


def _paged(rows: Sequence[Any], page: PageAsked, *key: str) -> Rows:
    """A page, and where it ends if there may be more."""
    full = len(rows) == page.limit
    return Rows(items=rows, after=tuple(getattr(rows[-1], name) for name in key) if full else None)
