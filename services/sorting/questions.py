"""What one may ask sorting, who may ask it, and the answer: the same table for both doors."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Final

import msgspec

from kernel.device import AssetNo
from kernel.life import ONE_TIME_ONLY, Entry, entry
from kernel.principal import Principal, Role
from kernel.questions import PageAsked, Question, Rows, Shown, columns_named, follows, paged
from kernel.refusal import not_found
from services.sorting.access import NOT_THE_MAKERS, Access, inspection
from services.sorting.access import REVIEWS as REVIEWS_SEEN
from services.sorting.app import Sorting
from services.sorting.explaining import VerdictShown, as_read
from services.sorting.inspection.state import UNKNOWN
from services.sorting.norms import SchemeVersion
from services.sorting.repair import UNKNOWN as NO_REPAIR
from services.sorting.review.state import UNKNOWN as NO_REVIEW
from services.sorting.scheme import SCHEME, SchemePublished
from services.sorting.stations import Stations
from services.sorting.table import TABLE, TABLE_NAMES, TableName, TablePublished, TableVersion
from services.sorting.views.inspection import INSPECTIONS, InspectionRow
from services.sorting.views.repair import REPAIRS, RepairRow
from services.sorting.views.review import REVIEWS, ReviewRow, with_late
from services.sorting.views.sampled import SampleRow, sample_list
from services.sorting.views.scheme import SCHEMES, SchemeRow
from services.sorting.vocabulary import GroupId

NO_VERDICT = not_found(
    "verdict.none",
    "器具 {asset_no} 尚无结论。请先完成三项检查并作结论。",
    "there is no verdict on {asset_no} yet; end its three inspections and have it judged first",
)
NO_SUCH_SCHEME = not_found(
    "scheme.no_such_version",
    "没有方案 {group} 的这一版。现有方案见方案列表。",
    "there is no such version of scheme {group}; the list of schemes says which there are",
)
NO_SUCH_TABLE = not_found(
    "table.no_such_version",
    "没有{name}的这一版。尚未发布时，请用 `meterloop sorting publish` 发布。",
    "there is no such version of {name}; where none was published, publish one by `meterloop sorting publish`",
)

Position = Annotated[int, msgspec.Meta(ge=0, le=2**53, description="a position of the log")]
Text = Annotated[str, msgspec.Meta(max_length=64)]


class _Ask(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A question to the views. `seen`: wait, within bounds, until the answer is as of this position or later."""

    seen: Position = 0


class GetInspection(_Ask, frozen=True, kw_only=True):
    """分拣 How a device's sorting stands."""

    asset_no: Text


