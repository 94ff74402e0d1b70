"""A span as one process examines it, or takes it from what is remembered, and into how many parts its streams go."""

from pathlib import Path
from typing import Final

import msgspec

from auditor.remembering import emptied, files_of, keep_span, kept_span
from auditor.source import Place, opened
from auditor.span import Examined, Task, examine
from ledger.proof.tiles import tile_root

PARTITION_EVENTS: Final = 131_072
"""Events of the streams that are replayed at once: some 60 MB."""

PARTITIONS_REMEMBERED: Final = 64
"""Parts where spans are remembered, up to 8 million events: then twice as many, and all is verified again."""

PARTITIONS_MAX: Final = 4_096
"""Parts of any log, whatever size its checkpoint says."""


class Job(msgspec.Struct, frozen=True):
    """A task, and where its span is remembered under which hash; both empty where it is not."""

    task: Task
    spans: str = ""
    subtree: bytes = b""


def examined_job(place: Place, job: Job) -> Examined:
    """What came of a span; remembered where that is asked for and nothing was found."""
    if not job.spans:
        with opened(place) as source:
            return examine(job.task, source)
    spans, task = Path(job.spans), job.task
    if (kept := kept_span(spans, place, task, job.subtree)) is not None:
        return kept
    files = files_of(place, task)
    task = msgspec.structs.replace(task, spill=str(emptied(spans, task.span)))
    with opened(place) as source:
        examined = examine(task, source)
    if not examined.findings_count and not examined.disputes and tile_root(b"".join(examined.tiles)) == job.subtree:
        keep_span(spans, place, task, files, examined)
    return examined


def partitions_of(events: int, *, remembered: bool) -> int:
    """Into how many parts streams are dealt out. What is remembered is dealt out alike while the log grows."""
    needed = max(1, -(-events // PARTITION_EVENTS))
    if remembered:
        needed = PARTITIONS_REMEMBERED << max(0, (needed - 1).bit_length() - 6)
    return min(needed, PARTITIONS_MAX)
