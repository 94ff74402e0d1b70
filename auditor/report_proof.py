"""The proof that a report draws, read from the log's own files: the complete subtrees that make the root, the path of
one entry to it, and the consistency with the checkpoint that the auditor remembers.

The files are taken as they are, and what is reckoned from them is set beside what they say: where a log is wrong, the
drawing shows at which node.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from auditor.source import Closed, Missing, Source, Unreadable
from ledger.proof.errors import Mismatch, ProofFault
from ledger.proof.merkle import (
    Range,
    SubtreeHash,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    subtrees_of,
    verify_consistency,
)
from ledger.proof.reading import read_bundle, subtree_hashes
from ledger.proof.tiles import FULL_WIDTH, bundle_at

FOLDER: Final = "log"


class Subtree(msgspec.Struct, frozen=True, kw_only=True):
    """A complete subtree over the entries from `begin` to `end`, and its hash, None where no tile has it."""

    level: int
    begin: int
    end: int
    hash: str | None


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A node on the path: the entries below it, its hash as reckoned from the entry, and as the tiles have it (None
    where they do not). The sibling with which it makes the next node, none at the root.
    """

    begin: int
    end: int
    reckoned: str
    in_tiles: str | None
    sibling: str | None = None
    sibling_begin: int = 0
    sibling_end: int = 0

    @property
    def is_right(self) -> bool:
        return self.in_tiles is None or self.in_tiles == self.reckoned

    @property
    def sibling_is_left(self) -> bool:
        return self.sibling_end == self.begin


class Path(msgspec.Struct, frozen=True, kw_only=True):
    """From an entry to the root. `of_fault`: the entry is the first that a finding names; else the root drew it, being
    a number modulo the size. `disclosed_leaf` is that of the event that was shown for the entry, where it is another.
    """

    index: int
    of_fault: bool
    commitment: str | None
    steps: list[Step]
    disclosed_leaf: str | None = None
    broken: str = ""

    @property
    def reckoned_root(self) -> str | None:
        return None if self.broken or not self.steps else self.steps[-1].reckoned


class Consistency(msgspec.Struct, frozen=True, kw_only=True):
    """The tree that the auditor saw before is the beginning of this one: `old` are its subtrees, `new` what was added.
    The two roots are reckoned from them; `holds` is what the proof of RFC 6962 of `proof_hashes` hashes comes to, None
    where it could not be read.
    """

    old_size: int
    old_root: str
    old: list[Subtree]
    new: list[Subtree]
    old_reckoned: str | None
    reckoned: str | None
    proof_hashes: int
    holds: bool | None
    broken: str = ""


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What is drawn of a tree. `reckoned` is the root that its subtrees make."""

    size: int
    root: str
    subtrees: list[Subtree]
    reckoned: str | None
    path: Path | None
    consistency: Consistency | None = None


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which tree, and what of it: the entry at fault where there is one, the leaf of what was disclosed for it, and the
    older tree that the auditor remembers, where it is no larger.
    """

    size: int
    root: bytes
    fault_index: int | None = None
    disclosed_leaf: str | None = None
    old_size: int | None = None
    old_root: bytes = b""


def read_proof(source: Source, wanted: Wanted) -> Proof:
    """Read what is drawn. Some tens of files at most; one that cannot be had leaves its place empty."""
    reading = _Reading(source, wanted.size)
    subtrees = [reading.shown(*one) for one in subtrees_of(0, wanted.size)]
    return Proof(
        size=wanted.size,
        root=wanted.root.hex(),
        subtrees=subtrees,
        reckoned=_root_of(subtrees),
        path=_path(reading, wanted) if wanted.size else None,
        consistency=_consistency(reading, wanted),
    )


