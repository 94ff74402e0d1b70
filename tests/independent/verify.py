"""Verifies a proof log's files with tlog-scales, a library for C2SP tlog-tiles that knows nothing of this project.

    python tests/independent/verify.py LOG VKEY...

LOG is the folder with `checkpoint` in it, the VKEYs are those of the log and of its witnesses. The newest checkpoint
must be signed by the log and by all the witnesses named. Every tile and bundle that the checkpoint calls for must be
there, and every one that is there must say what leads to its root; every published checkpoint must be of the same tree.
"""

import sys
from pathlib import Path

from tlog_scales import signing, tiles, tlog
from tlog_scales.backend import LocalBackend
from tlog_scales.reader import Tile, TilesReader

WIDTH = 256
LOG, WITNESS = 1, 4
"""Types of keys."""


class Refused(Exception):
    pass


def must(true, why):
    if not true:
        raise Refused(why)


def opened(note, keys, origin):
    """The checkpoint in this note, and those of the keys that signed it."""
    checkpoint = tlog.Checkpoint.from_text(note.decode())
    must(checkpoint.serialize().encode() == note, "a checkpoint that is not in its form")
    must(checkpoint.origin == origin, f"a checkpoint that is not one of {origin}")
    valid = {key for key, _ in signing.VkeySet(*keys).verify(checkpoint.signatures, checkpoint)}
    for key in keys:
        must(
            key in valid or not any(map(key.match, checkpoint.signatures)), f"a signature that {key.name} did not make"
        )
    must(any(key.sig_type == LOG for key in valid), f"a checkpoint that {origin} did not sign")
    return checkpoint, valid


def notes_in(day):
    """A blank line after each text, and one between two notes."""
    paragraphs = day.removesuffix(b"\n").split(b"\n\n")
    must(len(paragraphs) % 2 == 0, "a day's file that does not end with a note")
    return [b"\n\n".join(paragraphs[at : at + 2]) + b"\n" for at in range(0, len(paragraphs), 2)]


class Verified:
    """A log's files held against the newest checkpoint. Raises whatever tells that they are not right."""

    def __init__(self, folder, vkeys):
        self.folder = folder
        self.keys = [signing.Vkey.from_string(vkey) for vkey in vkeys]
        self.origin = next(key.name for key in self.keys if key.sig_type == LOG)
        self.newest = (folder / "checkpoint").read_bytes()
        self.checkpoint, signers = opened(self.newest, self.keys, self.origin)
        for key in self.keys:
            must(key.sig_type == LOG or key in signers, f"{key.name} did not cosign the newest checkpoint")
        self.size = self.checkpoint.size
        self.reader = TilesReader(LocalBackend(folder))
        self.reader.set_size(self.size)
        must(self.reader.calculate_root_hash() == self.checkpoint.root_hash, "tiles that do not lead to the root")
        self.proofs = self.prove_tiles()
        self.files = self.check_files()
        self.checkpoints = self.check_history()

    def prove_tiles(self):
        """An inclusion proof in every tile of leaves takes in each of its hashes, and the path of tiles above it."""
        for index in range(0, self.size, WIDTH):
            proof = self.reader.get_inclusion_proof(index, self.size)
            proof.check(self.reader.mth(index, index + 1), self.checkpoint.root_hash)
            for leaf in range(index, min(self.size, index + WIDTH)):
                entry = self.reader.get_entry(leaf)
                must(tiles.leaf_hash(entry) == self.reader.mth(leaf, leaf + 1), f"entry {leaf} is not the tree's")
        return -(-self.size // WIDTH)

    def check_files(self):
        """Whatever the size calls for is there, and whatever is there is a part of it."""
        called_for = set()
        level = 0
        while tiles.level_entries(self.size, level):
            full, partial = tiles.level_tiles(self.size, level)
            widths = [*[(n, 0) for n in range(full)], *([(full, partial)] if partial else [])]
            called_for |= {
                "/".join(tiles.tile_path(of, n, w)) for n, w in widths for of in ((-1, 0), (level,))[level > 0]
            }
            level += 1
        there = {
            file.relative_to(self.folder).as_posix() for file in (self.folder / "tile").rglob("*") if file.is_file()
        }
        must(called_for <= there, f"missing: {sorted(called_for - there)}")
        for path in there:
            self.check_file(path)
        return len(there)

    def check_file(self, path):
        _, level, *numbers = path.split("/")
        width = WIDTH
        if numbers[-2:-1] and numbers[-2].endswith(".p"):
            width = int(numbers.pop())
            numbers[-1] = numbers[-1].removesuffix(".p")
        number = int("".join(digits.removeprefix("x") for digits in numbers))
        data = (self.folder / path).read_bytes()
        span = range(number * WIDTH, number * WIDTH + width)
        if level == "entries":
            tile = Tile.from_entries_bytes(data)
            expected = [self.reader.get_entry(index) for index in span]
        else:
            tile = Tile.from_hash_bytes(data)
            leaves = WIDTH ** int(level)
            expected = [self.reader.mth(index * leaves, (index + 1) * leaves) for index in span]
        must(tile.entries == expected, f"{path} is not what the root says")

    def check_history(self):
        """Every published checkpoint is of this tree, in order, and the newest is the last."""
        days = sorted((self.folder / "checkpoints").glob("????-??-??"))
        notes = [note for day in days for note in notes_in(day.read_bytes())]
        must(notes[-1] == self.newest, "the newest checkpoint is not the last of all days")
        size = 0
        for note in notes:
            old, _ = opened(note, self.keys, self.origin)
            must(size <= old.size <= self.size, f"a checkpoint of {old.size} after one of {size}")
            size = old.size
            # The library proves from an empty tree with no hashes at all.
            proof = (
                self.reader.get_consistency_proof(size, self.size) if size else tlog.ConsistencyProof(0, self.size, [])
            )
            proof.check(old.root_hash, self.checkpoint.root_hash)
        return len(notes)


if __name__ == "__main__":
    try:
        verified = Verified(Path(sys.argv[1]), sys.argv[2:])
    except Exception as error:  # noqa: BLE001  the library's own kinds of errors are many
        sys.exit(f"{type(error).__name__}: {error}")
    witnesses = sum(key.sig_type == WITNESS for key in verified.keys)
    sys.stdout.write(
        f"entries {verified.size} files {verified.files} proofs {verified.proofs}"
        f" checkpoints {verified.checkpoints} cosignatures {witnesses}\n"
    )
