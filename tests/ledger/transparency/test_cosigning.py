"""Asking witnesses: those that answer, and those that are away, slow, lying, forgetful, or of another log."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from ledger.memory import MemoryLedger
from ledger.proof.cosignature import cosign, cosigned_at_s
from ledger.proof.errors import Malformed, NoQuorum
from ledger.proof.keys import KeyType
from ledger.proof.note import Note
from ledger.proof.policy import Policy, satisfied
from ledger.proof.witness_request import SIZE_CONTENT_TYPE
from ledger.transparency.cosigning import GRACE_S, Witnesses, read_policy
from ledger.transparency.keys import KEY_FILE, signer_in
from ledger.transparency.layout import CHECKPOINT, POLICY
from ledger.transparency.witness import open_witness
from ledger.transparency.witness_door import witness_routes
from tests.ledger.transparency import logs
from tests.ledger.transparency.logs import Clock, record, sequencer_of
from tests.ledger.transparency.witnesses import ORIGIN, Tree, served, signer

LOG = signer().verifier
NOWHERE = "http://127.0.0.1:9"
TREE = Tree()


@pytest.fixture
def clock():
    return Clock()


@asynccontextmanager
async def running(folder, name, clock, log=LOG):
    """A real witness at its door: its key as a policy names it, and its address."""
    made = open_witness(folder / name, f"witness.example/{name}", [log], clock)
    try:
        async with served(Starlette(routes=witness_routes(made))) as url:
            yield made, url
    finally:
        made.close()


@asynccontextmanager
async def impostor(answer):
    """Somebody who answers what it likes."""
    async with served(Starlette(routes=[Route("/add-checkpoint", answer, methods=["POST"])])) as url:
        yield url


@asynccontextmanager
async def asking(clock, witnesses, quorum="any", deadline_s=5.0):
    """`witnesses`: name to key and address."""
    lines = [f"witness {name} {key} {url}\n" for name, (key, url) in witnesses.items()]
    policy = Policy.parse(
        "".join([*lines, f"group all-of-them {quorum} {' '.join(witnesses)}\n", "quorum all-of-them\n"]).encode()
    )
    asked = Witnesses(policy, clock, deadline_s=deadline_s)
    try:
        yield asked
    finally:
        await asked.close()


async def ask(asked, old_size, size, tree=TREE):
    note = tree.note(size)
    text = Note.parse(note).text
    lines = await asked.cosign(old_size, note, lambda known: tree.proof(known, size))
    return {line.name.removeprefix("witness.example/"): text for line in lines}


def key_of(name: str):
    return signer(f"witness.example/{name}", KeyType.COSIGNATURE)


async def test_all_are_asked_from_whatever_they_know(tmp_path, clock):
    async with running(tmp_path, "a", clock) as (a, at_a), running(tmp_path, "b", clock) as (b, at_b):
        a.add_checkpoint(TREE.request(0, 3))
        async with asking(clock, {"a": (a.key, at_a), "b": (b.key, at_b)}, "all") as asked:
            note = TREE.note(9)
            lines = await asked.cosign(5, note, lambda known: TREE.proof(known, 9))
            for line, key in zip(lines, (a.key, b.key), strict=True):
                assert cosigned_at_s(Note.parse(note).text, key, line) == clock() // 1_000_000
            assert set(await ask(asked, 9, 9)) == set(await ask(asked, 9, 300)) == {"a", "b"}
            assert [(one.size, one.trouble) for one in asked.standing] == [(300, ""), (300, "")]


async def test_one_that_is_away_is_left_out_and_comes_back(tmp_path, clock):
    async with running(tmp_path, "a", clock) as (a, at_a):
        async with running(tmp_path, "b", clock) as (b, at_b):
            port = at_b
        async with asking(clock, {"a": (a.key, at_a), "b": (b.key, port)}) as asked:
            assert set(await ask(asked, 0, 5)) == {"a"}
            away = asked.standing[1]
            assert "away" in away.trouble
            assert away.since_us == clock()
            # Its pause is not over, and the quorum does not need it.
            clock.pass_s(0.5)
            await ask(asked, 5, 6)
            assert asked.standing[1].tried_at_us == away.tried_at_us
            clock.pass_s(1)
            await ask(asked, 6, 7)
            assert (asked.standing[1].failures, asked.standing[1].since_us) == (2, away.since_us)
        async with asking(clock, {"a": (a.key, at_a), "b": (b.key, NOWHERE)}, "all") as asked:
            for failures in range(1, 4):
                await ask(asked, 7, 8)
                assert asked.standing[1].failures == failures, "whom the quorum needs is asked each time"


async def test_one_that_is_slow_holds_nobody_up_for_long(tmp_path, clock):
    over = asyncio.Event()

    async def slow(_):
        await over.wait()
        return Response(b"")

    async with running(tmp_path, "a", clock) as (a, at_a), impostor(slow) as at_b:
        loop = asyncio.get_running_loop()
        async with asking(clock, {"a": (a.key, at_a), "b": (key_of("b").verifier, at_b)}) as asked:
            begun = loop.time()
            assert set(await ask(asked, 0, 5)) == {"a"}
            assert GRACE_S <= loop.time() - begun < 4
        async with asking(clock, {"b": (key_of("b").verifier, at_b)}, deadline_s=0.3) as asked:
            assert await ask(asked, 0, 5) == {}
            assert "no answer within 0.3 s" in asked.standing[0].trouble
        over.set()


def lying(make):
    async def answer(request):
        await request.body()
        return make()

    return answer


LIES = {
    "did not sign this": lambda: PlainTextResponse(cosign(Note.parse(TREE.note(6)).text, key_of("b"), 1).line()),
    "without a cosignature of its key": lambda: PlainTextResponse(
        cosign(Note.parse(TREE.note(5)).text, key_of("c"), 1).line()
    ),
    "its clock is -": lambda: PlainTextResponse(cosign(Note.parse(TREE.note(5)).text, key_of("b"), 1).line()),
    "its clock is +": lambda: PlainTextResponse(cosign(Note.parse(TREE.note(5)).text, key_of("b"), 1 << 62).line()),
    "not a signature line": lambda: PlainTextResponse("— nothing\n"),
    "from 1 to": lambda: Response(b""),
    "too long": lambda: Response(b"x" * 100_000),
    "has cosigned 70 entries": lambda: Response(b"70\n", 409, {"content-type": SIZE_CONTENT_TYPE}),
    "does not go on from there": lambda: Response(b"0\n", 409, {"content-type": SIZE_CONTENT_TYPE}),
    "not a decimal": lambda: Response(b"03\n", 409, {"content-type": SIZE_CONTENT_TYPE}),
    "it answers 409": lambda: Response(b"3\n", 409, {"content-type": "text/plain"}),
    "another tree": lambda: Response(b"", 422),
    "does not know this log": lambda: Response(b"", 404),
    "does not know the key": lambda: Response(b"", 403),
    "it answers 302": lambda: Response(b"", 302, {"location": NOWHERE}),
    "it answers 500": lambda: Response(b"", 500),
}


@pytest.mark.parametrize("trouble", LIES)
async def test_what_a_witness_should_not_answer_is_said_and_not_believed(trouble, clock):
    async with impostor(lying(LIES[trouble])) as url, asking(clock, {"b": (key_of("b").verifier, url)}) as asked:
        assert await ask(asked, 0, 5) == {}
        assert trouble in asked.standing[0].trouble


async def test_one_that_names_another_size_each_time_is_left_out(clock):
    sizes = iter(range(1, 5))
    said = lying(lambda: Response(b"%d\n" % next(sizes), 409, {"content-type": SIZE_CONTENT_TYPE}))
    async with impostor(said) as url, asking(clock, {"b": (key_of("b").verifier, url)}) as asked:
        assert await ask(asked, 0, 5) == {}
        assert "another size each time" in asked.standing[0].trouble


async def test_one_of_another_log_cosigns_nothing(tmp_path, clock):
    other = signer("log.example/other").verifier
    async with running(tmp_path, "a", clock, other) as (a, url), asking(clock, {"a": (a.key, url)}) as asked:
        assert await ask(asked, 0, 5) == {}
        assert "does not know this log" in asked.standing[0].trouble


async def test_one_whose_memory_was_put_back_counts_no_more(tmp_path, clock):
    """It would be nothing against a split view: of what it cosigned before it knows nothing."""
    async with running(tmp_path, "a", clock) as (a, url):
        seed = (tmp_path / "a" / "witness.key").read_text()
        async with asking(clock, {"a": (a.key, url)}) as asked:
            lines = await asked.cosign(0, TREE.note(9), lambda known: TREE.proof(known, 9))
    published = Note.parse(TREE.note(9)).signed_also(lines).encoded()
    (tmp_path / "b").mkdir()
    async with running(tmp_path, "b", clock) as (b, url):
        pass
    (tmp_path / "b" / "witness.key").write_text(seed)
    b = open_witness(tmp_path / "b", "", [LOG], clock)
    async with served(Starlette(routes=witness_routes(b))) as url, asking(clock, {"a": (a.key, url)}) as asked:
        asked.remember(published)
        assert await ask(asked, 9, 12) == {}
        assert "its memory was put back" in asked.standing[0].trouble
    b.close()


async def test_a_proof_that_the_log_cannot_give_is_no_fault_of_the_round(tmp_path, clock):
    def broken(_):
        raise OSError("the disk is gone")

    async with running(tmp_path, "a", clock) as (a, url), asking(clock, {"a": (a.key, url)}) as asked:
        assert list(await asked.cosign(3, TREE.note(5), broken)) == []
        assert asked.standing[0].trouble


async def test_the_log_publishes_with_its_quorum_and_not_without(tmp_path, clock):
    ledger = MemoryLedger()
    await record(ledger, 10)
    logs.make_key(tmp_path / "keys")
    log = signer_in(tmp_path / "keys" / KEY_FILE, ORIGIN).verifier
    async with running(tmp_path, "a", clock, log) as (a, at_a):
        async with running(tmp_path, "b", clock, log) as (b, at_b):
            keys = {"a": (a.key, at_a), "b": (b.key, at_b)}
            async with asking(clock, keys, "all") as asked:
                more = {"clock": clock, "cosigner": asked, "policy": asked._policy, "heading": b"# both are tests\n"}
                made = await sequencer_of(ledger, tmp_path, **more)
                assert [(await made.round()).published_size for _ in range(2)] == [0, 10]
                await made.close()
        policy = (tmp_path / "proof" / POLICY).read_bytes()
        assert policy.startswith(b"# both are tests\n")
        note = (tmp_path / "proof" / CHECKPOINT).read_bytes()
        assert set(satisfied(Policy.parse(policy), note).cosigned_at_s) == {"a", "b"}
        # One of the two is away: what is signed waits.
        await record(ledger, 5)
        clock.pass_s(2)
        async with asking(clock, keys, "all") as asked:
            made = await sequencer_of(ledger, tmp_path, clock=clock, cosigner=asked, policy=asked._policy)
            with pytest.raises(NoQuorum):
                await made.round()
            assert (tmp_path / "proof" / CHECKPOINT).read_bytes() == note
            await made.close()
        async with asking(clock, keys, "any") as asked:
            made = await sequencer_of(ledger, tmp_path, clock=clock, cosigner=asked, policy=asked._policy)
            assert (await made.round()).published_size == 15
            await made.close()
    await ledger.close()


def test_the_heading_of_a_policy_is_kept_and_addresses_are_addresses():
    key = key_of("a").verifier
    policy, heading = read_policy(f"# one\n# two\nwitness a {key} https://a.example/\n# three\nquorum a\n".encode())
    assert (heading, policy.quorum) == (b"# one\n# two\n", "a")
    with pytest.raises(Malformed, match="neither http nor https"):
        read_policy(f"witness a {key} ftp://a.example/\nquorum a\n".encode())
