"""Writes what is disclosed of the log: the public set, the supervisors' set, and metadata, up to the published size.

A step: read the events after what is covered, at most sixteen ranges of them; hold each against the log's own entry;
write the files of the ranges that they are in, then the heads. Whatever breaks it off, the next step begins with the
heads: what they cover is never decided again, so that a label that changes holds for what is disclosed from then on,
and nobody's copy of a set is contradicted. There is no cursor beside the heads; where an index is in the ledger, the
sequencer's marks say.

While the log grows fast, nothing is disclosed for a while: what makes it grow, an import say, needs the processor, and
a range that is whole is written once instead of anew each second.

Which types are public is given in; of an event that it does not know the discloser decides by its type alone. One whose
type has no label is for supervisors, and counted: it stops nothing, and nothing is published by mistake. What systems
outside have written is for supervisors too, as nobody here can say whom it concerns.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import msgspec

from ledger.port import PAGE_EVENTS_MAX, Ledger, Recorded, Unavailable
from ledger.proof.checkpoint import Checkpoint
from ledger.proof.commitment import commitment, envelope_of
from ledger.proof.disclosure import decode_events, decode_metadata, encode_event, encode_metadata, metadata_record
from ledger.proof.errors import Missing, ProofFault
from ledger.proof.note import Note
from ledger.proof.reading import TrustedTiles
from ledger.proof.tiles import FULL_WIDTH
from ledger.transparency.disclosed import (
    METADATA,
    PUBLIC,
    RANGE_ENTRIES,
    SUPERVISOR,
    Head,
    head_name,
    packed,
    range_name,
    unpacked,
)
from ledger.transparency.faults import (
    DISCLOSURE_AHEAD,
    DISCLOSURE_DIFFERS,
    DISCLOSURE_INCOMPLETE,
    DISCLOSURE_OF_OTHER_LOG,
    FILE_SHORT,
    LEDGER_SHORTER,
    LOG_DOES_NOT_HOLD,
)
from ledger.transparency.layout import CHECKPOINT, LOG, MARK_BYTES, MARK_ENTRIES, MARKS
from ledger.transparency.storage import Storage

STEP_ENTRIES_MAX: Final = 16 * RANGE_ENTRIES
POLL_S: Final = 0.2
"""How often the checkpoint is looked at: a log that grows publishes one a second."""

RETRY_S: Final = (0.1, 10.0)
"""The first pause after what may pass by itself, and the longest; each is twice the one before."""

PASSING: Final = (Unavailable, OSError, Missing)
"""What may pass by itself. After a restore there is a checkpoint before the sequencer has made its tiles again."""

SETS: Final = (PUBLIC, SUPERVISOR, METADATA)
STAGING: Final = "private/disclosing"
LOCK: Final = "private/discloser.lock"


class Labels(msgspec.Struct, frozen=True):
    """Types of events: those that anyone may read whole, and all that have a label. `outside`: how the streams begin
    that others write, whose events are for supervisors whatever they are called.
    """

    public: frozenset[str]
    labelled: frozenset[str]
    outside: tuple[str, ...] = ()

    def are_for_all(self, event: Recorded) -> bool:
        """Whether anyone may read this event."""
        return event.type in self.public and not event.stream.startswith(self.outside)


class GiveWay(msgspec.Struct, frozen=True):
    """How disclosing gives way to what makes the log grow.

    A log grows fast that has grown by `fast_entries` from one look to the next; less than that is disclosed as it
    comes. `look_s`: from look to look, longer than between two checkpoints of a log that grows. After `s_max` it is
    caught up in any case: an audit asks after ten minutes for what is missing.
    """

    fast_entries: int = RANGE_ENTRIES // 4
    look_s: float = 1.5
    s_max: float = 20.0


GIVE_WAY: Final = GiveWay()


class Disclosed(msgspec.Struct, frozen=True):
    """What a step did: entries it went through, how many are covered, and how many are published."""

    added: int
    covered: int
    published: int


class _Range:
    """The range that is being filled: the records of each set in it, as they will stand in its files."""

    def __init__(self, number: int) -> None:
        self.number: Final = number
        self.records: Final = {of: bytearray() for of in SETS}
        self._written_bytes: Final = dict.fromkeys(SETS, -1)

    def write(self, storage: Storage) -> None:
        """Its files, those that have records which they did not have when this was called before."""
        grown = {of: records for of, records in self.records.items() if len(records) != self._written_bytes[of]}
        storage.put({range_name(of, self.number): packed(bytes(records)) for of, records in grown.items()})
        self._written_bytes.update({of: len(records) for of, records in grown.items()})


class _Place:
    """How far a log is disclosed. The ledger is read after `position`; the next `known` events are covered."""

    def __init__(self, origin: str, covered: int, position: int, known: int, growing: _Range) -> None:
        self.origin: Final = origin
        self.covered = covered
        self.position = position
        self.known = known
        self.range = growing


class _Entries:
    """The log's own entries, a bundle at a time, each held against the root of its checkpoint."""

    def __init__(self, tiles: TrustedTiles) -> None:
        self._tiles: Final = tiles
        self._bundle = -1
        self._entries: list[bytes] = []

    def first_other(self, begin: int, found: Sequence[bytes]) -> int | None:
        """Of these commitments of the entries from `begin` on, the index of the first that is not the log's."""
        at = 0
        while at < len(found):
            bundle, place = divmod(begin + at, FULL_WIDTH)
            if bundle != self._bundle:
                self._bundle, self._entries = bundle, self._tiles.entries(bundle)
            held = self._entries[place : place + len(found) - at]
            if found[at : at + len(held)] != held:
                return begin + next(place for place, entry in enumerate(held, at) if found[place] != entry)
            at += len(held)
        return None


