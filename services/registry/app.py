"""What the registry does, and what one may ask it. Both doors, the policies and the import end here."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date
from functools import partial
from typing import Any, Final, TypeAlias, TypeVar

import msgspec
from sqlalchemy import ColumnElement, Connection

from kernel.codec import Codec
from kernel.decider import Decider
from kernel.folded import Folded
from kernel.handling import Ask, Context, Handling, Outcome, Permit, Turn
from kernel.policy import Policy, asks
from kernel.policy_store import checkpoint, refused_at
from kernel.projection import NO_SUCH_POSITION, Projector
from kernel.refusal import Refusal, Stale, not_found
from kernel.view import Key, View
from kernel.view_queries import one, page
from ledger.port import Ledger, Recorded
from services.registry.admission import Admission
from services.registry.asset_number import CHECK_DIGIT, CheckDigit
from services.registry.container import CONTAINER, Container
from services.registry.counting import Counting
from services.registry.loading import Loading
from services.registry.meter import METER
from services.registry.meter.state import UNKNOWN, Meter
from services.registry.numbering import Numbering, warned
from services.registry.plan import PLAN
from services.registry.policies import DEVICES_FOLLOW_CONTAINER, DEVICES_FOLLOW_SHIPMENT, exception_of
from services.registry.shipment import SHIPMENT, Shipment
from services.registry.site import SITE, STOCKTAKES, Site, SiteOpened
from services.registry.site import UNKNOWN as UNKNOWN_SITE
from services.registry.views.card import CARD, Card, folded, folded_by
from services.registry.views.consignment import Consignment, consignment
from services.registry.views.contents import ContainerWhole, container_whole, devices_in
from services.registry.views.stocktake import StocktakeLine, stocktake_lines

T = TypeVar("T")
Told: TypeAlias = tuple[Any, Recorded]
"""An event, and how it stands in the log."""
Row = TypeVar("Row", bound=msgspec.Struct)

SERVICE: Final = "registry"
DECIDERS: Final[tuple[Decider[Any], ...]] = (METER, SHIPMENT, CONTAINER, SITE, STOCKTAKES, PLAN)
CODEC: Final = Codec(SERVICE, [event for decider in DECIDERS for event in decider.events])
_OPENINGS: Final = frozenset(name for name, event in CODEC.types.items() if event is SiteOpened)
STREAMS_AT_ONCE: Final = 100
"""Read and decoded in one go, which takes some milliseconds."""

SHIPMENTS_KEPT: Final = 100
"""Folded and ready to be asked again: with the largest manifests a megabyte each."""

STREAMS: Final = tuple(f"{decider.category}-" for decider in DECIDERS)

NOT_THEN = not_found(
    "meter.not_then",
    "在所指的时点尚无资产编号 {asset_no} 的记录。",
    "there was no record of {asset_no} at that time",
)


class LeftBehind(msgspec.Struct, frozen=True):
    """A device that did not follow its shipment, and why."""

    asset_no: str
    code: str
    zh: str
    en: str


class Registry:
    """The service, over a ledger and its views."""

    def __init__(self, ledger: Ledger, projector: Projector, *, check_digit: CheckDigit = CHECK_DIGIT) -> None:
        """`check_digit` is what is done where a number with a wrong one comes onto the record."""
        self._ledger: Final = ledger
        self._projector: Final = projector
        handlings = {decider.category: Handling(ledger, decider, CODEC) for decider in DECIDERS}
        self._handlings: Final[dict[type[msgspec.Struct], Handling[Any]]] = {
            command: handlings[decider.category] for decider in DECIDERS for command in decider.commands
        }
        self._sites: Final = Folded(ledger, SITE, CODEC)
        self._containers: Final = Folded(ledger, CONTAINER, CODEC)
        self._shipments: Final = Folded(ledger, SHIPMENT, CODEC, kept=SHIPMENTS_KEPT)
        self._admission: Final = Admission(self._sites, self._ask_now)
        self._counting: Final = Counting(self._ask_now)
        self._numbering: Final = Numbering(check_digit, self.meters_now)
        self._loading: Final = Loading(self.shipments_now, self.containers_as_of, self._packed, self._ask_now)

    @property
    def ledger_id(self) -> str:
        """The log's own name."""
        return self._ledger.ledger_id

    @property
    def check_digit(self) -> CheckDigit:
        """What is done at least where a number with a wrong one comes onto the record."""
        return self._numbering.check_digit

    async def do(self, command: Any, context: Context, permit: Permit | None = None) -> Outcome:
        """Decide and record one command. Raises Refusal, ledger.port.Unavailable."""
        (answer,) = await self.do_many([Ask(command, context, permit)])
        if isinstance(answer, Refusal):
            raise answer
        return answer

    async def do_many(
        self,
        asks: Sequence[Ask],
        *,
        turn: Turn | None = None,
        known: bool = False,
        check_digit: CheckDigit | None = None,
    ) -> list[Outcome | Refusal]:
        """Decide and record many, an answer each in their order; those of one noun keep their order among themselves.
        For `turn` and `known` see Handling.handle_many. `check_digit` goes before what the registry is set to.

        Raises ledger.port.Unavailable.
        """
        wrong = self._numbering.wrong_in(asks, check_digit)
        judged = await self._numbering.held_against(asks, wrong, check_digit)
        return warned(await self._by_noun(judged, partial(self._recorded, turn=turn, known=known)), wrong)

    async def follow(self, asks: Sequence[Ask]) -> list[Outcome | Refusal]:
        """`do_many` for policies: whether a site is open does not matter here. The thing is where it is, and the record
        follows it.
        """
        return await self._by_noun(asks, Handling.handle_many)

    async def refused(self, policy: str, refused: Sequence[tuple[Ask, str]]) -> None:
        """What follows where commands of a policy were refused, with which code: a device that cannot follow its
        shipment, its container or its stocktake is an exception on the shipment, the container or the site.
        """
        exceptions = [one for ask, code in refused if (one := exception_of(policy, ask, code)) is not None]
        answers = await self.follow(exceptions) if exceptions else []
        if stale := [answer for answer in answers if isinstance(answer, Stale)]:
            # Somebody else writes to it all the time; what is said here is said again until it is on record.
            raise TimeoutError(str(stale[0]))

    async def followed(self, position: int) -> bool:
        """Whether the devices have followed their shipments up to the event at this position, as far as they can."""
        return await self._reached(DEVICES_FOLLOW_SHIPMENT, position)

    async def left_behind(self, position: int) -> list[LeftBehind]:
        """The devices that did not follow the shipment to which the event at this position happened."""
        name = DEVICES_FOLLOW_SHIPMENT.name
        refused = await self._projector.read(lambda connection: refused_at(connection, name, position))
        if not refused:
            return []
        (recorded,) = (await self._ledger.read_all(position - 1, limit=1)).events
        said = asks(DEVICES_FOLLOW_SHIPMENT, CODEC.decode(recorded), recorded)
        numbers = {str(ask.context.command_id): ask.command.asset_no for ask in said}
        return [LeftBehind(numbers[one.command_id], one.code, one.zh, one.en) for one in refused]

    async def preview(self, asks: Sequence[Ask], *, check_digit: CheckDigit | None = None) -> list[Outcome | Refusal]:
        """What `do_many` would answer now, and nothing is recorded."""
        wrong = self._numbering.wrong_in(asks, check_digit)
        judged = await self._numbering.held_against(asks, wrong, check_digit)
        return warned(await self._by_noun(judged, self._previewed), wrong)

    async def sites_now(self, site_ids: Collection[str]) -> Mapping[str, Site]:
        """These sites as they are recorded now. Raises ledger.port.Unavailable."""
        return await self._sites.now(site_ids)

    async def containers_now(self, container_ids: Collection[str]) -> Mapping[str, Container]:
        """These containers as they are recorded now. Raises ledger.port.Unavailable."""
        return await self._containers.now(container_ids)

    async def shipments_now(self, shipment_ids: Collection[str]) -> Mapping[str, Shipment]:
        """These shipments as they are recorded now. Raises ledger.port.Unavailable."""
        return await self._shipments.now(shipment_ids)

    async def meters_now(self, asset_nos: Sequence[str]) -> Mapping[str, Meter]:
        """Those of these devices that are on record, as they are now. Raises ledger.port.Unavailable."""
        told = self._told_each(METER, asset_nos, None)
        return {number: METER.fold(event for event, _ in events) async for number, events in told if events}

    def views_give_way(self) -> AbstractContextManager[None]:
        """For work of many commands at once: what it records is in the views a little later."""
        return self._projector.giving_way()

    async def head(self) -> int:
        """The position of the last event in the log."""
        return await self._ledger.head()

    async def require_position(self, position: int | None) -> None:
        """Nothing where the log has this position. Raises Refusal: what it will say there would be another answer."""
        if position is not None and position > (head := await self.head()):
            raise NO_SUCH_POSITION(position=position, head=head)

    async def require_open(self, *site_ids: str | None) -> None:
        """Nothing where all the sites that are named are open. Raises Refusal."""
        await self._admission.require_open(*site_ids)

    async def _recorded(
        self, handling: Handling[Any], asks: Sequence[Ask], *, turn: Turn | None, known: bool
    ) -> list[Outcome | Refusal]:
        return await handling.handle_many(await self._against_others(asks), turn=turn, known=known)

    async def _previewed(self, handling: Handling[Any], asks: Sequence[Ask]) -> list[Outcome | Refusal]:
        return await handling.preview(await self._against_others(asks))

    async def _against_others(self, asks: Sequence[Ask]) -> Sequence[Ask]:
        """The same, each with what other streams say to it."""
        return await self._counting.compared(await self._admission.held_against(await self._loading.loaded(asks)))

    async def _packed(self, position: int) -> bool:
        return await self._reached(DEVICES_FOLLOW_CONTAINER, position)

    async def _reached(self, policy: Policy, position: int) -> bool:
        """Whether a policy has been through the event at this position."""

        def reached(connection: Connection) -> bool:
            stood = checkpoint(connection, policy.name)
            return stood is not None and stood.position >= position

        return await self._projector.read(reached)

    async def _ask_now(self, query: Callable[[Connection], T]) -> T:
        return await self.ask(query, seen=await self.head())

    async def _by_noun(
        self,
        asks: Sequence[Ask],
        handle: Callable[[Handling[Any], Sequence[Ask]], Awaitable[list[Outcome | Refusal]]],
    ) -> list[Outcome | Refusal]:
        by_noun: dict[Handling[Any], list[int]] = {}
        for i, ask in enumerate(asks):
            by_noun.setdefault(self._handlings[type(ask.command)], []).append(i)
        answers: dict[int, Outcome | Refusal] = {}
        for handling, places in by_noun.items():
            done = await handle(handling, [asks[i] for i in places])
            answers.update(zip(places, done, strict=True))
        return [answers[i] for i in range(len(asks))]

    async def ask(self, query: Callable[[Connection], T], *, seen: int = 0) -> T:
        """Ask the views a question of services.registry.views, they being at least at position `seen`. Raises Stale."""
        return await self._projector.read(query, seen=seen)

    async def ask_at(self, query: Callable[[Connection], T], *, seen: int = 0) -> tuple[T, int]:
        """The same, and the position up to which every event is in the answer."""
        return await self._projector.read_at(query, seen=seen)

    async def one(self, view: View[Row], key: Key, *, seen: int = 0) -> Row | None:
        """The row of this key."""
        return await self.ask(lambda connection: one(connection, view, key), seen=seen)

    async def page(
        self,
        view: View[Row],
        where: Mapping[str, Any],
        after: Key | None,
        limit: int,
        visible: ColumnElement[bool] | None = None,
        *,
        seen: int = 0,
    ) -> list[Row]:
        """Rows by key, those after `after` that are `visible`."""
        return await self.ask(lambda connection: page(connection, view, where, after, limit, visible), seen=seen)

    async def card(self, asset_no: str, *, seen: int = 0) -> Card:
        """The device now. Raises NotFound, Stale."""
        card = await self.one(CARD, (asset_no,), seen=seen)
        if card is None:
            raise UNKNOWN(asset_no=asset_no)
        return card

    async def card_as_of(self, asset_no: str, *, position: int | None = None, day: date | None = None) -> Card:
        """The device as the log had it at a position, or as it was by what had happened until the end of a business
        day. Raises NotFound.
        """
        told = await self.meter_events(asset_no, position=position)
        card = folded(told) if day is None else folded_by(told, day)
        if card is None:
            raise NOT_THEN(asset_no=asset_no)
        return card

    async def cards_as_of(self, asset_nos: Sequence[str], position: int | None) -> dict[str, Card]:
        """These devices as the log had them at a position, or has them now; those it did not know are left out."""
        cards = {}
        async for number, told in self._told_each(METER, asset_nos, position):
            if (card := folded(told)) is not None:
                cards[number] = card
        return cards

    async def containers_as_of(self, container_ids: Sequence[str], position: int | None) -> dict[str, list[Told]]:
        """The events of these containers up to a position, or all; those without any are left out."""
        return {key: told async for key, told in self._told_each(CONTAINER, container_ids, position) if told}

    async def site_names(self, site_ids: Collection[str], position: int) -> dict[str, str]:
        """The names that these sites bore at a position, of those that the log knew by then."""
        names = {}
        async for site_id, told in self._told_each(SITE, sorted(site_ids), position, of=_OPENINGS):
            if told:
                names[site_id] = told[-1][0].name
        return names

    async def consignment(self, shipment_id: str, *, position: int | None = None) -> Consignment:
        """A shipment whole, now or as the log had it at a position. Raises NotFound."""
        return consignment(shipment_id, await self._told(SHIPMENT, shipment_id, position))

    async def container(self, container_id: str, *, seen: int = 0) -> ContainerWhole:
        """A container as it is recorded now, and how many devices the views have in it. Raises NotFound, Stale."""
        told = await self._told(CONTAINER, container_id, None)
        devices = await self.ask(lambda connection: devices_in(connection, [container_id]), seen=seen)
        return container_whole(container_id, told, devices.get(container_id, 0))

    async def stocktakes(
        self, site_id: str, after: tuple[int, str] | None = None, limit: int | None = None, *, seen: int = 0
    ) -> list[StocktakeLine]:
        """The stocktakes of a site beside the record of their days, at most `limit` lines after this version and class.
        Raises NotFound, Stale.
        """
        told = await self._told(SITE, site_id, None)
        if not told:
            raise UNKNOWN_SITE(site_id=site_id)
        told += await self._told(STOCKTAKES, site_id, None)
        return await self.ask(lambda connection: stocktake_lines(connection, told, after, limit), seen=seen)

    async def meter_events(self, asset_no: str, *, position: int | None = None) -> list[Told]:
        """Every event of a device up to a position, in order. Raises NotFound where there is no such device."""
        told = await self._told(METER, asset_no, None)
        if not told:
            raise UNKNOWN(asset_no=asset_no)
        return told if position is None else [one for one in told if one[1].position <= position]

    async def _told(self, decider: Decider[Any], key: str, position: int | None) -> list[Told]:
        """The events of one stream up to a position."""
        return _decoded(await self._rest(decider.stream_of(key), 0), position)

    async def _told_each(
        self,
        decider: Decider[Any],
        keys: Sequence[str],
        position: int | None,
        *,
        of: Collection[str] = CODEC.types,
    ) -> AsyncIterator[tuple[str, list[Told]]]:
        """The same of many streams, those of these types. Some streams at a time, so that whatever else wants the event
        loop gets its turn.
        """
        for begin in range(0, len(keys), STREAMS_AT_ONCE):
            streams = {decider.stream_of(key): key for key in keys[begin : begin + STREAMS_AT_ONCE]}
            for stream, got in (await self._ledger.read_many(streams)).items():
                more = [] if got.next_from is None else await self._rest(stream, got.next_from)
                yield streams[stream], _decoded((one for one in (*got.events, *more) if one.type in of), position)

    async def _rest(self, stream: str, next_from: int | None) -> list[Recorded]:
        """The events of a stream from a version on."""
        found: list[Recorded] = []
        while next_from is not None:
            got = await self._ledger.read(stream, from_version=next_from)
            found += got.events
            next_from = got.next_from
        return found


def _decoded(events: Iterable[Recorded], position: int | None) -> list[Told]:
    return [(CODEC.decode(one), one) for one in events if position is None or one.position <= position]
