"""A witness by its door: every status of tlog-witness, and what it remembers."""

import asyncio
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from hashlib import sha256

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.proof.checkpoint import Checkpoint, opened
from ledger.proof.cosignature import cosigned_at_s
from ledger.proof.keys import KeyType
from ledger.proof.merkle import EMPTY_ROOT
from ledger.proof.note import Note, parse_signatures
from ledger.proof.witness_request import AddCheckpoint, decode_size
from ledger.transparency.faults import LogFault
from ledger.transparency.witness import KEY_FILE, Witness, open_witness, read_logs
from ledger.transparency.witness_door import BODY_BYTES_MAX
from ledger.transparency.witness_store import DATABASE, EVIDENCE_MAX, MARK
from tests.ledger.transparency.logs import Clock
from tests.ledger.transparency.witnesses import NAME, ORIGIN, Tree, answering, signer

LOG = signer().verifier


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def witness(tmp_path, clock):
    opened_witness = open_witness(tmp_path / "witness", NAME, [LOG], clock)
    yield opened_witness
    opened_witness.close()


@pytest.fixture
async def http(witness):
    async with answering(witness) as client:
        yield client


def refused(code: str):
    return pytest.raises(LogFault, match=rf"^witness\.{code}: ")


async def test_it_cosigns_a_tree_that_goes_on_from_the_last(http, witness, clock):
    tree = Tree()
    for old_size, size in [(0, 5), (5, 5), (5, 300), (300, 70_000)]:
        clock.pass_s(7)
        answer = await http.post("/add-checkpoint", content=tree.request(old_size, size))
        assert answer.status_code == 200, answer.text
        (line,) = parse_signatures(answer.content)
        text = Note.parse(tree.note(size)).text
        assert cosigned_at_s(text, witness.key, line) == clock() // 1_000_000


async def test_the_first_tree_may_be_empty(http):
    assert (await http.post("/add-checkpoint", content=Tree().request(0, 0))).status_code == 200


async def test_404_is_for_a_log_it_does_not_know(http):
    answer = await http.post("/add-checkpoint", content=Tree(origin="log.example/other").request(0, 5))
    assert answer.status_code == 404


async def test_403_is_for_a_checkpoint_that_its_log_did_not_sign(http):
    stranger = Tree(signers=[signer(seed="another")])
    assert (await http.post("/add-checkpoint", content=stranger.request(0, 5))).status_code == 403
    note = Note.parse(Tree().note(5))
    forged = Checkpoint(ORIGIN, 6, EMPTY_ROOT).signed_by([signer()]).text
    body = AddCheckpoint(0, (), Note(forged, note.signatures).encoded()).encoded()
    assert (await http.post("/add-checkpoint", content=body)).status_code == 403


async def test_signatures_of_others_are_ignored_and_not_shown(http):
    both = Tree(signers=[signer("stranger.example"), signer()])
    assert (await http.post("/add-checkpoint", content=both.request(0, 5))).status_code == 200
    shown = await http.get(f"/{sha256(ORIGIN.encode()).hexdigest()}/checkpoint")
    assert [line.name for line in Note.parse(shown.content).signatures] == [ORIGIN, NAME]


async def test_400_is_for_what_cannot_be_read_and_for_an_old_size_beyond_the_new(http):
    tree = Tree()
    for body in [b"", b"old 0\n", b"old 00\n\n" + tree.note(5), b"old 0\n\nno checkpoint\n\n", b"\xff" * 100]:
        assert (await http.post("/add-checkpoint", content=body)).status_code == 400
    body = AddCheckpoint(6, (), tree.note(5)).encoded()
    assert (await http.post("/add-checkpoint", content=body)).status_code == 400


async def test_409_tells_the_size_it_knows(http):
    tree = Tree()
    answer = await http.post("/add-checkpoint", content=tree.request(3, 5))
    assert (answer.status_code, answer.headers["content-type"], answer.content) == (409, "text/x.tlog.size", b"0\n")
    assert (await http.post("/add-checkpoint", content=tree.request(0, 5))).status_code == 200
    for old_size, size in [(0, 9), (4, 9), (6, 9), (0, 5), (0, 4)]:
        answer = await http.post("/add-checkpoint", content=tree.request(old_size, size))
        assert answer.status_code == 409
        assert answer.headers["content-type"] == "text/x.tlog.size"
        assert decode_size(answer.content) == 5


