"""Entries against the hash tiles over them: which of the two is wrong where they differ, and how.

Tiles are not believed because they are there. A full tile of level 0 has its hash in a tile of level 1, which says who
is right; at the edge of the tree, and between the tiles themselves, only the root can say, and that is for the whole
audit to do once it has all of them.
"""

from collections import Counter
from collections.abc import Sequence

import msgspec

from auditor.finding import Fault, Finding, Findings
from ledger.proof import errors
from ledger.proof.errors import Malformed
from ledger.proof.merkle import HASH_BYTES, leaf_hashes
from ledger.proof.reading import Get, read_bundle, read_tile
from ledger.proof.tiles import ENTRIES, FULL_WIDTH, Tile, hashes_in, tile_root

_UNKNOWN = bytes(HASH_BYTES)


class Dispute(msgspec.Struct, frozen=True):
    """Two files that contradict each other, where the root says which is at fault: what is found if the root that was
    reckoned from the entries is that of the checkpoint, and what if it is not.
    """

    if_root_is_right: list[Finding]
    if_it_is_not: list[Finding]


class Hashed(msgspec.Struct):
    """Entries that were held against their tiles. `tiles` are the hashes of the full tiles of level 0, `edge` the leaf
    hashes after them. `leaves` are all the leaf hashes that are believed, `entries` the entries, empty where they are
    not those of the leaves.
    """

    entries: list[bytes] = []
    leaves: list[bytes] = []
    tiles: list[bytes] = []
    edge: list[bytes] = []
    disputes: list[Dispute] = []


def hold(begin: int, end: int, get: Get, findings: Findings, *, edge_leads_to_root: bool) -> Hashed:
    """Hold the entries from `begin`, where a tile of level 1 begins, to `end`, at most so many, against their tiles.
    `edge_leads_to_root`: the partial tiles of the tree have the root of the checkpoint, and so are right.
    """
    return _Holding(get, findings, edge_leads_to_root=edge_leads_to_root).held(begin, end)


