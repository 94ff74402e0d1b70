"""What sorting does, and what one may ask it. Both doors and the policies end here."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec
from sqlalchemy import ColumnElement, Connection

from kernel.clock import Clock, system_clock_us
from kernel.codec import Codec
from kernel.decider import Decider
from kernel.folded import Folded
from kernel.handling import Ask, Context, Handling, Outcome, Permit
from kernel.projection import Projector
from kernel.refusal import Refusal
from kernel.view import Key, View
from kernel.view_queries import one, page
from ledger.port import Conflict, Direction, Ledger, Recorded
from services.sorting.certificate import CERTIFICATE, ClaimCertificate
from services.sorting.covering import Covering
from services.sorting.drawing import Checkpoints, Drawing, Unpublished, load_plans
from services.sorting.explaining import VerdictShown, last_verdict
from services.sorting.furnishing import Furnishing, Production
from services.sorting.inspection import INSPECTION
from services.sorting.inspection.repair_order import RepairOrdered
from services.sorting.inspection.state import Inspection
from services.sorting.nonce import NONCE, ClaimNonce
from services.sorting.repair import REPAIR
from services.sorting.replacing import Replacing
from services.sorting.reverifying import Reverifying
from services.sorting.review import REVIEW
from services.sorting.run import RUN
from services.sorting.sampling import SamplingPlans
from services.sorting.scheme import SCHEME, Published
from services.sorting.table import TABLE

T = TypeVar("T")
Row = TypeVar("Row", bound=msgspec.Struct)

SERVICE: Final = "sorting"
DECIDERS: Final[tuple[Decider[Any], ...]] = (INSPECTION, REPAIR, CERTIFICATE, RUN, SCHEME, TABLE, REVIEW, NONCE)
CODEC: Final = Codec(SERVICE, [event for decider in DECIDERS for event in decider.events])
OWN_STREAMS: Final = tuple(f"{decider.category}-" for decider in DECIDERS)
STREAMS: Final = (*OWN_STREAMS, "meter-", "site-")
"""Those that the views follow: its own, and the registry's that say who a device is and where."""

FOLLOWED: Final = (*OWN_STREAMS, "meter-")
"""Those that the policies follow."""

CERTIFICATE_FORM: Final = "[A-Za-z0-9][A-Za-z0-9._-]{3,63}"


