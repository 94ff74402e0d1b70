"""A log moved through a server of KurrentDB's protocol and back: the proof log of one verifies the others."""

import os

import pytest

from ledger.copying import NotCopied, check_copy, copy_log, is_sealed
from ledger.memory import MemoryLedger
from ledger.port import ANY, NO_STREAM, Append, Draft, Sealed
from ledger.proof.commitment import entry_of
from ledger.proof.merkle import leaf_hashes, root_of
from ledger.sqlite import SqliteLedger
from tests.ledger.conftest import served
from tests.ledger.making import everything, one
from tests.ledger.test_copying import beside, copied, lived_in, silent
from tests.ledger.transparency.disclosures import check as check_disclosed
from tests.ledger.transparency.disclosures import disclose, discloser_of
from tests.ledger.transparency.logs import check, record
from tests.ledger.transparency.test_moving import move, sequenced


def entries(events):
    return [entry_of(event) for event in events]


async def test_the_proof_log_of_a_file_verifies_its_copy_in_a_kurrentdb_and_the_copy_of_that(tmp_path):
    first, third = await SqliteLedger.open(tmp_path / "first.db"), await SqliteLedger.open(tmp_path / "third.db")
    await lived_in(first, calls=60)
    await record(first, 300)
    await sequenced(first, tmp_path)
    await disclose(discloser_of(first, tmp_path))
    committed = entries(await everything(first))
    async with served("kurrent in strides", tmp_path) as doors:
        second = doors.log
        for source, target in ((first, second), (second, third)):
            done = await copied(source, target)
            assert entries(await everything(target)) == entries(await everything(source))
            assert entries(await everything(target))[: len(committed)] == committed
            assert done.root == root_of(leaf_hashes(entries(await everything(target))))
            assert done.beside == 1
            assert await beside(target, "$$meter-1") == await beside(first, "$$meter-1")
            assert await is_sealed(source)
            with pytest.raises(Sealed):
                await source.append(one("meter-1"))
            await move(source, target, tmp_path)
            await record(target, 200)
            await sequenced(target, tmp_path)
            await disclose(discloser_of(target, tmp_path))
            checkpoints = await check(target, tmp_path)
            assert checkpoints[-1].size == done.events + 200
            assert await check_disclosed(target, tmp_path) == done.events + 200
    assert done.position == done.events
    await first.close()
    await third.close()


async def test_a_copy_into_a_kurrentdb_goes_on_after_what_is_there_and_refuses_what_is_not_its_own(tmp_path):
    source = MemoryLedger()
    await source.append([Append("a-stream", NO_STREAM, [Draft(os.urandom(16), "test.Happened", b"\xff", b"\x00")])])
    async with served("kurrent", tmp_path) as doors:
        assert (await copied(source, doors.log)).events == 1
        again = await copied(source, doors.log)
        assert (again.events, again.there) == (1, 1)
        assert (await check_copy(source, doors.other, told=silent)).whole
        await doors.other.append([Append("a-stream", ANY, [Draft(os.urandom(16), "test.Happened", b"{}")])])
        with pytest.raises(NotCopied) as refused:
            await copied(source, doors.log)
        assert refused.value.code == "copy.target_other"
        with pytest.raises(NotCopied) as refused:
            await copy_log(doors.log, doors.other, told=silent)
        assert refused.value.code == "copy.same_log"
