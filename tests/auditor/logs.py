"""True logs for the auditor's tests, written file by file from what the registry really records; then made untrue.

The keys are made from fixed seeds and guard nothing.
"""

import functools
from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from random import Random
from time import gmtime, strftime

import msgspec
import zstandard

from kernel.disclosure import load
from ledger.port import Recorded
from ledger.proof.checkpoint import Checkpoint
from ledger.proof.commitment import commitment, envelope_of
from ledger.proof.cosignature import cosign
from ledger.proof.disclosure import encode_event, metadata_record
from ledger.proof.keys import KeyType, SignerKey
from ledger.proof.merkle import leaf_hashes, root_of
from ledger.proof.policy import NONE, Group, Log, Policy, Witness
from ledger.proof.tiles import ENTRIES, Edge, Tile, bundles_of, encode_bundle
from tests.registry.views.every_event import everything
from tests.registry.views.lives import DEVICES, history

ROOT = Path(__file__).parents[2]
ORIGIN = "log.example/synthetic"
RANGE = 4_096
PUBLIC_TYPES = load(ROOT / "docs" / "disclosure.yaml").public

LOG_KEY = SignerKey(ORIGIN, KeyType.ED25519, bytes(32))
STOLEN = SignerKey("thief.example", KeyType.ED25519, b"\x07" * 32)
WITNESSES = tuple(
    SignerKey(f"witness-{number}.example", KeyType.COSIGNATURE, bytes([number]) * 32) for number in (1, 2)
)

Files = dict[str, bytes]
"""Files by their names below the folder."""

Stop = tuple[int, int]
"""The size and the time, in seconds, of a checkpoint."""


def policy(*, quorum: bool = True) -> Policy:
    """Both witnesses, or none."""
    log = (Log(LOG_KEY.verifier),)
    if not quorum:
        return Policy(log, {}, {}, NONE)
    named = {f"w{number}": Witness(f"w{number}", key.verifier) for number, key in enumerate(WITNESSES)}
    return Policy(log, named, {"both": Group("both", 2, tuple(named))}, "both")


def signed(checkpoint: Checkpoint, time_s: int, witnesses: Sequence[SignerKey] = WITNESSES) -> bytes:
    """The note of a checkpoint, cosigned then."""
    note = checkpoint.signed_by([LOG_KEY])
    return note.signed_also([cosign(note.text, one, time_s) for one in witnesses]).encoded()


class TrueLog(msgspec.Struct, frozen=True):
    """What is in a log: its events in order, and when trees of which sizes were published."""

    events: tuple[Recorded, ...]
    stops: tuple[Stop, ...]
    witnesses: tuple[SignerKey, ...] = WITNESSES
    unwitnessed: int = 0
    """So many of the first checkpoints have no cosignatures."""

    def write(self, folder: Path) -> Path:
        """All files of it."""
        put_all(folder, _files(self))
        return folder


@functools.lru_cache(maxsize=4)
def _files(log: TrueLog) -> Files:
    envelopes = [envelope_of(event) for event in log.events]
    entries = [commitment(envelope) for envelope in envelopes]
    shown = [encode_event(index, envelope) for index, envelope in enumerate(envelopes)]
    for_all = [event.type in PUBLIC_TYPES and not event.stream.startswith("ext-") for event in log.events]
    public = [record if all_may else b"" for all_may, record in zip(for_all, shown, strict=True)]
    metadata = [metadata_record(*one) for one in enumerate(log.events)]
    return {
        **tile_files(entries),
        **checkpoint_files(entries, log),
        **range_files("log/disclosed", public),
        **range_files("supervisor/disclosed", shown),
        **range_files("supervisor/metadata", metadata),
        "log/keys": f"{LOG_KEY.verifier}\n".encode(),
        "log/policy": policy(quorum=bool(log.witnesses)).encoded(),
    }


