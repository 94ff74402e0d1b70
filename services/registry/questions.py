"""What one may ask the registry, who may ask it, and the answer: the same table for both doors."""

from collections.abc import Collection, Sequence
from datetime import date
from typing import Annotated, Final

import msgspec
from sqlalchemy import True_

from kernel.life import ONE_TIME_ONLY, Entry, entry
from kernel.principal import Principal
from kernel.quantity import formed
from kernel.questions import PageAsked, Question, Rows, Shown, columns_named, follows, paged
from kernel.refusal import NotFound, unreadable
from services.registry.access import REPORT, Access, owed_by
from services.registry.app import Registry
from services.registry.disclosed import NOT_BY
from services.registry.meter.state import UNKNOWN
from services.registry.views.alarm import Alarm, Duplicate, Gap, alarms, custody_gaps, duplicates
from services.registry.views.balance import BalanceLine, balances
from services.registry.views.card import CARD, Card, happened_by
from services.registry.views.consignment import Consignment
from services.registry.views.contents import ContainerLine, ContainerWhole, containers
from services.registry.views.hold import Hold, holds_due
from services.registry.views.places import (
    PLANS,
    SHIPMENTS,
    SITES,
    PlanRow,
    ShipmentRow,
    SiteRow,
)
from services.registry.views.recovery import BurntCount, Owed, RecoveryRate, burnt, grouped, recovery_rates, still_owed
from services.registry.views.stocktake import StocktakeLine

FIRST_AFTER_LAST = unreadable(
    "query.first_after_last",
    "起始 {first} 晚于终止 {last}。",
    "first, {first}, is after last, {last}",
)

Position = Annotated[int, msgspec.Meta(ge=0, le=2**53, description="a position of the log")]
Text = Annotated[str, msgspec.Meta(max_length=64)]
Month = Annotated[str, formed(r"[1-9][0-9]{3}-(0[1-9]|1[0-2])", "月份，如 2026-03", "a month, as 2026-03")]


