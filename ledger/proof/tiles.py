"""The static files of a log (tlog-tiles): which there are for a tree, their names, and what is in them.

A tile holds up to 256 hashes of one level, eight levels of the tree apart; an entry bundle holds the entries below a
tile of level 0. A full tile never changes; one that the tree's edge runs through is partial and named with its width.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from ledger.proof.errors import Malformed, OutOfRange
from ledger.proof.merkle import HASH_BYTES, SIZE_MAX, Range, parents

FULL_WIDTH: Final = 256
LEVEL_BITS: Final = 8
"""A tile of one level stands for 2 to this power of hashes of the level below."""
LEVEL_MAX: Final = 63
ENTRIES: Final = -1
"""The level under which entry bundles go."""
ENTRY_BYTES_MAX: Final = (1 << 16) - 1

_HASH_ENTRY_BYTES: Final = 2 + HASH_BYTES
_HASH_LENGTH: Final = bytes((HASH_BYTES,))

FULL_TILE_BYTES: Final = FULL_WIDTH * HASH_BYTES

_PATH: Final = re.compile(
    r"tile/(?P<level>entries|0|[1-9][0-9]?)/(?P<index>(?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
)


class Tile(msgspec.Struct, frozen=True, order=True):
    """A tile of hashes, or with the level ENTRIES a bundle of entries: its place and its width."""

    level: int
    index: int
    width: int = FULL_WIDTH

    @property
    def path(self) -> str:
        """Its name under the log's prefix (sections Merkle Tree and Log entries)."""
        level = "entries" if self.level == ENTRIES else str(self.level)
        digits = f"{self.index % 1000:03d}"
        above = self.index // 1000
        while above:
            digits = f"x{above % 1000:03d}/{digits}"
            above //= 1000
        return f"tile/{level}/{digits}" + (f".p/{self.width}" if self.width < FULL_WIDTH else "")

    @property
    def full(self) -> "Tile":
        """The tile that this one becomes."""
        return Tile(self.level, self.index)

    @property
    def begin(self) -> int:
        """The first entry that it is about."""
        return self.index << LEVEL_BITS * (max(self.level, 0) + 1)

    @property
    def end(self) -> int:
        """The first entry after those that it is about."""
        return self.begin + (self.width << LEVEL_BITS * max(self.level, 0))

    @classmethod
    def parse(cls, path: str) -> "Tile":
        """The tile of that name. Names that are written otherwise than `path` writes them are Malformed."""
        match = _PATH.fullmatch(path)
        if match is None:
            raise Malformed(f"not the path of a tile: {path[:80]!r}")
        level, index, width = match.group("level", "index", "width")
        tile = cls(
            ENTRIES if level == "entries" else int(level),
            int(index.replace("/", "").replace("x", "")),
            FULL_WIDTH if width is None else int(width),
        )
        if tile.path != path or tile.level > LEVEL_MAX:
            raise Malformed(f"not the path of a tile in its only form: {path[:80]!r}")
        return tile


def tiles_of(size: int) -> Iterator[Tile]:
    """Every tile of hashes of the tree of this size, level by level from 0."""
    return new_tiles(0, size)


def new_tiles(old_size: int, size: int) -> Iterator[Tile]:
    """The tiles of hashes of the tree of `size` entries that the tree of `old_size` does not have as they are, level
    by level from 0. A tile that grew is among them with its new width.
    """
    _must_grow(old_size, size)
    for level in range(LEVEL_MAX + 1):
        if not size >> LEVEL_BITS * level:
            return
        yield from _tiles_between(level, old_size >> LEVEL_BITS * level, size >> LEVEL_BITS * level)


def bundles_of(size: int) -> Iterator[Tile]:
    """Every entry bundle of the tree of this size."""
    return new_bundles(0, size)


def new_bundles(old_size: int, size: int) -> Iterator[Tile]:
    """As `new_tiles`, of entry bundles."""
    _must_grow(old_size, size)
    yield from _tiles_between(ENTRIES, old_size, size)


def tile_at(level: int, index: int, size: int) -> Tile:
    """The tile of hashes at this place in the tree of this size, partial where the edge runs through it."""
    if not 0 <= level <= LEVEL_MAX or index < 0:
        raise OutOfRange(f"there is no tile {index} of level {level}")
    width = min(FULL_WIDTH, (size >> LEVEL_BITS * level) - index * FULL_WIDTH)
    if width <= 0:
        raise OutOfRange(f"a tree of {size} entries has no tile {index} of level {level}")
    return Tile(level, index, width)


def bundle_at(index: int, size: int) -> Tile:
    """The entry bundle at this place in the tree of this size."""
    return Tile(ENTRIES, index, tile_at(0, index, size).width)


