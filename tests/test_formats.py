"""docs/formats.md says what the code does: its examples are computed, its limits and addresses are the code's."""

import re
from collections.abc import Iterator

import pytest

from auditor.lives import ALIVE, DESTROYED, LEFT, STEPS, Step
from cli.reference import ROOT
from gateway.published import RANGE_ENTRIES, SERVED
from ledger.proof import commitment, merkle, note, policy, proof_file, tiles
from tests.ledger.proof.worked import examples

DOCUMENTS = [ROOT / "docs" / name for name in ("formats.md", "formats.zh-CN.md")]
EXAMPLE = re.compile(r"<!-- example: (\w+) -->\n```text\n(.*?)\n```", re.DOTALL)

LIVES = re.compile(r"<!-- lives -->\n```text\n(.*?)\n```", re.DOTALL)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_examples_are_what_the_code_makes(document):
    shown = EXAMPLE.findall(document.read_text("utf-8"))
    assert dict(shown) == examples()
    assert len(shown) == len(examples()), "an example stands once"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_limits_and_addresses_are_the_code_s(document):
    text = document.read_text("utf-8")
    assert list(missing(text)) == []
    assert "C2SP/C2SP@5ba5ee8" in text


def test_both_languages_have_the_same_parts():
    depths = [re.findall(r"(?m)^#+ |^\| `|^- |^[0-9]+\. ", document.read_text("utf-8")) for document in DOCUMENTS]
    assert depths[0] == depths[1]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_a_device_s_life_is_the_one_that_the_auditor_replays(document):
    (told,) = LIVES.findall(document.read_text("utf-8"))
    assert told.splitlines() == [life(name, step) for name, step in STEPS.items()]


def life(name: str, step: Step) -> str:
    """An event in words: in which phases it comes, and to which it leads."""
    words, left = [], set(step.after)
    for group, phases in {"ALIVE": ALIVE, "LEFT": LEFT, "DESTROYED": DESTROYED}.items():
        if phases <= left:
            words.append(group)
            left -= phases
    after = " ".join([*words, *sorted(phase or "nothing" for phase in left)])
    return f"{name:<25} {after:<34} {step.to or '='}"


def missing(text: str) -> Iterator[str]:
    """What the document would have to say and does not."""
    limits = {
        "entries a range file": RANGE_ENTRIES,
        "signatures a note": note.SIGNATURES_MAX,
        "bytes a note": note.NOTE_BYTES_MAX,
        "hashes a proof": proof_file.HASHES_MAX,
        "bytes of extra": proof_file.EXTRA_BYTES_MAX,
        "witnesses a policy": policy.WITNESSES_MAX,
        "bytes an entry": tiles.ENTRY_BYTES_MAX,
        "hashes a tile": tiles.FULL_WIDTH,
    }
    numbers = {int(found.replace(",", "")) for found in re.findall(r"[0-9][0-9,]*", text)}
    yield from (what for what, limit in limits.items() if limit not in numbers)
    if f"2^{merkle.SIZE_MAX.bit_length()}" not in text:
        yield "the largest tree"
    if commitment._DOMAIN.rstrip(b"\0").decode() not in text:
        yield "the domain of commitments"
    for served in SERVED:
        if re.sub(r"{(\w+)}", r"<\1>", served.path.removeprefix("/")) not in text:
            yield served.path
