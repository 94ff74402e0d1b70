"""The parts that every sheet has, as the templates take them: a word is a pair, Chinese first."""

from collections.abc import Sequence
from typing import Final, TypeAlias

import msgspec

from kernel.documents.data import Coded, Label, Signature, Verification
from kernel.documents.figures import NOTHING, moment
from kernel.documents.font import Script

Pair: TypeAlias = tuple[str, str]


class Fact(msgspec.Struct, frozen=True):
    """A named value on the first page. A wide one takes a whole line."""

    name: Pair
    value: str
    wide: bool = False
    is_hash: bool = False


NO_WORD: Final[Pair] = ("", "")
BLANK: Final[Pair] = (NOTHING, "")

_AUTHOR: Final = "Meterloop"
_EVENTS_SHOWN_MAX: Final = 6
_RUNNING_MAX: Final = 60
_FOOT_LINE_MAX: Final = 64
_FOOT_TEXT_MAX: Final = 160
"""The foot is as high as its margin on every page; what is longer is cut there, and whole in the QR code's target."""


def head(title: Pair, number: str, running: str, verification: Verification, script: Script) -> dict[str, object]:
    """What page furniture needs: `running` stands at the top of every page but the first."""
    return {
        "title": title,
        "number": script.legible(number),
        "running": script.legible(cut(running, _RUNNING_MAX)),
        "author": _AUTHOR,
        "foot": foot(verification, script),
    }


def foot(verification: Verification, script: Script) -> list[tuple[str, list[str]]]:
    """The lines at the foot: the events the document rests on, and how to check it."""
    ids = verification.event_ids
    more = [f"… 共 {len(ids)} 条 in all"] if len(ids) > _EVENTS_SHOWN_MAX else []
    ledger = [f"台账 ledger {verification.ledger_id}", f"位置 position {verification.position}"]
    lines = [("核验 verify", [_short(text, script) for text in [*ledger, verification.instruction]])]
    if ids:
        lines.append(("事件 events", [_short(text, script) for text in [*ids[:_EVENTS_SHOWN_MAX], *more]]))
    return lines


def verification_facts(verification: Verification) -> list[Fact]:
    """The same where there is no foot to print it in: in a spreadsheet."""
    return [
        Fact(("台账", "ledger"), verification.ledger_id),
        Fact(("台账位置", "position"), str(verification.position)),
        Fact(("核验", "verify"), verification.instruction),
        Fact(("事件", "events"), "\n".join(verification.event_ids)),
    ]


def checked_by(verification: Verification) -> str:
    """The verify line where there is room for one line only."""
    return f"{verification.instruction} · {verification.ledger_id} @ {verification.position}"


def _short(text: str, script: Script) -> str:
    """Unbroken, to be copied, where it fits a line; cut where it would need more than two."""
    text = cut(text, _FOOT_TEXT_MAX)
    return script.visible(text) if len(text) <= _FOOT_LINE_MAX else script.legible(text)


def cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def hash_groups(digest: str) -> list[str]:
    """Eight digits at a time, to be compared by eye."""
    return [digest[at : at + 8] for at in range(0, len(digest), 8)]


def word(label: Label | None, script: Script) -> Pair:
    return BLANK if label is None else (script.legible(label.zh), script.legible(label.en))


def coded(entry: Coded, script: Script) -> Pair:
    return script.legible(entry.zh or entry.code), script.legible(entry.en)


def party(entry: Coded) -> str:
    """A unit or site on one line: code, name, English name."""
    return " ".join(part for part in (entry.code, entry.zh, entry.en) if part)


def fact_rows(facts: Sequence[Fact], script: Script) -> list[tuple[Pair, str | list[str], bool]]:
    """Two facts a line; one that has no neighbour takes the line."""
    rows = []
    left = True
    for at, fact in enumerate(facts):
        wide = fact.wide or (left and (at + 1 == len(facts) or facts[at + 1].wide))
        name = (script.legible(fact.name[0]), script.legible(fact.name[1]))
        value = hash_groups(fact.value) if fact.is_hash else script.legible(fact.value) or NOTHING
        rows.append((name, value, wide))
        left = wide or not left
    return rows


def signature_boxes(signatures: tuple[Signature, ...], script: Script) -> list[dict[str, object]]:
    """Signed boxes say who, when and in which event; unsigned ones leave lines for the pen. Each party stamps its box;
    where the boxes are no party's but a person's, such as who tabulated, the paper is stamped once, in the last.
    """
    return [
        {
            "role": word(box.role, script),
            "party": script.legible(box.party),
            "lines": [
                (("经办人", "signed by") if box.party else ("签名", "signature"), script.legible(box.signer or "")),
                (("日期", "date"), "" if box.signed is None else moment(box.signed)),
            ],
            "event": _short(box.event_id or "", script),
            "document": box.document_sha256 or "",
            "stamped": bool(box.party) or at == len(signatures),
        }
        for at, box in enumerate(signatures, 1)
    ]
