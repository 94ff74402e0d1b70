"""The documents say what is so: made from the code where they can be, held against it where they cannot."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.__main__ import COMMANDS, app
from cli.inventory import modules, reasons
from cli.reference import REFERENCE, ROOT, made_from_doors, pages
from kernel.settings import Settings

PAGES = pages()
MARKDOWN = sorted(
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout.splitlines()
)  # fmt: skip
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)|(?:src|href|srcset)=\"([^\"]+)\"")
REFUSAL_MAKERS = {"not_found", "against_rules", "stale", "not_allowed", "unreadable", "Reason"}


def headings(markdown: str) -> list[str]:
    """What a link may point at within a page, as forges make it: lower case, spaces to hyphens, the rest dropped."""
    text = re.sub(r"(?ms)^```.*?^```", "", markdown)
    titles = re.findall(r"(?m)^#+ +(.+)$", text)
    return [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]


@pytest.mark.parametrize("name", PAGES)
def test_the_reference_is_what_the_code_says(name):
    written = (REFERENCE / name).read_text("utf-8") if (REFERENCE / name).exists() else ""
    assert written == PAGES[name], f"docs/reference/{name} is not up to date: run `make docs`"


async def test_what_the_doors_describe_is_committed():
    for path, text in (await made_from_doors()).items():
        made = formatted(text) if path.suffix == ".py" else text
        place = path.relative_to(ROOT)
        assert path.read_text("utf-8") == made, f"{place} is not up to date: run `make docs`"


def formatted(python: str) -> str:
    command = [Path(sys.executable).with_name("ruff"), "format", "--quiet", "--stdin-filename", "client/types.py"]
    return subprocess.run(command, input=python, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def test_every_list_of_codes_has_words():
    """A list without words stands in the vocabulary as bare codes."""
    vocabulary = PAGES["vocabulary.md"]
    assert "| `court` | 司法保全 | court order |" in vocabulary
    assert re.findall(r"(?m)^`[^|\n]*`$", vocabulary) == []


def test_refusal_codes_are_declared_once():
    codes = [declared.reason.code for declared in reasons()]
    assert [code for code in codes if codes.count(code) > 1] == []


def test_every_refusal_is_declared_where_the_reference_finds_it():
    """A Reason made anywhere but in a module's top-level assignment would be a code that no page lists."""
    listed = {declared.reason.code for declared in reasons()}
    made = set()
    for module in modules():
        for node in ast.walk(ast.parse(Path(str(module.__file__)).read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in REFUSAL_MAKERS:
                made |= {arg.value for arg in node.args if isinstance(arg, ast.Constant) and _is_code(arg.value)}
    assert made <= listed


def test_every_setting_is_documented():
    kinds, settings = [Settings], set()
    while kinds:
        kind = kinds.pop()
        kinds += kind.__subclasses__()
        if not kind.__module__.startswith("tests."):
            settings |= set(kind.__struct_fields__)
    documented = re.findall(r"(?m)^\| `([A-Z_]+)`", PAGES["settings.md"])
    assert [name for name in sorted(settings) if not any(one.endswith(name.upper()) for one in documented)] == []


@pytest.mark.parametrize("name", ["registry", "gateway"])
def test_every_operation_says_in_both_languages_what_it_does_and_names_each_parameter_once(name):
    """OpenAPI 3.1, Operation Object: the list of parameters must not hold one twice."""
    document = json.loads((ROOT / "docs" / "reference" / "openapi" / f"{name}.json").read_text("utf-8"))
    for path, operations in document["paths"].items():
        for verb, operation in operations.items():
            said = operation["summary"]
            assert re.search(r"[\u4e00-\u9fff]", said), (verb, path, said)
            assert re.search(r"[a-z]", said), (verb, path, said)
            named = [(one["name"], one["in"]) for one in operation.get("parameters", ())]
            assert len(named) == len(set(named)), (verb, path, named)


def _is_code(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[a-z0-9_]+\.[a-z0-9_]+", value) is not None


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_relative_link_leads_somewhere(page):
    for markdown, html in LINK.findall(page.read_text("utf-8")):
        path, _, place = (markdown or html).partition("#")
        if re.match(r"[a-z]+:", path):
            continue
        target = (page.parent / path) if path else page
        assert target.exists(), f"{page.name} links to {path}, which is not there"
        if place:
            assert place in headings(target.read_text("utf-8")), f"{page.name} links to {path}#{place}"


def commands(markdown: str) -> list[str]:
    """The commands of a page's shell blocks, without what is said beside them."""
    blocks = re.findall(r"(?ms)^```sh\n(.*?)^```", markdown)
    return [line.split("  #")[0].strip() for block in blocks for line in block.splitlines()]


@pytest.mark.parametrize(
    "pages",
    [
        ("README.md", "README.zh-CN.md"),
        ("docs/operating.md", "docs/operating.zh-CN.md"),
        ("docs/schemes.md", "docs/schemes.zh-CN.md"),
        ("docs/reviews.md", "docs/reviews.zh-CN.md"),
    ],
)
def test_both_languages_say_the_same(pages):
    english, chinese = ((ROOT / name).read_text("utf-8") for name in pages)
    depths = [re.findall(r"(?m)^#+", text) for text in (english, chinese)]
    assert depths[0] == depths[1]
    assert commands(english) == commands(chinese)
    links = [
        sorted({link.replace(".zh-CN", "") for link in re.findall(r"\]\(([^)]+)\)", text)} - {Path(pages[0]).name})
        for text in (english, chinese)
    ]
    assert links[0] == links[1]
    tables = [re.findall(r"(?m)^\| `", text) for text in (english, chinese)]
    assert len(tables[0]) == len(tables[1])


def test_the_readme_begins_with_its_two_commands():
    assert commands((ROOT / "README.md").read_text("utf-8"))[:2] == ["make demo", "make test"]


def test_every_target_says_what_it_does_and_is_documented():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = re.findall(r"(?m)^\.PHONY: (\w+)$", makefile)
    assert {"help", "setup", "test", "check"} <= set(targets)
    assert set(targets) == set(re.findall(r"(?m)^(\w+):.*## \S", makefile))
    contributing = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    assert [target for target in targets if f"| `make {target}` |" not in contributing] == []


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "README.zh-CN.md",
        "CONTRIBUTING.md",
        "docs/operating.md",
        "docs/operating.zh-CN.md",
        "docs/schemes.md",
        "docs/schemes.zh-CN.md",
        "docs/reviews.md",
        "docs/reviews.zh-CN.md",
    ],
)
def test_targets_and_commands_that_are_spoken_of_exist(page):
    text = (ROOT / page).read_text("utf-8")
    targets = set(re.findall(r"(?m)^\.PHONY: (\w+)$", (ROOT / "Makefile").read_text("utf-8")))
    assert set(re.findall(r"(?m)(?:^|`)(?:\w+=\S+ )?make ([a-z]+)\b", text)) <= targets
    assert set(re.findall(r"meterloop ([a-z]+)\b", text)) <= COMMANDS.keys()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_where_it_is_said_to_be(name):
    said = CliRunner().invoke(app, [name, "--help"])
    assert said.exit_code == 0, said.output
    assert f"meterloop {name}" in said.output


def test_every_decision_is_in_the_index_and_has_its_parts():
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text("utf-8")
    parts = headings((folder / "template.md").read_text("utf-8"))[1:]
    decisions = sorted(folder.glob("[0-9]*.md"))
    assert decisions
    for decision in decisions:
        assert f"({decision.name})" in index, f"{decision.name} is not in the index"
        assert headings(decision.read_text("utf-8"))[1:] == parts, decision.name
    assert [int(decision.name[:4]) for decision in decisions] == list(range(1, len(decisions) + 1))
    assert re.findall(r"(?m)^\| \[(\d{4})\]", index) == [decision.name[:4] for decision in decisions]
