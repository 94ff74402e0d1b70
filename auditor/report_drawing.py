"""The proof as a picture: lines, shapes and labels at their places, for whoever draws them (SVG, or Typst).

Lengths are in units of which a page is some 720 wide. Marks carry what they are (`tone`), not how that looks.
"""

import math
from collections.abc import Callable, Sequence
from typing import Final, Literal, TypeAlias

import msgspec

from auditor.report_proof import Consistency, Path, Proof, Step, Subtree
from auditor.report_text import short
from auditor.report_words import Pair, said
from ledger.proof.merkle import node_hash

Tone: TypeAlias = Literal["ink", "soft", "tree", "path", "sibling", "seen", "added", "bad", "good"]
Words: TypeAlias = Callable[[Pair], str]
"""How the words of a drawing are said: in both languages, or in one."""

WIDTH: Final = 720.0
_MARGIN: Final = 12.0
_TEXT: Final = 12.0
_SMALL: Final = 10.0
_LABELLED: Final = 60.0
"""Columns at least so wide have room for a hash."""
_NUMBERED: Final = 15.0
"""Columns narrower than this are not numbered each."""
_TREES_HIGH: Final = 120.0
_FOLDS_HIGH: Final = 150.0
_BOX_WIDE: Final = 148.0
_BOX_HIGH: Final = 32.0


class Line(msgspec.Struct, frozen=True, tag="line"):
    x1: float
    y1: float
    x2: float
    y2: float
    tone: Tone
    dashed: bool = False


class Shape(msgspec.Struct, frozen=True, tag="shape"):
    """A closed figure."""

    points: list[tuple[float, float]]
    tone: Tone


class Label(msgspec.Struct, frozen=True, tag="label"):
    """A text whose baseline is at `y`, beginning, centred or ending at `x`."""

    x: float
    y: float
    text: str
    tone: Tone = "ink"
    anchor: Literal["start", "middle", "end"] = "middle"
    size: float = _TEXT
    is_exact: bool = False


class Drawing(msgspec.Struct):
    """A picture. `says` is what it shows, for whoever does not see it."""

    width: float
    height: float
    says: Pair
    marks: list[Line | Shape | Label] = []


def forest(proof: Proof, words: Words) -> Drawing:
    """The complete subtrees of a tree, side by side, and how they are put together to its root."""
    count = len(proof.subtrees)
    at = None if proof.path is None else proof.path.index
    tones: list[Tone] = ["path" if at is not None and one.begin <= at < one.end else "tree" for one in proof.subtrees]
    drawing = Drawing(
        WIDTH,
        0,
        said(
            f"{proof.size:,} 条目由 {count} 棵完整子树组成，自右向左逐一合并为根 {short(proof.root)}",
            f"{proof.size:,} entries are {count} complete subtrees, put together from the right to the root "
            f"{short(proof.root)}",
        ),
    )
    top = 34.0 + (_FOLDS_HIGH if count > 1 else 14.0)
    peaks = _trees(drawing, proof.subtrees, tones, top)
    _folds(drawing, proof.subtrees, peaks, proof.root, words)
    return drawing


def _trees(drawing: Drawing, trees: Sequence[Subtree], tones: Sequence[Tone], top: float) -> list[tuple[float, float]]:
    """Draw subtrees side by side, the higher the more entries. Returns where their tops are."""
    column = (drawing.width - 2 * _MARGIN) / max(1, len(trees))
    base = top + _TREES_HIGH
    highest = max((one.level for one in trees), default=0) or 1
    half = min(column * 0.43, 70.0)
    peaks = []
    for number, (one, tone) in enumerate(zip(trees, tones, strict=True)):
        x = _MARGIN + column * (number + 0.5)
        peak = base - 18 - (_TREES_HIGH - 22) * one.level / highest
        peaks.append((x, peak))
        drawing.marks.append(
            Shape([(x, peak), (x + half, base), (x - half, base)], "sibling" if one.hash is None else tone)
        )
        if column >= _LABELLED:
            drawing.marks += [
                Label(x, base + 16, short(one.hash), tone, is_exact=True),
                Label(x, base + 30, f"{one.end - one.begin:,}", "soft", size=_SMALL),
            ]
        elif number % math.ceil(_NUMBERED / column) == 0:
            drawing.marks.append(Label(x, base + 14, str(number + 1), "soft", size=_SMALL))
    drawing.height = base + 40
    return peaks


