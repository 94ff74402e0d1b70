"""Events a second through a whole audit of a log from its files, beside SHA-256 of the same bytes on as many processes.

The log is of made-up devices with five events each, whole sets and metadata disclosed; the bytes are those that the
audit reads, disclosures as they are once expanded.
"""

import gc
import itertools
import os
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import msgspec
import zstandard

from auditor.audit import Asked, Audit, Watch
from auditor.source import Place
from auditor.span import RANGE, expanded, range_name
from bench.registry.history import EVENTS_EACH, Device, steps
from kernel.clock import system_clock_us
from ledger.port import Recorded
from ledger.proof.checkpoint import Checkpoint
from ledger.proof.commitment import commitments, envelope_of
from ledger.proof.disclosure import encode_event, metadata_record
from ledger.proof.keys import KeyType, SignerKey
from ledger.proof.merkle import HASH_BYTES, leaf_hashes
from ledger.proof.policy import NONE, Log, Policy
from ledger.proof.tiles import ENTRIES, FULL_WIDTH, Edge, Tile, encode_bundle

JOBS: Final = 2
PART_EVENTS: Final = 10 * RANGE
"""Written by one process at a time: whole ranges, and the whole lives of some devices."""
ORIGIN: Final = "log.example/bench"
SAMPLED_S: Final = 0.05
PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
SETS: Final = ("log/disclosed", "supervisor/disclosed", "supervisor/metadata")


class Measured(msgspec.Struct, frozen=True):
    """What an audit took, and what hashing the same bytes did."""

    events: int
    audit_s: float
    hash_s: float
    rss_bytes: int


def measure(folder: Path, events: int, say: Watch) -> Measured:
    """Write a log of so many events into this folder, audit it, and hash what it read."""
    key = SignerKey(ORIGIN, KeyType.ED25519, bytes(32))
    _write(folder, events, key, say)
    policy = Policy((Log(key.verifier),), {}, {}, NONE).encoded()
    asked = Asked(place=Place(str(folder)), policy=policy, age_s_max=None, jobs=JOBS)
    with _rss() as rss:
        report = Audit(asked, say, system_clock_us).run()
    if report.findings or report.events != events:
        raise AssertionError(report)
    return Measured(events, report.seconds, _hash_s(folder), max(rss))


def _write(folder: Path, count: int, key: SignerKey, say: Watch) -> None:
    edge, first_us = Edge(), system_clock_us() - count
    (folder / "log/checkpoints").mkdir(parents=True)
    parts = [(folder, begin, min(begin + PART_EVENTS, count), first_us) for begin in range(0, count, PART_EVENTS)]
    with ProcessPoolExecutor(JOBS, mp_context=get_context("spawn"), initializer=gc.disable) as pool:
        for leaves in pool.map(_write_part, parts):
            for tile, data in edge.extend([leaves[at : at + HASH_BYTES] for at in range(0, len(leaves), HASH_BYTES)]):
                _put(folder / "log" / tile.path, data)
            say("written", edge.size, count)
    for tile, data in edge.partials():
        _put(folder / "log" / tile.path, data)
    note = Checkpoint(ORIGIN, edge.size, edge.root()).signed_by([key]).encoded()
    head = f"{ORIGIN}\n{count}\n".encode()
    day = "2026-01-05"
    files = {"log/checkpoint": note, f"log/checkpoints/{day}": note, "log/checkpoints/days": f"{day}\n".encode()}
    for name, data in (files | {f"{of}/head": head for of in SETS[:2]}).items():
        _put(folder / name, data)


def _write_part(part: tuple[Path, int, int, int]) -> bytes:
    """Write the bundles and the disclosures of a part of the log. Returns its leaf hashes, one after the other."""
    folder, first, end, first_us = part
    recorded = _recorded(first, first_us)
    leaves: list[bytes] = []
    for begin in range(first, end, RANGE):
        events = list(itertools.islice(recorded, min(RANGE, end - begin)))
        envelopes = [envelope_of(event) for event in events]
        entries = commitments(envelopes)
        for at in range(0, len(entries), FULL_WIDTH):
            bundle = entries[at : at + FULL_WIDTH]
            tile = Tile(ENTRIES, (begin + at) // FULL_WIDTH, len(bundle))
            _put(folder / "log" / tile.path, encode_bundle(bundle))
        leaves += leaf_hashes(entries)
        records = {
            "log/disclosed": b"",
            "supervisor/disclosed": b"".join(encode_event(*one) for one in enumerate(envelopes, begin)),
            "supervisor/metadata": b"".join(metadata_record(*one) for one in enumerate(events, begin)),
        }
        for of, data in records.items():
            _put(folder / of / range_name(begin // RANGE), zstandard.compress(data))
    return b"".join(leaves)


def _recorded(first: int, first_us: int) -> Iterator[Recorded]:
    """The events of the part that begins with entry `first`: whole lives of its own devices."""
    begin = first // EVENTS_EACH
    number = itertools.count(first)
    file = [Device(serial) for serial in range(begin, begin + PART_EVENTS // EVENTS_EACH)]
    for append in itertools.chain.from_iterable(steps(file)):
        begun = append.expected + 1 if isinstance(append.expected, int) else 0
        for version, draft in enumerate(append.drafts, begun):
            index = next(number)
            yield Recorded(
                id=draft.id,
                stream=append.stream,
                version=version,
                position=index + 1,
                type=draft.type,
                content_type=draft.content_type,
                data=draft.data,
                metadata=draft.metadata,
                recorded_at_us=first_us + index,
                salt=sha256(index.to_bytes(8, "big")).digest(),
            )


def _put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _hash_s(folder: Path) -> float:
    """Seconds to hash what the audit reads, a piece of at most 4,096 entries at a time, it being in memory already."""
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    parts = [files[job::JOBS] for job in range(JOBS)]
    with ProcessPoolExecutor(JOBS, mp_context=get_context("spawn")) as pool:
        return max(pool.map(_hashed_s, parts))


def _hashed_s(files: Sequence[Path]) -> float:
    elapsed_ns = 0
    for file in files:
        data = file.read_bytes()
        if file.suffix == ".zst":
            data = expanded(data)
        started_ns = time.perf_counter_ns()
        sha256(data).digest()
        elapsed_ns += time.perf_counter_ns() - started_ns
    return elapsed_ns / 1e9


@contextmanager
def _rss() -> Iterator[list[int]]:
    """The memory of this process and those that it started, sampled while the block lasts."""
    sampled, over = [_resident(os.getpid())], threading.Event()

    def sample() -> None:
        while not over.wait(SAMPLED_S):
            sampled.append(sum(_resident(pid) for pid in [os.getpid(), *_children()]))

    sampling = threading.Thread(target=sample)
    sampling.start()
    try:
        yield sampled
    finally:
        over.set()
        sampling.join()


def _children() -> Iterator[int]:
    for task in Path("/proc/self/task").iterdir():
        # A thread that ends meanwhile has no more children than the others know of.
        with suppress(OSError):
            yield from map(int, (task / "children").read_text().split())


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES
    except (OSError, IndexError):
        return 0