class GetSortingLife(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """分拣履历 Every event of a device's sorting and of its repairs, in order, as it is in the log: all, or those up to
    a position of the log, or those of what had happened by the end of a business day.
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


class GetReview(_Ask, frozen=True, kw_only=True):
    """复核 How a review stands."""

    review: Text


class ListReviews(_Ask, frozen=True, kw_only=True):
    """复核列表 Reviews by id."""

    phase: Text | None = None


class ListSamples(_Ask, frozen=True, kw_only=True):
    """样本清单 What is to be re-tested, where it lies, and what came of it, without the verdicts: who re-tests is not
    to know them.
    """

    review: Text
    state: Text | None = None


class ListSchemes(_Ask, frozen=True, kw_only=True):
    """方案 The scheme groups, their versions and the classes they cover."""


class GetScheme(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """方案全文 A version of a scheme group whole, the one that stands unless `version` names another. For everybody."""

    group: GroupId
    version: SchemeVersion | None = None


class GetTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """判定表全文 A version of a table whole, the one that stands unless `version` names another. For everybody."""

    name: TableName
    version: TableVersion | None = None


class GetVerdict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """结论全文 The last verdict on a device, with the assessments that it came from, as the log has it now."""

    asset_no: AssetNo


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
            Question(GetVerdict, "/v1/inspections/{asset_no}/verdict", VerdictShown, self._verdict),
            Question(GetReview, "/v1/reviews/{review}", ReviewRow, self._review),
            Question(ListReviews, "/v1/reviews", ReviewRow, self._reviews, rows=True, paged=True),
            Question(ListSamples, "/v1/reviews/{review}/samples", SampleRow, self._samples, rows=True, paged=True),
            *Stations(self._sorting, self._access).table(),
            Question(ListSchemes, "/v1/schemes", SchemeRow, self._schemes, rows=True, paged=True),
            Question(GetScheme, "/v1/schemes/{group}", SchemePublished, self._scheme, public=True),
            Question(GetTable, "/v1/tables/{name}", TablePublished, self._one_table, public=True),
        )

    async def _inspection(self, caller: Principal, ask: GetInspection, _page: PageAsked) -> Shown:
        row = await self._sorting.one(INSPECTIONS, (ask.asset_no,), seen=ask.seen)
        if row is None:
            raise UNKNOWN(asset_no=ask.asset_no)
        self._access.may_read(caller, row)
        return Shown(value=self._access.row(caller, row), version=row.version)

    async def _life(self, caller: Principal, ask: GetSortingLife, page: PageAsked) -> Rows:
        if ask.as_of_position is not None and ask.as_of_day is not None:
            raise ONE_TIME_ONLY()
        told = await self._sorting.life_of(ask.asset_no)
        shown = self._access.shown(caller, ask.asset_no, told)
        (after,) = follows(page, int) or (0,)
        entries = [
            entry(recorded)
            for event, recorded in shown
            if recorded.position > after
            and (ask.as_of_position is None or recorded.position <= ask.as_of_position)
            and (ask.as_of_day is None or event.day <= ask.as_of_day)
        ]
        return paged(entries[: page.limit], page, "position")

    async def _inspections(self, caller: Principal, ask: ListInspections, page: PageAsked) -> Rows:
        named = columns_named(ask)
        # To search by what one's rows do not show would be to learn it.
        searched = any(named.get(name) is not None for name in NOT_THE_MAKERS)
        visible = self._access.visible(_beside_maker(caller) if searched else caller)
        found = await self._sorting.page(INSPECTIONS, named, page.after, page.limit, visible, seen=ask.seen)
        return paged([self._access.row(caller, row) for row in found], page, "asset_no")

    async def _repair(self, caller: Principal, ask: GetRepair, _page: PageAsked) -> Shown:
        row = await self._sorting.one(REPAIRS, (ask.repair,), seen=ask.seen)
        if row is None:
            raise NO_REPAIR(repair=ask.repair)
        self._access.may_read_repair(caller, row)
        return Shown(value=row, version=row.version)

    async def _repairs(self, caller: Principal, ask: ListRepairs, page: PageAsked) -> Rows:
        visible, named = self._access.visible(caller, REPAIRS, "ReadRepair"), msgspec.structs.asdict(ask)
        del named["seen"]
        found = await self._sorting.page(REPAIRS, named, page.after, page.limit, visible, seen=ask.seen)
        return paged(found, page, "repair")

    async def _review(self, caller: Principal, ask: GetReview, _page: PageAsked) -> Shown:
        self._access.may(caller, "ReadReview", REVIEWS_SEEN)
        row = await self._sorting.one(REVIEWS, (ask.review,), seen=ask.seen)
        if row is None:
            raise NO_REVIEW(review=ask.review)
        counted = await self._sorting.ask(lambda connection: with_late(connection, row))
        return Shown(value=counted, version=row.version)

    async def _reviews(self, caller: Principal, ask: ListReviews, page: PageAsked) -> Rows:
        self._access.may(caller, "ReadReview", REVIEWS_SEEN)
        found = await self._sorting.page(REVIEWS, {"phase": ask.phase}, page.after, page.limit, seen=ask.seen)
        return paged(found, page, "review")

    async def _samples(self, caller: Principal, ask: ListSamples, page: PageAsked) -> Rows:
        self._access.may(caller, "ReadReview", REVIEWS_SEEN)
        (after,) = follows(page, str) or (None,)
        found = await self._sorting.ask(
            lambda connection: sample_list(connection, ask.review, ask.state, after, page.limit), seen=ask.seen
        )
        return paged(found, page, "asset_no")

    async def _schemes(self, caller: Principal, ask: ListSchemes, page: PageAsked) -> Rows:
        self._access.may(caller, "ReadRules")
        found = await self._sorting.page(SCHEMES, {}, page.after, page.limit, seen=ask.seen)
        return paged(found, page, "scheme_group")

    async def _verdict(self, caller: Principal, ask: GetVerdict, _page: PageAsked) -> Shown:
        now = (await self._sorting.inspections_now((ask.asset_no,)))[ask.asset_no]
        if now.device is None:
            raise UNKNOWN(asset_no=ask.asset_no)
        about = inspection(now.device.unit, now.device.maker)
        self._access.may_read_of(caller, ask.asset_no, about)
        shown = await self._sorting.last_verdict(ask.asset_no)
        if shown is None:
            raise NO_VERDICT(asset_no=ask.asset_no)
        types = self._access.types(caller, about)
        return Shown(value=shown if types is None else as_read(shown, types))

    async def _scheme(self, caller: Principal, ask: GetScheme, _page: PageAsked) -> Shown:
        self._access.may(caller, "ReadRules")
        published = await self._sorting.published(SCHEME, ask.group, ask.version)
        if published is None:
            raise NO_SUCH_SCHEME(group=ask.group)
        return Shown(value=published)

    async def _one_table(self, caller: Principal, ask: GetTable, _page: PageAsked) -> Shown:
        self._access.may(caller, "ReadRules")
        published = await self._sorting.published(TABLE, ask.name, ask.version)
        if published is None:
            raise NO_SUCH_TABLE(name=TABLE_NAMES[ask.name])
        return Shown(value=published)


def _beside_maker(caller: Principal) -> Principal:
    """The caller in its other roles."""
    return msgspec.structs.replace(caller, roles=caller.roles - {Role.MANUFACTURER})
