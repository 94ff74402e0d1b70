"""Drawings of trees of any size stay on their sheet, and say what they show."""

from hashlib import sha256

import pytest

from auditor.report_drawing import Label, Line, Shape, forest, growth, ladder
from auditor.report_proof import Consistency, Path, Proof, Step, Subtree
from ledger.proof.merkle import SIZE_MAX, subtrees_of

ROOT = sha256(b"root").hexdigest()


def both(pair):
    return " ".join(pair)


def subtrees(begin, end):
    return [
        Subtree(level=level, begin=at << level, end=(at + 1) << level, hash=sha256(b"%d %d" % (level, at)).hexdigest())
        for level, at in subtrees_of(begin, end)
    ]


def path_of(size):
    """As long as a path can be, its last step to the left of everything else; each node another than the tiles have."""
    steps, begin, end = [], size - 1, size
    for level in range(max(1, size.bit_length())):
        before = max(0, begin - (1 << level))
        sides = {"sibling": ROOT, "sibling_begin": before, "sibling_end": begin} if before < begin else {}
        steps.append(Step(begin=begin, end=end, reckoned=ROOT, in_tiles=sha256(b"other").hexdigest(), **sides))
        begin = before
    return Path(index=size - 1, of_fault=True, commitment=None, steps=steps, disclosed_leaf=ROOT)


def points_of(drawing):
    for mark in drawing.marks:
        match mark:
            case Line():
                yield from ((mark.x1, mark.y1), (mark.x2, mark.y2))
            case Shape():
                yield from mark.points
            case Label():
                # A letter is never wider than its size.
                width = mark.size * len(mark.text) * 0.62
                before = {"start": 0.0, "middle": width / 2, "end": width}[mark.anchor]
                yield from ((mark.x - before, mark.y), (mark.x - before + width, mark.y))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1_000, 941, 2**20, 2**20 - 1, 2**40 - 1, SIZE_MAX])
def test_a_drawing_stays_on_its_sheet(size):
    path = path_of(size)
    proof = Proof(size=size, root=ROOT, subtrees=subtrees(0, size), reckoned=None, path=path)
    old = max(1, size * 2 // 3)
    grown = Consistency(
        old_size=old,
        old_root=ROOT,
        old=subtrees(0, old),
        new=subtrees(old, size),
        old_reckoned=ROOT,
        reckoned=None,
        proof_hashes=1,
        holds=True,
    )
    for drawing in (forest(proof, both), growth(grown, ROOT, both), ladder(proof, path, both)):
        assert drawing.marks
        assert all(drawing.says)
        for x, y in points_of(drawing):
            assert 0 <= x <= drawing.width
            assert 0 <= y <= drawing.height
