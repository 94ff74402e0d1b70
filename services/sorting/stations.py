"""What stations and their supervisors ask, who may ask it, and the answer."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta
from sqlalchemy import Connection

from kernel.device import AssetNo, SiteId
from kernel.principal import Principal
from kernel.quantity import CivilDate, Code
from kernel.questions import PageAsked, Question, Rows, Shown
from services.sorting.access import BENCH, Access
from services.sorting.app import Sorting
from services.sorting.form import Form, form, unopened
from services.sorting.furnishing import NOT_ON_RECORD, group_of
from services.sorting.inspection.state import Device, Inspection
from services.sorting.views.device import devices
from services.sorting.views.inspectors import InspectorAgreement, inspector_agreement
from services.sorting.views.scheme import groups_by_class
from services.sorting.views.station import ROUNDS
from services.sorting.views.waiting import WAITING
from services.sorting.views.yields import (
    Agreement,
    Backlog,
    GroupedBy,
    Queue,
    Throughput,
    Yield,
    agreement,
    backlog,
    queues,
    throughput,
    yields,
)
from services.sorting.vocabulary import BenchId


class _Ask(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A question to the views. `seen`: wait, within bounds, until the answer is as of this position or later."""

    seen: Annotated[int, Meta(ge=0, le=2**53, description="a position of the log")] = 0