def _folds(
    drawing: Drawing, trees: Sequence[Subtree], peaks: Sequence[tuple[float, float]], root: str, words: Words
) -> None:
    """Draw how subtrees are put together, from the right, and the root above them."""
    folded = _folded(trees)
    step = _FOLDS_HIGH / max(1, len(trees))
    column = (drawing.width - 2 * _MARGIN) / max(1, len(trees))
    below = peaks[-1] if peaks else (drawing.width / 2, 60.0)
    for number in range(len(trees) - 2, -1, -1):
        x, y = (peaks[number][0] + peaks[number + 1][0]) / 2, 44 + step * number
        drawing.marks += [Line(x, y, *peaks[number], "soft"), Line(x, y, *below, "soft"), _dot(x, y)]
        if number and column >= _LABELLED:
            drawing.marks.append(Label(x + 8, y - 3, short(folded[number]), "soft", "start", _SMALL, is_exact=True))
        below = x, y
    x, y = below
    right = _judged(folded[0] if folded else None, root)
    said = words(("根", "root"))
    anchor: Literal["start", "middle"] = "start" if x < drawing.width / 3 else "middle"
    drawing.marks += [
        _dot(x, y, right),
        Label(x, y - 12, _compared(said, folded[0] if folded else None, root, words), right, anchor),
    ]


def _folded(trees: Sequence[Subtree]) -> list[str | None]:
    """The hash of each subtree with all those to its right."""
    found: list[str | None] = []
    for one in reversed(trees):
        if not found:
            found.append(one.hash)
        elif one.hash is None or found[-1] is None:
            found.append(None)
        else:
            found.append(node_hash(bytes.fromhex(one.hash), bytes.fromhex(found[-1])).hex())
    return found[::-1]


def _dot(x: float, y: float, tone: Tone = "soft") -> Shape:
    return Shape([(x, y - 4), (x + 4, y), (x, y + 4), (x - 4, y)], tone)


def growth(of: Consistency, root: str, words: Words) -> Drawing:
    """The subtrees of the tree that was seen before, and those that were added, each making its root."""
    both = [*of.old, *of.new]
    size = both[-1].end
    drawing = Drawing(
        WIDTH,
        0,
        said(
            f"上次的 {of.old_size:,} 条与新增的 {size - of.old_size:,} 条：前者合并为上次的根 {short(of.old_root)}，"
            f"全部合并为现在的根 {short(root)}",
            f"The {of.old_size:,} entries seen before and {size - of.old_size:,} added: the former make the root seen"
            f" before, {short(of.old_root)}, all of them the root now, {short(root)}",
        ),
    )
    seen: Tone = "seen"
    added: Tone = "added"
    tones = [seen] * len(of.old) + [added] * len(of.new)
    _trees(drawing, both, tones, 74.0)
    column = (WIDTH - 2 * _MARGIN) / len(both)
    divide = _MARGIN + column * len(of.old)
    _bracket(drawing, (_MARGIN, divide - 4, 66.0), ("上次的根", "root before"), of.old_reckoned, of.old_root, words)
    _bracket(drawing, (_MARGIN, WIDTH - _MARGIN, 28.0), ("现在的根", "root now"), of.reckoned, root, words)
    if of.new:
        drawing.marks.append(Line(divide, 68, divide, drawing.height - 30, "soft", dashed=True))
    return drawing


def _bracket(
    drawing: Drawing, place: tuple[float, float, float], name: Pair, reckoned: str | None, root: str, words: Words
) -> None:
    left, right, y = place
    tone = _judged(reckoned, root)
    drawing.marks += [
        Line(left, y, right, y, tone),
        Line(left, y, left, y + 6, tone),
        Line(right, y, right, y + 6, tone),
        Label(left, y - 6, _compared(words(name), reckoned, root, words), tone, "start"),
    ]


def _judged(reckoned: str | None, root: str) -> Tone:
    """Nothing is said of a root that could not be reckoned."""
    return "soft" if reckoned is None else "good" if reckoned == root else "bad"


def _compared(name: str, reckoned: str | None, root: str, words: Words) -> str:
    if reckoned == root:
        return f"{name} {short(root)} = {words(('重新计算所得', 'as reckoned'))}"
    if reckoned is None:
        return f"{name} {short(root)}{words(('，有文件未能取得，未能核对', ', not checked: files could not be had'))}"
    return f"{name} {short(root)} ≠ {words(('重新计算所得', 'as reckoned'))} {short(reckoned)}"


