"""What only the whole of a stream can tell: no version left out or given twice, no event twice, one place at a time."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from auditor.finding import Fault, Finding, Findings
from auditor.lives import CORRECTED, DEVICES, NOT_YET, after, lead, name_of
from auditor.span import PIECE, Step

_STEPS: Final = msgspec.msgpack.Decoder(list[bytes])
_STEP: Final = msgspec.msgpack.Decoder(Step)


class Replayed(msgspec.Struct):
    """What came of a part of the streams."""

    streams: int = 0
    devices: int = 0
    findings: list[Finding] = []
    findings_count: int = 0


class _Stream:
    __slots__ = ("phase", "place", "version")

    def __init__(self) -> None:
        self.version = -1
        self.place: str | None = None
        self.phase = NOT_YET


def replay(files: Iterable[Path], *, whole: bool) -> Replayed:
    """Replay the streams whose steps are in these files, in order of the log. `whole`: every event is disclosed, so
    versions follow each other without a gap, and devices leave from where they are.
    """
    streams: dict[str, _Stream] = {}
    ids: set[bytes] = set()
    findings = Findings()
    count = 0
    files = list(files)
    for steps in _steps_in(files):
        count += len(steps)
        ids.update([step[2] for step in steps])
        for stream, version, _, index, moved, kind in steps:
            if (told := streams.get(stream)) is None:
                told = streams[stream] = _Stream()
            expected = told.version + 1
            if version != expected and (whole or version < expected):
                findings.add(
                    Fault.STREAM_BROKEN, "version", index=index, stream=stream, version=version, expected=expected
                )
            told.version = version
            for from_site, to_site in moved:
                if whole and from_site != told.place:
                    findings.add(
                        Fault.STREAM_BROKEN, "custody", index=index, stream=stream, leaves=from_site, is_at=told.place
                    )
                told.place = to_site
            if whole and kind:
                phase = after(told.phase, kind)
                if phase is None:
                    phase = _impossible(told, kind, stream, index, findings)
                # A dismantling that did not happen: the device never came to the site that it now leaves.
                if kind == CORRECTED and phase == "at_site" and told.place is None:
                    phase = "in_service"
                told.phase = phase
    if len(ids) < count:
        del ids
        _name_repeated(files, findings)
    devices = sum(stream.startswith(DEVICES) for stream in streams)
    return Replayed(len(streams), devices, findings.kept, findings.count)


def _impossible(told: _Stream, kind: int, stream: str, index: int, findings: Findings) -> str:
    """Name an event that cannot come in the phase that a device is in. Returns the phase to go on from."""
    findings.add(
        Fault.STREAM_BROKEN, "life", index=index, stream=stream, event=name_of(kind), after=told.phase or "nothing"
    )
    return lead(kind) or told.phase


def _steps_in(files: Iterable[Path]) -> Iterator[list[Step]]:
    """Some at a time, as when they were written."""
    for file in files:
        steps = _STEPS.decode(file.read_bytes())
        for begin in range(0, len(steps), PIECE):
            yield [_STEP.decode(step) for step in steps[begin : begin + PIECE]]


def _name_repeated(files: Iterable[Path], findings: Findings) -> None:
    """Find the ids that a stream has twice. Two streams may have the same."""
    ids: dict[str, set[bytes]] = {}
    for steps in _steps_in(files):
        for stream, _, event_id, index, *_ in steps:
            seen = ids.setdefault(stream, set())
            if event_id in seen:
                findings.add(Fault.INSERTED, "id", index=index, stream=stream, id=event_id)
            seen.add(event_id)
