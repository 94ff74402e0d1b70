"""What is disclosed of the log, as files: sets of records in fixed ranges of entries, and a head that says how far.

    log/disclosed/<N>.cbor.zst           the events that anyone may read whole, of the entries from N * 4,096
    supervisor/disclosed/<N>.cbor.zst    those that supervisors may
    supervisor/metadata/<N>.cbor.zst     who recorded each of these, and why
    .../disclosed/head                   the log's origin, and how many entries the files of the set cover, a line each

A file is one zstd frame of the records of `ledger.proof.disclosure`. A head is written after the files that it covers.
Those of whole ranges never change then; the last one grows, and may hold records beyond the head.
"""

from pathlib import Path
from typing import Final

import msgspec
import zstandard

from ledger.proof.disclosure import FILE_BYTES_MAX, RECORDS_BYTES_MAX
from ledger.proof.errors import Malformed
from ledger.proof.strict import decimal, lines
from ledger.proof.tiles import ENTRIES, Tile
from ledger.transparency.faults import DISCLOSURE_TOO_LARGE

RANGE_ENTRIES: Final = 4_096
"""Entries that one file covers."""

PUBLIC: Final = "log/disclosed"
SUPERVISOR: Final = "supervisor/disclosed"
METADATA: Final = "supervisor/metadata"
ENDING: Final = ".cbor.zst"

_BUNDLES: Final = "tile/entries/"
LEVEL: Final = 1
"""Of zstd: a third faster than its default, and files larger by a fiftieth. A last range is packed anew each second."""


class Head(msgspec.Struct, frozen=True):
    """How far a set goes: entries of this log below `covered` are in its files, where they are in the set."""

    origin: str
    covered: int

    @classmethod
    def parse(cls, data: bytes) -> "Head":
        """Raises Malformed."""
        found = lines(data, "a head of disclosures")
        if len(found) != 2:  # noqa: PLR2004  origin, entries
            raise Malformed("a head of disclosures has an origin and a number of entries, a line each")
        return cls(found[0], decimal(found[1], "the entries that a set covers"))

    @classmethod
    def read(cls, folder: Path, of: str = PUBLIC) -> "Head | None":
        """The head of a set below this folder; None where there is none yet. Raises Malformed, OSError."""
        try:
            return cls.parse((folder / head_name(of)).read_bytes())
        except FileNotFoundError:
            return None

    def encoded(self) -> bytes:
        return f"{self.origin}\n{self.covered}\n".encode()


def head_name(of: str) -> str:
    """The name of a set's head. Metadata go as far as the supervisors' set."""
    return f"{SUPERVISOR if of == METADATA else of}/head"


def range_name(of: str, number: int) -> str:
    """The name of a set's file for this range."""
    return f"{of}/{Tile(ENTRIES, number).path.removeprefix(_BUNDLES)}{ENDING}"


def packed(records: bytes) -> bytes:
    """Records as they stand in a file. DISCLOSURE_TOO_LARGE where no auditor would read it."""
    if len(records) > RECORDS_BYTES_MAX:
        raise DISCLOSURE_TOO_LARGE(length=len(records), most=RECORDS_BYTES_MAX)
    frame = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).compress(records)
    if len(frame) > FILE_BYTES_MAX:
        raise DISCLOSURE_TOO_LARGE(length=len(frame), most=FILE_BYTES_MAX)
    return frame


def unpacked(frame: bytes) -> bytes:
    """The records in a file. Raises Malformed where it is not one whole zstd frame that says its length."""
    try:
        length = zstandard.frame_content_size(frame)
        if not 0 <= length <= RECORDS_BYTES_MAX:
            raise Malformed(f"a file of disclosures says that it holds {length} bytes")
        unpacking = zstandard.ZstdDecompressor().decompressobj()
        records = unpacking.decompress(frame)
    except zstandard.ZstdError as error:
        raise Malformed(f"a file of disclosures is no zstd frame: {error}") from error
    if not unpacking.eof or unpacking.unused_data:
        raise Malformed("a file of disclosures is not exactly one zstd frame")
    return records
