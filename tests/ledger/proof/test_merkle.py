"""Trees, ranges and both proofs, against the definitions of RFC 6962 written out, and the published vectors."""

import base64
import json
from functools import cache
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.reference import ROOT
from ledger.proof.errors import Malformed, Mismatch, OutOfRange, ProofFault
from ledger.proof.merkle import (
    EMPTY_ROOT,
    SIZE_MAX,
    Range,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    leaf_hashes,
    node_hash,
    root_at,
    root_from_inclusion,
    root_of,
    subtrees_of,
    verify_consistency,
    verify_inclusion,
)

VECTORS = ROOT.parent / "shared" / "conformance" / "merkle"
SIZES = 601
LEAVES = leaf_hashes(b"entry %d" % index for index in range(SIZES))


@cache
def defined_root(begin: int, end: int) -> bytes:
    """MTH(D[begin:end]) of RFC 6962, section 2.1."""
    if begin == end:
        return sha256(b"").digest()
    if end - begin == 1:
        return LEAVES[begin]
    middle = begin + largest_power_below(end - begin)
    return sha256(b"\x01" + defined_root(begin, middle) + defined_root(middle, end)).digest()


def largest_power_below(number: int) -> int:
    power = 1
    while power * 2 < number:
        power *= 2
    return power


def defined_path(index: int, begin: int, end: int) -> list[bytes]:
    """PATH(m, D[begin:end]) of RFC 6962, section 2.1.1."""
    if end - begin == 1:
        return []
    middle = begin + largest_power_below(end - begin)
    if index < middle:
        return [*defined_path(index, begin, middle), defined_root(middle, end)]
    return [*defined_path(index, middle, end), defined_root(begin, middle)]


def defined_subproof(old: int, begin: int, end: int, *, known: bool) -> list[bytes]:
    """SUBPROOF(m, D[begin:end], b) of RFC 6962, section 2.1.2."""
    if old == end:
        return [] if known else [defined_root(begin, end)]
    middle = begin + largest_power_below(end - begin)
    if old <= middle:
        return [*defined_subproof(old, begin, middle, known=known), defined_root(middle, end)]
    return [*defined_subproof(old, middle, end, known=False), defined_root(begin, middle)]


def subtree(level: int, index: int) -> bytes:
    return defined_root(index << level, (index + 1) << level)


@pytest.mark.parametrize("sizes", [range(first, SIZES, 8) for first in range(8)], ids=lambda sizes: f"from{sizes[0]}")
def test_every_entry_of_every_tree_is_proven(sizes):
    for size in sizes:
        root = defined_root(0, size)
        assert root_of(LEAVES[:size]) == root_at(size, subtree) == root
        for index in range(size):
            proof = inclusion_proof(index, size, subtree)
            assert proof == defined_path(index, 0, size)
            verify_inclusion(LEAVES[index], index, size, proof, root)


@pytest.mark.parametrize("sizes", [range(first, SIZES, 8) for first in range(8)], ids=lambda sizes: f"from{sizes[0]}")
def test_every_tree_begins_with_every_smaller_one(sizes):
    for size in sizes:
        root = defined_root(0, size)
        for old in range(size + 1):
            proof = consistency_proof(old, size, subtree)
            assert proof == (defined_subproof(old, 0, size, known=True) if old else [])
            verify_consistency(old, size, proof, defined_root(0, old), root)


def test_a_tree_of_one_entry_is_its_leaf():
    assert root_of([LEAVES[0]]) == LEAVES[0] == leaf_hash(b"entry 0")
    assert inclusion_proof(0, 1, subtree) == []
    verify_inclusion(LEAVES[0], 0, 1, [], LEAVES[0])


def test_the_tree_that_implementations_of_certificate_transparency_agree_on():
    entries = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ]
    leaves = leaf_hashes(bytes.fromhex(entry) for entry in entries)
    assert [root_of(leaves[: size + 1]).hex() for size in range(8)] == roots


def test_the_empty_tree():
    assert root_of([]) == EMPTY_ROOT == sha256(b"").digest() == root_at(0, subtree)
    verify_consistency(0, 0, [], EMPTY_ROOT, EMPTY_ROOT)
    verify_consistency(0, 1, [], EMPTY_ROOT, LEAVES[0])
    with pytest.raises(Mismatch):
        verify_consistency(0, 1, [], LEAVES[1], LEAVES[0])
    with pytest.raises(Mismatch):
        verify_consistency(0, 0, [], LEAVES[0], LEAVES[0])
    with pytest.raises(Malformed):
        verify_consistency(0, 1, [LEAVES[0]], EMPTY_ROOT, LEAVES[0])
    with pytest.raises(OutOfRange):
        verify_inclusion(LEAVES[0], 0, 0, [], EMPTY_ROOT)


def test_the_same_size_with_another_root_is_not_consistent():
    with pytest.raises(Mismatch, match="two roots"):
        verify_consistency(5, 5, [], defined_root(0, 5), defined_root(1, 6))
    with pytest.raises(Malformed):
        verify_consistency(5, 5, [LEAVES[0]], defined_root(0, 5), defined_root(0, 5))


def test_what_a_tree_does_not_have_is_not_proven():
    for index, size in [(-1, 4), (4, 4), (0, 0)]:
        with pytest.raises(OutOfRange):
            inclusion_proof(index, size, subtree)
    for old, size in [(-1, 4), (5, 4)]:
        with pytest.raises(OutOfRange):
            consistency_proof(old, size, subtree)
        with pytest.raises(OutOfRange):
            verify_consistency(old, size, [], LEAVES[0], LEAVES[0])
    with pytest.raises(OutOfRange):
        root_from_inclusion(LEAVES[0], 0, SIZE_MAX + 1, [])