class _Reading:
    """The tiles of the log, and what could not be had of them."""

    def __init__(self, source: Source, size: int) -> None:
        self._source: Final = source
        self.size: Final = size
        self.subtree: Final[SubtreeHash] = subtree_hashes(size, self.get)

    def get(self, path: str) -> bytes | None:
        try:
            return self._source.get(f"{FOLDER}/{path}")
        except (Missing, Closed, Unreadable):
            return None

    def shown(self, level: int, index: int) -> Subtree:
        begin = index << level
        return Subtree(
            level=level, begin=begin, end=begin + (1 << level), hash=self.hash_between(begin, begin + (1 << level))
        )

    def hash_between(self, begin: int, end: int) -> str | None:
        """The hash of the node over these entries, from the complete subtrees below it."""
        try:
            *lefts, last = (self.subtree(*one) for one in subtrees_of(begin, end))
        except ProofFault:
            return None
        for left in reversed(lefts):
            last = node_hash(left, last)
        return last.hex()

    def commitment(self, index: int) -> bytes | None:
        try:
            return read_bundle(bundle_at(index // FULL_WIDTH, self.size), self.get)[index % FULL_WIDTH]
        except ProofFault:
            return None


def _path(reading: _Reading, wanted: Wanted) -> Path:
    size = wanted.size
    of_fault = wanted.fault_index is not None and wanted.fault_index < size
    index = wanted.fault_index if wanted.fault_index is not None and of_fault else drawn(wanted.root, size)
    commitment = reading.commitment(index)
    steps, broken = [], ""
    try:
        leaf = leaf_hash(commitment) if commitment is not None else reading.subtree(0, index)
        steps = list(_steps(reading, index, leaf, inclusion_proof(index, size, reading.subtree)))
    except ProofFault as error:
        broken = str(error)
    return Path(
        index=index,
        of_fault=of_fault,
        commitment=None if commitment is None else commitment.hex(),
        steps=steps,
        disclosed_leaf=wanted.disclosed_leaf if of_fault else None,
        broken=broken,
    )


def drawn(root: bytes, size: int) -> int:
    """The entry that a root draws, so that nobody chose it."""
    return int.from_bytes(root, "big") % size


def _steps(reading: _Reading, index: int, leaf: bytes, siblings: list[bytes]) -> Iterator[Step]:
    """From the leaf up."""
    nodes = list(_nodes(index, reading.size))[::-1]
    reckoned = leaf
    for (begin, end), above, sibling in zip(nodes, nodes[1:], siblings, strict=False):
        on_left = above[0] < begin
        yield Step(
            begin=begin,
            end=end,
            reckoned=reckoned.hex(),
            in_tiles=reading.hash_between(begin, end),
            sibling=sibling.hex(),
            sibling_begin=above[0] if on_left else end,
            sibling_end=begin if on_left else above[1],
        )
        reckoned = node_hash(sibling, reckoned) if on_left else node_hash(reckoned, sibling)
    begin, end = nodes[-1]
    yield Step(begin=begin, end=end, reckoned=reckoned.hex(), in_tiles=reading.hash_between(begin, end))


def _nodes(index: int, size: int) -> Iterator[tuple[int, int]]:
    """The entries below each node from the root to an entry (RFC 6962, section 2.1)."""
    begin, end = 0, size
    yield begin, end
    while end - begin > 1:
        middle = begin + (1 << ((end - begin - 1).bit_length() - 1))
        begin, end = (begin, middle) if index < middle else (middle, end)
        yield begin, end


def _consistency(reading: _Reading, wanted: Wanted) -> Consistency | None:
    old_size, size = wanted.old_size, wanted.size
    if old_size is None or not 0 < old_size <= size:
        return None
    old = [reading.shown(*one) for one in subtrees_of(0, old_size)]
    new = [reading.shown(*one) for one in subtrees_of(old_size, size)]
    proof: list[bytes] = []
    broken, holds = "", None
    try:
        proof = consistency_proof(old_size, size, reading.subtree)
        verify_consistency(old_size, size, proof, wanted.old_root, wanted.root)
        holds = True
    except Mismatch as error:
        broken, holds = str(error), False
    except ProofFault as error:
        broken = str(error)
    return Consistency(
        old_size=old_size,
        old_root=wanted.old_root.hex(),
        old=old,
        new=new,
        old_reckoned=_root_of(old),
        reckoned=_root_of([*old, *new]),
        proof_hashes=len(proof),
        holds=holds,
        broken=broken,
    )


def _root_of(subtrees: list[Subtree]) -> str | None:
    """The root of the tree that these make, left to right from its first entry; None where a hash is not there."""
    tree = Range()
    for one in subtrees:
        if one.hash is None:
            return None
        tree.extend([bytes.fromhex(one.hash)], one.level)
    return tree.root().hex()
