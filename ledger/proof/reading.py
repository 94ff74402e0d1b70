"""Reading a log's tiles: as the proofs need them, and with every one held against the root.

Whoever reads gives a function from a path under the log's prefix to the bytes there, or None where there is nothing.
A partial tile may have gone once the full one is there; then the full one is read and its beginning taken.
"""

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from ledger.proof.errors import Malformed, Mismatch, Missing, OutOfRange
from ledger.proof.merkle import HASH_BYTES, SIZE_MAX, leaf_hashes, parents
from ledger.proof.tiles import (
    FULL_WIDTH,
    LEVEL_BITS,
    Tile,
    bundle_at,
    decode_bundle,
    edge_of,
    root_of_edge,
    tile_at,
    tile_root,
)

Get: TypeAlias = Callable[[str], bytes | None]

_PARENTS_KEPT: Final = 64
"""Tiles above level 0 that a reader keeps: neighbours share them, and a proof reads at most one a level."""


def read_tile(tile: Tile, get: Get) -> bytes:
    """The bytes of a tile of hashes, as wide as asked. Raises Missing, or Malformed where the length is another."""
    data = get(tile.path)
    if data is None and tile.width < FULL_WIDTH and (full := get(tile.full.path)) is not None:
        if len(full) != FULL_WIDTH * HASH_BYTES:
            raise Malformed(f"{tile.full.path} has {FULL_WIDTH * HASH_BYTES} bytes, not {len(full)}")
        data = full[: tile.width * HASH_BYTES]
    if data is None:
        raise Missing(f"{tile.path} is not there")
    if len(data) != tile.width * HASH_BYTES:
        raise Malformed(f"{tile.path} has {tile.width * HASH_BYTES} bytes, not {len(data)}")
    return data


def read_bundle(tile: Tile, get: Get) -> list[bytes]:
    """The entries of a bundle, as many as it is wide. Raises Missing, or Malformed where it is no such bundle."""
    data = get(tile.path)
    if data is not None:
        return decode_bundle(tile, data)
    if tile.width < FULL_WIDTH and (data := get(tile.full.path)) is not None:
        return decode_bundle(tile.full, data)[: tile.width]
    raise Missing(f"{tile.path} is not there")


class TrustedTiles:
    """The tiles of the tree with this size and root, which the caller has from a checkpoint it believes.

    Nothing is given out that does not lead to the root: the tiles on the edge do together, every full tile by its hash
    in the tile above it. Called with (level, index) it is the hash of a subtree, as `merkle` makes proofs over.
    """

    def __init__(self, size: int, root: bytes, get: Get) -> None:
        """Reads the edge, at most one tile a level. Raises Missing, Malformed, Mismatch where it has another root."""
        if not 0 <= size <= SIZE_MAX:
            raise OutOfRange(f"no tree has {size} entries")
        self.size = size
        self._get = get
        self._edge = {tile: read_tile(tile, get) for tile in edge_of(size)}
        self._parents: dict[Tile, bytes] = {}
        self._leaves: tuple[Tile | None, bytes] = (None, b"")
        if root_of_edge(size, list(self._edge.values())) != root:
            raise Mismatch(f"the tiles at the edge of {size} entries do not have the root of the checkpoint")

    def tile(self, level: int, index: int) -> bytes:
        """The bytes of the tile of hashes at this place. Raises Missing, Malformed, or Mismatch where it is forged."""
        tile = tile_at(level, index, self.size)
        if tile in self._edge:
            return self._edge[tile]
        if tile in self._parents:
            return self._parents[tile]
        if tile == self._leaves[0]:
            return self._leaves[1]
        data = read_tile(tile, self._get)
        above, place = divmod(index, FULL_WIDTH)
        expected = self.tile(level + 1, above)[place * HASH_BYTES : (place + 1) * HASH_BYTES]
        if tile_root(data) != expected:
            raise Mismatch(f"{tile.path} does not have the hash that stands for it in the tile above")
        if not level:
            self._leaves = (tile, data)
        else:
            if len(self._parents) >= _PARENTS_KEPT:
                del self._parents[next(iter(self._parents))]
            self._parents[tile] = data
        return data

    def entries(self, index: int) -> list[bytes]:
        """The entries of the bundle at this place, each held against its leaf hash."""
        bundle = bundle_at(index, self.size)
        entries = read_bundle(bundle, self._get)
        if b"".join(leaf_hashes(entries)) != self.tile(0, index):
            raise Mismatch(f"{bundle.path} does not hold the entries whose hashes are in the tile of level 0")
        return entries

    def all_entries(self, begin: int = 0) -> Iterator[tuple[int, list[bytes]]]:
        """The entries from `begin`, a multiple of 256, to the end: the index of the first with each bundle of them."""
        if begin % FULL_WIDTH or begin < 0:
            raise OutOfRange(f"no bundle begins at entry {begin}")
        for first in range(begin, self.size, FULL_WIDTH):
            yield first, self.entries(first // FULL_WIDTH)

    def __call__(self, level: int, index: int) -> bytes:
        return _subtree_hash(level, index, self.size, self.tile)


def subtree_hashes(size: int, get: Get) -> Callable[[int, int], bytes]:
    """Hashes of complete subtrees from the tiles of one's own log, believed as they are. Keeps what it has read: make
    one for each proof.
    """
    kept: dict[Tile, bytes] = {}

    def tile(level: int, index: int) -> bytes:
        place = tile_at(level, index, size)
        if place not in kept:
            kept[place] = read_tile(place, get)
        return kept[place]

    return lambda level, index: _subtree_hash(level, index, size, tile)


def _subtree_hash(level: int, index: int, size: int, tile: Callable[[int, int], bytes]) -> bytes:
    if level < 0 or index < 0 or (index + 1) << level > size:
        raise OutOfRange(f"a tree of {size} entries has no complete subtree {index} of level {level}")
    tile_level, above = divmod(level, LEVEL_BITS)
    tile_index, place = divmod(index << above, FULL_WIDTH)
    hashes = [tile(tile_level, tile_index)[place * HASH_BYTES : (place + (1 << above)) * HASH_BYTES]]
    for _ in range(above):
        hashes = parents(hashes)
    return hashes[0]
