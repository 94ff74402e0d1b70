"""A device's evidence, checked by whoever holds it: true, with parts left out, and with anything in it changed."""

import functools
import io
import zipfile
from random import Random

import msgspec
import pytest

from auditor.device import audit_device
from auditor.finding import Fault
from auditor.verdict import FAULT, SELF_CONSISTENT, UNREADABLE, VERIFIED
from ledger.proof.checkpoint import Checkpoint
from ledger.proof.commitment import commitment, envelope_of
from ledger.proof.merkle import inclusion_proof, leaf_hashes, root_of
from ledger.proof.proof_file import LogProof
from tests.auditor.auditing import POLICY
from tests.auditor.logs import LOG_KEY, ORIGIN, every_kind, policy, signed
from tests.registry.stories import NUMBER

STREAM = f"meter-{NUMBER}"
LOG = every_kind()
SIZE = len(LOG.events)
TITLE = "the tests' policy"


@functools.cache
def evidence():
    """The files of a device's evidence."""
    return evidence_of(LOG.events)


def evidence_of(events, cosigned_at_s=1_800_000_000):
    leaves = leaf_hashes([commitment(envelope_of(event)) for event in events])

    def subtree(level, index):
        return root_of(leaves[index << level : (index + 1) << level])

    note = signed(Checkpoint(ORIGIN, SIZE, root_of(leaves)), cosigned_at_s)
    proofs = {
        f"{event.version:06d}.tlog-proof": LogProof(
            index, tuple(inclusion_proof(index, SIZE, subtree)), note, envelope_of(event)
        ).encoded()
        for index, event in enumerate(events)
        if event.stream == STREAM
    }
    return proofs | {"log.vkey": f"{LOG_KEY.verifier}\n".encode(), "policy": policy().encoded()}


def zipped(files, method=zipfile.ZIP_STORED):
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return whole.getvalue()


def checked(files, stream=STREAM, by=POLICY):
    return audit_device(zipped(files), stream, by, TITLE)


def test_a_true_history_is_verified():
    report = checked(evidence())
    assert (report.findings, report.verdict.status) == ([], VERIFIED)
    assert report.verdict.en == f"verified under {TITLE}"
    assert [one.version for one in report.proven] == list(range(len(evidence()) - 2))
    assert (report.left_out, report.tree_size, report.origin) == ([], SIZE, ORIGIN)


def test_by_the_policy_that_comes_with_it_it_is_consistent_with_itself_only():
    assert checked(evidence(), by=None).verdict.status == SELF_CONSISTENT
    assert checked(evidence(), by=policy(quorum=False).encoded()).verdict.status == SELF_CONSISTENT


def test_what_is_left_out_is_named_and_no_fault():
    files = evidence().copy()
    for version in (0, 3, 4):
        del files[f"{version:06d}.tlog-proof"]
    report = checked(files)
    assert (report.verdict.status, report.left_out) == (VERIFIED, [(0, 0), (3, 4)])
    assert ["not shown" in note for note in report.notes] == [True, True, False]


def test_what_may_have_come_after_it_is_said():
    report = checked({name: data for name, data in evidence().items() if name < "000001"})
    assert (report.verdict.status, len(report.proven)) == (VERIFIED, 1)
    assert "events proven: 1, up to version 0; whether others came after it" in report.notes[-1]


def test_the_device_is_that_of_the_evidence_where_none_is_named():
    report = checked(evidence(), stream=None)
    assert (report.verdict.status, report.stream, report.findings) == (VERIFIED, STREAM, [])


def test_times_are_held_against_those_of_the_witnesses():
    last = max(at for at, event in enumerate(LOG.events) if event.stream == STREAM)
    after_s = 2 * 1_800_000_000
    late = [
        msgspec.structs.replace(event, recorded_at_us=after_s * 1_000_000) if at == last else event
        for at, event in enumerate(LOG.events)
    ]
    for cosigned_at_s, expected in ((after_s - 200, []), (after_s - 400, [Fault.BACKDATED])):
        report = checked(evidence_of(late, cosigned_at_s))
        assert [one.fault for one in report.findings] == expected


def test_times_go_back_by_no_more_than_clocks_of_a_cluster_may():
    of = [at for at, event in enumerate(LOG.events) if event.stream == STREAM][:2]
    for back_s, expected in ((4, []), (6, [Fault.BACKDATED])):
        events = list(LOG.events)
        at_us = events[of[1]].recorded_at_us + back_s * 1_000_000
        events[of[0]] = msgspec.structs.replace(events[of[0]], recorded_at_us=at_us)
        assert [one.fault for one in checked(evidence_of(events)).findings] == expected


def test_evidence_of_another_device_is_no_evidence():
    report = checked(evidence(), stream="meter-another")
    assert (report.verdict.status, {one.fault for one in report.findings}) == (FAULT, {Fault.INSERTED})


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda files: {**files, "000001.tlog-proof": files["000002.tlog-proof"]}, Fault.REORDERED),
        (lambda files: {**files, "readme": b"believe me"}, Fault.MALFORMED),
        (lambda files: {**files, "000001.tlog-proof": files["000001.tlog-proof"] + b"\n"}, Fault.MALFORMED),
        (lambda files: {**files, "000001.tlog-proof": b""}, Fault.MALFORMED),
    ],
)
def test_evidence_that_was_put_together_otherwise_is_found(change, fault):
    report = checked(change(evidence()))
    assert report.verdict.status == FAULT
    assert fault in {one.fault for one in report.findings}


@pytest.mark.parametrize("archive", [b"", b"no archive", zipped({}), zipped(evidence(), zipfile.ZIP_DEFLATED)], ids=len)
def test_what_is_no_evidence_cannot_be_read(archive):
    assert audit_device(archive, STREAM, POLICY, TITLE).verdict.status == UNREADABLE


@pytest.mark.parametrize("seed", range(4))
def test_no_changed_byte_is_accepted(seed):
    drawn = Random(seed)
    names = [name for name in evidence() if name.endswith("proof")]
    for _ in range(50):
        name = drawn.choice(names)
        data = bytearray(evidence()[name])
        at = drawn.randrange(len(data))
        data[at] ^= drawn.randint(1, 255)
        report = checked({**evidence(), name: bytes(data)})
        assert report.verdict.status == FAULT, (seed, name, at)