class Sorting:
    """The service, over a ledger and its views."""

    def __init__(
        self,
        ledger: Ledger,
        projector: Projector,
        *,
        production: bool = False,
        certificate_form: str = CERTIFICATE_FORM,
        plans: SamplingPlans | None = None,
        checkpoints: Checkpoints | None = None,
        clock: Clock = system_clock_us,
    ) -> None:
        """In `production` no scheme runs that has a limit still to be confirmed, nor a sampling plan that is.
        Certificate numbers match `certificate_form` as a whole. `plans` are those that come along unless they are
        given; without `checkpoints` no review draws its sample.
        """
        self._ledger: Final = ledger
        self._projector: Final = projector
        handlings = {decider.category: Handling(ledger, decider, CODEC) for decider in DECIDERS}
        self._handlings: Final[dict[type[msgspec.Struct], Handling[Any]]] = {
            command: handlings[decider.category] for decider in DECIDERS for command in decider.commands
        }
        self._inspections: Final = Folded(ledger, INSPECTION, CODEC)
        self._schemes: Final = Folded(ledger, SCHEME, CODEC)
        self._reverifying: Final = Reverifying(
            Folded(ledger, REPAIR, CODEC),
            self._schemes,
            self._ask_now,
            self._handlings[ClaimCertificate],
            Production(production),
            certificate_form,
        )
        self._furnishing: Final = Furnishing(
            self._inspections,
            self._schemes,
            Folded(ledger, TABLE, CODEC),
            self.ask,
            self._ask_now,
            Production(production),
        )
        self._covering: Final = Covering(self._ask_now)
        self._replacing: Final = Replacing(self._ask_now)
        self._drawing: Final = Drawing(
            ledger,
            CODEC,
            self._ask_now,
            plans or load_plans(None),
            checkpoints or Unpublished(),
            self._handlings[ClaimNonce],
            clock,
            production=production,
        )

    async def do(self, command: Any, context: Context, permit: Permit | None = None) -> Outcome:
        """Decide and record one command. Raises Refusal, ledger.port.Unavailable."""
        (answer,) = await self.do_many([Ask(command, context, permit)])
        if isinstance(answer, Refusal):
            raise answer
        return answer

    async def do_many(self, asks: Sequence[Ask]) -> list[Outcome | Refusal]:
        """Decide and record many, an answer each in their order; those of one noun keep their order among themselves.
        Raises ledger.port.Unavailable.
        """
        by_noun: dict[Handling[Any], list[int]] = {}
        for i, ask in enumerate(asks):
            by_noun.setdefault(self._handlings[type(ask.command)], []).append(i)
        answers: dict[int, Outcome | Refusal] = {}
        for handling, places in by_noun.items():
            done = await self._done(handling, [asks[i] for i in places])
            answers.update(zip(places, done, strict=True))
        return [answers[i] for i in range(len(asks))]

    async def _done(self, handling: Handling[Any], asks: Sequence[Ask]) -> list[Outcome | Refusal]:
        while True:
            furnished = await self._covering.furnished(asks)
            furnished = await self._furnishing.furnished(furnished)
            furnished = await self._reverifying.furnished(furnished)
            furnished = await self._drawing.furnished(furnished)
            furnished = await self._replacing.furnished(furnished)
            try:
                return await handling.handle_many(furnished)
            except Conflict:
                # Somebody else has taken a certificate number since. It stays taken, so that this ends.
                continue

    async def inspections_now(self, asset_nos: Collection[str]) -> Mapping[str, Inspection]:
        """These devices' inspections as they are recorded now. Raises ledger.port.Unavailable."""
        return await self._inspections.now(asset_nos)

    async def schemes_now(self, groups: Collection[str]) -> Mapping[str, Published]:
        """These scheme groups' versions as they are published now. Raises ledger.port.Unavailable."""
        return await self._schemes.now(groups)

    @property
    def ledger_id(self) -> str:
        """Which log it is."""
        return self._ledger.ledger_id

    async def told(self, noun: Decider[Any], key: str) -> list[tuple[Any, Recorded]]:
        """Every event of one stream, in order; none where there is no such. Raises ledger.port.Unavailable."""
        return await self._events_in(noun.stream_of(key))

    async def events_of(self, asset_no: str) -> list[tuple[Any, Recorded]]:
        """Every event of a device's inspections, in order; none where it never was. Raises ledger.port.Unavailable."""
        return await self._events_in(INSPECTION.stream_of(asset_no))

    async def life_of(self, asset_no: str) -> list[tuple[Any, Recorded]]:
        """Every event of a device's sorting in the order of the log, those of its repairs too. Raises
        ledger.port.Unavailable.
        """
        told = await self.events_of(asset_no)
        for repair in [event.repair for event, _ in told if isinstance(event, RepairOrdered)]:
            told += await self._events_in(REPAIR.stream_of(repair))
        return sorted(told, key=lambda one: one[1].position)

    async def _events_in(self, stream: str) -> list[tuple[Any, Recorded]]:
        found: list[tuple[Any, Recorded]] = []
        next_from: int | None = 0
        while next_from is not None:
            got = await self._ledger.read(stream, from_version=next_from)
            found += [(CODEC.decode(one), one) for one in got.events]
            next_from = got.next_from
        return found

    async def last_verdict(self, asset_no: str) -> VerdictShown | None:
        """The last verdict on a device with what it came from, as it is recorded now. Raises
        ledger.port.Unavailable.
        """
        return last_verdict(event for event, _ in await self.events_of(asset_no))

    async def published(self, rules: Decider[Any], key: str, version: int | None) -> Any | None:
        """A version of a scheme or table, the last where none is named; None where there is no such. Each event of
        their streams is a version, counted from 1. Raises ledger.port.Unavailable.
        """
        stream = rules.stream_of(key)
        if version is None:
            page = await self._ledger.read(stream, direction=Direction.BACKWARDS, limit=1)
        else:
            page = await self._ledger.read(stream, from_version=version - 1, limit=1)
        return CODEC.decode(page.events[0]) if page.events else None

    async def ask(self, query: Callable[[Connection], T], *, seen: int = 0) -> T:
        """Ask the views a question of services.sorting.views, they being at least at position `seen`. Raises Stale."""
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

    async def _ask_now(self, query: Callable[[Connection], T]) -> T:
        return await self.ask(query, seen=await self._ledger.head())