def edge_of(size: int) -> list[Tile]:
    """The partial tiles of the tree of this size, from level 0 up: with them its root can be said."""
    widths = [(level, size >> LEVEL_BITS * level) for level in range(LEVEL_MAX + 1)]
    return [Tile(level, width // FULL_WIDTH, width % FULL_WIDTH) for level, width in widths if width % FULL_WIDTH]


def hashes_in(tile: Tile, data: bytes) -> list[bytes]:
    """The hashes in a tile's bytes."""
    _must_fill(tile, data)
    return [data[at : at + HASH_BYTES] for at in range(0, len(data), HASH_BYTES)]


def tile_root(data: bytes) -> bytes:
    """The hash of a full tile, as it stands in the tile above it."""
    _must_fill(Tile(0, 0), data)
    hashes = [data]
    for _ in range(LEVEL_BITS):
        hashes = parents(hashes)
    return hashes[0]


def encode_bundle(entries: Iterable[bytes]) -> bytes:
    """Entries one after the other, each after its length in two bytes, the high one first (section Log entries)."""
    parts: list[bytes] = []
    for entry in entries:
        if len(entry) > ENTRY_BYTES_MAX:
            raise Malformed(f"an entry has at most {ENTRY_BYTES_MAX} bytes, not {len(entry)}")
        parts += (len(entry).to_bytes(2, "big"), entry)
    return b"".join(parts)


def decode_bundle(tile: Tile, data: bytes) -> list[bytes]:
    """As many entries as the bundle is wide, and nothing after them."""
    end = len(data)
    if (
        end == tile.width * _HASH_ENTRY_BYTES
        and data[::_HASH_ENTRY_BYTES] == bytes(tile.width)
        and data[1::_HASH_ENTRY_BYTES] == _HASH_LENGTH * tile.width
    ):  # as this platform's are, which are hashes
        return [data[at : at + HASH_BYTES] for at in range(2, end, _HASH_ENTRY_BYTES)]
    entries: list[bytes] = []
    at = 0
    while at < end:
        begin = at + 2
        at = begin + int.from_bytes(data[at:begin], "big")
        entries.append(data[begin:at])
    if at != end or len(entries) != tile.width:
        raise Malformed(f"{tile.path} does not hold exactly {tile.width} entries")
    return entries


class Edge:
    """The growing edge of a log: takes leaf hashes, gives the tiles they make.

    It holds the partial tile of every level, so a log goes on from what it published, and can say the root without
    reading more.
    """

    __slots__ = ("_levels", "size")

    def __init__(self, size: int = 0, partials: Sequence[bytes] = ()) -> None:
        """`partials` are the bytes of the tiles that `edge_of` names for this size."""
        tiles = edge_of(size)
        if not 0 <= size <= SIZE_MAX or len(tiles) != len(partials):
            raise Malformed(f"the edge of {size} entries is {len(tiles)} partial tiles, not {len(partials)}")
        self.size = size
        self._levels: list[bytearray] = []
        for tile, data in zip(tiles, partials, strict=True):
            _must_fill(tile, data)
            self._level(tile.level).extend(data)

    def extend(self, leaves: Sequence[bytes]) -> list[tuple[Tile, bytes]]:
        """Append leaf hashes. Returns the tiles that became full, each after those below it."""
        if set(map(len, leaves)) - {HASH_BYTES}:
            raise Malformed(f"leaf hashes have {HASH_BYTES} bytes each")
        if self.size + len(leaves) > SIZE_MAX:
            raise OutOfRange(f"a tree has at most {SIZE_MAX} entries")
        filled: list[tuple[Tile, bytes]] = []
        at = 0
        while at < len(leaves):
            pending = self._level(0)
            room = FULL_WIDTH - len(pending) // HASH_BYTES
            taken = leaves[at : at + room]
            pending += b"".join(taken)
            at += len(taken)
            self.size += len(taken)
            self._carry(filled)
        return filled

    def partials(self) -> list[tuple[Tile, bytes]]:
        """The partial tiles of the tree as it stands, from level 0 up."""
        return [(tile, bytes(self._levels[tile.level])) for tile in edge_of(self.size)]

    def root(self) -> bytes:
        """The root of the tree as it stands."""
        tree = Range()
        for tile, data in reversed(self.partials()):
            tree.extend(hashes_in(tile, data), LEVEL_BITS * tile.level)
        return tree.root()

    def _level(self, level: int) -> bytearray:
        while len(self._levels) <= level:
            self._levels.append(bytearray())
        return self._levels[level]

    def _carry(self, filled: list[tuple[Tile, bytes]]) -> None:
        """Move tiles that are full out of the edge, and their hashes into the level above."""
        level = 0
        while len(self._levels[level]) == FULL_TILE_BYTES:
            data = bytes(self._levels[level])
            filled.append((Tile(level, (self.size >> LEVEL_BITS * (level + 1)) - 1), data))
            self._levels[level].clear()
            level += 1
            self._level(level).extend(tile_root(data))


def root_of_edge(size: int, partials: Sequence[bytes]) -> bytes:
    """The root of the tree of this size, from the bytes of the tiles that `edge_of` names."""
    return Edge(size, partials).root()


def _tiles_between(level: int, old: int, new: int) -> Iterator[Tile]:
    """The tiles over hashes `old` to `new` of a level, the first one whole."""
    if old == new:
        return
    for index in range(old // FULL_WIDTH, new // FULL_WIDTH):
        yield Tile(level, index)
    if new % FULL_WIDTH:
        yield Tile(level, new // FULL_WIDTH, new % FULL_WIDTH)


def _must_grow(old_size: int, size: int) -> None:
    if not 0 <= old_size <= size <= SIZE_MAX:
        raise OutOfRange(f"no tree grows from {old_size} entries to {size}")


def _must_fill(tile: Tile, data: bytes) -> None:
    if len(data) != tile.width * HASH_BYTES:
        raise Malformed(f"{tile.path} has {tile.width * HASH_BYTES} bytes, not {len(data)}")
