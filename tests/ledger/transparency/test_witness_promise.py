"""The one promise of a witness: it never cosigns two checkpoints of which neither goes on from the other. Whatever is
asked in whatever order, by two doors at once, over restarts and kills.
"""

import asyncio
import random
import signal
import subprocess
import sys
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.proof.checkpoint import Checkpoint
from ledger.proof.note import Note
from ledger.proof.witness_request import AddCheckpoint, decode_size
from ledger.transparency.witness import open_witness
from tests.ledger.transparency.logs import Clock
from tests.ledger.transparency.witnesses import NAME, ORIGIN, Tree, signer

LOG = signer().verifier
TREES = {parts_at: Tree(parts_at) for parts_at in (None, 0, 3, 8, 17)}
KILLS = 6


def must_follow(checkpoints: list[tuple[int, bytes]]) -> None:
    """Each of these (size, root) is of one and the same tree, as far as it goes."""
    by_size = dict(checkpoints)
    assert len(by_size) == len(set(checkpoints))
    said = [trees_with(size, root) for size, root in sorted(by_size.items())]
    # A tree that is that of several as far as it goes is later that of one of them.
    assert all(later and later <= earlier for earlier, later in pairwise(said))


def trees_with(size: int, root: bytes) -> set[int | None]:
    return {name for name, tree in TREES.items() if said_by(tree.note(size)) == (size, root)}


def said_by(note: bytes) -> tuple[int, bytes]:
    checkpoint = Checkpoint.parse(Note.parse(note).text)
    return checkpoint.size, checkpoint.root


def request(parts_at, old_size: int, size: int, proven_by) -> bytes:
    """A checkpoint of one tree, and the proof of another, which may be the same."""
    proof = TREES[proven_by].proof(old_size, size) if old_size <= size else ()
    return AddCheckpoint(old_size, proof, TREES[parts_at].note(size)).encoded()


SIZES = st.integers(0, 24)
PARTS = st.sampled_from(list(TREES))


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            PARTS, st.one_of(st.none(), st.none(), SIZES), SIZES, st.one_of(st.none(), PARTS), st.integers(0, 1),
            st.integers(0, 9),
        ),
        min_size=4, max_size=40,
    )
)  # fmt: skip
def test_whatever_the_order_of_requests_and_restarts(steps):
    with TemporaryDirectory() as folder:
        made = [open_witness_in(folder) for _ in range(2)]
        cosigned: list[tuple[int, bytes]] = []
        try:
            for parts_at, old_size, size, proven_by, which, chance in steps:
                if not chance:
                    made[which].close()
                    made[which] = open_witness_in(folder)
                last = made[which].cosigned(ORIGIN)
                known = last.size if last else 0
                body = request(
                    parts_at,
                    known if old_size is None else old_size,
                    size if old_size is not None else known + size,
                    parts_at if proven_by is None else proven_by,
                )
                if made[which].add_checkpoint(body).status == 200:
                    cosigned.append(said_by(AddCheckpoint.parse(body).checkpoint))
            must_follow(cosigned)
            assert [size for size, _ in cosigned] == sorted(size for size, _ in cosigned)
        finally:
            for one in made:
                one.close()


def open_witness_in(folder: str):
    return open_witness(Path(folder) / "witness", NAME, [LOG], Clock())


@contextmanager
def a_process(folder, dies_at: int):
    """A witness of its own process; gives the process and its address."""
    command = [sys.executable, "-m", "tests.ledger.transparency.witness_process", str(folder), str(dies_at)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


async def ask(url: str, tree: Tree, by: int, cosigned: list[tuple[int, bytes]]) -> None:
    """Ask for a tree to be cosigned that is larger by so much than what the witness knows, until it is gone."""
    known = 0
    async with httpx.AsyncClient(base_url=url, timeout=20) as http:
        for _ in range(20):
            note = tree.note(known + by)
            body = AddCheckpoint(known, tree.proof(known, known + by), note).encoded()
            try:
                answer = await http.post("/add-checkpoint", content=body)
            except httpx.TransportError:
                return
            assert answer.status_code in {200, 409, 422}
            if answer.status_code == 200:
                cosigned.append(said_by(note))
                known += by
            elif answer.status_code == 409:
                known = decode_size(answer.content)
            else:
                return


async def test_killed_between_what_it_persists_and_what_it_answers(tmp_path):
    """Two processes on one memory are asked by a log that shows different trees, and one of them is killed."""
    chance = random.Random(7)
    cosigned: list[tuple[int, bytes]] = []
    lost = 0
    for _ in range(KILLS):
        memory = open_witness_in(tmp_path)
        before = memory.cosigned(ORIGIN)
        memory.close()
        if before is not None:
            cosigned.append(said_by(before.note))
            must_follow(cosigned)
        honest = chance.choice(sorted(trees_with(before.size, before.root), key=str)) if before else None
        folder = tmp_path / "witness"
        with a_process(folder, chance.randint(1, 4)) as (dying, one), a_process(folder, 0) as (_, two):
            asked = [(url, parts_at) for url in (one, two) for parts_at in (honest, chance.choice(list(TREES)))]
            async with asyncio.timeout(60):
                await asyncio.gather(*(ask(url, TREES[parts_at], 1, cosigned) for url, parts_at in asked))
                # The other door may have been given all there was so far.
                for tree in TREES.values():
                    await ask(one, tree, 1, cosigned)
            lost += dying.wait(20) == -signal.SIGKILL
        must_follow(cosigned)
    assert lost == KILLS
    assert len(cosigned) > 4 * KILLS
