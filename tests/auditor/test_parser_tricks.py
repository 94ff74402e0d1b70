"""The seventeenth fault: what two readers may read differently. One form alone is taken, however it was signed."""

import msgspec
import pytest

from auditor.finding import Fault
from auditor.verdict import FAULT
from ledger.proof.checkpoint import Checkpoint
from ledger.proof.commitment import commitment, envelope_of
from ledger.proof.cosignature import cosign
from ledger.proof.merkle import leaf_hashes, root_of
from ledger.proof.note import sign
from ledger.proof.tiles import bundle_at
from tests.auditor.auditing import audited, named
from tests.auditor.logs import LOG_KEY, ORIGIN, WITNESSES, TrueLog, every_kind, packed, put, range_of, read_range

LOG = every_kind()
SIZE = len(LOG.events)
ROOT = root_of(leaf_hashes(commitment(envelope_of(event)) for event in LOG.events))
TEXT = Checkpoint(ORIGIN, SIZE, ROOT).text()
SUPERVISOR = "supervisor/disclosed"


def signed_as_it_is(text: bytes) -> bytes:
    """Any text as the log's note, cosigned by everybody."""
    note = sign(text, [LOG_KEY])
    return note.signed_also([cosign(text, one, LOG.stops[-1][1]) for one in WITNESSES]).encoded()


@pytest.mark.parametrize(
    "text",
    [
        TEXT.replace(f"\n{SIZE}\n".encode(), f"\n0{SIZE}\n".encode()),
        TEXT.replace(f"\n{SIZE}\n".encode(), f"\n+{SIZE}\n".encode()),
        TEXT.replace(f"\n{SIZE}\n".encode(), f"\n{SIZE} \n".encode()),
        TEXT.replace(b"=\n", b"\n"),
        TEXT.replace(b"\n", b"\n\n", 1),
        b"\n" + TEXT,
    ],
    ids=repr,
)
def test_a_checkpoint_in_another_form_is_not_read(tmp_path, text):
    put(LOG.write(tmp_path), "log/checkpoint", signed_as_it_is(text))
    report = audited(tmp_path)
    assert report.verdict.status == FAULT
    assert named(report, Fault.MALFORMED)


@pytest.mark.parametrize("end", [b"\r\n", b"\n\n", b"\0"])
def test_a_checkpoint_that_ends_otherwise_is_not_read(tmp_path, end):
    LOG.write(tmp_path)
    put(tmp_path, "log/checkpoint", (tmp_path / "log/checkpoint").read_bytes()[:-1] + end)
    assert named(audited(tmp_path), Fault.MALFORMED)


@pytest.mark.parametrize("more", [b"\0", b"\0\0\0", b"\0\x20" + bytes(31)])
def test_bytes_after_the_last_entry_are_found(tmp_path, more):
    bundle = LOG.write(tmp_path) / "log" / bundle_at(0, SIZE).path
    bundle.write_bytes(bundle.read_bytes() + more)
    assert named(audited(tmp_path), Fault.MALFORMED)


@pytest.mark.parametrize(
    "change",
    [
        lambda records: records + b"\0",
        lambda records: records + records[:200],
        lambda records: b"\x83" + records[1:],
        lambda records: records[:1] + b"\x18\x00" + records[2:],
        lambda records: records[:1] + b"\x19\xff\xff" + records[2:],
    ],
    ids=["trailing", "repeated", "another array", "a longer form", "an index beyond"],
)
def test_records_in_another_form_are_found(tmp_path, change):
    LOG.write(tmp_path)
    put(tmp_path, range_of(SUPERVISOR), packed([change(read_range(tmp_path, SUPERVISOR))]))
    assert named(audited(tmp_path), Fault.MALFORMED)


@pytest.mark.parametrize("more", [b"\0", packed([b""]), packed([b"more"])])
def test_what_follows_a_frame_is_found(tmp_path, more):
    file = LOG.write(tmp_path) / range_of(SUPERVISOR)
    file.write_bytes(file.read_bytes() + more)
    assert named(audited(tmp_path), Fault.MALFORMED)


def test_an_empty_file_with_another_checksum_is_found(tmp_path):
    public = TrueLog(LOG.events[:2], LOG.stops[:1]).write(tmp_path) / range_of("log/disclosed")
    public.write_bytes(packed([])[:-1] + b"\0")
    assert named(audited(tmp_path), Fault.MALFORMED)


@pytest.mark.parametrize(
    "data",
    [
        b'{"asset_no":"1","asset_no":"2","occurred_on":"2026-03-05"}',
        b'{"occurred_on":"2026-03-05","moved":{"device_class":"01","device_class":"02"}}',
        b'{"occurred_on":"2026-03-05"} ;',
        b"",
        b"\xff",
        b'{"moved":{"device_class":"01","to_site":"centre"}}',
    ],
    ids=["a member twice", "a member within twice", "trailing", "nothing", "no text", "no day"],
)
def test_an_event_that_can_be_read_in_two_ways_is_found(tmp_path, data):
    last = msgspec.structs.replace(LOG.events[-1], data=data, type="registry.Found")
    TrueLog((*LOG.events[:-1], last), LOG.stops).write(tmp_path)
    (found,) = named(audited(tmp_path), Fault.MALFORMED)
    assert (found.index, found.stream) == (SIZE - 1, last.stream)


@pytest.mark.parametrize("head", ["\n{size}\n", "{origin}\n0{size}\n", "{origin}\n{size}", "{origin}\n{size}\n\n"])
def test_a_head_in_another_form_is_found(tmp_path, head):
    LOG.write(tmp_path)
    put(tmp_path, f"{SUPERVISOR}/head", head.format(origin=ORIGIN, size=SIZE).encode())
    assert audited(tmp_path).verdict.status == FAULT