async def test_422_is_for_what_is_not_proven(http, witness):
    tree, other = Tree(), Tree(parts_at=3)
    empty_with_root = Checkpoint(ORIGIN, 0, sha256(b"x").digest()).signed_by([signer()]).encoded()
    assert (
        await http.post("/add-checkpoint", content=AddCheckpoint(0, (), empty_with_root).encoded())
    ).status_code == 422
    needless = AddCheckpoint(0, (EMPTY_ROOT,), tree.note(5)).encoded()
    assert (await http.post("/add-checkpoint", content=needless)).status_code == 422
    assert (await http.post("/add-checkpoint", content=tree.request(0, 5))).status_code == 200
    for body in [
        other.request(5, 9),
        AddCheckpoint(5, tree.proof(5, 9)[:-1], tree.note(9)).encoded(),
        AddCheckpoint(5, (*tree.proof(5, 9), EMPTY_ROOT), tree.note(9)).encoded(),
        AddCheckpoint(5, (), tree.note(9)).encoded(),
        AddCheckpoint(5, (EMPTY_ROOT,), tree.note(5)).encoded(),
        other.request(5, 5),
    ]:
        assert (await http.post("/add-checkpoint", content=body)).status_code == 422
    assert witness.cosigned(ORIGIN).size == 5


async def test_two_roots_for_one_size_are_kept_as_evidence(tmp_path, http, witness, clock):
    await http.post("/add-checkpoint", content=Tree().request(0, 5))
    for parts_at in range(5):
        for _ in range(2):
            await http.post("/add-checkpoint", content=Tree(parts_at).request(5, 5))
    assert witness.contradictions == 5
    again = open_witness(tmp_path / "witness", "", [LOG], clock)
    assert again.contradictions == 5 <= EVIDENCE_MAX
    again.close()