class _Ask(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A question."""


class _Viewed(_Ask, frozen=True, kw_only=True):
    """A question to the views. `seen`: wait, within bounds, until the answer is as of this position or later."""

    seen: Position = 0


class GetDevice(_Viewed, frozen=True, kw_only=True):
    """档案卡 A device now, or as it was at a position of the log or at the end of a business day."""

    asset_no: Text
    as_of_position: Position | None = None
    as_of_day: date | None = None


class GetLife(_Ask, frozen=True, kw_only=True):
    """履历 Every event of a device, in order, as it is in the log: all, or those up to a position of the log, or those
    of what had happened by the end of a business day.
    """

    asset_no: Text
    as_of_position: Position | None = None
    as_of_day: date | None = None


class ListDevices(_Viewed, frozen=True, kw_only=True):
    """档案卡列表 Devices by asset number, those that the caller may see."""

    site: Text | None = None
    phase: Text | None = None
    unit: Text | None = None
    shipment: Text | None = None
    device_class: Text | None = None
    holder: Text | None = None
    purpose: Text | None = None
    comm_address: Text | None = None
    container: Text | None = None


class ListBalances(_Viewed, frozen=True, kw_only=True):
    """站点日结 opening + inflow - outflow = closing, by site, class and business day; `unit` asks for its sites."""

    first: date
    last: date
    site: Text | None = None
    device_class: Text | None = None
    unit: Text | None = None


class ListRecovery(_Viewed, frozen=True, kw_only=True):
    """回收率 What was dismantled in these months, and what of it has been received, by unit."""

    first: Month
    last: Month
    unit: Text | None = None


class ListOwed(_Viewed, frozen=True, kw_only=True):
    """应交未交 What a unit has dismantled under work orders and no centre has received, the oldest first."""

    unit: Text


class ListBurnt(_Ask, frozen=True, kw_only=True):
    """烧损拆回 Devices dismantled as burnt, by year and county."""


class ListHoldsDue(_Viewed, frozen=True, kw_only=True):
    """到期留存 Holds that end on or before a day, the earliest first."""

    by: date
    unit: Text | None = None


class ListAlarms(_Viewed, frozen=True, kw_only=True):
    """警报 Devices that were where they should not have been, the latest first."""

    unit: Text | None = None


class ListCustodyGaps(_Viewed, frozen=True, kw_only=True):
    """保管断点 Devices between two custodians since before a day: on the way, missing, lost, unexpected."""

    before: date
    unit: Text | None = None


class ListDuplicates(_Viewed, frozen=True, kw_only=True):
    """重号 Communication addresses that several devices share, the most shared first."""


class ListSites(_Viewed, frozen=True, kw_only=True):
    """站点 Places that hold devices."""

    kind: Text | None = None
    unit: Text | None = None


class ListStocktakes(_Viewed, frozen=True, kw_only=True):
    """盘点对账 What each stocktake of a site counted, class by class, beside what the record has there that day."""

    site_id: Text


class ListShipments(_Viewed, frozen=True, kw_only=True):
    """移交单 Transfer notes."""

    phase: Text | None = None
    unit: Text | None = None
    from_site: Text | None = None
    to_site: Text | None = None


class GetShipment(_Ask, frozen=True, kw_only=True):
    """移交单全文 One shipment whole: what was listed, what became of each device, who signed."""

    shipment_id: Text


class ListContainers(_Viewed, frozen=True, kw_only=True):
    """周转箱 Containers and pallets; `unit` asks for those at its sites."""

    site: Text | None = None
    unit: Text | None = None
    shipment: Text | None = None


class GetContainer(_Viewed, frozen=True, kw_only=True):
    """周转箱详情 One container: where it is, sealed or open, how many devices are in it, which did not follow it. The
    devices themselves are listed as devices, by `container`.
    """

    container_id: Text


class ListPlans(_Viewed, frozen=True, kw_only=True):
    """回收计划 Recovery plans by unit and month."""

    unit: Text | None = None
    cohort: Text | None = None


class Questions:
    """Answers for whoever may ask. Each method takes the caller, the question and the page asked for."""

    def __init__(self, registry: Registry, access: Access) -> None:
        self._registry: Final = registry
        self._access: Final = access

    def table(self) -> Sequence[Question]:
        """All of them, with their paths."""
        return (
            Question(GetDevice, "/v1/meters/{asset_no}/card", Card, self._device),
            Question(GetLife, "/v1/meters/{asset_no}/life", Entry, self._life, rows=True, paged=True),
            Question(ListDevices, "/v1/meters", Card, self._devices, rows=True, paged=True),
            Question(ListBalances, "/v1/balances", BalanceLine, self._balances, rows=True, paged=True),
            Question(ListRecovery, "/v1/recovery", RecoveryRate, self._recovery, rows=True, paged=True),
            Question(ListOwed, "/v1/recovery/owed", Owed, self._owed, rows=True, paged=True),
            Question(ListBurnt, "/v1/burnt", BurntCount, self._burnt, rows=True, public=True),
            Question(ListHoldsDue, "/v1/holds/due", Hold, self._holds_due, rows=True, paged=True),
            Question(ListAlarms, "/v1/alarms", Alarm, self._alarms, rows=True, paged=True),
            Question(ListCustodyGaps, "/v1/custody-gaps", Gap, self._custody_gaps, rows=True, paged=True),
            Question(ListDuplicates, "/v1/duplicates", Duplicate, self._duplicates, rows=True, paged=True),
            Question(ListSites, "/v1/sites", SiteRow, self._sites, rows=True, paged=True),
            Question(
                ListStocktakes,
                "/v1/sites/{site_id}/stocktakes",
                StocktakeLine,
                self._stocktakes,
                rows=True,
                paged=True,
            ),
            Question(ListShipments, "/v1/shipments", ShipmentRow, self._shipments, rows=True, paged=True),
            Question(GetShipment, "/v1/shipments/{shipment_id}", Consignment, self._shipment),
            Question(ListContainers, "/v1/containers", ContainerLine, self._containers, rows=True, paged=True),
            Question(GetContainer, "/v1/containers/{container_id}", ContainerWhole, self._container),
            Question(ListPlans, "/v1/plans", PlanRow, self._plans, rows=True, paged=True),
        )

    async def _device(self, caller: Principal, ask: GetDevice, _page: PageAsked) -> Shown:
        if ask.as_of_position is not None and ask.as_of_day is not None:
            raise ONE_TIME_ONLY()
        await self._registry.require_position(ask.as_of_position)
        if ask.as_of_position is None and ask.as_of_day is None:
            card = await self._registry.card(ask.asset_no, seen=ask.seen)
        else:
            try:
                card = await self._registry.card_as_of(ask.asset_no, position=ask.as_of_position, day=ask.as_of_day)
            except NotFound:
                # That there is one since is for those who may see it.
                self._access.may_read(caller, await self._registry.card_as_of(ask.asset_no))
                raise
        return Shown(value=self._access.circle(caller, card).card(card), version=card.version)

    async def _life(self, caller: Principal, ask: GetLife, page: PageAsked) -> Rows:
        circle = self._access.circle(caller, await self._registry.card_as_of(ask.asset_no))
        if ask.as_of_position is not None and ask.as_of_day is not None:
            raise ONE_TIME_ONLY()
        await self._registry.require_position(ask.as_of_position)
        (after,) = follows(page, int) or (-1,)
        told = await self._registry.meter_events(ask.asset_no, position=ask.as_of_position)
        happened = told if ask.as_of_day is None else happened_by(told, ask.as_of_day)
        later = [one for one in circle.events(happened) if one[1].version > after]
        return paged([entry(recorded) for _, recorded in later[: page.limit]], page, "version")

    async def _devices(self, caller: Principal, ask: ListDevices, page: PageAsked) -> Rows:
        named = columns_named(ask)
        searched = {name for name, value in named.items() if value is not None}
        visible = self._access.visible(_whose_cards_say(caller, searched), "ReadMeter", "Meter", CARD)
        found = await self._registry.page(CARD, named, page.after, page.limit, visible, seen=ask.seen)
        return paged([self._access.circle(caller, card).card(card) for card in found], page, "asset_no")

    async def _balances(self, caller: Principal, ask: ListBalances, page: PageAsked) -> Rows:
        rows = self._access.visible(caller, "ReadBalances", "Report", SITES)
        visible = None if isinstance(rows, True_) else rows
        _in_order(ask)
        after = follows(page, str, str, date.fromisoformat)
        lines = await self._registry.ask(
            lambda connection: balances(
                connection,
                ask.first,
                ask.last,
                ask.site,
                ask.device_class,
                unit=ask.unit,
                after=after,
                limit=page.limit,
                visible=visible,
            ),
            seen=ask.seen,
        )
        return paged(lines, page, "site", "device_class", "day")

    async def _recovery(self, caller: Principal, ask: ListRecovery, page: PageAsked) -> Rows:
        self._access.may(caller, "ReadRecovery", REPORT)
        _in_order(ask)
        after = follows(page, str, str)
        rates = await self._registry.ask(
            lambda connection: recovery_rates(connection, ask.first, ask.last, ask.unit, after=after, limit=page.limit),
            seen=ask.seen,
        )
        return paged(rates, page, "cohort", "unit")

    async def _owed(self, caller: Principal, ask: ListOwed, page: PageAsked) -> Rows:
        self._access.may(caller, "ReadOwed", owed_by(ask.unit))
        after = follows(page, date.fromisoformat, str)
        found = await self._registry.ask(
            lambda connection: still_owed(connection, ask.unit, page.limit, after), seen=ask.seen
        )
        return paged(found, page, "dismantled_on", "asset_no")

    async def _burnt(self, caller: Principal, _ask: ListBurnt, _page: PageAsked) -> Rows:
        self._access.may(caller, "ReadTotals", REPORT)
        return Rows(items=grouped(await self._registry.ask(burnt)))

    async def _holds_due(self, caller: Principal, ask: ListHoldsDue, page: PageAsked) -> Rows:
        self._access.may(caller, "ReadHolds", REPORT)
        visible = self._access.visible(caller, "ReadMeter", "Meter", CARD)
        after = follows(page, date.fromisoformat, str, str)
        due = await self._registry.ask(
            lambda connection: holds_due(connection, ask.by, page.limit, visible, after, unit=ask.unit), seen=ask.seen
        )
        return paged(due, page, "until", "asset_no", "hold")

    async def _alarms(self, caller: Principal, ask: ListAlarms, page: PageAsked) -> Rows:
        visible = self._access.visible(caller, "ReadAlarms", "Report", CARD)
        after = follows(page, date.fromisoformat, str, int)
        found = await self._registry.ask(
            lambda connection: alarms(connection, page.limit, after, unit=ask.unit, visible=visible),
            seen=ask.seen,
        )
        return paged(found, page, "day", "asset_no", "version")

    async def _custody_gaps(self, caller: Principal, ask: ListCustodyGaps, page: PageAsked) -> Rows:
        visible = self._access.visible(caller, "ReadAlarms", "Report", CARD)
        after = follows(page, date.fromisoformat, str)
        found = await self._registry.ask(
            lambda connection: custody_gaps(connection, ask.before, page.limit, after, unit=ask.unit, visible=visible),
            seen=ask.seen,
        )
        return paged(found, page, "since", "asset_no")

    async def _duplicates(self, caller: Principal, ask: ListDuplicates, page: PageAsked) -> Rows:
        self._access.may(caller, "ReadAlarms", REPORT)
        after = follows(page, int, str)
        found = await self._registry.ask(lambda connection: duplicates(connection, page.limit, after), seen=ask.seen)
        return paged(found, page, "devices", "comm_address")

    async def _sites(self, caller: Principal, ask: ListSites, page: PageAsked) -> Rows:
        visible = self._access.visible(caller, "ReadSite", "Site", SITES)
        return paged(
            await self._registry.page(SITES, columns_named(ask), page.after, page.limit, visible, seen=ask.seen),
            page,
            "site",
        )

    async def _stocktakes(self, caller: Principal, ask: ListStocktakes, page: PageAsked) -> Rows:
        site = (await self._registry.sites_now([ask.site_id]))[ask.site_id]
        self._access.may(caller, "ReadBalances", owed_by(site.unit))
        after = follows(page, int, str)
        lines = await self._registry.stocktakes(ask.site_id, after, page.limit, seen=ask.seen)
        numbers = {one.asset_no for line in lines for one in line.exceptions_shown}
        cards = await self._registry.cards_as_of(sorted(numbers), None)
        readable = {number for number, card in cards.items() if self._access.reads(caller, card)}
        return paged([_without_others(line, readable) for line in lines], page, "version", "device_class")

    async def _shipments(self, caller: Principal, ask: ListShipments, page: PageAsked) -> Rows:
        visible = self._access.visible(caller, "ReadShipment", "Shipment", SHIPMENTS)
        found = await self._registry.page(SHIPMENTS, columns_named(ask), page.after, page.limit, visible, seen=ask.seen)
        return paged(found, page, "shipment")

    async def _shipment(self, caller: Principal, ask: GetShipment, _page: PageAsked) -> Shown:
        whole = await self._registry.consignment(ask.shipment_id)
        self._access.may_read_shipment(caller, whole.shipment, whole.unit)
        return Shown(value=whole, version=whole.version)

    async def _containers(self, caller: Principal, ask: ListContainers, page: PageAsked) -> Rows:
        visible = self._access.visible(caller, "ReadContainer", "Container", SITES)
        (after,) = follows(page, str) or (None,)
        found = await self._registry.ask(
            lambda connection: containers(connection, page.limit, after, **columns_named(ask), visible=visible),
            seen=ask.seen,
        )
        return paged(found, page, "container")

    async def _container(self, caller: Principal, ask: GetContainer, _page: PageAsked) -> Shown:
        whole = await self._registry.container(ask.container_id, seen=ask.seen)
        await self._access.may_read_container(caller, whole.container, whole.site)
        return Shown(value=whole, version=whole.version)

    async def _plans(self, caller: Principal, ask: ListPlans, page: PageAsked) -> Rows:
        visible = self._access.visible(caller, "ReadPlan", "Plan", PLANS)
        found = await self._registry.page(PLANS, columns_named(ask), page.after, page.limit, visible, seen=ask.seen)
        return paged(found, page, "unit", "cohort")


def _whose_cards_say(caller: Principal, searched: Collection[str]) -> Principal:
    """The caller in those of its roles that are shown what it searches by."""
    blind = {role for role, hidden in NOT_BY.items() if not set(hidden).isdisjoint(searched)}
    return msgspec.structs.replace(caller, roles=caller.roles - blind)


def _in_order(ask: ListBalances | ListRecovery) -> None:
    if ask.first > ask.last:  # type: ignore[operator]  # both are days, or both are months
        raise FIRST_AFTER_LAST(first=ask.first, last=ask.last)


def _without_others(line: StocktakeLine, readable: Collection[str]) -> StocktakeLine:
    """The line as one reads it who may read these devices: of any other it does not say whether there is one."""
    shown = tuple(
        one if one.asset_no in readable else msgspec.structs.replace(one, code=UNKNOWN.code)
        for one in line.exceptions_shown
    )
    return msgspec.structs.replace(line, exceptions_shown=shown)