def checkpoint_files(entries: Sequence[bytes], log: TrueLog) -> Files:
    """Every checkpoint, the newest at its own name too."""
    leaves = leaf_hashes(entries)
    days: dict[str, list[bytes]] = {}
    for number, (size, time_s) in enumerate(log.stops):
        cosigned_by = log.witnesses if number >= log.unwitnessed else ()
        note = signed(Checkpoint(ORIGIN, size, root_of(leaves[:size])), time_s, cosigned_by)
        days.setdefault(strftime("%Y-%m-%d", gmtime(time_s)), []).append(note)
    return {
        **{f"log/checkpoints/{day}": b"\n".join(notes) for day, notes in days.items()},
        "log/checkpoints/days": "".join(f"{day}\n" for day in days).encode(),
        "log/checkpoint": note,
    }


def tile_files(entries: Sequence[bytes]) -> Files:
    """The tiles and bundles of these entries."""
    edge = Edge()
    tiles = (*edge.extend(leaf_hashes(entries)), *edge.partials())
    bundles = {
        f"log/{bundle.path}": encode_bundle(entries[bundle.begin : bundle.begin + bundle.width])
        for bundle in bundles_of(len(entries))
    }
    return {f"log/{tile.path}": data for tile, data in tiles} | bundles


def range_files(part: str, records: Sequence[bytes]) -> Files:
    """A set's files, a record or nothing for each entry."""
    files = {
        range_of(part, begin // RANGE): packed(records[begin : begin + RANGE])
        for begin in range(0, len(records), RANGE)
    }
    head = {} if part.endswith("metadata") else {f"{part}/head": f"{ORIGIN}\n{len(records)}\n".encode()}
    return files | head


def packed(records: Iterable[bytes]) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(b"".join(records))


def put_all(folder: Path, files: Files) -> None:
    for name, data in files.items():
        put(folder, name, data)


def put(folder: Path, name: str, data: bytes) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def range_of(part: str, number: int = 0) -> str:
    return f"{part}/{Tile(ENTRIES, number).path.removeprefix('tile/entries/')}.cbor.zst"


def read_range(folder: Path, part: str, number: int = 0) -> bytes:
    return zstandard.decompress((folder / range_of(part, number)).read_bytes())


def salted(events: Sequence[Recorded]) -> tuple[Recorded, ...]:
    """The same with ids, salts and metadata of their own, which stories do without."""
    return tuple(
        msgspec.structs.replace(
            event,
            id=sha256(f"id {number}".encode()).digest()[:16],
            salt=sha256(f"salt {number}".encode()).digest(),
            metadata=b'{"actor":"s-%d"}' % (number % 7),
        )
        for number, event in enumerate(events)
    )


def stops_of(events: Sequence[Recorded]) -> tuple[Stop, ...]:
    """A checkpoint as soon as something is there, and the same again an hour before something else comes."""
    stops: list[Stop] = []
    for size, (event, following) in enumerate(zip(events, [*events[1:], None], strict=True), 1):
        now_s = event.recorded_at_us // 1_000_000 + 1
        if following is None:
            stops += [(size, now_s), (size, now_s + 7_200)]
        elif (next_s := following.recorded_at_us // 1_000_000) > now_s:
            stops += [(size, now_s), (size, max(now_s, next_s - 3_600))]
    return tuple(stops)


def log_of(events: Sequence[Recorded]) -> TrueLog:
    told = salted(events)
    return TrueLog(told, stops_of(told))


@functools.cache
def every_kind() -> TrueLog:
    """Some hundred events, of every type that the registry has."""
    return log_of([of for _, of in everything().events])


@functools.cache
def season(steps: int = 1_200, seed: int = 1) -> TrueLog:
    """Some thousand events of devices that come, go, are lost, corrected, bound, packed and sold."""
    drawn = Random(seed)
    chosen = [
        (drawn.randint(0, len(DEVICES)), drawn.randrange(1 << 20), int(drawn.random() < 0.03), drawn.randint(0, 5))
        for _ in range(steps)
    ]
    return log_of([of for _, of in history(chosen).events])