def ladder(proof: Proof, path: Path, words: Words) -> Drawing:
    """The path of an entry: from the root above down to it, each node between its two children."""
    steps = path.steps[::-1]
    row = 50.0 if len(steps) <= 20 else 42.0  # noqa: PLR2004  so that the path of a million entries fits a page
    drawing = Drawing(WIDTH, 0, _path_says(proof, path))
    middle, side = WIDTH / 2, 210.0
    tone_of_root = _judged(path.reckoned_root, proof.root)
    said = _compared(words(("检查点的根", "root of the checkpoint")), path.reckoned_root, proof.root, words)
    drawing.marks.append(Label(middle, 20, said, tone_of_root))
    y = 34.0
    for number, step in enumerate(steps):
        if number:
            on_left = step.sibling_is_left
            beside = middle - side if on_left else middle + side
            above = y - row + _BOX_HIGH
            drawing.marks += [
                Line(middle, above, middle, y, "path" if step.is_right else "bad"),
                Line(middle, above, beside, y, "soft"),
            ]
            _box(
                drawing,
                beside,
                y,
                "sibling",
                (short(step.sibling), entries_shown(step.sibling_begin, step.sibling_end)),
            )
        tone: Tone = "bad" if not step.is_right else "good" if not number and tone_of_root == "good" else "path"
        _box(drawing, middle, y, tone, (short(step.reckoned), entries_shown(step.begin, step.end)))
        if not step.is_right:
            _differs(drawing, step, middle, y, words)
        y += row
    _entry(drawing, path, middle, y, words)
    return drawing


def _path_says(proof: Proof, path: Path) -> Pair:
    holds = path.reckoned_root == proof.root
    zh, en = ("到达", "leads") if holds else ("未到达", "does not lead")
    hashes = len(path.steps) - 1
    return (
        f"第 {path.index:,} 条目经 {hashes} 个相邻哈希{zh}检查点的根",
        f"The path of entry {path.index:,}, by {hashes} hashes beside it, {en} to the root of the checkpoint",
    )


def _differs(drawing: Drawing, step: Step, x: float, y: float, words: Words) -> None:
    """What the tiles have instead, on the side on which no sibling stands."""
    left = step.sibling is not None and not step.sibling_is_left
    at = x - _BOX_WIDE / 2 - 8 if left else x + _BOX_WIDE / 2 + 8
    said = f"≠ {words(('哈希块中', 'in the tiles'))} {short(step.in_tiles)}"
    drawing.marks.append(Label(at, y + 20, said, "bad", "end" if left else "start", _SMALL))


def _entry(drawing: Drawing, path: Path, x: float, y: float, words: Words) -> None:
    """The entry itself below its leaf, and what was disclosed in its place."""
    above = y - (50.0 if len(path.steps) <= 20 else 42.0) + _BOX_HIGH  # noqa: PLR2004  as in `ladder`
    drawing.marks.append(Line(x, above, x, y, "soft", dashed=True))
    name = words(("条目", "entry")) + f" {path.index:,}"
    _box(drawing, x, y, "ink", (short(path.commitment), name))
    if path.disclosed_leaf is not None:
        said = f"≠ {words(('所披露内容的叶', 'leaf of what is disclosed'))} {short(path.disclosed_leaf)}"
        drawing.marks.append(Label(x + _BOX_WIDE / 2 + 8, y + 20, said, "bad", "start", _SMALL))
    drawing.height = y + _BOX_HIGH + 10


def _box(drawing: Drawing, x: float, y: float, tone: Tone, lines: tuple[str, str]) -> None:
    half = _BOX_WIDE / 2
    corners = [(x - half, y), (x + half, y), (x + half, y + _BOX_HIGH), (x - half, y + _BOX_HIGH)]
    drawing.marks += [
        Shape(corners, tone),
        Label(x, y + 14, lines[0], tone, is_exact=True),
        Label(x, y + 26, lines[1], "soft", size=9.0),
    ]


def entries_shown(begin: int, end: int) -> str:
    """The entries below a node: the one, or the first and the last."""
    return f"{begin:,}" if end == begin + 1 else f"{begin:,} – {end - 1:,}"
