"""Disclosures for tests: who writes them, and a reader that believes nothing but the log."""

import os
from pathlib import Path

from ledger.memory import MemoryLedger
from ledger.port import ANY, Append, Draft, Ledger
from ledger.proof.checkpoint import Checkpoint
from ledger.proof.commitment import Envelope, disclosed
from ledger.proof.disclosure import DisclosedMetadata, decode_events, decode_metadata, must_open
from ledger.proof.note import Note
from ledger.proof.reading import TrustedTiles
from ledger.transparency.disclosed import METADATA, PUBLIC, RANGE_ENTRIES, SUPERVISOR, Head, range_name, unpacked
from ledger.transparency.discloser import GIVE_WAY, STAGING, Discloser, GiveWay, Labels
from ledger.transparency.layout import CHECKPOINT
from ledger.transparency.storage import DirectoryStorage, Disk
from tests.ledger.making import everything
from tests.ledger.transparency.logs import sequencer_of

OPEN, CLOSED, UNKNOWN = "test.Open", "test.Closed", "test.Unknown"
LABELS = Labels(public=frozenset({OPEN}), labelled=frozenset({OPEN, CLOSED}))
KINDS = (CLOSED, OPEN, CLOSED, UNKNOWN)
"""What is recorded, in turn."""


async def record(ledger: Ledger, count: int) -> None:
    begun = len(await everything(ledger))
    for first in range(begun, begun + count, 10_000):
        numbers = range(first, min(first + 10_000, begun + count))
        drafts = [Draft(os.urandom(16), KINDS[at % 4], b'{"n":%d}' % at, b'{"actor":"u-%d"}' % at) for at in numbers]
        await ledger.append([Append("a-stream", ANY, drafts)])


async def sequence(ledger: Ledger, folder: Path) -> int:
    """Everything recorded, in the log. Returns its size."""
    sequencer = await sequencer_of(ledger, folder)
    while (outcome := await sequencer.round()).added or not outcome.at_head:
        pass
    await sequencer.close()
    return outcome.published_size


def discloser_of(
    ledger: Ledger,
    folder: Path,
    labels: Labels = LABELS,
    disk: Disk | None = None,
    giving_way: GiveWay = GIVE_WAY,
) -> Discloser:
    return Discloser(ledger, DirectoryStorage(folder / "proof", disk, STAGING), labels, giving_way)


async def disclose(discloser: Discloser) -> int:
    """All that is published, disclosed. Returns how much that is."""
    while (done := await discloser.step()).covered < done.published:
        pass
    return done.covered


class Forged(MemoryLedger):
    """A ledger that shows another event than the one that was recorded, where it is told to."""

    forged: int | None = None

    async def read_all(self, after=0, **more):
        page = await super().read_all(after, **more)
        events = [
            type(one)(**{name: getattr(one, name) for name in one.__struct_fields__} | {"data": b"{}"})
            if one.position == self.forged
            else one
            for one in page.events
        ]
        return type(page)(events=events, scanned_to=page.scanned_to, at_head=page.at_head)


class Shown:
    """What stands in the files, each record held against the log; and how far each set goes."""

    def __init__(self, folder: Path) -> None:
        self._proof = folder / "proof"
        checkpoint = Checkpoint.parse(Note.parse((self._proof / CHECKPOINT).read_bytes()).text)
        tiles = TrustedTiles(checkpoint.size, checkpoint.root, self._log_file)
        self._entries = [entry for _, bundle in tiles.all_entries() for entry in bundle]
        self.heads = {of: Head.read(self._proof, of) for of in (PUBLIC, SUPERVISOR)}
        self.public = self._events(PUBLIC)
        self.supervisor = self._events(SUPERVISOR)
        self.metadata = self._metadata()

    @property
    def covered(self) -> int:
        return min(head.covered if head else 0 for head in self.heads.values())

    def _log_file(self, path: str) -> bytes | None:
        file = self._proof / "log" / path
        return file.read_bytes() if file.exists() else None

    def _records(self, of: str) -> list[tuple[int, bytes]]:
        covered = head.covered if (head := self.heads[SUPERVISOR if of == METADATA else of]) else 0
        assert covered <= len(self._entries)
        return [
            (number, unpacked((self._proof / range_name(of, number)).read_bytes()))
            for number in range(-(-covered // RANGE_ENTRIES))
        ]

    def _events(self, of: str) -> dict[int, Envelope]:
        found = {}
        for number, records in self._records(of):
            begin = number * RANGE_ENTRIES
            for index, envelope in decode_events(records, begin, begin + RANGE_ENTRIES):
                if index < self.heads[of].covered:
                    found[index] = disclosed(index, envelope, self._entries[index])
        return found

    def _metadata(self) -> dict[int, DisclosedMetadata]:
        found = {}
        for number, records in self._records(METADATA):
            begin = number * RANGE_ENTRIES
            for one in decode_metadata(records, begin, begin + RANGE_ENTRIES):
                if one.index < self.heads[SUPERVISOR].covered:
                    must_open(one, self.supervisor[one.index])
                    found[one.index] = one
        return found


async def check(ledger: Ledger, folder: Path) -> int:
    """That the files show what the ledger has, to whom the labels say, as far as both heads go. Returns how far."""
    shown = Shown(folder)
    events = (await everything(ledger))[: shown.covered]
    for index, event in enumerate(events):
        assert (index in shown.public) is (event.type == OPEN), index
        assert shown.supervisor[index].data == event.data
        assert shown.metadata[index].metadata == event.metadata
    return shown.covered
