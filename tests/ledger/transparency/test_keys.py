"""A new key signs along with the old one for a time, then alone; both are in `log/keys` for good."""

import pytest

from ledger.memory import MemoryLedger
from ledger.proof.checkpoint import opened
from ledger.proof.errors import UnknownSigner
from ledger.proof.keys import VerifierKey
from ledger.proof.policy import Policy, satisfied
from ledger.transparency.faults import LogFault
from ledger.transparency.fsck import check_log
from ledger.transparency.keys import LogKeys
from ledger.transparency.layout import STORE
from ledger.transparency.store import SequencerStore
from tests.ledger.transparency.logs import ORIGIN, Clock, check, make_key, record, sequencer_of

DAY_S = 24 * 3_600


def rotated(folder, clock, overlap_s):
    """As another process does it, beside the sequencer."""
    store = SequencerStore(folder / "proof" / STORE)
    keys = LogKeys(store, folder / "keys", ORIGIN)
    make_key(folder / "keys", keys.next_file().name)
    vkey = keys.rotate(clock(), overlap_s * 1_000_000).vkey
    store.close()
    return VerifierKey.parse(vkey)


def signers(folder, keys):
    note = (folder / "proof/log/checkpoint").read_bytes()
    return [one.key for one in opened(note, keys).signed]


async def test_a_key_is_changed_with_an_overlap(tmp_path):
    clock, ledger = Clock(), MemoryLedger()
    sequencer = await sequencer_of(ledger, tmp_path, clock=clock)
    await record(ledger, 10)
    await sequencer.round()
    await sequencer.round()
    (old,) = [VerifierKey.parse(line) for line in (tmp_path / "proof/log/keys").read_text().splitlines()]
    assert signers(tmp_path, [old]) == [old]

    new = rotated(tmp_path, clock, 30 * DAY_S)
    await record(ledger, 1)
    await sequencer.round()
    assert signers(tmp_path, [old, new]) == [old, new]
    assert (tmp_path / "proof/log/keys").read_text() == f"{old}\n{new}\n"
    for key in (old, new):
        assert opened((tmp_path / "proof/log/checkpoint").read_bytes(), [key]).checkpoint.size == 11
    policy = Policy.parse((tmp_path / "proof/log/policy").read_bytes())
    assert [log.key for log in policy.logs] == [old, new]
    assert satisfied(policy, (tmp_path / "proof/log/checkpoint").read_bytes()).checkpoint.size == 11

    clock.pass_s(30 * DAY_S - 1)
    await sequencer.round(refresh=True)
    assert sorted(path.name for path in (tmp_path / "keys").iterdir()) == ["log-2.pem", "log.pem"]
    clock.pass_s(1)
    await sequencer.round(refresh=True)
    assert sorted(path.name for path in (tmp_path / "keys").iterdir()) == ["log-2.pem"]
    assert signers(tmp_path, [old, new]) == [new]
    with pytest.raises(UnknownSigner):
        signers(tmp_path, [old])
    assert [one.size for one in await check(ledger, tmp_path)] == [0, 10, 11, 11, 11]
    assert (await check_log(ledger, tmp_path / "proof")).findings == []
    await sequencer.close()


async def test_another_key_in_the_place_of_one_that_signs_no_more_is_left_there(tmp_path):
    clock, ledger = Clock(), MemoryLedger()
    sequencer = await sequencer_of(ledger, tmp_path, clock=clock)
    await sequencer.round()
    rotated(tmp_path, clock, DAY_S)
    clock.pass_s(DAY_S)
    make_key(tmp_path / "keys", "log.pem")
    await sequencer.round(refresh=True)
    assert (tmp_path / "keys" / "log.pem").exists()
    await sequencer.close()


async def test_a_lost_key_is_replaced_without_one(tmp_path):
    clock, ledger = Clock(), MemoryLedger()
    sequencer = await sequencer_of(ledger, tmp_path, clock=clock)
    await sequencer.round()
    (tmp_path / "keys" / "log.pem").unlink()
    with pytest.raises(LogFault, match=r"log\.key_missing"):
        await sequencer.round(refresh=True)
    new = rotated(tmp_path, clock, 30 * DAY_S)
    await record(ledger, 1)
    await sequencer.round()
    assert signers(tmp_path, [new]) == [new]
    await sequencer.close()


async def test_changed_twice_within_the_overlap_all_three_sign(tmp_path):
    clock, ledger = Clock(), MemoryLedger()
    sequencer = await sequencer_of(ledger, tmp_path, clock=clock)
    await sequencer.round()
    first = VerifierKey.parse((tmp_path / "proof/log/keys").read_text().strip())
    second = rotated(tmp_path, clock, 30 * DAY_S)
    clock.pass_s(20 * DAY_S)
    third = rotated(tmp_path, clock, 30 * DAY_S)
    await sequencer.round(refresh=True)
    assert signers(tmp_path, [first, second, third]) == [first, second, third]
    clock.pass_s(10 * DAY_S)
    await sequencer.round(refresh=True)
    assert signers(tmp_path, [first, second, third]) == [second, third]
    await sequencer.close()
