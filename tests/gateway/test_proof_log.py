"""The parts of the proof log on the status page: what stands still, who is absent, and what that means."""

import os
from pathlib import Path

import pytest

from gateway.proof_log import OLD_S, UNDISCLOSED_S, ProofLog
from ledger.memory import MemoryLedger
from ledger.port import ANY, Append, Draft
from ledger.proof.cosignature import cosign
from ledger.proof.keys import KeyType, SignerKey
from ledger.proof.note import Note
from ledger.transparency.layout import CHECKPOINT, POLICY
from tests.gateway.disclosing import disclose, sequence

TYPE = "test.Happened"
NOW_S = 1_800_000_000


class At:
    """A log in a folder, and who looks at it, at a time that the test sets."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = MemoryLedger()
        self.now_s = NOW_S
        self.looking = ProofLog(folder / "proof", lambda: self.now_s * 1_000_000)

    async def record(self, count: int) -> None:
        drafts = [Draft(os.urandom(16), TYPE, b"{}") for _ in range(count)]
        await self.ledger.append([Append("a-stream", ANY, drafts)])

    async def disclosed(self) -> None:
        await disclose(self.ledger, self.folder, frozenset({TYPE}))
        self.published()

    def published(self) -> None:
        """The checkpoint is of now."""
        os.utime(self.folder / "proof" / CHECKPOINT, (self.now_s, self.now_s))

    def looked(self) -> dict[str, tuple[str, list[str]]]:
        self.looking.look()
        return {
            part.name.en: (part.note.zh if part.note else "", [trouble.what.en for trouble in part.troubles])
            for part in self.looking.parts
        }


@pytest.fixture
async def log(tmp_path):
    at = At(tmp_path)
    await at.record(3)
    await at.disclosed()
    yield at
    await at.ledger.close()


async def test_what_is_well_says_how_far_it_is(log):
    assert log.looked() == {
        "proof log": ("16:00:00，3 项", []),
        "witnesses": ("未指定", []),
        "disclosures": ("3 项", []),
    }
    assert not (await log.looking.health()).degraded


async def test_before_there_is_a_checkpoint_and_where_a_file_is_none(tmp_path):
    at = At(tmp_path)
    assert "No checkpoint is published yet" in at.looked()["proof log"][1][0]
    await at.record(1)
    await at.disclosed()
    (tmp_path / "proof" / CHECKPOINT).write_bytes(b"?")
    assert "cannot be read" in at.looked()["proof log"][1][0]
    health = await at.looking.health()
    assert (health.ok, health.degraded) == (True, True)


async def test_a_log_that_stands_still_says_since_when(log):
    log.now_s += OLD_S
    assert log.looked()["proof log"][1] == []
    log.now_s += 61
    (said,) = log.looked()["proof log"][1]
    assert "is 4 minutes old" in said
    assert (await log.looking.health()).detail.startswith("proof log: The newest checkpoint")


async def test_disclosing_that_stands_still_is_told_and_one_that_moves_is_not(log):
    log.looked()
    await log.record(5)
    await sequence(log.ledger, log.folder)
    log.now_s += UNDISCLOSED_S
    log.published()
    assert log.looked()["disclosures"] == ("3 项", [])
    log.now_s += 1
    (said,) = log.looked()["disclosures"][1]
    assert "stands at entry 3, and the log has 8" in said
    await log.disclosed()
    assert log.looked()["disclosures"] == ("8 项", [])


async def test_a_witness_that_has_not_cosigned_of_late_is_named(log):
    here, away = (SignerKey(f"{name}.example/w", KeyType.COSIGNATURE, os.urandom(32)) for name in ("a", "b"))
    file = log.folder / "proof" / CHECKPOINT
    policy = (log.folder / "proof" / POLICY).read_text("utf-8").replace("quorum none\n", "")
    lines = [f"witness one {here.verifier}", f"witness two {away.verifier}", "group any any one two", "quorum any"]
    (log.folder / "proof" / POLICY).write_text(policy + "".join(f"{line}\n" for line in lines), "utf-8")

    def cosigned(*keys):
        note = Note.parse(file.read_bytes())
        note = Note(note.text, note.signatures[:1]).signed_also([cosign(note.text, key, log.now_s) for key in keys])
        file.write_bytes(note.encoded())
        log.published()
        return log.looked()["witnesses"]

    assert cosigned(here, away) == ("one 16:00:00, two 16:00:00", [])
    log.now_s += OLD_S
    assert cosigned(here) == ("one 16:03:00", [])
    log.now_s += 1
    note, (said,) = cosigned(here)
    assert (note, "Not cosigning of late: two." in said) == ("one 16:03:01", True)
    assert cosigned(here, away) == ("one 16:03:01, two 16:03:01", [])