class _Holding:
    def __init__(self, get: Get, findings: Findings, *, edge_leads_to_root: bool) -> None:
        self._get = get
        self._edge_leads_to_root = edge_leads_to_root
        self._findings = findings
        self._held = Hashed()

    def held(self, begin: int, end: int) -> Hashed:
        full = (end - begin) // FULL_WIDTH
        above = self._hashes(Tile(1, begin // (FULL_WIDTH * FULL_WIDTH), full)) if full else None
        for first in range(begin, end, FULL_WIDTH):
            tile = Tile(0, first // FULL_WIDTH, min(FULL_WIDTH, end - first))
            there = self._hashes(tile)
            entries = self._entries(tile, there)
            if tile.width < FULL_WIDTH:
                self._at_edge(tile, entries, there)
            else:
                self._full(tile, entries, there, above[len(self._held.tiles)] if above else None)
        return self._held

    def _full(self, tile: Tile, entries: list[bytes] | None, there: list[bytes] | None, said: bytes | None) -> None:
        own = None if entries is None else leaf_hashes(entries)
        believed = own or there or [_UNKNOWN] * tile.width
        in_tile = _root(believed)
        if own is not None and there is not None and own != there:
            if said == in_tile:
                self._find(_tile_differs(tile, there, own))
            else:
                self._find(_entries_differ(tile, there, own))
                if said == _root(there):
                    believed, in_tile = there, said
        elif said is not None and said != in_tile and (own or there) is not None:
            above = Tile(1, tile.index // FULL_WIDTH)
            shown = {"reckoned": in_tile.hex(), "in_the_tile_above": said.hex()}
            self._held.disputes.append(
                Dispute(
                    [Finding(fault=Fault.FORGED_TILE, what=above.path, index=tile.begin, evidence=shown)],
                    [Finding(fault=Fault.FORGED_WHOLE, what=tile.path, index=tile.begin, evidence=shown)],
                )
            )
        self._held.tiles.append(in_tile)
        self._take(entries, believed, own)

    def _at_edge(self, tile: Tile, entries: list[bytes] | None, there: list[bytes] | None) -> None:
        own = None if entries is None else leaf_hashes(entries)
        believed = own or there or [_UNKNOWN] * tile.width
        if own is not None and there is not None and own != there:
            if self._edge_leads_to_root:
                believed = there
                self._find(_entries_differ(tile, there, own))
            else:
                self._held.disputes.append(Dispute(_tile_differs(tile, there, own), _entries_differ(tile, there, own)))
        self._held.edge = believed
        self._take(entries, believed, own)

    def _find(self, found: list[Finding]) -> None:
        self._findings.extend(found, len(found))

    def _take(self, entries: list[bytes] | None, believed: list[bytes], own: list[bytes] | None) -> None:
        self._held.leaves += believed
        self._held.entries += entries if entries is not None and own == believed else [b""] * len(believed)

    def _entries(self, tile: Tile, there: list[bytes] | None) -> list[bytes] | None:
        """The entries of the bundle over which this tile is, None where they cannot be told."""
        bundle = msgspec.structs.replace(tile, level=ENTRIES)
        try:
            return read_bundle(bundle, self._get)
        except errors.Missing:
            self._findings.add(Fault.MISSING, bundle.path, index=tile.begin)
        except Malformed as error:
            found = _loosely(self._get(bundle.path) or self._get(bundle.full.path) or b"")
            fault = _another_number(found, tile.width)
            if found is None or there is None or fault is None:
                self._findings.add(Fault.MALFORMED, bundle.path, index=tile.begin, why=error)
            else:
                at = _first_difference(there, leaf_hashes(found))
                self._findings.add(fault, bundle.path, index=tile.begin + at, entries=len(found), expected=tile.width)
        return None

    def _hashes(self, tile: Tile) -> list[bytes] | None:
        """The hashes of a tile, None where they cannot be told."""
        try:
            return hashes_in(tile, read_tile(tile, self._get))
        except errors.Missing:
            self._findings.add(Fault.MISSING, tile.path, index=tile.begin)
        except Malformed as error:
            self._findings.add(Fault.MALFORMED, tile.path, index=tile.begin, why=error)
        return None


def _root(hashes: Sequence[bytes]) -> bytes:
    """The hash of a full tile."""
    return tile_root(b"".join(hashes))


def _tile_differs(tile: Tile, there: list[bytes], leaves: list[bytes]) -> list[Finding]:
    """A tile that its entries contradict, and they are right."""
    return [
        _differs(Fault.FORGED_TILE, tile.path, tile, at, there, leaves)
        for at in range(tile.width)
        if there[at] != leaves[at]
    ]


def _entries_differ(tile: Tile, there: list[bytes], leaves: list[bytes]) -> list[Finding]:
    """Entries that are not those of the tile over them: in another order, one left out or put in, or rewritten."""
    bundle = msgspec.structs.replace(tile, level=ENTRIES).path
    wrong = [at for at in range(tile.width) if there[at] != leaves[at]]
    first, last = wrong[0], wrong[-1]
    if Counter(there) == Counter(leaves):
        fault = Fault.REORDERED
    elif last > first and there[first + 1 : last + 1] == leaves[first:last]:
        fault = Fault.DROPPED
    elif last > first and there[first:last] == leaves[first + 1 : last + 1]:
        fault = Fault.INSERTED
    else:
        return [_differs(Fault.REWRITTEN, bundle, tile, at, there, leaves) for at in wrong]
    return [_differs(fault, bundle, tile, first, there, leaves)]


def _differs(fault: Fault, what: str, tile: Tile, at: int, there: list[bytes], leaves: list[bytes]) -> Finding:
    shown = {"tile": tile.path, "tile_hash": there[at].hex(), "entry_hash": leaves[at].hex()}
    return Finding(fault=fault, what=what, index=tile.begin + at, evidence=shown)


def _loosely(data: bytes) -> list[bytes] | None:
    """The entries in what is a bundle but for how many they are."""
    entries, at = [], 0
    while at < len(data):
        begin = at + 2
        at = begin + int.from_bytes(data[at:begin], "big")
        entries.append(data[begin:at])
    return entries if at == len(data) else None


def _another_number(found: list[bytes] | None, expected: int) -> Fault | None:
    if found is None or not found or len(found) == expected:
        return None
    return Fault.DROPPED if len(found) < expected else Fault.INSERTED


def _first_difference(one: Sequence[bytes], other: Sequence[bytes]) -> int:
    """The first place where they differ, the end of the shorter where they do not."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
