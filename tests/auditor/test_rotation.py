"""A log that changes its key: no false alarm where the key before signed along, and no way in for a stranger's."""

from pathlib import Path

import pytest

from auditor.checkpoints import CHECKPOINT, Trust, keys_published, opened
from auditor.finding import Fault, Findings
from auditor.remembering import opened_memory
from auditor.source import Folder
from auditor.verdict import SELF_CONSISTENT, VERIFIED
from ledger.proof.checkpoint import Checkpoint
from ledger.proof.commitment import commitment, envelope_of
from ledger.proof.keys import KeyType, Signature, SignerKey
from ledger.proof.merkle import leaf_hashes, root_of
from ledger.proof.policy import Policy
from tests.auditor.auditing import audited, faults
from tests.auditor.logs import LOG_KEY, ORIGIN, TrueLog, every_kind, policy, put

EVENTS = every_kind().events
LEAVES = leaf_hashes([commitment(envelope_of(event)) for event in EVENTS])
SIZE = len(EVENTS)
NEXT, LAST = (SignerKey(ORIGIN, KeyType.ED25519, bytes([number]) * 32) for number in (8, 9))


def note(size: int, *signers: SignerKey) -> bytes:
    return Checkpoint(ORIGIN, size, root_of(LEAVES[:size])).signed_by(signers).encoded()


def written(folder: Path, *notes: bytes) -> Path:
    """A log without witnesses, with these checkpoints after its first."""
    size = int(notes[-1].splitlines()[1])
    TrueLog(EVENTS[:size], ((1, 1_790_000_000), (size, 1_790_000_060)), witnesses=()).write(folder)
    day = next(folder.glob("log/checkpoints/2*"))
    put(folder, f"log/checkpoints/{day.name}", b"\n".join([note(1, LOG_KEY), *notes]))
    put(folder, CHECKPOINT, notes[-1])
    put(folder, "log/keys", "".join(f"{key.verifier}\n" for key in (LOG_KEY, NEXT, LAST)).encode())
    return folder


def remembering(folder: Path, tmp_path: Path) -> Path:
    """What an auditor remembers of the log before it changed its key."""
    state = tmp_path / "state"
    assert audited(folder, state=state, policy=None).verdict.status == SELF_CONSISTENT
    return state


@pytest.mark.parametrize(
    "after",
    [
        [note(50, LOG_KEY, NEXT), note(SIZE, LOG_KEY, NEXT)],
        [note(50, LOG_KEY, NEXT), note(SIZE, NEXT)],
        [note(40, LOG_KEY, NEXT), note(50, NEXT, LAST), note(SIZE, LAST)],
    ],
    ids=["in the overlap", "after it", "twice"],
)
def test_a_key_that_the_one_before_signed_along_with_is_believed(tmp_path, after):
    state = remembering(written(tmp_path / "then", note(30, LOG_KEY)), tmp_path)
    now = written(tmp_path / "now", note(30, LOG_KEY), *after)
    report = audited(now, state=state, policy=None)
    assert (report.findings, report.verdict.status) == ([], VERIFIED)
    with opened_memory(state, fresh=False) as memory:
        kept = memory.checkpoint()
    assert NEXT.verifier in [log.key for log in Policy.parse(kept.policy).logs]


def forged_line(size: int) -> bytes:
    """Signed by the stranger; the line of the key before is not its signature."""
    found = Checkpoint(ORIGIN, size, root_of(LEAVES[:size])).signed_by([NEXT])
    return found.signed_also([Signature(ORIGIN, LOG_KEY.verifier.key_id, bytes(64))]).encoded()


@pytest.mark.parametrize("before", [[], [note(50, NEXT)], [forged_line(50)]], ids=["at once", "alone", "forged"])
def test_a_key_for_which_none_stands_is_wrong(tmp_path, before):
    state = remembering(written(tmp_path / "then", note(30, LOG_KEY)), tmp_path)
    now = written(tmp_path / "now", note(30, LOG_KEY), *before, note(SIZE, NEXT))
    assert Fault.WRONG_KEY in faults(audited(now, state=state, policy=None).findings)


def test_a_policy_that_is_given_is_not_widened(tmp_path):
    now = written(tmp_path / "now", note(50, LOG_KEY, NEXT), note(SIZE, NEXT))
    report = audited(now, state=tmp_path / "state", policy=policy(quorum=False).encoded())
    assert Fault.WRONG_KEY in faults(report.findings)


def test_a_key_that_is_changed_while_one_audits_is_looked_up(tmp_path):
    """The keys were read before the log had its new one; the checkpoint that carries it comes later."""
    folder = written(tmp_path, note(SIZE, LOG_KEY, NEXT))
    source = Folder(folder)
    early = Trust(policy(quorum=False), "", pinned=False, also=(LOG_KEY.verifier,))
    for listed in (True, False):
        findings = Findings()
        assert opened(source.get(CHECKPOINT), CHECKPOINT, early, findings, source) is not None
        assert faults(findings.kept) == (set() if listed else {Fault.WRONG_KEY})
        put(folder, "log/keys", f"{LOG_KEY.verifier}\n".encode())
        assert keys_published(source) == (LOG_KEY.verifier,)
