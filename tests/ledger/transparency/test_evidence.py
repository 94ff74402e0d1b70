"""Evidence of events in a log, verified by `ledger.proof.proof_file` and a policy alone."""

import pytest

from ledger.memory import MemoryLedger
from ledger.proof.commitment import commitment, decode_envelope, envelope_of
from ledger.proof.errors import Mismatch, ProofFault
from ledger.proof.keys import VerifierKey
from ledger.proof.policy import NONE, Log, Policy
from ledger.proof.proof_file import LogProof, verify
from ledger.sqlite import SqliteLedger
from ledger.transparency.evidence import EvidenceOfLog, NothingPublished
from ledger.transparency.faults import LogFault
from ledger.transparency.layout import CHECKPOINT, KEYS, MARK_ENTRIES, MARKS
from tests.ledger.making import everything
from tests.ledger.transparency.disclosures import Forged, record, sequence


@pytest.fixture(params=["memory in strides", "sqlite"])
async def ledger(request, tmp_path):
    stride = request.param == "memory in strides"
    ledger = MemoryLedger(position_stride=7) if stride else await SqliteLedger.open(tmp_path / "ledger.sqlite")
    yield ledger
    await ledger.close()


def policy(folder):
    (key,) = (folder / "proof" / KEYS).read_text().splitlines()
    return Policy((Log(VerifierKey.parse(key)),), {}, {}, NONE)


async def proven(ledger, folder, events):
    """The indices of which there is a proof that holds, and how many are left out."""
    evidence = await EvidenceOfLog(ledger, folder / "proof").of(events)
    indices = []
    for event, proof in evidence.proofs:
        read = LogProof.parse(proof.encoded())
        assert verify(read, commitment(read.extra), policy(folder)).checkpoint.size > read.index
        envelope = decode_envelope(read.extra)
        assert (envelope.stream, envelope.version, envelope.data) == (event.stream, event.version, event.data)
        indices.append(read.index)
    return indices, evidence.left_out


async def test_every_event_of_a_log_is_proven_at_its_index(ledger, tmp_path):
    for count in (1, 254, 1, 1, 300, 3 * MARK_ENTRIES - 57, 1):
        await record(ledger, count)
        size = await sequence(ledger, tmp_path)
        events = await everything(ledger)
        assert len(events) == size
        assert await proven(ledger, tmp_path, events) == (list(range(size)), 0) if size < 600 else True
        some = events[::37] + events[-1:]
        found, left_out = await proven(ledger, tmp_path, some)
        assert ([events[index] for index in found], left_out) == (some, 0)


async def test_what_no_published_checkpoint_covers_is_left_out_and_counted(ledger, tmp_path):
    await sequence(ledger, tmp_path)
    for covered, later in ((0, 3), (5, 2), (MARK_ENTRIES - 7, 1), (7, 300)):
        await record(ledger, covered)
        size = await sequence(ledger, tmp_path)
        await record(ledger, later)
        events = await everything(ledger)
        found, left_out = await proven(ledger, tmp_path, events[-later - 20 :])
        begin = max(0, len(events) - later - 20)
        assert (found, left_out) == (list(range(begin, size)), len(events) - size)
        await sequence(ledger, tmp_path)


async def test_of_no_events_there_is_no_proof(ledger, tmp_path):
    await record(ledger, 3)
    await sequence(ledger, tmp_path)
    assert await proven(ledger, tmp_path, []) == ([], 0)


async def test_without_a_checkpoint_nothing_is_proven(ledger, tmp_path):
    await record(ledger, 3)
    with pytest.raises(NothingPublished):
        await EvidenceOfLog(ledger, tmp_path / "proof").of(await everything(ledger))


async def test_a_ledger_that_is_not_the_logs_proves_nothing(tmp_path):
    ledger = Forged()
    await record(ledger, 300)
    await sequence(ledger, tmp_path)
    ledger.forged = 290
    forged = (await everything(ledger))[289]
    with pytest.raises(LogFault, match=r"log\.disclosure_differs.* 289 "):
        await EvidenceOfLog(ledger, tmp_path / "proof").of([forged])
    other = MemoryLedger(position_stride=2)
    await record(other, 300)
    with pytest.raises(LogFault, match=r"log\.ledger_differs|log\.disclosure_differs"):
        await EvidenceOfLog(other, tmp_path / "proof").of((await everything(other))[10:20])


@pytest.mark.parametrize(
    ("name", "change", "error"),
    [
        (MARKS, lambda data: data[:8], NothingPublished),
        ("log/tile/entries/001.p/44", None, NothingPublished),
        (MARKS, lambda data: data[:8] + bytes(8), "log.ledger_differs"),
        (MARKS, lambda data: data[:8] + (5).to_bytes(8, "big"), "log.disclosure_differs"),
        (MARKS, lambda data: data[:8] + (299).to_bytes(8, "big"), "log.ledger_differs"),
        ("log/tile/0/001.p/44", lambda data: data[:-1] + b"x", Mismatch),
        ("log/tile/entries/001.p/44", lambda data: data[:-1] + b"x", Mismatch),
        (CHECKPOINT, lambda data: data.replace(b"\n300\n", b"\n301\n"), ProofFault),
    ],
)
async def test_a_log_that_does_not_hold_proves_nothing(tmp_path, name, change, error):
    ledger = MemoryLedger()
    await record(ledger, 300)
    await sequence(ledger, tmp_path)
    file = tmp_path / "proof" / name
    if change is None:
        file.unlink()
    else:
        file.write_bytes(change(file.read_bytes()))
    with pytest.raises(LogFault if isinstance(error, str) else error) as caught:
        await EvidenceOfLog(ledger, tmp_path / "proof").of((await everything(ledger))[-3:])
    if isinstance(error, str):
        assert caught.value.code == error


async def test_a_proof_is_of_its_own_event_and_under_its_own_policy(tmp_path):
    ledger = MemoryLedger()
    await record(ledger, 20)
    await sequence(ledger, tmp_path)
    events = await everything(ledger)
    evidence = await EvidenceOfLog(ledger, tmp_path / "proof").of(events)
    (_, first), (second, _) = evidence.proofs[:2]
    with pytest.raises(Mismatch):
        verify(first, commitment(envelope_of(second)), policy(tmp_path))
    assert evidence.vkey == policy(tmp_path).logs[0].key
    assert Policy.parse(evidence.policy).logs == policy(tmp_path).logs


async def test_the_first_checkpoint_that_covers_an_event_counts_whatever_came_after_it(ledger, tmp_path):
    evidence = EvidenceOfLog(ledger, tmp_path / "proof")
    await record(ledger, 3)
    sizes = [await sequence(ledger, tmp_path)]
    await record(ledger, 1)
    assert await evidence.first_covering((await everything(ledger))[-1]) is None
    for count in (4, 300):
        sizes.append(await sequence(ledger, tmp_path))
        await record(ledger, count)
    sizes.append(await sequence(ledger, tmp_path))
    events = await everything(ledger)
    for index in (0, sizes[0] - 1, sizes[0], sizes[1], len(events) - 1):
        covering = await evidence.first_covering(events[index])
        assert (covering.index, covering.checkpoint.size) == (index, next(size for size in sizes if size > index))
