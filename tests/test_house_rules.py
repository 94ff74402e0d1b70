"""The rules of this house that no linter knows: sizes, names, reasons, and what must never stand in a file."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

from cli.reference import ROOT

FILE_LINES_MAX = 500
TEST_LINES_MAX = 700
FUNCTION_LINES_MAX = 60
DRAWERS = {"utils", "util", "common", "helpers", "helper", "base", "manager", "misc"}

TRACKED = [
    Path(name)
    for name in subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout.splitlines()
    if (ROOT / name).is_file()
]  # fmt: skip
PYTHON = [path for path in TRACKED if path.suffix == ".py"]
MADE = {Path("client/types.py")}
"""Made from the OpenAPI document, as long as that is."""

CODE = [path for path in PYTHON if path.parts[0] not in ("tests", "bench")]

# Taken apart, so that this file does not hold what it looks for.
FORBIDDEN = {
    "the host of a package registry": r"pypi\.[o]rg|python[h]osted|npmjs\.[o]rg|crates\.[i]o|proxy\.golang\.[o]rg",
    "the address of a package index": r"--(?:extra-)?index-[u]rl|--find-[l]inks|--trusted-[h]ost",
    "a path of somebody's machine": r"(?<![\w.])/(?:[h]ome|[U]sers|[r]oot|[w]ork)/\w|/tmp/[w]t",
    "something put off": r"\b(?:TO[D]O|FIX[M]E|XX[X])\b",
}
OTHER_WORDS = {
    "台账, of the log and nothing else": r"账[本]|[本]账(?![目户])|账[簿]",
    "登记服务, of the registry": r"台账[服]务|注册[服]务|## 台账 [R]egistry",
    "回收统计台账, of the paper, and 回收率, of its figures": r"(?<!统计)回收[台]账|回收统计台账[文]件",
    "警报, of an alarm; 异常 is an exception on a paper": r"异常[台]账|异常 [Aa]larms|告[警]",
    "留存, of a hold": r"留存[台]账",
}
"""What a thing is called, and what it is not called: the terms of the field, one for each thing."""

ASSET_NUMBER = re.compile(r"(?<![0-9A-Za-z.])[0-9]{22}(?![0-9A-Za-z])")
SYNTHETIC = re.compile(r"99[0-9]{20}")
"""Units 99xxx belong to nobody: the generators, the tests and the examples use them."""

REASONED = re.compile(r"# (?:type: ignore\[[a-z, -]+\]|noqa: [A-Z]+[0-9]+(?:, [A-Z]+[0-9]+)*)(?:  #? ?| - )\w")
UNREASONED = re.compile(r"# (?:type: ignore|noqa)")


def text_of(path: Path) -> str:
    """The file's text; nothing where it is not text."""
    try:
        return (ROOT / path).read_text("utf-8")
    except UnicodeDecodeError:
        return ""


ENGLISH_ALONE = re.compile(r"""raise \w+Error\(f?['"](?!.*[\u4e00-\u9fff]).*[a-z] [a-z]""")


def functions(path: Path):
    for node in ast.walk(ast.parse(text_of(path))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_files_are_short():
    long = {}
    for path in PYTHON:
        if path in MADE:
            continue
        lines_max = FILE_LINES_MAX if path in CODE else TEST_LINES_MAX
        if (lines := text_of(path).count("\n")) > lines_max:
            long[str(path)] = lines
    assert long == {}


def test_functions_are_short():
    long = {
        f"{path}:{node.lineno} {node.name}": lines
        for path in CODE
        for node in functions(path)
        if (lines := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION_LINES_MAX
    }
    assert long == {}


def test_what_members_of_a_message_have_against_one_another_is_said_in_both_languages():
    """A ValueError there goes into a sentence of either language as it is."""
    spoken = [
        f"{path}:{raised.lineno}"
        for path in CODE
        if path.parts[0] == "services" or path.name == "quantity.py"
        for node in functions(path)
        if node.name == "__post_init__"
        for raised in ast.walk(node)
        if isinstance(raised, ast.Raise) and ENGLISH_ALONE.match(ast.unparse(raised))
    ]
    assert spoken == []


@pytest.mark.parametrize(
    ("line", "alone"),
    [
        ('raise ValueError("a limit has a least or a most")', True),
        ('raise ValueError(f"no unit {self.unit}")', True),
        ('raise ValueError("限值须有下限或上限 / a limit has a least or a most")', False),
        ('raise ValueError(f"{kind}: {problem}")', False),
        ('raise Contradiction("限值须有下限或上限", "a limit has a least or a most")', False),
    ],
)
def test_one_language_alone_is_told_from_both(line, alone):
    assert bool(ENGLISH_ALONE.match(ast.unparse(ast.parse(line)))) is alone


def test_no_file_is_a_drawer():
    assert [str(path) for path in TRACKED if path.stem in DRAWERS] == []


def test_every_exception_to_a_rule_has_its_reason():
    bare = [
        f"{path}:{number}"
        for path in PYTHON
        for number, line in enumerate(text_of(path).splitlines(), 1)
        if UNREASONED.search(line) and not REASONED.search(line) and path.name != Path(__file__).name
    ]
    assert bare == []


@pytest.mark.parametrize("what", FORBIDDEN)
def test_no_file_holds(what):
    pattern = re.compile(FORBIDDEN[what])
    found = [f"{path}: {match[0]}" for path in TRACKED for match in pattern.finditer(text_of(path))]
    assert found == []


def test_asset_numbers_are_synthetic():
    found = [
        f"{path}: {number}"
        for path in TRACKED
        for number in ASSET_NUMBER.findall(text_of(path))
        if not SYNTHETIC.fullmatch(number)
    ]
    assert found == []


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("the host of a package registry", "https://py" + "pi.org/simple"),
        ("the address of a package index", "pip install --index" + "-url x"),
        ("a path of somebody's machine", "open('/ho" + "me/me/x')"),
        ("something put off", "# TO" + "DO later"),
    ],
)
def test_what_is_looked_for_would_be_found(what, line):
    assert re.search(FORBIDDEN[what], line)


def test_an_asset_number_would_be_found():
    number = "41" + "0" * 19 + "7"
    assert ASSET_NUMBER.findall(f"x = '{number}'") == [number]
    assert not SYNTHETIC.fullmatch(number)
    assert ASSET_NUMBER.findall("a" * 10 + "1" * 22) == []


@pytest.mark.parametrize(
    ("line", "reasoned"),
    [
        ("x = 1  # type: ignore[arg-type]  the stub says less", True),
        ("x = 1  # noqa: S603, PLW1510  our own words", True),
        ("x = 1  # noqa: S603", False),
        ("x = 1  # noqa", False),
        ("x = 1  # type: ignore[arg-type]", False),
    ],
)
def test_a_reason_is_told_from_none(line, reasoned):
    assert bool(REASONED.search(line)) is reasoned


@pytest.mark.parametrize("word", OTHER_WORDS)
def test_a_thing_has_one_name(word):
    # Spreadsheets of the field, which tests imitate, call things as they like.
    found = [
        f"{path}: {said[0]}"
        for path in TRACKED
        if path.parts[0] != "tests"
        for said in re.finditer(OTHER_WORDS[word], text_of(path))
    ]
    assert found == [], word
