"""Which tiles a tree has, what is in them, and that a reader believes none that does not lead to the root."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.proof.errors import Malformed, Mismatch, Missing, OutOfRange, ProofFault
from ledger.proof.merkle import (
    EMPTY_ROOT,
    SIZE_MAX,
    consistency_proof,
    inclusion_proof,
    leaf_hashes,
    node_hash,
    root_at,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from ledger.proof.reading import TrustedTiles, read_bundle, read_tile, subtree_hashes
from ledger.proof.tiles import (
    ENTRIES,
    Edge,
    Tile,
    bundle_at,
    bundles_of,
    decode_bundle,
    edge_of,
    encode_bundle,
    hashes_in,
    new_bundles,
    new_tiles,
    root_of_edge,
    tile_at,
    tile_root,
    tiles_of,
)

SIZE = 70_000
ENTRY = [b"entry %d" % index for index in range(SIZE)]
LEAVES = leaf_hashes(ENTRY)
SIZES = [0, 1, 2, 255, 256, 257, 511, 512, 600, 65_535, 65_536, 65_537, 69_999, SIZE]


def published(size: int, edge: Edge | None = None) -> dict[str, bytes]:
    """The files of the log at this size, as a sequencer would leave them that never took a partial tile away."""
    edge = edge or Edge()
    old = edge.size
    files = {tile.path: data for tile, data in [*edge.extend(LEAVES[old:size]), *edge.partials()]}
    for bundle in new_bundles(old, size):
        files[bundle.path] = encode_bundle(ENTRY[bundle.begin : bundle.end])
    return files


FILES = published(SIZE)
ROOT = root_of(LEAVES)


def test_the_example_of_the_specification():
    tiles = list(tiles_of(70_000))
    assert sum(tile.level == 0 and tile.width == 256 for tile in tiles) == 273
    assert [tile.path for tile in tiles if tile.width < 256] == [
        "tile/0/273.p/112",
        "tile/1/001.p/17",
        "tile/2/000.p/1",
    ]
    assert [tile.path for tile in tiles if tile.level == 1] == ["tile/1/000", "tile/1/001.p/17"]
    assert [tile.path for tile in tiles_of(256)] == ["tile/0/000", "tile/1/000.p/1"]
    assert Tile(0, 1_234_067).path == "tile/0/x001/x234/067"
    assert Tile(ENTRIES, 1_234_067, 5).path == "tile/entries/x001/x234/067.p/5"


@pytest.mark.parametrize("size", SIZES)
def test_a_tile_holds_the_subtrees_that_are_promised(size):
    """The definition in section Merkle Tree: hash i of tile n at level l is MTH(D[(n*256+i)*256^l : ...])."""
    for tile in tiles_of(size):
        if tile.level or tile.width < 256 or tile.index % 50 == 0:
            data = published(size)[tile.path] if tile.width < 256 and size < SIZE else FILES[tile.path]
            width = 256**tile.level
            for place in (0, tile.width // 2, tile.width - 1):
                first = (tile.index * 256 + place) * width
                assert hashes_in(tile, data)[place] == root_of(LEAVES[first : first + width])


@pytest.mark.parametrize("size", SIZES)
def test_the_files_of_a_tree_are_just_those_of_its_size(size):
    assert sorted(published(size)) == sorted(tile.path for tile in [*tiles_of(size), *bundles_of(size)])


@given(st.lists(st.integers(0, 700), min_size=1, max_size=5))
def test_a_log_that_grows_in_steps_makes_what_is_new_and_the_same_in_the_end(steps):
    edge, files, old = Edge(), {}, 0
    for step in steps:
        size = old + step
        # Going on from what was published is going on.
        edge = Edge(old, [files[tile.path] for tile in edge_of(old)])
        new = published(size, edge)
        wanted = {tile.path for tile in [*new_tiles(old, size), *new_bundles(old, size)]}
        assert wanted <= set(new)
        assert set(new) - wanted <= {tile.path for tile in tiles_of(old)}
        files |= new
        old = size
        assert edge.root() == root_of(LEAVES[:size]) == root_of_edge(size, [files[t.path] for t in edge_of(size)])
    assert {path: files[path] for path in published(old)} == published(old)


@given(st.integers(0, SIZE_MAX), st.integers(0, 3000))
def test_new_tiles_are_those_that_the_older_tree_does_not_have(old, more):
    size = min(old + more, SIZE_MAX)
    new = list(new_tiles(old, size))
    assert len(new) == len(set(new)) <= more // 255 + 16
    for tile in new:
        assert tile == tile_at(tile.level, tile.index, size)
        assert tile.end <= size
        assert (old >> 8 * tile.level) - tile.index * 256 < tile.width
    if size > old:
        assert tile_at(0, (size - 1) // 256, size) in new


@pytest.mark.parametrize("power", [8, 16, 24, 32, 56])
def test_around_powers_of_256_the_edge_is_the_digits_of_the_size(power):
    for size in range((1 << power) - 2, (1 << power) + 3):
        edge = edge_of(size)
        assert sum(tile.width << 8 * tile.level for tile in edge) == size
        assert all(tile == tile_at(tile.level, tile.index, size) for tile in edge)


def test_levels_and_places_that_are_not_there():
    for level, index, size in [(-1, 0, 9), (64, 0, 9), (0, 1, 256), (1, 0, 255), (0, 0, 0), (0, -1, 9)]:
        with pytest.raises(OutOfRange):
            tile_at(level, index, size)
    with pytest.raises(OutOfRange):
        list(new_tiles(5, 4))
    with pytest.raises(OutOfRange):
        list(tiles_of(SIZE_MAX + 1))


@given(st.integers(-1, 63), st.integers(0, 1 << 60) | st.integers(0, 2000), st.integers(1, 256))
def test_tiles_come_back_from_their_paths(level, index, width):
    tile = Tile(level, index, width)
    assert Tile.parse(tile.path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "", "tile", "tile/0", "tile/0/0", "tile/0/00", "tile/0/0000", "/tile/0/000", "tile/0/000/", "tile/00/000",
        "tile/01/000", "tile/64/000", "tile/99/000", "tile/100/000", "tile/-1/000", "tile/+1/000", "tile/data/000",
        "tile/0/x000/000", "tile/0/x000/001", "tile/0/001/002", "tile/0/x001", "tile/0/x1/000", "tile/0/X001/000",
        "tile/0/000.p", "tile/0/000.p/", "tile/0/000.p/0", "tile/0/000.p/01", "tile/0/000.p/256", "tile/0/000.p/999",
        "tile/0/000.p/1000", "tile/0/000.P/1", "tile/0/000p/1", "tile/0/000.p/1/", "tile/0/000.p/1\n", "tile/0/000\n",
        "tile/0/../000", "tile/0//000", "tile/0/٠٠٠", "tile/٣/000", "tile/entries", "tile/entries/0",
        "tile/0/" + "x001/" * 7 + "000", "checkpoint",
    ],
)  # fmt: skip
def test_what_is_not_the_path_of_a_tile(path):
    with pytest.raises(Malformed):
        Tile.parse(path)


@given(st.text("tile/entrisx0123456789.p\n", max_size=30).map(lambda tail: "tile/" + tail) | st.text())
def test_whatever_parses_as_a_path_is_in_its_only_form(path):
    try:
        tile = Tile.parse(path)
    except Malformed:
        return
    assert tile.path == path


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=256))
def test_entries_come_back_from_their_bundle(entries):
    bundle = Tile(ENTRIES, 0, len(entries))
    data = encode_bundle(entries)
    assert decode_bundle(bundle, data) == entries
    wrong = [data[:-1], data + b"\x00", data + b"\x00\x00", b"\x00\x00" + data, data + b"\x01"]
    for damaged in wrong:
        with pytest.raises(Malformed):
            decode_bundle(bundle, damaged)


def test_the_longest_entry_and_one_longer():
    longest = bytes(65_535)
    assert decode_bundle(Tile(ENTRIES, 0, 1), encode_bundle([longest])) == [longest]
    assert encode_bundle([b"ab"]) == b"\x00\x02ab"
    with pytest.raises(Malformed):
        encode_bundle([longest + b"x"])


def test_an_edge_that_cannot_be_is_refused():
    for size, partials in [(1, []), (1, [b"short"]), (256, [bytes(64)]), (0, [bytes(32)]), (3, [bytes(32)])]:
        with pytest.raises(Malformed):
            Edge(size, partials)
    edge = Edge()
    with pytest.raises(Malformed):
        edge.extend([b"short"])
    assert (edge.size, edge.root()) == (0, EMPTY_ROOT)
    with pytest.raises(Malformed):
        tile_root(bytes(8191))


@pytest.mark.parametrize("size", SIZES)
def test_proofs_from_tiles_hold(size):
    root = root_of(LEAVES[:size])
    trusted = TrustedTiles(size, root, published(size).get if size < SIZE else FILES.get)
    believed = subtree_hashes(size, trusted._get)
    assert root_at(size, trusted) == root
    for index in {0, 1, 255, 256, 300, size // 2, size - 2, size - 1}:
        if 0 <= index < size:
            proof = inclusion_proof(index, size, trusted)
            assert proof == inclusion_proof(index, size, believed)
            verify_inclusion(LEAVES[index], index, size, proof, root)
            old_root = root_of(LEAVES[: index + 1])
            assert root_at(index + 1, trusted) == old_root
            verify_consistency(index + 1, size, consistency_proof(index + 1, size, trusted), old_root, root)


def test_a_tree_of_equal_leaves_is_proven_from_tiles_near_the_largest_size():
    levels = [LEAVES[0]]
    for _ in range(63):
        levels.append(node_hash(levels[-1], levels[-1]))

    def get(path):
        tile = Tile.parse(path)
        return levels[8 * tile.level] * tile.width

    for size in (SIZE_MAX, (1 << 56) + 1, (1 << 48) - 1):
        root = root_at(size, lambda level, _: levels[level])
        trusted = TrustedTiles(size, root, get)
        for index in (0, size // 3, size - 1):
            verify_inclusion(LEAVES[0], index, size, inclusion_proof(index, size, trusted), root)


def test_all_entries_from_any_bundle_on():
    trusted = TrustedTiles(SIZE, ROOT, FILES.get)
    found = list(trusted.all_entries())
    assert [entry for _, entries in found for entry in entries] == ENTRY
    assert [first for first, _ in found] == list(range(0, SIZE, 256))
    assert list(trusted.all_entries(69_888)) == [(69_888, ENTRY[69_888:])]
    with pytest.raises(OutOfRange):
        list(trusted.all_entries(5))


def test_every_forged_or_missing_file_is_noticed():
    """Each kind of file once: a bit flipped, cut short, longer, gone, another tile's bytes."""
    for path, fault in [
        *[("tile/0/000", fault) for fault in range(5)],
        *[("tile/0/255", fault) for fault in range(5)],
        *[("tile/0/273.p/112", fault) for fault in range(5)],
        *[("tile/1/000", fault) for fault in range(5)],
        *[("tile/1/001.p/17", fault) for fault in range(5)],
        *[("tile/2/000.p/1", fault) for fault in range(5)],
        *[("tile/entries/000", fault) for fault in range(5)],
        *[("tile/entries/200", fault) for fault in range(5)],
        *[("tile/entries/273.p/112", fault) for fault in range(5)],
    ]:
        good = FILES[path]
        damaged = dict(FILES)
        flipped = bytes([good[-1] ^ 1])
        damaged[path] = [good[:-1] + flipped, good[:-1], good + b"\x00", None, FILES["tile/0/007"][: len(good)]][fault]
        if damaged[path] == good:
            continue
        with pytest.raises((Mismatch, Malformed, Missing)) as raised:
            for _ in TrustedTiles(SIZE, ROOT, damaged.get).all_entries():
                pass
        assert (raised.type is Missing) == (fault == 3), path


