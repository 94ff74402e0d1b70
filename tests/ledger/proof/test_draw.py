"""Populations and draws, against docs/formats.md written out, and what must hold of any of them."""

from collections import Counter
from hashlib import sha256

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ledger.proof.draw import Drawn, Member, Population, Size, allotted, leaf, picks, seed_of, stratum_cbor
from ledger.proof.errors import Malformed, OutOfRange
from ledger.proof.merkle import EMPTY_ROOT, leaf_hash, root_of

SEED = sha256(b"a seed").digest()
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=300)
STRATA = st.tuples(st.sampled_from(["reuse", "scrap"]), st.none() | st.text(max_size=30), st.booleans())
MEMBERS = st.lists(st.tuples(NAMES, st.integers(0, 2**64 - 1), STRATA), max_size=30, unique_by=lambda member: member[0])


def defined_picks(stratum: tuple, members: int, wanted: int) -> list[int]:
    """The document's own words: a list from which the drawn are taken out, the last one put in their place."""
    there, drawn, counter = list(range(members)), [], 0
    while len(drawn) < wanted:
        number = int.from_bytes(sha256(SEED + counter.to_bytes(8, "big") + stratum_cbor(stratum)).digest()[:8], "big")
        counter += 1
        if number >= 2**64 - 2**64 % len(there):
            continue
        place = number % len(there)
        drawn.append(there[place])
        last = there.pop()
        if place < len(there):
            there[place] = last
    return drawn


@given(MEMBERS)
@example([("12", 0, ("reuse", None, True)), ("1", 0, ("reuse", None, True)), ("12\x01", 0, ("reuse", None, True))])
def test_the_root_is_that_of_the_leaves_by_name(members):
    ordered = sorted(members, key=lambda member: member[0].encode())
    population = Population(members)
    assert population.root == root_of([leaf_hash(leaf(member)) for member in ordered])
    assert population.size == len(members)
    assert population.counts == Counter(stratum for _, _, stratum in members)
    assert list(population.counts) == sorted(population.counts, key=stratum_cbor)


@given(MEMBERS, st.randoms(use_true_random=False), st.integers(0, 40), st.integers(0, 2_000_000))
def test_a_draw_does_not_depend_on_how_members_are_kept(members, random, sample, spares_ppm):
    population = Population(members)
    sizes = allotted(population.counts, sample, spares_ppm)
    drawn = population.drawn(SEED, sizes)
    shuffled = random.sample(members, len(members))
    assert Population(shuffled).drawn(SEED, sizes) == drawn
    of = {name: stratum for name, _, stratum in members}
    for one in drawn:
        size = sizes[one.stratum]
        assert (len(one.sample), len(one.spares)) == (size.sample, size.spares)
        both = [*one.sample, *one.spares]
        assert len(set(both)) == len(both)
        assert {of[name] for name in both} <= {one.stratum}


@given(MEMBERS, st.integers(1, 40))
def test_every_stratum_gives_its_share_and_the_whole_no_less_than_the_plan_asks(members, sample):
    counts = Population(members).counts
    sizes = allotted(counts, sample, 0)
    drawn = sum(size.sample for size in sizes.values())
    assert min(sample, len(members)) <= drawn <= min(sample, len(members)) + max(0, len(counts) - 1)
    assert all(1 <= sizes[stratum].sample <= count for stratum, count in counts.items())


@given(st.integers(0, 60), st.data())
def test_places_are_those_of_the_document(members, data):
    wanted = data.draw(st.integers(0, members))
    stratum = ("scrap", None, False)
    assert picks(SEED, stratum, members, wanted) == defined_picks(stratum, members, wanted)


def test_who_is_drawn_depends_on_every_part_of_the_seed():
    root, nonce, checkpoint = (sha256(part).digest() for part in (b"root", b"nonce", b"checkpoint"))
    assert seed_of(root, nonce, checkpoint) == sha256(b"meterloop/v1/draw" + root + nonce + checkpoint).digest()
    seeds = {seed_of(root, nonce, checkpoint), seed_of(nonce, root, checkpoint), seed_of(root, checkpoint, nonce)}
    assert len(seeds) == 3
    with pytest.raises(Malformed, match="32 bytes"):
        seed_of(root, b"short", checkpoint)


def test_every_member_is_drawn_as_often_as_any_other():
    """Of 20 members 5 are drawn 4,000 times: each 1,000 times, give or take five times the standard deviation."""
    seen: Counter[int] = Counter()
    for trial in range(4_000):
        seen.update(picks(sha256(trial.to_bytes(4, "big")).digest(), ("scrap",), 20, 5))
    assert min(seen.values()) > 1_000 - 137
    assert max(seen.values()) < 1_000 + 137


def test_of_a_small_population_all_are_drawn():
    members: list[Member] = [(str(number), 1, ("scrap", None, number % 2 == 0)) for number in range(9)]
    population = Population(members)
    sizes = allotted(population.counts, 50, 200_000)
    drawn = population.drawn(SEED, sizes)
    assert sorted(name for one in drawn for name in one.sample) == [str(number) for number in range(9)]
    assert not any(one.spares for one in drawn)


def test_nobody_is_drawn_of_nobody():
    nobody = Population([])
    assert (nobody.size, nobody.root, nobody.counts) == (0, EMPTY_ROOT, {})
    assert nobody.drawn(SEED, allotted(nobody.counts, 50, 0)) == []


def test_what_is_no_population_is_refused():
    stratum = ("scrap", None, False)
    with pytest.raises(Malformed, match="two members"):
        Population([("1", 1, stratum), ("1", 2, ("reuse", None, False))])
    for name in ("", "1\0"):
        with pytest.raises(Malformed, match="no name"):
            Population([(name, 1, stratum)])
    with pytest.raises(OutOfRange, match="unsigned"):
        Population([("1", -1, stratum)])


def test_more_than_there_are_cannot_be_drawn():
    stratum = ("scrap", None, False)
    population = Population([("1", 1, stratum)])
    with pytest.raises(OutOfRange, match="cannot be drawn"):
        population.drawn(SEED, {stratum: Size(1, 1)})
    with pytest.raises(OutOfRange, match="no stratum"):
        population.drawn(SEED, {("reuse", None, False): Size(0, 0)})
    assert population.drawn(SEED, {}) == [Drawn(stratum, (), ())]
