"""The tree of a log as its tiles have it: held against the root, and every older checkpoint against it."""

from collections.abc import Sequence
from typing import Final

from auditor.finding import Fault, Findings
from auditor.source import Missing, Source
from ledger.proof import errors
from ledger.proof.checkpoint import Checkpoint
from ledger.proof.errors import Malformed, ProofFault
from ledger.proof.merkle import root_at
from ledger.proof.reading import TrustedTiles, read_tile, subtree_hashes
from ledger.proof.tiles import FULL_WIDTH, LEVEL_BITS, Tile, hashes_in, tile_root, tiles_of

TREES_A_READER: Final = 256
"""Older checkpoints that are held against the tree before what was read of it is let go: some 2 MB of tiles."""


def trusted_tiles(source: Source, now: Checkpoint) -> TrustedTiles | None:
    """The tiles, held against the root that the checkpoint says; None where those at the edge have another."""
    try:
        return TrustedTiles(now.size, now.root, lambda path: _get(source, path))
    except ProofFault:
        return None


def hold_trees(
    source: Source, newest: int, trees: Sequence[tuple[str, int, bytes]], findings: Findings, *, whole: bool
) -> list[str]:
    """Every older checkpoint, (file, size, root), is of the beginning of the tree of the newest size. Where the tiles
    are not whole, it cannot be told; returns notes that say so.
    """
    subtree = subtree_hashes(newest, lambda path: _get(source, path))
    for number, (path, size, root) in enumerate(trees, 1):
        if number % TREES_A_READER == 0:
            subtree = subtree_hashes(newest, lambda path: _get(source, path))
        try:
            reckoned = root_at(size, subtree)
        except ProofFault as error:
            return [f"{path}: {error}"]
        if reckoned != root:
            if not whole:
                return [f"{path}: the tree of {size} entries cannot be told from these tiles"]
            findings.add(Fault.SPLIT_VIEW, path, size=size, root=root, root_of_tiles=reckoned)
    return []


def hold_tiles_above(source: Source, size: int, findings: Findings) -> None:
    """The tiles of level 2 and above, against those below them: the lower ones were held against the entries."""
    for tile in tiles_of(size):
        if tile.level < 2:  # noqa: PLR2004  levels 0 and 1 are each span's
            continue
        try:
            there = hashes_in(tile, read_tile(tile, lambda path: _get(source, path)))
            below = [
                tile_root(read_tile(Tile(tile.level - 1, number), lambda path: _get(source, path)))
                for number in range(tile.index * FULL_WIDTH, tile.index * FULL_WIDTH + tile.width)
            ]
        except errors.Missing as error:
            findings.add(Fault.MISSING, tile.path, index=tile.begin, why=error)
        except Malformed as error:
            findings.add(Fault.MALFORMED, tile.path, index=tile.begin, why=error)
        else:
            for at, (hash_there, own) in enumerate(zip(there, below, strict=True)):
                if hash_there != own:
                    index = tile.begin + (at << LEVEL_BITS * tile.level)
                    findings.add(Fault.FORGED_TILE, tile.path, index=index, tile=hash_there, reckoned=own)


def _get(source: Source, path: str) -> bytes | None:
    try:
        return source.get(f"log/{path}")
    except Missing:
        return None
