"""What a view's rows are is a promise to what serves them: a changed row means a new table name.

`shapes.json` has, for every table name that was ever used, its columns, and a digest of the rows that come of the first
events of `history.jsonl`. Neither changes under the same name: tables are built again only where the name is new, and
rows of the old kind would be served beside the new. What is new is added, and nothing else changed, by

    python -m tests.registry.views.test_shapes
"""

import hashlib
import json
import sys
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from kernel.view import View
from ledger.port import Recorded
from services.registry.app import CODEC
from services.registry.views import VIEWS
from services.registry.views.hold import HOLDS, HoldRow
from tests.given import rows
from tests.registry.views.every_event import everything

HERE = Path(__file__).parent
HISTORY, SHAPES = HERE / "history.jsonl", HERE / "shapes.json"


class Line(msgspec.Struct, frozen=True):
    """An event of the history, as the log had it."""

    stream: str
    version: int
    type: str
    recorded_at_us: int
    data: msgspec.Raw


def kept() -> list[tuple[msgspec.Struct, Recorded]]:
    """The history, decoded as an old log is."""
    told = []
    for position, text in enumerate(HISTORY.read_bytes().splitlines(), 1):
        line = msgspec.json.decode(text, type=Line)
        place = {name: getattr(line, name) for name in ("stream", "version", "type", "recorded_at_us")}
        rest = {"id": bytes(16), "metadata": b"", "salt": bytes(32), "content_type": "application/json"}
        recorded = Recorded(position=position, data=bytes(line.data), **place, **rest)
        told.append((CODEC.decode(recorded), recorded))
    return told


def shape(view: View, events: int) -> dict[str, object]:
    """The columns, the indexes, and a digest of the rows that come of so many events of the history."""
    seen = [(event, recorded) for event, recorded in kept()[:events] if type(event) in view.events]
    held = sorted(rows(view, seen).items())
    digest = hashlib.sha256(msgspec.json.encode([row for _, row in held])).hexdigest()
    indexed = sorted(column.name for index in view.columns.indexes for column in index.columns)
    return {"columns": view.shape, "indexes": indexed, "events": events, "rows": len(held), "sha256": digest}


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.columns.name)
def test_a_view_of_another_shape_has_another_name(view):
    promised, name = json.loads(SHAPES.read_text()), view.columns.name
    assert name in promised, f"{name} is new: run python -m tests.registry.views.test_shapes"
    assert promised[name]["rows"]
    assert shape(view, promised[name]["events"]) == promised[name], (
        f"what {name} holds has changed: give its table the next version"
    )


def test_other_rows_are_another_shape():
    promised = json.loads(SHAPES.read_text())["hold_v1"]
    kept_all = msgspec.structs.replace(
        HOLDS, evolve=lambda _row, event, _recorded, key: HoldRow(*key, "court", "", event.day, None)
    )
    assert shape(HOLDS, promised["events"]) == promised != shape(kept_all, promised["events"])


def test_names_are_counted_up():
    """A name once used is not used for something else later."""
    promised = json.loads(SHAPES.read_text())
    assert list(promised) == sorted(promised)
    for view in VIEWS:
        later = f"{view.name}_v{int(view.columns.name.removeprefix(f'{view.name}_v')) + 1}"
        assert later not in promised


def add_what_is_new() -> None:
    """What happens in `everything` and not in the history is added at its end, and names that are not there yet."""
    lines = HISTORY.read_bytes().splitlines() if HISTORY.exists() else []
    had = [msgspec.json.decode(line, type=Line) for line in lines]
    known = Counter((line.stream, line.type, bytes(line.data)) for line in had)
    versions = Counter(line.stream for line in had)
    latest_us = max((line.recorded_at_us for line in had), default=0)
    for event, of in everything().events:
        said = (of.stream, of.type, CODEC.encode(event))
        if known[said]:
            known[said] -= 1
            continue
        latest_us = max(latest_us, of.recorded_at_us)
        line = Line(of.stream, versions[of.stream], of.type, latest_us, msgspec.Raw(said[2]))
        versions[of.stream] += 1
        lines.append(msgspec.json.encode(line))
    HISTORY.write_bytes(b"".join(line + b"\n" for line in lines))
    promised = json.loads(SHAPES.read_text()) if SHAPES.exists() else {}
    found = {view.columns.name: shape(view, len(lines)) for view in VIEWS}
    SHAPES.write_text(json.dumps(dict(sorted((found | promised).items())), indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(add_what_is_new())