@given(st.integers(1, SIZES - 1), st.data())
def test_a_changed_inclusion_proof_is_refused(size, data):
    index = data.draw(st.integers(0, size - 1))
    proof, root = inclusion_proof(index, size, subtree), defined_root(0, size)
    wrong = [
        (index ^ 1, size, proof, root),
        (index, size + 1, [*proof, LEAVES[0]], root),
        (index, size, [*proof, root], root),
        (index, size, [LEAVES[0], *proof], root),
        (index, size, proof, flipped(root, data)),
    ]
    if proof:
        at = data.draw(st.integers(0, len(proof) - 1))
        wrong += [
            (index, size, proof[:-1], root),
            (index, size, proof[1:], root),
            (index, size, [*proof[:at], flipped(proof[at], data), *proof[at + 1 :]], root),
            (index, size, [*proof[:at], proof[at][:-1], *proof[at + 1 :]], root),
        ]
    for case in wrong:
        with pytest.raises(ProofFault):
            verify_inclusion(LEAVES[index], *case)
    with pytest.raises(Mismatch):
        verify_inclusion(flipped(LEAVES[index], data), index, size, proof, root)


@given(st.integers(2, SIZES - 1), st.data())
def test_a_changed_consistency_proof_is_refused(size, data):
    old = data.draw(st.integers(1, size - 1))
    proof, old_root, root = consistency_proof(old, size, subtree), defined_root(0, old), defined_root(0, size)
    at = data.draw(st.integers(0, len(proof) - 1))
    wrong = [
        (old, size, proof[:-1], old_root, root),
        (old, size, proof[1:], old_root, root),
        (old, size, [*proof, root], old_root, root),
        (old, size, [LEAVES[0], *proof], old_root, root),
        (old, size, [*proof[:at], flipped(proof[at], data), *proof[at + 1 :]], old_root, root),
        (old, size, proof, flipped(old_root, data), root),
        (old, size, proof, old_root, flipped(root, data)),
        (old, size, [], old_root, root),
    ]
    for case in wrong:
        with pytest.raises(ProofFault):
            verify_consistency(*case)


def flipped(hashed: bytes, data) -> bytes:
    at = data.draw(st.integers(0, len(hashed) * 8 - 1))
    return bytes(byte ^ (1 << at % 8 if place == at // 8 else 0) for place, byte in enumerate(hashed))


@given(st.lists(st.integers(0, 200), max_size=8), st.booleans())
def test_a_range_grows_in_any_steps_and_can_be_put_down_and_taken_up(steps, kept):
    tree, size = Range(), 0
    for step in steps:
        tree.extend(LEAVES[size : size + step])
        size = min(size + step, SIZES)
        if kept:
            tree = Range(tree.size, tree.hashes)
        assert (tree.size, tree.root()) == (size, defined_root(0, size))
        assert list(tree.hashes) == [subtree(*each) for each in subtrees_of(0, size)]
        assert len(tree.hashes) == size.bit_count()


def test_a_range_takes_whole_subtrees_where_one_begins():
    tree = Range()
    tree.extend([subtree(6, index) for index in range(9)], level=6)
    tree.extend(LEAVES[576:600])
    assert tree.root() == defined_root(0, 600)
    with pytest.raises(OutOfRange):
        tree.extend([subtree(6, 0)], level=6)
    assert tree.root() == defined_root(0, 600)


def test_one_by_one_is_as_in_bulk():
    tree = Range()
    for leaf in LEAVES:
        tree.append(leaf)
    assert tree.root() == root_of(LEAVES)


def test_a_range_that_cannot_be_is_refused():
    with pytest.raises(Malformed):
        Range(3, [LEAVES[0]])
    with pytest.raises(Malformed):
        Range(1, [b"short"])
    with pytest.raises(OutOfRange):
        Range(-1)
    with pytest.raises(OutOfRange):
        Range(SIZE_MAX, [LEAVES[0]] * 63).append(LEAVES[0])


@pytest.mark.parametrize("power", [8, 16, 24, 40, 62])
def test_around_powers_of_256_a_tree_of_equal_leaves_is_proven(power):
    """All leaves the same, so that the hash of a complete subtree depends on its level alone."""
    levels = [leaf_hash(b"")]
    for _ in range(63):
        levels.append(node_hash(levels[-1], levels[-1]))

    def alike(level, _index):
        return levels[level]

    places = sorted({size for off in range(-3, 4) for size in (0, 1, (1 << power) + off, (1 << power - 1) + off)})
    for size in places[2:]:
        root = root_at(size, alike)
        for index in places:
            if index < size:
                proof = inclusion_proof(index, size, alike)
                verify_inclusion(levels[0], index, size, proof, root)
                with pytest.raises(ProofFault):
                    verify_inclusion(levels[0], index, size, [*proof, levels[0]], root)
            if index <= size:
                old_root = root_at(index, alike)
                proof = consistency_proof(index, size, alike)
                verify_consistency(index, size, proof, old_root, root)
                with pytest.raises(ProofFault):
                    verify_consistency(index, size, [*proof, levels[0]], old_root, root)


@pytest.mark.skipif(not VECTORS.exists(), reason="the published vectors are not at ../shared/conformance/merkle")
def test_the_published_vectors():
    paths = sorted(VECTORS.rglob("*.json"))
    assert len(paths) > 90
    for path in paths:
        case = json.loads(path.read_bytes())
        leaf, root = (base64.b64decode(case[name] or "") for name in ("leafHash", "root"))
        proof = [base64.b64decode(each) for each in case["proof"] or []]
        try:
            verify_inclusion(leaf, case["leafIdx"], case["treeSize"], proof, root)
        except ProofFault:
            assert case["wantErr"], path
        else:
            assert not case["wantErr"], path
