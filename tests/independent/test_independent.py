"""The files of a log that the sequencer wrote verify by implementations that are not ours, and do not once a bit of any
of them is another.
"""

import asyncio
import shutil

import pytest

from ledger.memory import MemoryLedger
from ledger.proof.cosignature import cosign
from ledger.proof.keys import KeyType, SignerKey
from ledger.proof.note import Note
from ledger.transparency.keys import LogKeys, new_key
from ledger.transparency.layout import STORE
from ledger.transparency.store import SequencerStore
from tests.independent.verifiers import VERIFIERS, figures, verify
from tests.ledger.transparency.logs import ORIGIN, Clock, record, sequencer_of

SMALL = (0, 3, 253, 44, 700, 40, 9)
"""Entries of each round: within a first tile, to its end, beyond, over several, and once more within one."""
LARGE = (0, 300, 65_300, 2_000)
"""Over the end of the first tile of level 1."""

WITNESSES = [SignerKey(f"witness.example/{at}", KeyType.COSIGNATURE, bytes([at] * 32)) for at in (1, 2)]


class Cosigning:
    """Two witnesses that stand for whatever they are shown."""

    async def cosign(self, _old_size, note, _prove):
        return [cosign(Note.parse(note).text, witness, 1_700_000_000) for witness in WITNESSES]


async def make(folder, sizes):
    """A log whose key is changed on the way. Returns its folder, and the keys."""
    ledger, clock = MemoryLedger(), Clock()
    for half in (sizes[: len(sizes) // 2], sizes[len(sizes) // 2 :]):
        sequencer = await sequencer_of(ledger, folder, clock=clock, cosigner=Cosigning())
        for size in half:
            await record(ledger, size)
            clock.pass_s(15 * 3_600)
            await sequencer.round(refresh=True)
        await sequencer.close()
        rotate(folder, clock)
    log = folder / "proof" / "log"
    return log, [*(log / "keys").read_text().split(), *[str(witness.verifier) for witness in WITNESSES]]


def rotate(folder, clock):
    store = SequencerStore(folder / "proof" / STORE)
    keys = LogKeys(store, folder / "keys", ORIGIN)
    keys.next_file().touch(0o600)
    keys.next_file().write_bytes(new_key())
    keys.rotate(clock())
    store.close()


@pytest.fixture(scope="module", params=VERIFIERS)
def verifier(request, tmp_path_factory):
    """The command of an implementation."""
    made, missing = VERIFIERS[request.param]
    if why := missing():
        pytest.skip(why)
    return made(tmp_path_factory.mktemp("verifier"))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return asyncio.run(make(tmp_path_factory.mktemp("small"), SMALL))


@pytest.fixture
def copy(small, tmp_path):
    log, keys = small
    return shutil.copytree(log, tmp_path / "log"), keys


def refused(verifier, log, keys):
    told = verify(verifier, log, keys)
    assert told.stdout == ""
    return told.returncode == 1 and told.stderr.strip()


async def test_a_log_of_three_levels(verifier, tmp_path):
    log, keys = await make(tmp_path, LARGE)
    told = verify(verifier, log, keys)
    assert told.returncode == 0, told.stderr
    counted = figures(told.stdout)
    assert (counted["entries"], counted["checkpoints"], counted["cosignatures"]) == (sum(LARGE), len(LARGE), 2)
    assert counted["proofs"] >= sum(LARGE) // 256
    flip(log / "tile/2/000.p/1", 7)
    assert refused(verifier, log, keys)


def flip(file, at):
    data = bytearray(file.read_bytes())
    data[at] ^= 1
    file.write_bytes(data)


def test_every_kind_of_file_is_looked_at(verifier, copy):
    log, keys = copy
    told = verify(verifier, log, keys)
    assert told.returncode == 0, told.stderr
    assert figures(told.stdout)["checkpoints"] == len(SMALL)
    tiles = ("0/001", "0/004.p/16", "0/004.p/25", "1/000.p/4", "entries/002", "entries/004.p/25")
    days = sorted(path.relative_to(log).as_posix() for path in (log / "checkpoints").glob("????-??-??"))
    assert len(days) > 3
    for name in ("checkpoint", *days[::3], *[f"tile/{tile}" for tile in tiles]):
        file = log / name
        whole = file.read_bytes()
        for at in (1, len(whole) - 2):
            flip(file, at)
            assert refused(verifier, log, keys), f"{name} with another bit at {at}"
            file.write_bytes(whole)
    assert verify(verifier, log, keys).returncode == 0


def test_a_file_that_is_missing_is_missed(verifier, copy):
    log, keys = copy
    for name in ("tile/0/000", "tile/entries/001", "tile/1/000.p/4", "tile/entries/004.p/25"):
        file = log / name
        whole = file.read_bytes()
        file.unlink()
        assert refused(verifier, log, keys), name
        file.write_bytes(whole)


def test_another_key_is_refused(verifier, copy):
    log, keys = copy
    other = SignerKey(ORIGIN, KeyType.ED25519, bytes(32)).verifier
    assert refused(verifier, log, [str(other)])
    stranger = SignerKey("witness.example/3", KeyType.COSIGNATURE, bytes(32)).verifier
    assert "witness.example/3" in refused(verifier, log, [*keys, str(stranger)])
