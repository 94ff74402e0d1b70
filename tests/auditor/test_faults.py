"""The seventeen faults, each made in a copy of a true log: found, by its name, at its entry.

Where the operator would have to sign for a fault, it is signed by the log's own key, as a thief or the operator could.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from auditor.finding import Fault
from auditor.verdict import FAULT
from ledger.proof.checkpoint import Checkpoint
from ledger.proof.commitment import commitment, envelope_of
from ledger.proof.disclosure import decode_events, encode_event
from ledger.proof.merkle import leaf_hash, leaf_hashes, root_of
from ledger.proof.tiles import FULL_WIDTH, Tile, bundle_at, decode_bundle, encode_bundle
from tests.auditor.auditing import audited, named
from tests.auditor.logs import (
    LOG_KEY,
    ORIGIN,
    STOLEN,
    TrueLog,
    log_of,
    packed,
    put,
    put_all,
    range_of,
    read_range,
    season,
    signed,
    tile_files,
)

LOG = season()
SIZE = len(LOG.events)
SUPERVISOR = "supervisor/disclosed"
LAST_S = LOG.stops[-1][1]
ENTRIES = [commitment(envelope_of(event)) for event in LOG.events]

Made = tuple[Fault, int | None, str | None]
"""What is to be found: the fault, the index of the entry and the stream, where it has them."""
MAKERS: list[Callable[[Path], Made]] = []


def makes(maker: Callable[[Path], Made]) -> Callable[[Path], Made]:
    MAKERS.append(maker)
    return maker


def rebundled(folder: Path, index: int, change: Callable[[list[bytes]], list[bytes]]) -> None:
    """Change the entries of the bundle in which this one is."""
    bundle = bundle_at(index // FULL_WIDTH, SIZE)
    entries = change(decode_bundle(bundle, (folder / "log" / bundle.path).read_bytes()))
    put(folder, f"log/{bundle.path}", encode_bundle(entries))


def retold(folder: Path, change: Callable[[list[tuple[int, bytes]]], list[tuple[int, bytes]]]) -> None:
    """Change what is disclosed to supervisors."""
    records = change(list(decode_events(read_range(folder, SUPERVISOR), 0, SIZE)))
    put(folder, range_of(SUPERVISOR), packed(encode_event(*record) for record in records))


def relogged(folder: Path, index: int, **other: object) -> TrueLog:
    """Another event in the place of this one, logged and signed as if it were true."""
    events = list(LOG.events)
    events[index] = msgspec.structs.replace(events[index], **other)
    log = TrueLog(tuple(events), LOG.stops)
    log.write(folder)
    return log


def replaced(index: int, entry: bytes) -> Callable[[list[bytes]], list[bytes]]:
    at = index % FULL_WIDTH
    return lambda entries: [*entries[:at], entry, *entries[at + 1 :]]


def swapped(one: int, other: int) -> Callable[[list[bytes]], list[bytes]]:
    def change(entries: list[bytes]) -> list[bytes]:
        entries[one], entries[other] = entries[other], entries[one]
        return entries

    return change


def retiled(folder: Path, tile: Tile, at: int, hash_there: bytes) -> None:
    data = bytearray((folder / "log" / tile.path).read_bytes())
    data[at * 32 : at * 32 + 32] = hash_there
    put(folder, f"log/{tile.path}", bytes(data))


@makes
def rewritten_entry(folder: Path) -> Made:
    rebundled(folder, 300, replaced(300, bytes(32)))
    return Fault.REWRITTEN, 300, None


@makes
def rewritten_entry_at_the_edge(folder: Path) -> Made:
    rebundled(folder, SIZE - 2, replaced(SIZE - 2, bytes(32)))
    return Fault.REWRITTEN, SIZE - 2, None


@makes
def rewritten_event(folder: Path) -> Made:
    def change(records):
        index, envelope = records[40]
        assert b"2026" in envelope
        return [*records[:40], (index, envelope.replace(b"2026", b"2025")), *records[41:]]

    retold(folder, change)
    return Fault.REWRITTEN, 40, LOG.events[40].stream


@makes
def dropped_entry(folder: Path) -> Made:
    rebundled(folder, 260, lambda entries: entries[:4] + entries[5:])
    return Fault.DROPPED, 260, None


@makes
def dropped_entry_made_up_for(folder: Path) -> Made:
    rebundled(folder, 260, lambda entries: [*entries[:4], *entries[5:], bytes(32)])
    return Fault.DROPPED, 260, None


@makes
def dropped_event(folder: Path) -> Made:
    retold(folder, lambda records: records[:77] + records[78:])
    return Fault.DROPPED, 77, None


@makes
def withheld_events(folder: Path) -> Made:
    put(folder, f"{SUPERVISOR}/head", f"{ORIGIN}\n{SIZE - 60}\n".encode())
    return Fault.DROPPED, SIZE - 60, None


@makes
def reordered_entries(folder: Path) -> Made:
    rebundled(folder, 256 + 10, swapped(10, 200))
    return Fault.REORDERED, 256 + 10, None


@makes
def reordered_events(folder: Path) -> Made:
    def change(records):
        one, other = records[5][1], records[600][1]
        return [*records[:5], (5, other), *records[6:600], (600, one), *records[601:]]

    retold(folder, change)
    return Fault.REORDERED, 5, None


@makes
def inserted_entry(folder: Path) -> Made:
    rebundled(folder, 256 + 7, lambda entries: [*entries[:7], bytes(32), *entries[7:]])
    return Fault.INSERTED, 256 + 7, None


@makes
def inserted_entry_made_room_for(folder: Path) -> Made:
    rebundled(folder, 7, lambda entries: [*entries[:7], entries[6], *entries[7:-1]])
    return Fault.INSERTED, 7, None


@makes
def repeated_event(folder: Path) -> Made:
    stream = LOG.events[-1].stream
    first = next(event for event in LOG.events if event.stream == stream)
    relogged(folder, SIZE - 1, id=first.id)
    return Fault.INSERTED, SIZE - 1, stream


@makes
def forged_tile(folder: Path) -> Made:
    retiled(folder, Tile(0, 1), 9, bytes(32))
    return Fault.FORGED_TILE, 256 + 9, None


@makes
def forged_tile_at_the_edge(folder: Path) -> Made:
    retiled(folder, Tile(0, SIZE // 256, SIZE % 256), 3, bytes(32))
    return Fault.FORGED_TILE, SIZE // 256 * 256 + 3, None


@makes
def forged_tile_above(folder: Path) -> Made:
    retiled(folder, Tile(1, 0, SIZE // 256), 1, bytes(32))
    return Fault.FORGED_TILE, 256, None


@makes
def forged_tile_and_entry(folder: Path) -> Made:
    rebundled(folder, 300, replaced(300, bytes(32)))
    retiled(folder, Tile(0, 1), 300 - 256, leaf_hash(bytes(32)))
    return Fault.FORGED_WHOLE, 256, None


@makes
def forged_edge_and_entry(folder: Path) -> Made:
    rebundled(folder, SIZE - 1, replaced(SIZE - 1, bytes(32)))
    retiled(folder, Tile(0, SIZE // 256, SIZE % 256), SIZE % 256 - 1, leaf_hash(bytes(32)))
    return Fault.FORGED_WHOLE, None, None


@makes
def forged_up_to_the_root(folder: Path) -> Made:
    put_all(folder, tile_files([*ENTRIES[:300], bytes(32), *ENTRIES[301:]]))
    return Fault.FORGED_WHOLE, None, None


@makes
def checkpoint_of_another_size(folder: Path) -> Made:
    note = (folder / "log/checkpoint").read_bytes()
    put(folder, "log/checkpoint", note.replace(f"\n{SIZE}\n".encode(), f"\n{SIZE - 1}\n".encode()))
    return Fault.CHECKPOINT_EDITED, None, None


@makes
def checkpoint_of_another_root(folder: Path) -> Made:
    first, size, _, rest = (folder / "log/checkpoint").read_bytes().split(b"\n", 3)
    other = Checkpoint(ORIGIN, 0, bytes(32)).text().split(b"\n")[2]
    put(folder, "log/checkpoint", b"\n".join([first, size, other, rest]))
    return Fault.CHECKPOINT_EDITED, None, None


@makes
def older_checkpoint_edited(folder: Path) -> Made:
    day = min((folder / "log/checkpoints").glob("2*"))
    origin, size, rest = day.read_bytes().split(b"\n", 2)
    day.write_bytes(b"\n".join([origin, size + b"0", rest]))
    return Fault.CHECKPOINT_EDITED, None, None


@makes
def signed_by_a_stranger(folder: Path) -> Made:
    note = Checkpoint(ORIGIN, SIZE, root_of(leaf_hashes(ENTRIES))).signed_by([STOLEN])
    put(folder, "log/checkpoint", note.encoded())
    return Fault.WRONG_KEY, None, None


@makes
def checkpoint_of_another_log(folder: Path) -> Made:
    note = Checkpoint(STOLEN.verifier.name, SIZE, root_of(leaf_hashes(ENTRIES))).signed_by([STOLEN])
    put(folder, "log/checkpoint", note.encoded())
    return Fault.WRONG_KEY, None, None


@makes
def key_id_of_a_witness_under_another_name(folder: Path) -> Made:
    day = min((folder / "log/checkpoints").glob("2*"))
    day.write_bytes(day.read_bytes().replace("— witness-2.".encode(), "— witness-9.".encode(), 1))
    return Fault.WRONG_KEY, None, None


@pytest.mark.parametrize(
    ("path", "index"),
    [
        ("log/checkpoint", None),
        ("log/checkpoints/days", None),
        (f"log/{Tile(0, 1).path}", 256),
        (f"log/{Tile(1, 0, SIZE // 256).path}", 0),
        (f"log/{bundle_at(0, SIZE).path}", 0),
        (f"log/{bundle_at(SIZE // 256, SIZE).path}", SIZE // 256 * 256),
        ("supervisor/disclosed/000.cbor.zst", 0),
        ("supervisor/metadata/000.cbor.zst", 0),
        ("log/disclosed/000.cbor.zst", 0),
    ],
)
def test_a_missing_file_is_named(tmp_path, path, index):
    (LOG.write(tmp_path) / path).unlink()
    (found,) = named(audited(tmp_path), Fault.MISSING)
    assert (found.index, path.endswith(found.what)) == (index, True)


def test_a_missing_day_is_named(tmp_path):
    day = sorted((LOG.write(tmp_path) / "log/checkpoints").glob("2*"))[3]
    day.unlink()
    report = audited(tmp_path)
    assert [one.what for one in named(report, Fault.MISSING)] == [f"log/checkpoints/{day.name}"]
    assert report.verdict.status == FAULT


@makes
def backdated_event(folder: Path) -> Made:
    relogged(folder, 500, recorded_at_us=LOG.events[500].recorded_at_us - 10 * 86_400_000_000)
    return Fault.BACKDATED, 500, LOG.events[500].stream


@makes
def event_of_a_time_to_come(folder: Path) -> Made:
    relogged(folder, SIZE - 1, recorded_at_us=(LAST_S + 86_400) * 1_000_000)
    return Fault.BACKDATED, SIZE - 1, LOG.events[-1].stream


@makes
def event_set_back_into_a_quiet_night(folder: Path) -> Made:
    """Not before the event before it, so that the log alone cannot tell; those who cosigned meanwhile can."""
    at = next(
        at
        for at in range(100, SIZE)
        if LOG.events[at].recorded_at_us - LOG.events[at - 1].recorded_at_us > 3 * 3_600_000_000
    )
    relogged(folder, at, recorded_at_us=LOG.events[at - 1].recorded_at_us + 3_600_000_000)
    return Fault.BACKDATED, at, LOG.events[at].stream


@makes
def cosignatures_that_go_back(folder: Path) -> Made:
    stops = [*LOG.stops, (SIZE, LAST_S - 40 * 86_400)]
    TrueLog(LOG.events, tuple(stops)).write(folder)
    days = sorted({day.name for day in (folder / "log/checkpoints").glob("2*")})
    last = folder / "log/checkpoints" / days[-1]
    last.write_bytes(last.read_bytes() + b"\n" + (folder / "log/checkpoint").read_bytes())
    put(folder, "log/checkpoints/days", "".join(f"{day}\n" for day in days).encode())
    return Fault.BACKDATED, None, None


@makes
def gap_in_a_stream(folder: Path) -> Made:
    stream = LOG.events[-1].stream
    relogged(folder, SIZE - 1, version=LOG.events[-1].version + 1)
    return Fault.STREAM_BROKEN, SIZE - 1, stream


@makes
def version_given_twice(folder: Path) -> Made:
    at = next(at for at in range(SIZE - 1, 0, -1) if LOG.events[at].version > 2)
    relogged(folder, at, version=1)
    return Fault.STREAM_BROKEN, at, LOG.events[at].stream


@makes
def device_that_leaves_from_where_it_is_not(folder: Path) -> Made:
    at = next(at for at in range(300, SIZE) if b'"from_site":"store-1"' in LOG.events[at].data)
    data = LOG.events[at].data.replace(b'"from_site":"store-1"', b'"from_site":"store-2"')
    relogged(folder, at, data=data)
    return Fault.STREAM_BROKEN, at, LOG.events[at].stream


@makes
def device_that_is_destroyed_on_its_shelf(folder: Path) -> Made:
    at = next(at for at in range(300, SIZE) if LOG.events[at].type == "registry.Stored")
    relogged(folder, at, type="registry.Destroyed")
    return Fault.STREAM_BROKEN, at, LOG.events[at].stream


@makes
def signed_again_without_witnesses(folder: Path) -> Made:
    TrueLog(LOG.events[:-1], ((SIZE - 1, LAST_S),), witnesses=()).write(folder)
    return Fault.RE_SIGNED, None, None


@makes
def signed_with_one_witness_of_two(folder: Path) -> Made:
    checkpoint = Checkpoint(ORIGIN, SIZE, root_of(leaf_hashes(ENTRIES)))
    put(folder, "log/checkpoint", signed(checkpoint, LAST_S)[: -len("\n")].rpartition(b"\n")[0] + b"\n")
    return Fault.RE_SIGNED, None, None


@makes
def older_checkpoint_signed_again(folder: Path) -> Made:
    day = max((folder / "log/checkpoints").glob("2*"))
    note = Checkpoint(ORIGIN, SIZE, root_of(leaf_hashes(ENTRIES))).signed_by([LOG_KEY])
    day.write_bytes(day.read_bytes() + b"\n" + note.encoded())
    return Fault.RE_SIGNED, None, None


@makes
def forked_for_an_older_checkpoint(folder: Path) -> Made:
    """The newest and an older checkpoint, both signed by everybody, of trees that contradict each other."""
    day = min((folder / "log/checkpoints").glob("2*"))
    size, time_s = LOG.stops[0]
    day.write_bytes(signed(Checkpoint(ORIGIN, size, bytes(32)), time_s) + b"\n" + day.read_bytes())
    return Fault.SPLIT_VIEW, None, None


@makes
def metadata_of_another(folder: Path) -> Made:
    data = read_range(folder, "supervisor/metadata")
    put(folder, range_of("supervisor/metadata"), packed([data.replace(b'"s-3"', b'"s-4"', 1)]))
    return Fault.REWRITTEN, 3, LOG.events[3].stream


@pytest.mark.parametrize("maker", MAKERS, ids=lambda maker: maker.__name__)
def test_a_fault_is_named_where_it_is(tmp_path, maker):
    LOG.write(tmp_path)
    fault, index, stream = maker(tmp_path)
    report = audited(tmp_path)
    assert report.verdict.status == FAULT
    found = named(report, fault)
    assert found, report.findings
    assert (found[0].index, found[0].stream) == (index, stream)
    assert all(one.evidence for one in found)


def test_a_log_that_lost_its_end_is_rolled_back(tmp_path):
    state = tmp_path / "state"
    audited(LOG.write(tmp_path / "log"), state=state)
    shutil.rmtree(tmp_path / "log")
    log_of(LOG.events[:400]).write(tmp_path / "log")
    (found,) = audited(tmp_path / "log", state=state).findings
    assert (found.fault, found.evidence["remembered_size"], found.evidence["size"]) == (
        Fault.ROLLED_BACK,
        str(SIZE),
        "400",
    )


def test_a_log_older_than_its_own_archive_is_rolled_back(tmp_path):
    LOG.write(tmp_path)
    put_all(tmp_path, tile_files(ENTRIES[:400]) | tile_files(ENTRIES))
    put(tmp_path, "log/checkpoint", signed(Checkpoint(ORIGIN, 400, root_of(leaf_hashes(ENTRIES[:400]))), LAST_S))
    assert [one.fault for one in audited(tmp_path).findings] == [Fault.ROLLED_BACK]


@pytest.mark.parametrize("size", [SIZE, SIZE - 100])
def test_two_views_of_a_log_are_found_by_who_remembers_the_other(tmp_path, size):
    state = tmp_path / "state"
    audited(log_of(LOG.events[:size]).write(tmp_path / "one"), state=state)
    other = relogged(tmp_path / "other", 200, salt=bytes(32))
    assert audited(tmp_path / "other").findings == []
    report = audited(tmp_path / "other", state=state)
    (found,) = named(report, Fault.SPLIT_VIEW)
    assert (found.what, found.evidence["size"]) == ("log/checkpoint", str(size))
    # The days that were seen are others too.
    assert {one.fault for one in report.findings} == {Fault.SPLIT_VIEW, Fault.RE_SIGNED}
    assert other.events != LOG.events


def test_a_log_that_stands_still_is_stale(tmp_path):
    LOG.write(tmp_path)
    assert audited(tmp_path, age_s_max=600, now_us=(LAST_S + 500) * 1_000_000).findings == []
    (found,) = audited(tmp_path, age_s_max=600, now_us=(LAST_S + 700) * 1_000_000).findings
    assert (found.fault, found.evidence["age_s"]) == (Fault.STALE, "700")
