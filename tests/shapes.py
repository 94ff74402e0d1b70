"""What a view's rows are is a promise to what serves them: a changed row means a new table name.

A service's `shapes.json` has, for every table name that was ever used, its columns, and a digest of the rows that come
of the first events of `history.jsonl`. Neither changes under the same name: tables are built again only where the name
is new, and rows of the old kind would be served beside the new. What is new is added, and nothing else changed, by
running the service's own test_shapes as a program.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from kernel.codec import Codec, Reader
from kernel.view import View
from ledger.port import Recorded
from tests.given import rows


class Line(msgspec.Struct, frozen=True):
    """An event of the history, as the log had it."""

    stream: str
    version: int
    type: str
    recorded_at_us: int
    data: msgspec.Raw


class Shapes:
    """The promises that are kept in a folder. `reader` reads the log as the views do."""

    def __init__(self, folder: Path, views: Sequence[View[Any]], reader: Codec | Reader) -> None:
        self._history, self._shapes = folder / "history.jsonl", folder / "shapes.json"
        self.views, self._reader = views, reader

    @cached_property
    def kept(self) -> list[tuple[msgspec.Struct, Recorded]]:
        """The history, decoded as an old log is."""
        told = []
        for position, text in enumerate(self._history.read_bytes().splitlines(), 1):
            line = msgspec.json.decode(text, type=Line)
            place = {name: getattr(line, name) for name in ("stream", "version", "type", "recorded_at_us")}
            rest = {"id": bytes(16), "metadata": b"", "salt": bytes(32), "content_type": "application/json"}
            recorded = Recorded(position=position, data=bytes(line.data), **place, **rest)
            told.append((self._reader.decode(recorded), recorded))
        return told

    @property
    def promised(self) -> dict[str, dict[str, Any]]:
        return json.loads(self._shapes.read_text()) if self._shapes.exists() else {}

    def shape(self, view: View[Any], events: int) -> dict[str, object]:
        """The columns, the indexes, and a digest of the rows that come of so many events of the history."""
        seen = [(event, recorded) for event, recorded in self.kept[:events] if type(event) in view.events]
        held = sorted(rows(view, seen).items())
        digest = hashlib.sha256(msgspec.json.encode([row for _, row in held])).hexdigest()
        indexed = sorted(column.name for index in view.columns.indexes for column in index.columns)
        return {"columns": view.shape, "indexes": indexed, "events": events, "rows": len(held), "sha256": digest}

    def is_kept(self, view: View[Any]) -> None:
        """Whether a view keeps what its name promises."""
        promised, name = self.promised, view.columns.name
        assert name in promised, f"{name} is new: run this service's test_shapes as a program"
        assert promised[name]["rows"]
        assert self.shape(view, promised[name]["events"]) == promised[name], (
            f"what {name} holds has changed: give its table the next version"
        )

    def names_are_counted_up(self) -> None:
        """A name once used is not used for something else later."""
        promised = self.promised
        assert list(promised) == sorted(promised)
        for view in self.views:
            later = f"{view.name}_v{int(view.columns.name.removeprefix(f'{view.name}_v')) + 1}"
            assert later not in promised

    def add_what_is_new(self, everything: Iterable[Recorded]) -> None:
        """What happens in `everything` and not in the history is added at its end, and names that are not there yet."""
        lines = self._history.read_bytes().splitlines() if self._history.exists() else []
        had = [msgspec.json.decode(line, type=Line) for line in lines]
        known = Counter((line.stream, line.type, bytes(line.data)) for line in had)
        versions = Counter(line.stream for line in had)
        latest_us = max((line.recorded_at_us for line in had), default=0)
        for of in everything:
            said = (of.stream, of.type, of.data)
            if known[said]:
                known[said] -= 1
                continue
            latest_us = max(latest_us, of.recorded_at_us)
            line = Line(of.stream, versions[of.stream], of.type, latest_us, msgspec.Raw(of.data))
            versions[of.stream] += 1
            lines.append(msgspec.json.encode(line))
        self._history.write_bytes(b"".join(line + b"\n" for line in lines))
        self.__dict__.pop("kept", None)
        found = {view.columns.name: self.shape(view, len(lines)) for view in self.views}
        self._shapes.write_text(json.dumps(dict(sorted((found | self.promised).items())), indent=2) + "\n")
