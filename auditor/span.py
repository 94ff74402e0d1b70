"""The part of an audit that each stretch of the log needs alone: hashes, disclosures, and what the events say.

A span is 65,536 entries, one full tile of level 1. Its entries are held against its hash tiles, the disclosed events
against the entries, the metadata against the events; what an event moves is summed up, and what only the rest of its
stream can tell is written to files, one for each part of the streams.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, TypeVar
from zlib import crc32

import msgspec
import zstandard

from auditor.balance import Cells, Said, Undated, add_to, counted, moves_anything, moves_of
from auditor.checkpoints import Bound
from auditor.finding import Fault, Finding, Findings
from auditor.hashes import Dispute, Hashed, hold
from auditor.lives import DEVICES, KINDS, Sample, Told
from auditor.saying import OUTSIDE, said_at_once, said_by
from auditor.source import Missing, Source
from ledger.proof.commitment import Envelope, commitments, decode_envelope
from ledger.proof.disclosure import RECORDS_BYTES_MAX, decode_events, decode_metadata, metadata_hashes
from ledger.proof.errors import Malformed
from ledger.proof.merkle import leaf_hash
from ledger.proof.strict import decimal, lines
from ledger.proof.tiles import FULL_WIDTH, Tile

SPAN: Final = FULL_WIDTH * FULL_WIDTH
RANGE: Final = 4_096
"""Entries that one file of disclosures covers."""

PIECE: Final = 64
"""Events that are examined together."""

T = TypeVar("T")
Part: TypeAlias = Literal["public", "supervisor"]

FOLDERS: Final[dict[Part, str]] = {"public": "log/disclosed", "supervisor": "supervisor/disclosed"}
METADATA: Final = "supervisor/metadata"

PUBLIC_TYPES: Final = frozenset(
    {
        "registry.PlanRevised",
        "registry.PlanSet",
        "registry.SiteClosed",
        "registry.SiteOpened",
        "sorting.CommitmentPublished",
        "sorting.Concluded",
        "sorting.DrawFailed",
        "sorting.NonceEntrusted",
        "sorting.PopulationCommitted",
        "sorting.ReviewProposed",
        "sorting.ReviewWithdrawn",
        "sorting.SchemePublished",
        "sorting.TablePublished",
    }
)
"""Anyone may read events of these types, by the labels of this release: none may be missing from the public set."""

Step: TypeAlias = tuple[str, int, bytes, int, Sequence[tuple[str | None, str | None]], int]
"""What a stream's part of the audit needs of an event: stream, version, id, index, its movements between sites, and
which step of a device's life it is, by `lives.KINDS`, 0 for none.
"""


_STEP: Final = msgspec.msgpack.Encoder()


class Task(msgspec.Struct, frozen=True):
    """A span to be examined: which, of a log of how many entries, of which set how many are disclosed and how many of
    the public set, its steps into which folder, in how many parts. `bounds`: when the trees that bound these entries
    were cosigned. `edge_leads_to_root` is that of `hashes.hold`; `skew_us` by how much times may go back from one event
    to a later one; `sample` the devices of which every event is wanted; `public_types` are those of the public set.
    """

    span: int
    size: int
    edge_leads_to_root: bool
    part: Part
    disclosed: int
    public: int
    spill: str
    partitions: int
    bounds: list[Bound]
    tolerance_us: int
    skew_us: int
    sample: Sample
    public_types: frozenset[str] = PUBLIC_TYPES


class Examined(msgspec.Struct):
    """What came of a span. `tiles`, `edge` and `disputes` are those of `hashes.Hashed`; `told` is what happened to the
    devices of the `sample`. `taken`: it was verified in an earlier audit.
    """

    span: int
    tiles: list[bytes]
    edge: list[bytes]
    disputes: list[Dispute]
    findings: list[Finding]
    findings_count: int
    events: int
    cells: Cells
    first_us: int | None
    last_us: int | None
    told: list[Told]
    sample: Sample
    taken: bool = False


def examine(task: Task, source: Source) -> Examined:
    """Examine a span. Raises Unreadable where a file cannot be had now."""
    return _Span(task, source).examined()


class _Span:
    """One span while it is examined."""

    def __init__(self, task: Task, source: Source) -> None:
        self._task: Final = task
        self._source: Final = source
        self._begin: Final = task.span * SPAN
        self._end: Final = min(self._begin + SPAN, task.size)
        self._findings: Final = Findings()
        self._steps: Final[list[list[bytes]]] = [[] for _ in range(task.partitions)]
        self._cells: Final = counted()
        self._told: Final[list[Told]] = []
        self._named: Final[set[int]] = set()
        self._for_all: Final[dict[int, Envelope]] = {}
        self._hashed = Hashed()
        self._events = 0
        self._first_us: int | None = None
        self._last_us: int | None = None
        self._bound_at = 0

    def examined(self) -> Examined:
        task = self._task
        self._hashed = hold(
            self._begin, self._end, self._get, self._findings, edge_leads_to_root=task.edge_leads_to_root
        )
        for begin in range(self._begin, min(self._end, task.disclosed), RANGE):
            self._read_range(begin, min(begin + RANGE, self._end, task.disclosed))
        if task.part == "supervisor":
            for begin in range(self._begin, min(self._end, task.public), RANGE):
                self._read_public(begin, min(begin + RANGE, self._end, task.public))
        for partition, steps in enumerate(self._steps):
            if steps:
                Path(task.spill, f"{partition:05d}-{task.span:08d}").write_bytes(msgspec.msgpack.encode(steps))
        return Examined(
            task.span,
            self._hashed.tiles,
            self._hashed.edge,
            self._hashed.disputes,
            self._findings.kept,
            self._findings.count,
            self._events,
            dict(self._cells),
            self._first_us,
            self._last_us,
            self._told,
            task.sample,
        )

    def _get(self, path: str) -> bytes | None:
        try:
            return self._source.get(f"log/{path}")
        except Missing:
            return None

    def _read_range(self, begin: int, end: int) -> None:
        """What is disclosed of these entries, each event held against its entry."""
        task = self._task
        path = f"{FOLDERS[task.part]}/{range_name(begin // RANGE)}"
        opens: dict[int, bytes] = {}
        streams: dict[int, str] = {}
        for shown in self._shown(path, begin, end):
            envelopes: dict[int, Envelope] = {}
            for index, data in shown:
                try:
                    envelopes[index] = decode_envelope(data)
                except Malformed as error:
                    self._findings.add(Fault.MALFORMED, path, index=index, why=error)
            self._take(envelopes)
            opens.update({index: envelope.metadata_hash for index, envelope in envelopes.items()})
            streams.update({index: envelope.stream for index, envelope in envelopes.items()})
            if task.part == "supervisor":
                types = task.public_types
                self._for_all.update(
                    {
                        index: one
                        for index, one in envelopes.items()
                        if one.type in types and not one.stream.startswith(OUTSIDE)
                    }
                )
        if task.part == "public":
            return
        if len(opens) + len(self._named) < end - begin or self._named:
            for index in range(begin, end):
                if index not in opens and index not in self._named:
                    self._findings.add(Fault.DROPPED, path, index=index, leaf=self._leaf(index))
        self._read_metadata(f"{METADATA}/{range_name(begin // RANGE)}", opens, streams, begin, end)

    def _read_public(self, begin: int, end: int) -> None:
        """The public set beside the supervisors': whoever may read both holds both against the log, and what anyone may
        read is in the public one.
        """
        path = f"{FOLDERS['public']}/{range_name(begin // RANGE)}"
        shown = {index for records in self._shown(path, begin, end) for index, _ in records}
        for index, envelope in self._for_all.items():
            if begin <= index < end and index not in shown and index not in self._named:
                self._findings.add(Fault.DROPPED, path, index=index, stream=envelope.stream, type=envelope.type)

    def _shown(self, path: str, begin: int, end: int) -> Iterator[list[tuple[int, bytes]]]:
        """(index, envelope) of the events in a file that are what their entries stand for."""
        for piece in self._records(path, decode_events, begin):
            records = piece if piece[-1][0] < end else [record for record in piece if record[0] < end]
            own = commitments([data for _, data in records])
            entries, begin = self._hashed.entries, self._begin
            if own == [entries[index - begin] for index, _ in records]:
                yield records
            else:
                yield [
                    (index, data)
                    for (index, data), one in zip(records, own, strict=True)
                    if self._is_entry(path, index, data, one)
                ]

    def _is_entry(self, path: str, index: int, data: bytes, own: bytes) -> bool:
        entry = self._hashed.entries[index - self._begin]
        found = own == entry or (not entry and leaf_hash(own) == self._leaf(index))
        if not found:
            self._not_its_entry(path, index, data, own)
        return found

    def _read_metadata(self, path: str, opens: dict[int, bytes], streams: dict[int, str], begin: int, end: int) -> None:
        """The metadata of these entries, held against the hash that the envelope of each has."""
        seen = 0
        for piece in self._records(path, decode_metadata, begin):
            shown = piece if piece[-1].index < end else [one for one in piece if one.index < end]
            seen += len(shown)
            own = metadata_hashes(shown)
            if own == [opens.get(one.index) for one in shown]:
                continue
            for one, reckoned in zip(shown, own, strict=True):
                if opens.get(one.index, reckoned) != reckoned:
                    why = f"the metadata disclosed for entry {one.index} is not that of the event in the log"
                    stream = streams[one.index]
                    self._findings.add(Fault.REWRITTEN, path, index=one.index, stream=stream, why=why)
        if seen < end - begin:
            self._findings.add(Fault.DROPPED, path, shown=seen, entries=end - begin)

    def _records(self, path: str, decode: Callable[[bytes, int, int], Iterator[T]], begin: int) -> Iterator[list[T]]:
        """The records of a file of disclosures, some at a time: what is soon done with stays in the processor's cache.
        What is wrong with the file ends them.
        """
        piece: list[T] = []
        try:
            records = decode(expanded(self._source.get(path)), begin, begin + RANGE)
            while True:
                piece = []
                piece.extend(islice(records, PIECE))
                if not piece:
                    return
                yield piece
        except Missing:
            self._findings.add(Fault.MISSING, path, index=begin)
        except (Malformed, zstandard.ZstdError) as error:
            if piece:
                yield piece
            self._findings.add(Fault.MALFORMED, path, index=begin, why=error)

    def _leaf(self, index: int) -> bytes:
        return self._hashed.leaves[index - self._begin]

    def _not_its_entry(self, path: str, index: int, data: bytes, own: bytes) -> None:
        """Name an event that is not what its entry stands for: another's, or nobody's."""
        self._named.add(index)
        leaf = leaf_hash(own)
        if leaf in self._hashed.leaves:
            elsewhere = self._begin + self._hashed.leaves.index(leaf)
            self._findings.add(Fault.REORDERED, path, index=index, is_entry=elsewhere, leaf=self._leaf(index))
        else:
            stream = _stream_in(data)
            self._findings.add(Fault.REWRITTEN, path, index=index, stream=stream, leaf=self._leaf(index), own=leaf)

    def _take(self, envelopes: dict[int, Envelope]) -> None:
        """Take what disclosed events say."""
        self._events += len(envelopes)
        self._times(envelopes)
        steps, partitions, cells, encode, kind_of = (
            self._steps, self._task.partitions, self._cells, _STEP.encode, KINDS.get
        )  # fmt: skip
        sample = self._task.sample if self._task.sample.below else None
        events = list(envelopes.values())
        said = said_at_once(events)
        if said is None:
            said = [self._said(*one) for one in envelopes.items()]
        for index, envelope, one in zip(envelopes, events, said, strict=True):
            moved: Sequence[tuple[str | None, str | None]] = ()
            if one is not None and moves_anything(one):
                moved = moves_of(one)
                try:
                    add_to(cells, one)
                except Undated as error:
                    self._misread(index, envelope, error)
            stream, version = envelope.stream, envelope.version
            kind = 0 if stream.startswith(OUTSIDE) else kind_of(envelope.type, 0)
            hashed = crc32(stream.encode())
            steps[hashed % partitions].append(encode((stream, version, envelope.id, index, moved, kind)))
            if sample is not None and sample.has(hashed) and stream.startswith(DEVICES):
                self._told.append(Told(stream, version, index, envelope.type, envelope.data))

    def _said(self, index: int, envelope: Envelope) -> Said | None:
        try:
            return said_by(envelope)
        except Malformed as error:
            self._misread(index, envelope, error)
            return None

    def _misread(self, index: int, envelope: Envelope, why: Exception) -> None:
        self._findings.add(Fault.MALFORMED, envelope.type, index=index, stream=envelope.stream, why=why)

    def _times(self, envelopes: dict[int, Envelope]) -> None:
        """As `_time`, of all of them. Times that only rise are looked at only where the bounds change."""
        times = [envelope.recorded_at_us for envelope in envelopes.values()]
        if not times or times != sorted(times) or not self._within_bounds(list(envelopes), times):
            for index, envelope in envelopes.items():
                self._time(index, envelope)
            return
        if self._first_us is None:
            self._first_us = times[0]
        self._last_us = max(times[-1], self._last_us or 0)

    def _within_bounds(self, indices: list[int], times: list[int]) -> bool:
        """Whether these rising times are all in order, told from the first and the last of those with the same bounds.
        Where it is False, some may not be.
        """
        task, at = self._task, 0
        if self._last_us is not None and times[0] < self._last_us - task.skew_us:
            return False
        while at < len(indices):
            place = bisect_right(task.bounds, indices[at], key=_size_of)
            until = len(indices)
            if place < len(task.bounds):
                within = task.bounds[place]
                until = bisect_left(indices, within.size)
                if times[until - 1] > within.first_s * 1_000_000 + task.tolerance_us:
                    return False
            if place:
                without = task.bounds[place - 1]
                after_us = without.last_s * 1_000_000 - task.tolerance_us
                if times[until - 1] > without.first_s * 1_000_000 and times[at] < after_us:
                    return False
            at = until
        return True

    def _time(self, index: int, envelope: Envelope) -> None:
        """Times do not go back by more than clocks of a cluster may, and are between those at which trees with and
        without the event were seen.

        An event is not recorded while a tree without it was published again and again as the newest. What was recorded
        before that tree was first seen may come later: a log takes its time to catch up.
        """
        at_us, shown = envelope.recorded_at_us, {"stream": envelope.stream, "index": index}
        if self._last_us is None:
            self._first_us = at_us
        elif at_us < self._last_us - self._task.skew_us:
            self._backdated(shown, at_us=at_us, before_us=self._last_us)
        self._last_us = max(at_us, self._last_us or 0)
        bounds, tolerance_us = self._task.bounds, self._task.tolerance_us
        while self._bound_at < len(bounds) and bounds[self._bound_at].size <= index:
            self._bound_at += 1
        if self._bound_at:
            without = bounds[self._bound_at - 1]
            if without.first_s * 1_000_000 < at_us < without.last_s * 1_000_000 - tolerance_us:
                self._backdated(shown, at_us=at_us, not_there_at_s=without.last_s, tree_size=without.size)
        if self._bound_at < len(bounds):
            within = bounds[self._bound_at]
            if at_us > within.first_s * 1_000_000 + tolerance_us:
                self._backdated(shown, at_us=at_us, there_at_s=within.first_s, tree_size=within.size)

    def _backdated(self, shown: dict[str, Any], **evidence: Any) -> None:
        self._findings.add(Fault.BACKDATED, "recorded_at", **shown, **evidence)


def _size_of(bound: Bound) -> int:
    return bound.size


def stream_hash(stream: str) -> int:
    """By which streams are dealt out to parts."""
    return crc32(stream.encode())


def range_name(number: int) -> str:
    """The name of a file of disclosures: its number written as tlog-tiles writes those of tiles."""
    return Tile(0, number).path.removeprefix("tile/0/") + ".cbor.zst"


def covered_by(head: bytes, path: str) -> tuple[str, int]:
    """The origin of the log in a set's head, and how many of its entries the set covers. Raises Malformed."""
    origin, *rest = lines(head, path)
    return origin, decimal("\n".join(rest), path)


def expanded(data: bytes) -> bytes:
    """The file as it was before compression: one frame that says its size, and nothing after it."""
    size = zstandard.frame_content_size(data)
    if not 0 <= size <= RECORDS_BYTES_MAX:
        raise Malformed(f"a file of disclosures says its size, at most {RECORDS_BYTES_MAX} bytes")
    if not size:
        # Of nothing the function below takes any frame, whatever its checksum.
        frame = zstandard.ZstdDecompressor().decompressobj()
        if frame.decompress(data) or not frame.eof or frame.unused_data:
            raise Malformed("a file of disclosures is one frame, and nothing after it")
        return b""
    return zstandard.ZstdDecompressor().decompress(data, max_output_size=size, allow_extra_data=False)


def _stream_in(envelope: bytes) -> str | None:
    try:
        return decode_envelope(envelope).stream
    except Malformed:
        return None