class GetForm(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """扫码取表单 What a bench does next with a device that it scanned, and the form for it, as the log has it now. With
    `bench`, whether another bench has it.
    """

    asset_no: AssetNo
    bench: BenchId | None = None


class ListQueues(_Ask, frozen=True, kw_only=True):
    """检测台队列 What is under way at benches, by the step that it waits for."""

    site: SiteId | None = None
    bench: BenchId | None = None


class ListThroughput(_Ask, frozen=True, kw_only=True):
    """检测台产量 Verdicts of the shifts that began on a business day, by bench and hour."""

    day: CivilDate
    site: SiteId | None = None
    bench: BenchId | None = None


class ListYield(_Ask, frozen=True, kw_only=True):
    """一次通过率与结论分布 First verdicts on devices in the shifts of these days, first and last included, grouped by
    bench, site, shift, class, maker or batch.
    """

    by: GroupedBy
    first_day: CivilDate
    last_day: CivilDate
    site: SiteId | None = None
    bench: BenchId | None = None
    device_class: Code | None = None
    maker: Code | None = None


class ListAgreement(_Ask, frozen=True, kw_only=True):
    """检测台间一致性 Devices that were judged twice, by the benches and shifts that did it: pairs whose second verdict
    is of these days.
    """

    first_day: CivilDate
    last_day: CivilDate
    site: SiteId | None = None


class ListInspectorAgreement(_Ask, frozen=True, kw_only=True):
    """检验员间一致性 Devices that two inspectors inspected one after the other, by their subject ids: pairs whose
    second verdict is of these days, where there are enough of them. For those who answer for the work of the hall.
    """

    first_day: CivilDate
    last_day: CivilDate
    site: SiteId | None = None


class ListBacklog(_Ask, frozen=True, kw_only=True):
    """积压 What waits at sorting centres for its verdict, or for a person to say what becomes of it, by site and
    class, and for how long as of this day.
    """

    on: CivilDate
    site: SiteId | None = None


COUNTED: Final = "CountInspections"
"""By which action one counts: the rows that it shows, and no others."""

COMPARED: Final = "CompareInspectors"
"""By which one is told how far two inspectors agree."""


class Stations:
    """Answers for whoever may ask. Each method takes the caller, the question and the page asked for."""

    def __init__(self, sorting: Sorting, access: Access) -> None:
        self._sorting: Final = sorting
        self._access: Final = access

    def table(self) -> Sequence[Question]:
        """All of them, with their paths."""
        return (
            Question(GetForm, "/v1/inspections/{asset_no}/form", Form, self._form),
            Question(ListQueues, "/v1/stations/queues", Queue, self._queues, rows=True),
            Question(ListThroughput, "/v1/stations/throughput", Throughput, self._throughput, rows=True),
            Question(ListYield, "/v1/stations/yield", Yield, self._yield, rows=True),
            Question(ListAgreement, "/v1/stations/agreement", Agreement, self._agreement, rows=True),
            Question(
                ListInspectorAgreement,
                "/v1/stations/inspectors",
                InspectorAgreement,
                self._inspectors,
                rows=True,
            ),
            Question(ListBacklog, "/v1/stations/backlog", Backlog, self._backlog, rows=True),
        )

    async def _form(self, caller: Principal, ask: GetForm, _page: PageAsked) -> Shown:
        self._access.may(caller, "ReadForm", BENCH)
        now = (await self._sorting.inspections_now((ask.asset_no,)))[ask.asset_no]
        if now.phase not in ("open", "stopped", "judged"):
            return Shown(value=await self._unopened(ask.asset_no, now))
        assert now.scheme is not None
        schemes = await self._sorting.schemes_now((now.scheme.group,))
        events = await self._sorting.events_of(ask.asset_no) if now.phase == "judged" else []
        scheme = schemes[now.scheme.group].of(now.scheme)
        return Shown(value=form(ask.asset_no, now, scheme, ask.bench, (event for event, _ in events)))

    async def _unopened(self, asset_no: str, now: Inspection) -> Form:
        """By the record as the views have it: what a bench scans has been there for longer than they are behind."""
        found, groups = await self._sorting.ask(
            lambda connection: (devices(connection, (asset_no,)), groups_by_class(connection))
        )
        if (row := found.get(asset_no)) is None:
            raise NOT_ON_RECORD(asset_no=asset_no)
        group = group_of(row.device_class, groups)
        published = (await self._sorting.schemes_now((group,)))[group]
        device = Device(
            device_class=row.device_class,  # type: ignore[arg-type]  # the registry's own list
            unit=row.unit,
            maker=row.maker,
            batch=row.batch,
            model=row.model,
            made_on=row.made_on,
            installed_on=row.installed_on,
            dismantled_on=row.dismantled_on,
            comm_address=row.comm_address,
        )
        return unopened(asset_no, device, row.site, published.versions[-1], now, published.ref)

    async def _queues(self, caller: Principal, ask: ListQueues, _page: PageAsked) -> Rows:
        visible = self._access.visible(caller, ROUNDS, COUNTED)
        return await self._rows(ask, lambda connection: queues(connection, visible, ask.site, ask.bench))

    async def _throughput(self, caller: Principal, ask: ListThroughput, _page: PageAsked) -> Rows:
        visible = self._access.visible(caller, ROUNDS, COUNTED)
        return await self._rows(ask, lambda connection: throughput(connection, visible, ask.day, ask.site, ask.bench))

    async def _yield(self, caller: Principal, ask: ListYield, _page: PageAsked) -> Rows:
        visible, days = self._access.visible(caller, ROUNDS, COUNTED), (ask.first_day, ask.last_day)
        named = {name: getattr(ask, name) for name in ("site", "bench", "device_class", "maker")}
        return await self._rows(ask, lambda connection: yields(connection, visible, ask.by, days, named))

    async def _agreement(self, caller: Principal, ask: ListAgreement, _page: PageAsked) -> Rows:
        visible, days = self._access.visible(caller, ROUNDS, COUNTED), (ask.first_day, ask.last_day)
        return await self._rows(ask, lambda connection: agreement(connection, visible, days, ask.site))

    async def _inspectors(self, caller: Principal, ask: ListInspectorAgreement, _page: PageAsked) -> Rows:
        visible, days = self._access.visible(caller, ROUNDS, COMPARED), (ask.first_day, ask.last_day)
        return await self._rows(ask, lambda connection: inspector_agreement(connection, visible, days, ask.site))

    async def _backlog(self, caller: Principal, ask: ListBacklog, _page: PageAsked) -> Rows:
        visible = self._access.visible(caller, WAITING, COUNTED)
        return await self._rows(ask, lambda connection: backlog(connection, visible, ask.on, ask.site))

    async def _rows(self, ask: _Ask, query: Callable[[Connection], Sequence[Any]]) -> Rows:
        return Rows(items=await self._sorting.ask(query, seen=ask.seen))
