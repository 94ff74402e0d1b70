"""The tree of a log as its tiles have it: held against the root, and every older checkpoint against it."""

from collections.abc import Sequence

from auditor.checkpoints import CHECKPOINT
from auditor.finding import Fault, Findings
from auditor.source import Missing, Source
from ledger.proof import errors
from ledger.proof.checkpoint import Checkpoint
from ledger.proof.errors import Malformed, ProofFault
from ledger.proof.merkle import root_at
from ledger.proof.reading import TrustedTiles, read_tile
from ledger.proof.tiles import FULL_WIDTH, LEVEL_BITS, Tile, hashes_in, tile_root, tiles_of


def trusted_tiles(source: Source, now: Checkpoint) -> TrustedTiles | None:
    """The tiles, held against the root that the checkpoint says; None where those at the edge have another."""
    try:
        return TrustedTiles(now.size, now.root, lambda path: _get(source, path))
    except ProofFault:
        return None


def hold_trees(
    source: Source,
    now: Checkpoint,
    trees: Sequence[tuple[str, int, bytes]],
    findings: Findings,
    *,
    trusted: TrustedTiles | None,
    explained: bool,
) -> tuple[bool, list[str]]:
    """Whether every older checkpoint, (file, size, root), is of the beginning of the newest tree, reckoned from tiles
    that lead to its root: whoever serves them may serve others to whoever asks twice. Where such tiles cannot be had
    that is a fault, or where `explained` faults of tiles were found already, a note that says what was not held.
    """
    whole = True
    path = CHECKPOINT
    try:
        # `trusted` has read the edge; where it could not be had then, it may be there now.
        tiles = trusted or TrustedTiles(now.size, now.root, lambda name: _get(source, name))
        for path, size, root in trees:
            reckoned = root_at(size, tiles)
            if reckoned != root:
                whole = False
                findings.add(Fault.SPLIT_VIEW, path, size=size, root=root, root_of_tiles=reckoned)
    except ProofFault as error:
        if explained:
            return False, [f"{path}: {error}"]
        findings.add(_fault_of(error), path, why=error)
        return False, []
    return whole, []


def _fault_of(error: ProofFault) -> Fault:
    if isinstance(error, errors.Missing):
        return Fault.MISSING
    return Fault.MALFORMED if isinstance(error, Malformed) else Fault.FORGED_TILE


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
