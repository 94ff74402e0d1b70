"""What a file is, by its bytes and not by its name, and what to say of one that cannot be read."""

from typing import BinaryIO, Final, Literal, TypeAlias

from kernel.spreadsheet import faults

Format: TypeAlias = Literal["delimited", "workbook", "json_lines", "parquet"]

SAMPLE_BYTES: Final = 1 << 16
_BOM: Final = b"\xef\xbb\xbf"
_UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED_PACKAGE: Final = "EncryptedPackage".encode("utf-16-le")
_ARCHIVES: Final = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
    b"7z\xbc\xaf\x27\x1c": "7z",
    b"Rar!": "RAR",
    b"\x28\xb5\x2f\xfd": "zstd",
}
_OTHERS: Final = {
    b"%PDF": "PDF",
    b"\x89PNG": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF8": "GIF",
    b"SQLite format 3": "SQLite",
    b"\x7fELF": "ELF",
    b"MZ\x90": "EXE",
    b"{\\rtf": "RTF",
}
_HTML: Final = (b"<!doctype html", b"<html", b"<table", b"<meta", b"<head", b"<body", b"<style")
_ODD_SHARE: Final = 0.3
"""Of the bytes of UTF-16 text in Chinese and digits, noughts are at least this share on one side or the other."""


def recognise(file: BinaryIO) -> Format:
    """The format of a file. Refuses what is none of ours, and says what it seems to be."""
    file.seek(0)
    sample = file.read(SAMPLE_BYTES)
    begin = sample.removeprefix(_BOM).lstrip()
    if not begin:
        raise faults.EMPTY()
    if sample.startswith(_OLE):
        raise (faults.ENCRYPTED if _holds(file, _ENCRYPTED_PACKAGE) else faults.OLD_EXCEL)()
    if sample.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "workbook"
    if sample.startswith(b"PAR1"):
        return "parquet"
    if sample.startswith(b"PARE"):
        raise faults.ENCRYPTED()
    for mark, what in _ARCHIVES.items():
        if sample.startswith(mark):
            raise faults.COMPRESSED(what=what)
    for mark, what in _OTHERS.items():
        if sample.startswith(mark):
            raise faults.BINARY(what=what)
    if sample.startswith(_UTF16_MARKS) or _looks_utf16(sample):
        raise faults.UTF16()
    lowered = begin[:2048].lower()
    if lowered.startswith(_HTML):
        raise faults.HTML()
    if lowered.startswith(b"<?xml"):
        raise (faults.HTML if b"<html" in lowered else faults.XML)()
    if b"\x00" in sample:
        raise faults.BINARY(what="NUL")
    if begin[:1] == b"{":
        return "json_lines"
    if begin[:1] == b"[" and begin[1:].lstrip()[:1] == b"{":
        raise faults.JSON_ARRAY()
    return "delimited"


def _looks_utf16(sample: bytes) -> bool:
    """Whether nearly all noughts are on one side of the pairs, as in UTF-16 without its mark."""
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    return max(even, odd) > _ODD_SHARE * len(sample) / 2 and min(even, odd) * 10 < max(even, odd)


def _holds(file: BinaryIO, wanted: bytes) -> bool:
    file.seek(0)
    kept = b""
    while piece := file.read(SAMPLE_BYTES):
        if wanted in kept + piece:
            return True
        kept = piece[-len(wanted) :]
    return False