class Discloser:
    """See the module. `step` is called by one task at a time; `run` does it for ever. One process a log."""

    def __init__(self, ledger: Ledger, storage: Storage, labels: Labels, giving_way: GiveWay = GIVE_WAY) -> None:
        self._giving_way: Final = giving_way
        self._ledger: Final = ledger
        self._storage: Final = storage
        self._labels: Final = labels
        self._place: _Place | None = None
        self.published = 0
        self.covered = 0
        self.rounds = 0
        self.unlabelled: Final[Counter[str]] = Counter()
        self.trouble: str | None = None

    async def run(self) -> None:
        """Steps until cancelled: at once while there is more, else when the checkpoint has changed and the log does not
        grow fast, or has for long. Raises LogFault.
        """
        pause_s, pause_s_max = RETRY_S
        done = Disclosed(0, 0, 0)
        while True:
            try:
                # Begun anew, the first step says what is covered.
                if self._place is not None and done.covered == done.published:
                    await self._give_way()
                seen = self._storage.read(CHECKPOINT)
                done = await self.step()
            except PASSING as error:
                self.trouble = f"{type(error).__name__}: {error}"
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, pause_s_max)
                continue
            self.trouble, pause_s = None, RETRY_S[0]
            while done.covered == done.published and self._storage.read(CHECKPOINT) == seen:  # noqa: ASYNC110  a file
                await asyncio.sleep(POLL_S)

    async def _give_way(self) -> None:
        """Return once the log does not grow fast, or has for as long as is given way to it."""
        way, size = self._giving_way, self._published_size()
        grown, until_s = size - self.covered, time.monotonic() + way.s_max
        while grown >= way.fast_entries and time.monotonic() < until_s:
            await asyncio.sleep(way.look_s)
            before, size = size, self._published_size()
            grown = size - before

    def _published_size(self) -> int:
        """None is published where there is no checkpoint, or one of which `step` will say what is wrong with it."""
        with suppress(ProofFault):
            if (note := self._storage.read(CHECKPOINT)) is not None:
                self.published = Checkpoint.parse(Note.parse(note).text).size
                return self.published
        return 0

    async def step(self) -> Disclosed:
        """Disclose what is published and not covered, as much as goes into one step. Raises LogFault, and what may pass
        by itself; called again it goes on from what has become of it.
        """
        try:
            return await self._step()
        except BaseException as error:
            # Which files were written nobody here knows: the heads say what counts.
            self._place = None
            if isinstance(error, ProofFault) and not isinstance(error, Missing):
                raise LOG_DOES_NOT_HOLD(why=error) from error
            raise

    async def _step(self) -> Disclosed:
        published = await asyncio.to_thread(self._storage.read, CHECKPOINT)
        if published is None:
            return Disclosed(0, 0, 0)
        checkpoint = Checkpoint.parse(Note.parse(published).text)
        place = self._place
        if place is None:
            place = await asyncio.to_thread(self._begun, checkpoint)
        if checkpoint.size < place.covered:
            raise DISCLOSURE_AHEAD(size=checkpoint.size, covered=place.covered)
        begin, end = place.covered, min(checkpoint.size, place.covered + STEP_ENTRIES_MAX)
        entries = _Entries(await asyncio.to_thread(TrustedTiles, checkpoint.size, checkpoint.root, self._log_file))
        at = begin - place.known
        while at < end:
            page = await self._ledger.read_all(place.position, limit=min(end - at, PAGE_EVENTS_MAX))
            if not page.events and page.at_head:
                raise LEDGER_SHORTER(head=await self._ledger.head(), position=place.position, size=checkpoint.size)
            await asyncio.to_thread(self._take, place, at, page.events, entries)
            at += len(page.events)
            place.position = page.scanned_to
        place.known = 0
        if end > begin or self._place is None:
            await asyncio.to_thread(self._cover, place, end)
            self.rounds += 1
        self._place, self.covered, self.published = place, end, checkpoint.size
        return Disclosed(end - begin, end, checkpoint.size)

    def _log_file(self, path: str) -> bytes | None:
        return self._storage.read(LOG + path)

    def _take(self, place: _Place, begin: int, events: Sequence[Recorded], entries: "_Entries") -> None:
        """Hold these events against the log, and put into the range those that are not covered yet."""
        envelopes = [envelope_of(event) for event in events]
        if (other := entries.first_other(begin, [commitment(envelope) for envelope in envelopes])) is not None:
            raise DISCLOSURE_DIFFERS(index=other, position=events[other - begin].position)
        known = max(0, place.covered - begin)
        for index, (event, envelope) in enumerate(zip(events[known:], envelopes[known:], strict=True), begin + known):
            records = place.range.records
            record = encode_event(index, envelope)
            records[SUPERVISOR] += record
            records[METADATA] += metadata_record(index, event)
            if self._labels.are_for_all(event):
                records[PUBLIC] += record
            elif event.type not in self._labels.labelled and not event.stream.startswith(self._labels.outside):
                self.unlabelled[event.type] += 1
            if (index + 1) % RANGE_ENTRIES == 0:
                place.range.write(self._storage)
                # At this point the files of a whole range lie there, and no head knows of them.
                place.range = _Range(place.range.number + 1)

    def _cover(self, place: _Place, end: int) -> None:
        if end % RANGE_ENTRIES:
            place.range.write(self._storage)
        # At this point every file is durable that the heads will cover. One head may come to be without the other:
        # what is covered is the lesser of the two.
        head = Head(place.origin, end).encoded()
        self._storage.put({head_name(SUPERVISOR): head})
        self._storage.put({head_name(PUBLIC): head})
        place.covered = end

    def _begun(self, checkpoint: Checkpoint) -> _Place:
        """Where the heads say that the files end."""
        heads = [self._storage.read(head_name(of)) for of in (PUBLIC, SUPERVISOR)]
        known = [Head.parse(data) for data in heads if data is not None]
        for head in known:
            if head.origin != checkpoint.origin:
                raise DISCLOSURE_OF_OTHER_LOG(kept=head.origin, found=checkpoint.origin)
        covered = min(head.covered for head in known) if len(known) == len(heads) else 0
        growing = _Range(covered // RANGE_ENTRIES)
        if covered % RANGE_ENTRIES:
            self._take_up(growing, covered)
        if not covered:
            return _Place(checkpoint.origin, 0, 0, 0, growing)
        mark = (covered - 1) // MARK_ENTRIES
        return _Place(checkpoint.origin, covered, self._marked(mark) - 1, covered - mark * MARK_ENTRIES, growing)

    def _take_up(self, growing: _Range, covered: int) -> None:
        """The records of a range of which a part is covered. What its files hold beyond was never covered."""
        begin, end = growing.number * RANGE_ENTRIES, (growing.number + 1) * RANGE_ENTRIES
        for of, records in growing.records.items():
            name = range_name(of, growing.number)
            frame = self._storage.read(name)
            kept = [] if frame is None else _kept(of, unpacked(frame), begin, end, covered)
            if frame is None or (of != PUBLIC and len(kept) != covered - begin):
                raise DISCLOSURE_INCOMPLETE(name=name, covered=covered)
            records.extend(b"".join(kept))

    def _marked(self, mark: int) -> int:
        """The position of the first entry of the sequencer's run of this number."""
        marks = self._storage.read(MARKS) or b""
        begin, end = mark * MARK_BYTES, (mark + 1) * MARK_BYTES
        if len(marks) < end:
            raise FILE_SHORT(name=MARKS, found=len(marks), length=end)
        return int.from_bytes(marks[begin:end], "big")


def _kept(of: str, records: bytes, begin: int, end: int, covered: int) -> list[bytes]:
    """The records of a file that are of covered entries."""
    if of == METADATA:
        shown = decode_metadata(records, begin, end)
        return [encode_metadata(one.index, one.metadata, one.salt_rest) for one in shown if one.index < covered]
    return [encode_event(index, envelope) for index, envelope in decode_events(records, begin, end) if index < covered]
