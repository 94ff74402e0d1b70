"""What is disclosed of a log, held against its ledger: each record of each file that the heads cover."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ledger.port import PAGE_EVENTS, Ledger, Recorded
from ledger.proof.commitment import envelope_of
from ledger.proof.disclosure import decode_events, encode_event, metadata_record
from ledger.proof.errors import ProofFault
from ledger.transparency.disclosed import (
    METADATA,
    PUBLIC,
    RANGE_ENTRIES,
    SUPERVISOR,
    Head,
    head_name,
    packed,
    range_name,
    unpacked,
)
from ledger.transparency.discloser import SETS, STAGING, Labels
from ledger.transparency.findings import DISCLOSE_ANEW, MEND, Report
from ledger.transparency.storage import DirectoryStorage
from ledger.transparency.store import Cursor


async def check_disclosed(
    ledger: Ledger, folder: Path, cursor: Cursor, report: Report, labels: Labels | None = None
) -> None:
    """Check everything that is disclosed of the log that this cursor is of, and whose ledger is whole. With labels,
    what is wrong is made again, of the public set what they make public. Raises what the ledger raises, OSError.
    """
    check = _Check(DirectoryStorage(folder, staging=STAGING), cursor, report, labels)
    covered = check.heads()
    position = 0
    for number in range(-(-max(covered.values(), default=0) // RANGE_ENTRIES)):
        events: list[Recorded] = []
        wanted = min(max(covered.values()) - number * RANGE_ENTRIES, RANGE_ENTRIES)
        while len(events) < wanted:
            page = await ledger.read_all(position, limit=min(wanted - len(events), PAGE_EVENTS))
            events += page.events
            position = page.scanned_to
        await asyncio.to_thread(check.range, number, events, covered)
    report.disclosed = min(covered.values(), default=0)


class _Check:
    def __init__(self, storage: DirectoryStorage, cursor: Cursor, report: Report, labels: Labels | None) -> None:
        self._storage: Final = storage
        self._cursor: Final = cursor
        self._report: Final = report
        self._labels: Final = labels

    def heads(self) -> dict[str, int]:
        """How many entries each set covers; nothing where nothing is disclosed."""
        found = {of: self._head(of) for of in (PUBLIC, SUPERVISOR)}
        right = next((head for head in found.values() if isinstance(head, Head)), None)
        if right is None:
            if any(found.values()) or self._storage.names(SUPERVISOR):
                said = "披露到哪里已不可知", "and how far was disclosed nobody knows"
                self._report.found(head_name(SUPERVISOR), None, *said, DISCLOSE_ANEW)
            return {}
        for of, head in found.items():
            if not isinstance(head, Head):
                self._report.found(head_name(of), None, head or "不在", head or "is not there")
                if self._labels is not None:
                    self._storage.put({head_name(of): right.encoded()})
        covered = {of: (head if isinstance(head, Head) else right).covered for of, head in found.items()}
        return {**covered, METADATA: covered[SUPERVISOR]}

    def _head(self, of: str) -> Head | str | None:
        """The head, or what is wrong with it; None where there is none."""
        data = self._storage.read(head_name(of))
        if data is None:
            return None
        try:
            head = Head.parse(data)
        except ProofFault as fault:
            return str(fault)
        if head.origin != self._cursor.origin or head.covered > self._cursor.size:
            return f"{head.origin} {head.covered}"
        return head

    def range(self, number: int, events: list[Recorded], covered: dict[str, int]) -> None:
        """Check the files of this range, whose first events these are."""
        begin = number * RANGE_ENTRIES
        shown = {index: encode_event(index, envelope_of(event)) for index, event in enumerate(events, begin)}
        about = {index: metadata_record(index, event) for index, event in enumerate(events, begin)}
        for of in SETS:
            upto = min(covered[of], begin + RANGE_ENTRIES)
            if upto <= begin:
                continue
            right = [record for index, record in (about if of == METADATA else shown).items() if index < upto]
            name = range_name(of, number)
            self._report.files += 1
            frame = self._storage.read(name)
            wrong = "is not there" if frame is None else self._wrong(of, frame, begin, right)
            if wrong is None:
                continue
            zh = "不在" if frame is None else f"与台账不符：{wrong}"
            self._report.found(name, begin, zh, wrong, MEND)
            if self._labels is not None:
                if of == PUBLIC:
                    right = [shown[index] for index in range(begin, upto) if self._is_public(events[index - begin])]
                self._storage.put({name: packed(b"".join(right))})

    def _is_public(self, event: Recorded) -> bool:
        return self._labels is not None and self._labels.are_for_all(event)

    def _wrong(self, of: str, frame: bytes, begin: int, right: list[bytes]) -> str | None:
        """What is wrong with the file, or None. What it holds beyond what is covered counts for nothing yet."""
        try:
            records = unpacked(frame)
            if of != PUBLIC:
                return None if records.startswith(b"".join(right)) else "its records are not the ledger's"
            shown = list(_public(records, begin, begin + len(right)))
        except ProofFault as fault:
            return str(fault)
        other = next((index for index, record in shown if record != right[index - begin]), None)
        return None if other is None else f"its record of entry {other} is not the ledger's"


def _public(records: bytes, begin: int, end: int) -> Iterator[tuple[int, bytes]]:
    for index, envelope in decode_events(records, begin, begin + RANGE_ENTRIES):
        if index >= end:
            return
        yield index, encode_event(index, envelope)