async def test_other_methods_paths_and_bodies_are_refused(http):
    assert (await http.get("/add-checkpoint")).status_code == 405
    assert (await http.get("/")).status_code == 404
    assert (await http.get(f"/{'0' * 64}/checkpoint")).status_code == 404
    assert (await http.post("/add-checkpoint", content=b"x" * (BODY_BYTES_MAX + 1))).status_code == 413

    async def pieces():
        for _ in range(BODY_BYTES_MAX // 1024 + 1):
            yield b"x" * 1024

    assert (await http.post("/add-checkpoint", content=pieces())).status_code == 413


async def test_the_newest_cosigned_checkpoint_is_shown_to_everybody(http, witness):
    address = f"/{sha256(ORIGIN.encode()).hexdigest()}/checkpoint"
    assert (await http.get(address)).status_code == 404
    for old_size, size in [(0, 5), (5, 9)]:
        answer = await http.post("/add-checkpoint", content=Tree().request(old_size, size))
        shown = await http.get(address)
        assert shown.headers["access-control-allow-origin"] == "*"
        assert (shown.status_code, shown.headers["content-type"]) == (200, "text/plain; charset=utf-8")
        assert shown.content.endswith(answer.content)
        found = opened(shown.content, [LOG], [witness.key])
        assert (found.checkpoint.size, len(found.signed)) == (size, 2)


async def test_a_log_with_a_new_key_is_the_same_log(tmp_path, clock):
    new = signer(seed="new")
    known = open_witness(tmp_path / "witness", NAME, [LOG, new.verifier], clock)
    async with answering(known) as http:
        for old_size, size, signers in [(0, 3, [signer()]), (3, 5, [signer(), new]), (5, 9, [new])]:
            answer = await http.post("/add-checkpoint", content=Tree(signers=signers).request(old_size, size))
            assert answer.status_code == 200
    known.close()


async def test_two_logs_are_never_confused(tmp_path, clock):
    other = signer("log.example/other")
    known = open_witness(tmp_path / "witness", NAME, [LOG, other.verifier], clock)
    async with answering(known) as http:
        assert (await http.post("/add-checkpoint", content=Tree().request(0, 9))).status_code == 200
        elsewhere = Tree(parts_at=2, origin="log.example/other")
        assert (await http.post("/add-checkpoint", content=elsewhere.request(0, 5))).status_code == 200
        # Signed by a key that is known, of another log.
        crossed = Tree(signers=[other])
        assert (await http.post("/add-checkpoint", content=crossed.request(9, 12))).status_code == 403
    known.close()


async def test_a_cosignature_is_never_older_than_the_one_before(http, witness, clock):
    await http.post("/add-checkpoint", content=Tree().request(0, 5))
    then_s = clock() // 1_000_000
    clock.pass_s(-30)
    await http.post("/add-checkpoint", content=Tree().request(5, 6))
    assert witness.cosigned(ORIGIN).cosigned_at_s == then_s
    clock.pass_s(-300)
    assert (await http.post("/add-checkpoint", content=Tree().request(6, 7))).status_code == 503
    assert witness.cosigned(ORIGIN).size == 6


async def test_of_requests_at_once_one_goes_on(http):
    await http.post("/add-checkpoint", content=Tree().request(0, 5))
    bodies = [Tree(parts_at=at).request(5, 10 + at) for at in range(5, 15)]
    answers = await asyncio.gather(*(http.post("/add-checkpoint", content=body) for body in bodies))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 9


async def test_a_restart_remembers(tmp_path, witness, clock):
    assert witness.add_checkpoint(Tree().request(0, 5)).status == 200
    again = open_witness(tmp_path / "witness", "", [LOG], clock)
    assert again.key == witness.key
    assert again.add_checkpoint(Tree(parts_at=2).request(5, 9)).status == 422
    assert again.add_checkpoint(Tree().request(5, 9)).status == 200
    # Two that are open on the same memory know the same.
    assert witness.add_checkpoint(Tree(parts_at=5).request(5, 9)).status == 409
    again.close()


def test_a_memory_that_was_put_back_is_found(tmp_path, clock):
    folder = tmp_path / "witness"
    first = open_witness(folder, NAME, [LOG], clock)
    first.add_checkpoint(Tree().request(0, 5))
    first.close()
    shutil.copy(folder / DATABASE, tmp_path / "older")
    second = open_witness(folder, NAME, [LOG], clock)
    second.add_checkpoint(Tree().request(5, 9))
    second.close()
    shutil.copy(tmp_path / "older", folder / DATABASE)
    with refused("rolled_back"):
        open_witness(folder, NAME, [LOG], clock)
    # What is said not to be found: the mark put back as well. Nothing but another's memory could tell.
    (folder / MARK).unlink()
    open_witness(folder, NAME, [LOG], clock).close()


def test_a_memory_or_a_key_that_is_gone_ends_it(tmp_path, clock):
    folder = tmp_path / "witness"
    with refused("name_missing"):
        open_witness(folder, "", [LOG], clock)
    first = open_witness(folder, NAME, [LOG], clock)
    first.add_checkpoint(Tree().request(0, 5))
    first.close()
    assert (folder / KEY_FILE).stat().st_mode & 0o777 == 0o600
    with refused("other_name"):
        open_witness(folder, "witness.example/two", [LOG], clock)
    (folder / KEY_FILE).chmod(0o644)
    with refused("key_unusable"):
        open_witness(folder, NAME, [LOG], clock)
    (folder / KEY_FILE).rename(tmp_path / "key")
    with refused("key_missing"):
        open_witness(folder, NAME, [LOG], clock)
    (tmp_path / "key").rename(folder / KEY_FILE)
    (folder / KEY_FILE).chmod(0o600)
    (folder / DATABASE).unlink()
    with refused("memory_missing"):
        open_witness(folder, NAME, [LOG], clock)


def test_a_first_start_that_broke_off_goes_on(tmp_path, clock):
    folder = tmp_path / "witness"
    open_witness(folder, NAME, [], clock).close()
    # As if it had been killed before the key had its name.
    (folder / KEY_FILE).rename(folder / "witness.new")
    open_witness(folder, NAME, [], clock).close()


def test_first_starts_at_once_make_one_key(tmp_path, clock):
    def start(_):
        made = open_witness(tmp_path / "witness", NAME, [LOG], clock)
        made.close()
        return str(made.key)

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(start, range(8)))) == 1


