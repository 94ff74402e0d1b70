"""Policies: what they say, whom they believe, and whatever is not exactly in their form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.proof.checkpoint import Checkpoint
from ledger.proof.cosignature import cosign
from ledger.proof.errors import BadSignature, Malformed, NoQuorum, UnknownSigner
from ledger.proof.keys import KeyType, Signature, SignerKey
from ledger.proof.policy import NONE, Group, Log, Policy, Witness, satisfied, standing
from tests.ledger.proof.signing import LOG, NAMES, ORIGIN, W1, W2, W3, signer

CHECKPOINT = Checkpoint(ORIGIN, 5, bytes(range(32)))
KEYS = f"log {LOG.verifier}\nwitness w1 {W1.verifier}\nwitness w2 {W2.verifier}\nwitness w3 {W3.verifier}\n"


def policy(rest: str) -> Policy:
    return Policy.parse((KEYS + rest).encode())


def cosigned(*times_s: tuple, checkpoint: Checkpoint = CHECKPOINT, by=LOG) -> bytes:
    note = checkpoint.signed_by([by])
    return note.signed_also(cosign(note.text, witness, time_s) for witness, time_s in times_s).encoded()


def test_the_example_of_the_specification():
    """Its own keys are left out there; the names and groups are those."""
    keys = {name: signer(name, KeyType.COSIGNATURE).verifier for name in ("X1", "X2", "X3", "Y1", "Y2", "Y3")}
    lines = {name: f"witness {name} {key}\n" for name, key in keys.items()}
    found = Policy.parse(
        (
            f"log {LOG.verifier}\n\n{lines['X1']}{lines['X2']}{lines['X3']}group X-witnesses 2 X1 X2 X3\n\n"
            f"{lines['Y1']}{lines['Y2']}{lines['Y3']}group Y-witnesses any Y1 Y2 Y3\n\n"
            "group X-and-Y all X-witnesses Y-witnesses\nquorum X-and-Y\n"
        ).encode()
    )
    assert list(found.witnesses) == list(keys)
    assert list(found.groups.values()) == [
        Group("X-witnesses", 2, ("X1", "X2", "X3")),
        Group("Y-witnesses", 1, ("Y1", "Y2", "Y3")),
        Group("X-and-Y", 2, ("X-witnesses", "Y-witnesses")),
    ]
    for names, met in [
        ("", False), ("X1 X2", False), ("X1 Y1", False), ("Y1 Y2 Y3", False), ("X1 X2 X3", False),
        ("X1 X3 Y2", True), ("X1 X2 X3 Y1 Y2 Y3", True), ("X-and-Y", False), ("X-witnesses Y-witnesses", False),
    ]:  # fmt: skip
        assert found.is_met_by(dict.fromkeys(names.split())) == met, names


def test_who_signed_and_when():
    found = satisfied(policy("group both 2 w1 w2\nquorum both\n"), cosigned((W2, 200), (W1, 100)))
    assert (found.checkpoint, found.log) == (CHECKPOINT, Log(LOG.verifier))
    assert found.cosigned_at_s == {"w1": 100, "w2": 200}
    assert found.quorum_met


def test_too_few_witnesses_are_no_quorum():
    two = policy("group both 2 w1 w2\nquorum both\n")
    for note in (cosigned(), cosigned((W1, 1)), cosigned((W3, 1), (W1, 1)), cosigned((W1, 1), (W1, 2))):
        assert not standing(two, note).quorum_met
        with pytest.raises(NoQuorum):
            satisfied(two, note)


def test_one_witness_as_the_quorum():
    one = policy("quorum w2\n")
    assert satisfied(one, cosigned((W2, 7))).cosigned_at_s == {"w2": 7}
    assert satisfied(one, cosigned((W2, 0))).cosigned_at_s == {"w2": 0}
    with pytest.raises(NoQuorum, match="w1 cosigned"):
        satisfied(one, cosigned((W1, 7)))
    with pytest.raises(NoQuorum, match="nobody cosigned"):
        satisfied(one, cosigned())


def test_no_quorum_asked_for():
    found = satisfied(policy("quorum none\n"), cosigned())
    assert (found.quorum_met, found.cosigned_at_s) == (True, {})


def test_a_witness_that_signed_twice_counts_once_with_the_later_time():
    for times in [(0, 9), (9, 0)]:
        found = standing(policy("quorum w1\n"), cosigned(*[(W1, time) for time in times]))
        assert found.cosigned_at_s == {"w1": 9}


def test_cosignatures_are_of_this_checkpoint():
    other = cosign(Checkpoint(ORIGIN, 6, CHECKPOINT.root).text(), W1, 5)
    note = CHECKPOINT.signed_by([LOG]).signed_also([other])
    for rest in ("quorum w1\n", "quorum none\n"):
        with pytest.raises(BadSignature):
            standing(policy(rest), note.encoded())


def test_a_log_is_believed_for_its_own_origin_only():
    other = signer("other.example")
    two = policy(f"log {other.verifier} https://other.example/\nquorum none\n")
    assert standing(two, cosigned()).log.key == LOG.verifier
    elsewhere = Checkpoint("other.example", 5, CHECKPOINT.root)
    found = standing(two, cosigned(checkpoint=elsewhere, by=other))
    assert found.log == Log(other.verifier, "https://other.example/")
    with pytest.raises(UnknownSigner):
        standing(two, cosigned(checkpoint=elsewhere))
    with pytest.raises(UnknownSigner):
        standing(policy("quorum none\n"), cosigned(checkpoint=elsewhere, by=other))


def test_a_log_is_not_named_for_another_s_checkpoint_that_it_signed_too():
    other = signer("other.example")
    two = Policy.parse(f"log {other.verifier}\nlog {LOG.verifier}\nquorum none\n".encode())
    assert standing(two, CHECKPOINT.signed_by([other, LOG]).encoded()).log.key == LOG.verifier


def test_a_log_may_change_its_key():
    newer = SignerKey(ORIGIN, KeyType.ED25519, b"n" * 32)
    two = policy(f"log {newer.verifier}\nquorum none\n")
    assert standing(two, cosigned()).log.key == LOG.verifier
    assert standing(two, cosigned(by=newer)).log.key == newer.verifier
    assert standing(two, CHECKPOINT.signed_by([newer, LOG]).encoded()).log.key == LOG.verifier


def test_without_logs_no_checkpoint_is_believed():
    with pytest.raises(UnknownSigner):
        standing(Policy.parse(b"quorum none\n"), cosigned())


def test_signatures_of_strangers_do_not_matter():
    note = CHECKPOINT.signed_by([LOG]).signed_also([Signature("stranger.example", b"abcd", b"whatever")])
    assert standing(policy("quorum none\n"), note.encoded()).quorum_met


def test_spaces_tabs_comments_and_bytes_beyond_ascii():
    text = (
        f"# 谁可以相信\n\n \t \n\t log\t{LOG.verifier}   https://x.example/\t\n  # witness\n"
        f"witness 见证 {W1.verifier} https://w.example/\ngroup \xa0 1 见证\nquorum \xa0\n"
    ).encode() + b"# \xff\xfe\n"
    found = Policy.parse(text)
    assert (found.logs[0].url, found.quorum, list(found.witnesses)) == ("https://x.example/", "\xa0", ["见证"])
    assert found.witnesses["见证"] == Witness("见证", W1.verifier, "https://w.example/")
    octets = Policy.parse(b"witness \xff " + str(W1.verifier).encode() + b"\nquorum \xff\n")
    assert Policy.parse(octets.encoded()) == octets
    assert b"\xff" in octets.encoded()


def test_names_that_look_alike_are_not_the_same():
    kelvin = f"witness K {W1.verifier}\nwitness \u212a {W2.verifier}\nquorum K\n".encode()
    assert list(Policy.parse(kelvin).witnesses) == ["K", "\u212a"]


@pytest.mark.parametrize(
    "rest",
    [
        "", "quorum\n", "quorum nobody\n", "quorum w1 w2\n", "quorum none", "quorum none\r\n", "quorum none\x0b\n",
        "quorum none\nquorum none\n", "quorum g\ngroup g any w1\n", "Quorum none\n", "policy v1\nquorum none\n",
        "group g\nquorum none\n", "group g any\nquorum none\n", "group g 0 w1\nquorum none\n",
        "group g 2 w1\nquorum none\n", "group g 01 w1\nquorum none\n", "group g +1 w1\nquorum none\n",
        "group g 1 w9\nquorum none\n", "group g any none\nquorum none\n", "group none any w1\nquorum none\n",
        "group g any g\nquorum none\n", "group w1 any w2\nquorum none\n", "group g 1 w1 w1\nquorum none\n",
        "group g any w1\ngroup h any w1\nquorum none\n", "group g any w1\ngroup g any w2\nquorum none\n",
        "group g any h\ngroup h any w1\nquorum none\n", "group g most w1 w2\nquorum none\n", "log\nquorum none\n",
        f"log {LOG.verifier}\nquorum none\n", f"witness w4 {W1.verifier}\nquorum none\n",
        f"witness w1 {signer('w', KeyType.COSIGNATURE).verifier}\nquorum none\n",
        f"witness none {signer('w', KeyType.COSIGNATURE).verifier}\nquorum none\n",
        f"witness w4 {signer('w').verifier}\nquorum none\n", f"witness {signer('w').verifier}\nquorum none\n",
        f"log {signer('l', KeyType.COSIGNATURE).verifier}\nquorum none\n",
        f"log {signer('l').verifier} https://l.example/ more\nquorum none\n",
        f"log {signer('l').verifier}=\nquorum none\n",
        f"log x{signer('l').verifier}\nquorum none\n",
        f"witness w4 {signer('w', KeyType.COSIGNATURE).verifier} u more\nquorum none\n",
    ],
)  # fmt: skip
def test_what_is_not_a_policy(rest):
    with pytest.raises(Malformed):
        policy(rest)


def test_a_key_s_name_is_utf_8():
    with pytest.raises(Malformed):
        Policy.parse(b"log \xff" + str(LOG.verifier).encode() + b"\nquorum none\n")


def test_a_second_name_for_the_same_public_key_is_a_duplicate():
    renamed = SignerKey("renamed.example", KeyType.COSIGNATURE, b"r" * 32)
    again = SignerKey("again.example", KeyType.COSIGNATURE, b"r" * 32)
    with pytest.raises(Malformed, match="public key"):
        policy(f"witness a {renamed.verifier}\nwitness b {again.verifier}\nquorum none\n")


def lines_of(logs: int, witnesses: int, groups: int) -> bytes:
    lines = [f"log {signer(f'l{number}').verifier}\n" for number in range(logs)]
    lines += [f"witness w{n} {signer(f'w{n}', KeyType.COSIGNATURE).verifier}\n" for n in range(witnesses)]
    lines += [f"group g{number} any w{number}\n" for number in range(groups)]
    return "".join([*lines, "quorum none\n"]).encode()


def test_as_much_as_the_limits_and_no_more():
    full = Policy.parse(lines_of(32, 32, 32))
    assert (len(full.logs), len(full.witnesses), len(full.groups)) == (32, 32, 32)
    for counts in [(33, 1, 1), (1, 33, 1), (1, 33, 33)]:
        with pytest.raises(Malformed, match="more than 32"):
            Policy.parse(lines_of(*counts))


def test_all_of_the_longest_policy_can_sign():
    witnesses = [signer(f"w{number}", KeyType.COSIGNATURE) for number in range(32)]
    full = Policy.parse(
        lines_of(32, 32, 0).replace(
            b"quorum none", b"group all all " + b" ".join(b"w%d" % n for n in range(32)) + b"\nquorum all"
        )
    )
    checkpoint = Checkpoint("l0", 5, CHECKPOINT.root)
    assert satisfied(full, cosigned(*[(one, 9) for one in witnesses], checkpoint=checkpoint, by=signer("l0")))
    with pytest.raises(NoQuorum):
        satisfied(full, cosigned(*[(one, 9) for one in witnesses[1:]], checkpoint=checkpoint, by=signer("l0")))


def test_a_policy_that_cannot_be_written_is_refused():
    good = policy("quorum none\n")
    one = next(iter(good.witnesses.values()))
    for wrong in [
        Policy(good.logs, {}, {}, "nobody"),
        Policy((*good.logs, *good.logs), {}, {}, NONE),
        Policy((Log(LOG.verifier, "two words"),), {}, {}, NONE),
        Policy((), {"a b": Witness("a b", one.key)}, {}, NONE),
        Policy((), {"a": Witness("b", one.key)}, {}, NONE),
    ]:
        with pytest.raises(Malformed):
            wrong.encoded()


WORDS = NAMES.map(lambda name: "n" + name.replace("\x7f", ""))


@given(st.lists(WORDS, min_size=1, max_size=6, unique=True), st.data())
def test_policies_come_back_from_their_text(names, data):
    witnesses = {name: Witness(name, signer(name, KeyType.COSIGNATURE).verifier) for name in names}
    cut = data.draw(st.integers(0, len(names)))
    members = tuple(names[:cut])
    groups = {"a-group": Group("a-group", data.draw(st.integers(1, cut)), members)} if cut else {}
    quorum = data.draw(st.sampled_from([NONE, *names, *groups]))
    one = Policy((Log(LOG.verifier), Log(signer("l").verifier, "https://l.example")), witnesses, groups, quorum)
    assert Policy.parse(one.encoded()) == one


@given(st.binary().map(lambda data: data + b"\n"))
def test_arbitrary_bytes_are_no_policy(data):
    with pytest.raises(Malformed):
        Policy.parse(data)
