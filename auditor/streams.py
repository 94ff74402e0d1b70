"""What only the whole of a stream can tell: no version left out or given twice, no event twice, one place at a time."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from auditor.finding import Fault, Finding, Findings
from auditor.span import Step, stream_hash

_STEPS: Final = msgspec.msgpack.Decoder(list[Step])

SAMPLED: Final = 64
"""Streams of each part of whom the audit remembers where they were in the end: those whose names hash lowest."""


class Replayed(msgspec.Struct):
    """What came of a part of the streams. `places` are where some of the devices are in the end, by stream."""

    streams: int = 0
    places: dict[str, str | None] = {}
    findings: list[Finding] = []
    findings_count: int = 0


class _Stream:
    __slots__ = ("ids", "place", "version")

    def __init__(self) -> None:
        self.version = -1
        self.ids: set[bytes] = set()
        self.place: str | None = None


def replay(files: Iterable[Path], *, whole: bool) -> Replayed:
    """Replay the streams whose steps are in these files, in order of the log. `whole`: every event is disclosed, so
    versions follow each other without a gap, and devices leave from where they are.
    """
    streams: dict[str, _Stream] = {}
    findings = Findings()
    for file in files:
        for stream, version, event_id, index, moved in _STEPS.decode(file.read_bytes()):
            if (told := streams.get(stream)) is None:
                told = streams[stream] = _Stream()
            expected = told.version + 1
            if version != expected and (whole or version < expected):
                findings.add(
                    Fault.STREAM_BROKEN, "version", index=index, stream=stream, version=version, expected=expected
                )
            if event_id in told.ids:
                findings.add(Fault.INSERTED, "id", index=index, stream=stream, id=event_id)
            told.version = version
            told.ids.add(event_id)
            for from_site, to_site in moved:
                if whole and from_site != told.place:
                    findings.add(
                        Fault.STREAM_BROKEN, "custody", index=index, stream=stream, leaves=from_site, is_at=told.place
                    )
                told.place = to_site
    moving = sorted((stream for stream in streams if stream.startswith("meter-")), key=stream_hash)[:SAMPLED]
    places = {stream: streams[stream].place for stream in moving}
    return Replayed(len(streams), places, findings.kept, findings.count)
