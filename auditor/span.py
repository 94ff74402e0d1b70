"""The part of an audit that each stretch of the log needs alone: hashes, disclosures, and what the events say.

A span is 65,536 entries, one full tile of level 1. Its entries are held against its hash tiles, the disclosed events
against the entries, the metadata against the events; what an event moves is summed up, and what only the rest of its
stream can tell is written to files, one for each part of the streams.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, TypeVar
from zlib import crc32

import msgspec
import zstandard

from auditor.balance import SAID, Cells, Undated, add_to, moves_of
from auditor.checkpoints import Bound
from auditor.finding import Fault, Finding, Findings
from auditor.hashes import Dispute, Hashed, hold
from auditor.lives import DEVICES, KINDS, Sample, Told
from auditor.source import Missing, Source
from ledger.proof.commitment import Envelope, commitment, decode_envelope
from ledger.proof.disclosure import decode_events, decode_metadata, must_open
from ledger.proof.errors import Malformed, Mismatch
from ledger.proof.merkle import leaf_hash
from ledger.proof.strict import decimal, lines
from ledger.proof.tiles import FULL_WIDTH, Tile

SPAN: Final = FULL_WIDTH * FULL_WIDTH
RANGE: Final = 4_096
"""Entries that one file of disclosures covers."""

RANGE_BYTES_MAX: Final = 1 << 30
"""Of a file of disclosures, expanded: 256 KiB an event."""

JSON: Final = "application/json"

T = TypeVar("T")
Part: TypeAlias = Literal["public", "supervisor"]

FOLDERS: Final[dict[Part, str]] = {"public": "log/disclosed", "supervisor": "supervisor/disclosed"}
METADATA: Final = "supervisor/metadata"

Step: TypeAlias = tuple[str, int, bytes, int, list[tuple[str | None, str | None]], int]
"""What a stream's part of the audit needs of an event: stream, version, id, index, its movements between sites, and
which step of a device's life it is, by `lives.KINDS`, 0 for none.
"""


class Task(msgspec.Struct, frozen=True):
    """A span to be examined: which, of a log of how many entries, of which set how many are disclosed and how many of
    the public set, its steps into which folder, in how many parts. `bounds`: when the trees that bound these entries
    were cosigned. `edge_leads_to_root` is that of `hashes.hold`; `skew_us` by how much times may go back from one event
    to a later one; `sample` the devices of which every event is wanted.
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


class Examined(msgspec.Struct):
    """What came of a span. `tiles`, `edge` and `disputes` are those of `hashes.Hashed`."""

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
        self._steps: Final[list[list[Step]]] = [[] for _ in range(task.partitions)]
        self._cells: Final[Cells] = {}
        self._told: Final[list[Told]] = []
        self._named: Final[set[int]] = set()
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
            self._cells,
            self._first_us,
            self._last_us,
            self._told,
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
        envelopes: dict[int, Envelope] = {}
        for index, data in self._shown(path, begin, end):
            try:
                envelopes[index] = envelope = decode_envelope(data)
            except Malformed as error:
                self._findings.add(Fault.MALFORMED, path, index=index, why=error)
            else:
                self._event(index, envelope)
        if task.part == "public":
            return
        if len(envelopes) + len(self._named) < end - begin or self._named:
            for index in range(begin, end):
                if index not in envelopes and index not in self._named:
                    self._findings.add(Fault.DROPPED, path, index=index, leaf=self._leaf(index))
        self._read_metadata(f"{METADATA}/{range_name(begin // RANGE)}", envelopes, begin, end)

    def _read_public(self, begin: int, end: int) -> None:
        """The public set beside the supervisors': whoever may read both holds both against the log."""
        for _ in self._shown(f"{FOLDERS['public']}/{range_name(begin // RANGE)}", begin, end):
            pass

    def _shown(self, path: str, begin: int, end: int) -> Iterator[tuple[int, bytes]]:
        """(index, envelope) of the events in a file that are what their entries stand for."""
        for index, data in self._records(path, decode_events, begin):
            if index >= end:
                break
            own = commitment(data)
            entry = self._hashed.entries[index - self._begin]
            if own == entry or (not entry and leaf_hash(own) == self._leaf(index)):
                yield index, data
            else:
                self._not_its_entry(path, index, data, own)

    def _read_metadata(self, path: str, envelopes: dict[int, Envelope], begin: int, end: int) -> None:
        seen = 0
        for shown in self._records(path, decode_metadata, begin):
            if shown.index >= end:
                break
            seen += 1
            envelope = envelopes.get(shown.index)
            if envelope is None:
                continue
            try:
                must_open(shown, envelope)
            except Mismatch as error:
                self._findings.add(Fault.REWRITTEN, path, index=shown.index, stream=envelope.stream, why=error)
        if seen < end - begin:
            self._findings.add(Fault.DROPPED, path, shown=seen, entries=end - begin)

    def _records(self, path: str, decode: Callable[[bytes, int, int], Iterator[T]], begin: int) -> Iterator[T]:
        """The records of a file of disclosures; what is wrong with the file ends them."""
        try:
            yield from decode(expanded(self._source.get(path)), begin, begin + RANGE)
        except Missing:
            self._findings.add(Fault.MISSING, path, index=begin)
        except (Malformed, zstandard.ZstdError) as error:
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

    def _event(self, index: int, envelope: Envelope) -> None:
        """Take what a disclosed event says."""
        self._events += 1
        self._time(index, envelope)
        moved: list[tuple[str | None, str | None]] = []
        try:
            data = envelope.data
            plain = envelope.content_type == JSON and must_say_one_thing(data)
            # In plain JSON a member's name is written in one way: without it there is no such member.
            if envelope.type.startswith("registry.") and not (plain and b'"moved' not in data and b'"rest' not in data):
                said = SAID.decode(data)
                moved = moves_of(said)
                add_to(self._cells, said)
        except (msgspec.DecodeError, Undated, Malformed) as error:
            self._findings.add(Fault.MALFORMED, envelope.type, index=index, stream=envelope.stream, why=error)
        stream, version, kind = envelope.stream, envelope.version, KINDS.get(envelope.type, 0)
        hashed = stream_hash(stream)
        self._steps[hashed % self._task.partitions].append((stream, version, envelope.id, index, moved, kind))
        if self._task.sample.has(hashed) and stream.startswith(DEVICES):
            self._told.append(Told(stream, version, index, envelope.type, envelope.data))

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


def must_say_one_thing(data: bytes) -> bool:
    """Raise Malformed where JSON names a member twice, so that one reader takes the one and one the other. Returns
    whether it is written as plainly as can be: no spaces, no escapes without need.
    """
    try:
        if msgspec.json.encode(msgspec.json.decode(data)) == data:
            return True
        json.loads(data, object_pairs_hook=_once_each)
    except ValueError as error:
        raise Malformed(f"not JSON: {error}") from error
    return False


def _once_each(members: list[tuple[str, Any]]) -> None:
    names = [name for name, _ in members]
    if len(set(names)) < len(names):
        raise Malformed("JSON that names a member twice")


def expanded(data: bytes) -> bytes:
    """The file as it was before compression: one frame that says its size, and nothing after it."""
    size = zstandard.frame_content_size(data)
    if not 0 <= size <= RANGE_BYTES_MAX:
        raise Malformed(f"a file of disclosures says its size, at most {RANGE_BYTES_MAX} bytes")
    return zstandard.ZstdDecompressor().decompress(data, max_output_size=size, allow_extra_data=False)


def _stream_in(envelope: bytes) -> str | None:
    try:
        return decode_envelope(envelope).stream
    except Malformed:
        return None