def test_tile_and_entry_forged_together_are_noticed():
    forged = dict(FILES)
    entries = [b"forged", *ENTRY[1:256]]
    forged["tile/entries/000"] = encode_bundle(entries)
    forged["tile/0/000"] = b"".join(leaf_hashes(entries))
    with pytest.raises(Mismatch, match="tile/0/000"):
        list(TrustedTiles(SIZE, ROOT, forged.get).all_entries())
    forged["tile/1/000"] = tile_root(forged["tile/0/000"]) + FILES["tile/1/000"][32:]
    with pytest.raises(Mismatch, match="tile/1/000"):
        list(TrustedTiles(SIZE, ROOT, forged.get).all_entries())
    forged["tile/2/000.p/1"] = tile_root(forged["tile/1/000"])
    with pytest.raises(Mismatch, match="root"):
        TrustedTiles(SIZE, ROOT, forged.get)


def test_the_full_file_does_where_the_partial_one_has_gone():
    size = 65_600
    assert edge_of(size)[0].path not in FILES
    trusted = TrustedTiles(size, root_of(LEAVES[:size]), FILES.get)
    assert trusted.entries(256) == ENTRY[65_536:size]
    assert read_bundle(bundle_at(256, size), FILES.get) == ENTRY[65_536:size]
    with pytest.raises(Missing):
        read_bundle(bundle_at(256, size), {}.get)
    with pytest.raises(Missing):
        read_tile(tile_at(0, 0, size), {}.get)
    with pytest.raises(Malformed):
        read_tile(tile_at(0, 256, size), {"tile/0/256": bytes(8191)}.get)
    for length in (0, 63 * 32, 64 * 32 - 1, 65 * 32, 8192):
        with pytest.raises(Malformed):
            read_tile(tile_at(0, 256, size), {"tile/0/256.p/64": bytes(length)}.get)


def test_only_complete_subtrees_have_a_hash():
    trusted = TrustedTiles(SIZE, ROOT, FILES.get)
    for level, index in [(0, SIZE), (1, SIZE // 2), (17, 0), (-1, 0), (0, -1)]:
        with pytest.raises(ProofFault):
            trusted(level, index)
    with pytest.raises(OutOfRange):
        TrustedTiles(-1, ROOT, FILES.get)
    assert TrustedTiles(0, EMPTY_ROOT, FILES.get).size == 0
    with pytest.raises(Mismatch):
        TrustedTiles(0, ROOT, FILES.get)
