"""The hash tree of RFC 6962, section 2.1, with SHA-256 as tlog-tiles fixes it.

Hashes are 32 bytes. A subtree is named by (level, index): it is complete and covers the entries from
`index << level` up to `(index + 1) << level`; level 0 is a leaf hash. Proofs are lists of hashes in the order of RFC
6962, leaf to root. They are made over a function from (level, index) to the hash of that subtree, so that whoever
keeps the tree decides how (`tiles.Subtrees` serves them from tiles).
"""

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from typing import Final, TypeAlias

from ledger.proof.errors import Malformed, Mismatch, OutOfRange

HASH_BYTES: Final = 32

EMPTY_ROOT: Final = sha256().digest()
"""The root of the tree without entries."""

SIZE_MAX: Final = (1 << 63) - 1
"""Entries in a tree. Implementations of these formats count in signed 64 bits."""

SubtreeHash: TypeAlias = Callable[[int, int], bytes]
"""From (level, index) to the hash of the complete subtree there."""


def leaf_hash(entry: bytes) -> bytes:
    return sha256(b"\x00" + entry).digest()


def leaf_hashes(entries: Iterable[bytes]) -> list[bytes]:
    """`leaf_hash` of many."""
    return [sha256(b"\x00" + entry).digest() for entry in entries]


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def parents(hashes: Sequence[bytes]) -> list[bytes]:
    """The hashes one level up. Their number must be even."""
    joined = b"".join(hashes)
    return [sha256(b"\x01" + joined[at : at + 64]).digest() for at in range(0, len(joined), 64)]


class Range:
    """The tree of the first `size` entries, kept as the roots of its complete subtrees, one a set bit of `size`.

    Enough to append and to say the root, in at most 63 hashes.
    """

    __slots__ = ("_pending", "size")

    def __init__(self, size: int = 0, hashes: Sequence[bytes] = ()) -> None:
        """`hashes` as the attribute of that name gave them for a tree of this size."""
        if not 0 <= size <= SIZE_MAX:
            raise OutOfRange(f"no tree has {size} entries")
        if len(hashes) != size.bit_count():
            raise Malformed(f"a range of {size} entries is {size.bit_count()} hashes, not {len(hashes)}")
        _must_be_hashes(hashes)
        left_to_right = iter(hashes)
        self.size = size
        self._pending: list[bytes | None] = [
            next(left_to_right) if size >> level & 1 else None for level in reversed(range(size.bit_length()))
        ][::-1]

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """The roots of the complete subtrees, left to right, the largest first."""
        return tuple(pending for pending in reversed(self._pending) if pending is not None)

    def append(self, leaf: bytes) -> None:
        """Append one leaf hash."""
        self.extend([leaf])

    def extend(self, hashes: Iterable[bytes], level: int = 0) -> None:
        """Append leaf hashes, or the roots of complete subtrees of `level` where the size is a multiple of theirs."""
        new = list(hashes)
        if level and self.size & ((1 << level) - 1):
            raise OutOfRange(f"a tree of {self.size} entries does not end where a subtree of level {level} begins")
        if self.size + (len(new) << level) > SIZE_MAX:
            raise OutOfRange(f"a tree has at most {SIZE_MAX} entries")
        self.size += len(new) << level
        while new:
            while len(self._pending) <= level:
                self._pending.append(None)
            if (left := self._pending[level]) is not None:
                new.insert(0, left)
            self._pending[level] = new.pop() if len(new) % 2 else None
            new = parents(new)
            level += 1

    def root(self) -> bytes:
        root: bytes | None = None
        for left in self._pending:
            if left is not None:
                root = left if root is None else node_hash(left, root)
        return EMPTY_ROOT if root is None else root


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root over these leaf hashes."""
    tree = Range()
    tree.extend(leaves)
    return tree.root()


def subtrees_of(begin: int, end: int) -> list[tuple[int, int]]:
    """The fewest complete subtrees, left to right as (level, index), that cover the entries from `begin` to `end`."""
    covering = []
    while begin < end:
        level = (end - begin).bit_length() - 1
        if begin:
            level = min(level, (begin & -begin).bit_length() - 1)
        covering.append((level, begin >> level))
        begin += 1 << level
    return covering


def root_at(size: int, subtree: SubtreeHash) -> bytes:
    """The root of the tree's first `size` entries."""
    return _hash_between(0, size, subtree) if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, subtree: SubtreeHash) -> list[bytes]:
    """That entry `index` is in the tree of `size` entries (RFC 6962, section 2.1.1)."""
    if not 0 <= index < size:
        raise OutOfRange(f"a tree of {size} entries has no entry {index}")
    proof = []
    begin, end = 0, size
    while end - begin > 1:
        middle = _middle(begin, end)
        if index < middle:
            proof.append(_hash_between(middle, end, subtree))
            end = middle
        else:
            proof.append(_hash_between(begin, middle, subtree))
            begin = middle
    return proof[::-1]


