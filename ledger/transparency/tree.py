"""Growth of the tree on disk: the tiles and bundles that a run of entries makes, and whether what lies there is what
was meant.
"""

from collections.abc import Iterator, Sequence
from typing import Final, Self

from ledger.proof.errors import Malformed, ProofFault
from ledger.proof.merkle import consistency_proof, leaf_hashes
from ledger.proof.reading import TrustedTiles, read_bundle, read_tile
from ledger.proof.tiles import (
    ENTRIES,
    FULL_WIDTH,
    Edge,
    Tile,
    bundle_at,
    decode_bundle,
    edge_of,
    encode_bundle,
    new_bundles,
    new_tiles,
)
from ledger.transparency.faults import NOT_AS_WRITTEN
from ledger.transparency.layout import LOG, MARK_BYTES, MARKS, marks_bytes
from ledger.transparency.storage import Storage


class Tree:
    """The tree on disk. In memory there is its right edge alone: of each level the tile that is not full, and the
    entries of the bundle that is not.
    """

    def __init__(
        self, storage: Storage, size: int = 0, partials: Sequence[bytes] = (), entries: Sequence[bytes] = ()
    ) -> None:
        """`partials` are those that `edge_of` names for this size. Without arguments it is the empty tree."""
        self.size: Final = size
        self._storage: Final = storage
        self._partials: Final = partials
        self._entries: Final = entries

    @classmethod
    def load(cls, storage: Storage, size: int) -> Self | None:
        """The tree of this size as its files say; None where one that is needed to go on is not there, or not in its
        form. Whether it has the root that was signed is for the caller to see.
        """
        if storage.length(MARKS) < marks_bytes(size):
            return None

        def get(path: str) -> bytes | None:
            return storage.read(LOG + path)

        try:
            partials = [read_tile(tile, get) for tile in edge_of(size)]
            entries = read_bundle(bundle_at(size // FULL_WIDTH, size), get) if size % FULL_WIDTH else []
        except ProofFault:
            return None
        if entries and b"".join(leaf_hashes(entries)) != partials[0]:
            return None
        return cls(storage, size, partials, entries)

    def root(self) -> bytes:
        return self._edge().root()

    def prove(self, old_size: int) -> list[bytes]:
        """That this tree begins with that of `old_size`, from its files. Raises ProofFault, OSError."""
        tiles = TrustedTiles(self.size, self.root(), lambda path: self._storage.read(LOG + path))
        return consistency_proof(old_size, self.size, tiles)

    def stage(self, entries: Sequence[bytes], marks: Sequence[int]) -> "Staged":
        """Write what these entries make of the tree, durable; this object stays the tree it was. Staged again after a
        crash, the same files are found. Raises LogFault (log.file_differs), OSError.
        """
        tree, files = self.grown(entries)
        self._storage.put_once(files)
        if marks:
            data = b"".join([mark.to_bytes(MARK_BYTES, "big") for mark in marks])
            self._storage.extend(MARKS, marks_bytes(self.size), data)
        return Staged(self, tree, self._storage)

    def grown(self, entries: Sequence[bytes]) -> tuple["Tree", dict[str, bytes]]:
        """The tree with these entries too, and the files that come with them by name: what has become full, and what
        has not where it has changed. Nothing is written.
        """
        edge = self._edge()
        bundled, first = [*self._entries, *entries], self.size // FULL_WIDTH
        files: dict[str, bytes] = {}
        for bundle in new_bundles(self.size, self.size + len(entries)):
            begin = (bundle.index - first) * FULL_WIDTH
            files[LOG + bundle.path] = encode_bundle(bundled[begin : begin + bundle.width])
        filled = edge.extend(leaf_hashes(entries))
        partials = edge.partials()
        before = set(edge_of(self.size))
        for tile, data in filled + [(tile, data) for tile, data in partials if tile not in before]:
            files[LOG + tile.path] = data
        left = bundled[len(bundled) // FULL_WIDTH * FULL_WIDTH :]
        return Tree(self._storage, edge.size, [data for _, data in partials], left), files

    def files_after(self, size: int) -> Iterator[tuple[str, Tile]]:
        """The names of the files that the tree of `size` entries has and this one has not."""
        for tile in (*new_bundles(self.size, size), *new_tiles(self.size, size)):
            yield LOG + tile.path, tile

    def entries_from(self, bundled: Sequence[bytes]) -> Sequence[bytes]:
        """What these entries, read from the bundle where this tree ends on, have beyond it. Raises Malformed."""
        known = len(self._entries)
        if list(bundled[:known]) != list(self._entries):
            raise Malformed("the bundle does not begin as it did")
        return bundled[known:]

    def _edge(self) -> Edge:
        return Edge(self.size, self._partials)


class Staged:
    """A tree whose new files lie on disk, and are not believed yet."""

    def __init__(self, before: Tree, tree: Tree, storage: Storage) -> None:
        self.tree: Final = tree
        self._before: Final = before
        self._storage: Final = storage

    def read_back(self) -> bytes:
        """The root, from the entries that the bundles hold now. Raises LogFault (log.not_as_written) where a file says
        anything else than what follows from them, or they are not those that were meant.
        """
        if self.tree.size == self._before.size:
            return self.tree.root()
        found: dict[str, bytes | None] = {}
        bundled: list[bytes] = []
        for name, tile in self._before.files_after(self.tree.size):
            found[name] = data = self._storage.read(name)
            try:
                if tile.level == ENTRIES and data is not None:
                    bundled += decode_bundle(tile, data)
            except Malformed as error:
                raise NOT_AS_WRITTEN(name=name) from error
        try:
            again, files = self._before.grown(self._before.entries_from(bundled))
        except ProofFault as error:
            raise NOT_AS_WRITTEN(name=LOG) from error
        for name in {**found, **files}:
            if found.get(name) != files.get(name):
                raise NOT_AS_WRITTEN(name=name)
        root = again.root()
        if root != self.tree.root():
            raise NOT_AS_WRITTEN(name=LOG)
        return root


def partial_folders(begin: int, end: int) -> Iterator[str]:
    """The folders of partial tiles and bundles of each tile that is full in a tree of `end` entries and is not in one
    of `begin`.
    """
    for tile in (*new_bundles(begin, end), *new_tiles(begin, end)):
        if tile.width == FULL_WIDTH:
            yield f"{LOG}{tile.path}.p"