def test_a_damaged_memory_is_refused_and_not_begun_anew(tmp_path, clock):
    open_witness(tmp_path, NAME, [LOG], clock).close()
    (tmp_path / DATABASE).write_bytes(b"not a database " * 1_000)
    with refused("other_file"):
        open_witness(tmp_path, NAME, [LOG], clock)


def test_a_memory_that_goes_back_while_it_runs_is_found(tmp_path, clock):
    """As a copy that is written over the file, or a virtual machine's disk that is put back under it."""
    running = open_witness(tmp_path, NAME, [LOG], clock)
    running.add_checkpoint(Tree().request(0, 5))
    with closing(apsw.Connection(str(tmp_path / DATABASE))) as other:
        for name in ("changes_are_never_fewer", "cosigned_never_goes_back"):
            other.execute(f"DROP TRIGGER {name}")
        other.execute("UPDATE change SET count = 0; UPDATE cosigned SET size = 1")
    with refused("rolled_back"):
        running.add_checkpoint(Tree(parts_at=1).request(1, 9))
    running.close()


def test_the_memory_itself_refuses_to_forget(tmp_path, clock):
    running = open_witness(tmp_path, NAME, [LOG], clock)
    running.add_checkpoint(Tree().request(0, 5))
    running.add_checkpoint(Tree(parts_at=1).request(5, 5))
    with closing(apsw.Connection(str(tmp_path / DATABASE))) as other:
        for statement in (
            "DELETE FROM cosigned",
            "UPDATE cosigned SET size = 4",
            "UPDATE cosigned SET root = zeroblob(32)",
            "UPDATE cosigned SET cosigned_at_s = 0",
            "UPDATE change SET count = 0",
            "DELETE FROM evidence",
            "UPDATE evidence SET seen_at_s = 0",
        ):
            with pytest.raises(apsw.ConstraintError):
                other.execute(statement)
    running.close()


async def test_a_memory_that_cannot_be_written_cosigns_nothing(tmp_path, http, witness):
    await http.post("/add-checkpoint", content=Tree().request(0, 5))
    with closing(apsw.Connection(str(tmp_path / "witness" / DATABASE))) as other:
        other.execute("BEGIN IMMEDIATE")
        assert (await http.post("/add-checkpoint", content=Tree().request(5, 9))).status_code == 503
        other.execute("ROLLBACK")
    assert witness.cosigned(ORIGIN).size == 5
    assert (await http.post("/add-checkpoint", content=Tree().request(5, 9))).status_code == 200


def test_keys_of_logs_are_read_from_a_file():
    assert read_logs(f"# of the utility\n\n  {LOG}\n") == [LOG]
    with refused("bad_log"):
        read_logs("log.example/tests+00000000+AAAA\n")


def test_a_cosigners_key_is_no_log(tmp_path, clock):
    with refused("bad_log"):
        open_witness(tmp_path, NAME, [signer(NAME, KeyType.COSIGNATURE).verifier], clock)


PIECES = [
    b"old 0\n",
    b"old 5\n",
    b"old ",
    b"\n",
    b"\n\n",
    "— ".encode(),
    ORIGIN.encode(),
    b"5\n",
    b"A" * 44,
    b"\xff",
    b"\x00",
]
WHOLE = Tree().request(5, 9)


@given(
    body=st.one_of(
        st.binary(max_size=400),
        st.lists(st.sampled_from(PIECES), max_size=20).map(b"".join),
        st.tuples(st.integers(0, len(WHOLE)), st.integers(0, 9), st.binary(max_size=9)).map(
            lambda cut: WHOLE[: cut[0]] + cut[2] + WHOLE[cut[0] + cut[1] :]
        ),
    )
)
def test_whatever_is_sent_is_answered_and_no_fault_of_ours(fuzzed: Witness, body):
    answer = fuzzed.add_checkpoint(body)
    assert answer.status in {400, 403, 404, 409, 422} or body == WHOLE
    assert len(answer.body) < 1_000


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory):
    made = open_witness(tmp_path_factory.mktemp("fuzzed"), NAME, [LOG], Clock())
    made.add_checkpoint(Tree().request(0, 5))
    yield made
    made.close()