def consistency_proof(old_size: int, size: int, subtree: SubtreeHash) -> list[bytes]:
    """That the tree of `size` entries begins with that of `old_size` (RFC 6962, section 2.1.2).

    Nothing needs proof where the old tree is empty or the whole.
    """
    if not 0 <= old_size <= size:
        raise OutOfRange(f"a tree of {size} entries does not begin with one of {old_size}")
    if old_size in {0, size}:
        return []
    proof = []
    begin, end = 0, size
    while end != old_size:
        middle = _middle(begin, end)
        if old_size <= middle:
            proof.append(_hash_between(middle, end, subtree))
            end = middle
        else:
            proof.append(_hash_between(begin, middle, subtree))
            begin = middle
    if begin:
        proof.append(_hash_between(begin, end, subtree))
    return proof[::-1]


def root_from_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """The only root of `size` entries with which this proof can be right (RFC 9162, section 2.1.3.2).

    Raises OutOfRange where the tree has no such entry, Malformed where the proof is too short, too long or not of
    hashes.
    """
    if not 0 <= index < size <= SIZE_MAX:
        raise OutOfRange(f"a tree of {size} entries has no entry {index}")
    _must_be_hashes([leaf, *proof])
    node, last = index, size - 1
    root = leaf
    for sibling in proof:
        if not last:
            raise Malformed(f"an inclusion proof of {len(proof)} hashes is too long for entry {index} of {size}")
        if node & 1 or node == last:
            root = node_hash(sibling, root)
            # Levels at which the last node has no sibling add no hash.
            while node and not node & 1:
                node >>= 1
                last >>= 1
        else:
            root = node_hash(root, sibling)
        node >>= 1
        last >>= 1
    if last:
        raise Malformed(f"an inclusion proof of {len(proof)} hashes is too short for entry {index} of {size}")
    return root


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Raise unless the proof shows that the leaf hash is entry `index` of the tree of `size` entries with this root."""
    _must_be_hashes([root])
    if root_from_inclusion(leaf, index, size, proof) != root:
        raise Mismatch(f"the proof does not lead from entry {index} to the root of {size} entries")


def verify_consistency(old_size: int, size: int, proof: Sequence[bytes], old_root: bytes, root: bytes) -> None:
    """Raise unless the proof shows that the larger tree begins with the smaller (RFC 9162, section 2.1.4.2).

    Every tree begins with the empty one: there the proof must be empty, as it must for equal sizes.
    """
    if not 0 <= old_size <= size <= SIZE_MAX:
        raise OutOfRange(f"a tree of {size} entries does not begin with one of {old_size}")
    _must_be_hashes([old_root, root, *proof])
    for name, of_size, of_root in (("older", old_size, old_root), ("newer", size, root)):
        if not of_size and of_root != EMPTY_ROOT:
            raise Mismatch(f"the {name} tree has no entries and not the root of the empty tree")
    if old_size in {0, size}:
        if proof:
            raise Malformed(f"from {old_size} to {size} entries there is nothing to prove, and {len(proof)} hashes")
        if old_size == size and old_root != root:
            raise Mismatch(f"two roots for the same {size} entries")
        return
    old_seen, seen = _roots_from_consistency(old_size, size, proof, old_root)
    if old_seen != old_root:
        raise Mismatch(f"the proof does not lead to the root of the older {old_size} entries")
    if seen != root:
        raise Mismatch(f"the proof does not lead from {old_size} entries to the root of {size}")


def _roots_from_consistency(old_size: int, size: int, proof: Sequence[bytes], old_root: bytes) -> tuple[bytes, bytes]:
    node, last = old_size - 1, size - 1
    # Where the older tree is one complete subtree, the proof begins at its root and does not repeat it.
    path = list(proof) if old_size & node else [old_root, *proof]
    while node & 1:
        node >>= 1
        last >>= 1
    if not path:
        raise Malformed(f"a consistency proof from {old_size} to {size} entries is not empty")
    old_seen = seen = path[0]
    for sibling in path[1:]:
        if not last:
            raise Malformed(f"a consistency proof of {len(proof)} hashes is too long from {old_size} to {size} entries")
        if node & 1 or node == last:
            old_seen = node_hash(sibling, old_seen)
            seen = node_hash(sibling, seen)
            while node and not node & 1:
                node >>= 1
                last >>= 1
        else:
            seen = node_hash(seen, sibling)
        node >>= 1
        last >>= 1
    if last:
        raise Malformed(f"a consistency proof of {len(proof)} hashes is too short from {old_size} to {size} entries")
    return old_seen, seen


def _middle(begin: int, end: int) -> int:
    """Where a tree over these entries divides: after the largest power of two below their number."""
    return begin + (1 << ((end - begin - 1).bit_length() - 1))


def _hash_between(begin: int, end: int, subtree: SubtreeHash) -> bytes:
    """The hash of the entries from `begin`, where a subtree as wide begins, to `end`, at least one."""
    *lefts, (level, index) = subtrees_of(begin, end)
    root = subtree(level, index)
    for level, index in reversed(lefts):
        root = node_hash(subtree(level, index), root)
    return root


def _must_be_hashes(hashes: Iterable[bytes]) -> None:
    for each in hashes:
        if len(each) != HASH_BYTES:
            raise Malformed(f"a hash has {HASH_BYTES} bytes, not {len(each)}")
