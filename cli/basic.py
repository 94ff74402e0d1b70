"""Basic credentials of callers (RFC 7617), checked against the file, which is read again where it has changed.

A password is hashed slowly once; afterwards the credential is known by a quick hash under a key that this process made
for itself, right or wrong. One password is hashed at a time, so that whoever tries many keeps nobody's processor, and
what is wrong is answered late.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import os
from collections import OrderedDict
from pathlib import Path
from typing import Final, TypeAlias

from cli.credentials import FILE, NOBODYS, PASSWORD_BYTES_MAX, Credential, Credentials, read_credentials

KNOWN_MAX: Final = 1_000
"""Credentials that are remembered; the one not asked for the longest goes."""

WAITING_MAX: Final = 32
"""Callers whose password waits to be hashed, some three seconds; the next are refused at once."""

WRONG_PAUSE_S: Final = 0.5
SCHEME: Final = "basic "

_Stamp: TypeAlias = tuple[int, int, int] | None


class TooMany(Exception):
    """More callers show passwords than can be looked at; to be tried again shortly."""


class BasicCredentials:
    """See the module. For one event loop."""

    def __init__(self, folder: Path, *, wrong_pause_s: float = WRONG_PAUSE_S) -> None:
        self._folder: Final = folder
        self._wrong_pause_s: Final = wrong_pause_s
        self._key: Final = os.urandom(32)
        self._known: Final[OrderedDict[bytes, Credential | None]] = OrderedDict()
        self._hashing: Final = asyncio.Lock()
        self._waiting = 0
        self._stamp: _Stamp = None
        self._read = Credentials()

    async def of(self, header: str | None) -> Credential | None:
        """Whose this authorization header is; None where nobody's. Raises TooMany; OSError, ValueError where the file
        cannot be read.
        """
        shown = _shown(header)
        if shown is None:
            return None
        quick = hmac.digest(self._key, b"\0".join((shown[0].encode(), shown[1])), hashlib.sha256)
        users = self._users()
        while quick not in self._known:
            await self._hashed(users, quick, *shown)
            # Where the file has changed meanwhile, nothing of what it said before is kept.
            users = self._users()
        found = self._known[quick]
        if found is None:
            await asyncio.sleep(self._wrong_pause_s)
            return None
        self._known.move_to_end(quick)
        return found

    async def _hashed(self, users: Credentials, quick: bytes, name: str, password: bytes) -> None:
        if self._waiting >= WAITING_MAX:
            raise TooMany
        self._waiting += 1
        try:
            async with self._hashing:
                if quick in self._known:
                    return
                credential = users.users.get(name)
                expected = credential.password if credential else NOBODYS
                matches = await asyncio.to_thread(expected.matches, password)
        finally:
            self._waiting -= 1
        if self._users() is users:
            self._known[quick] = credential if matches else None
            if len(self._known) > KNOWN_MAX:
                self._known.popitem(last=False)

    def _users(self) -> Credentials:
        """As the file says now."""
        stamp = _stamp(self._folder / FILE)
        if stamp != self._stamp:
            # Stamped before it is read: changed in between, it is read again the next time.
            self._read, self._stamp = read_credentials(self._folder), stamp
            self._known.clear()
        return self._read


def _shown(header: str | None) -> tuple[str, bytes] | None:
    """Name and password, None where the header has none."""
    if header is None or not header.lower().startswith(SCHEME):
        return None
    try:
        decoded = base64.b64decode(header[len(SCHEME) :].strip(), validate=True)
        name, separator, password = decoded.partition(b":")
        if not separator or len(password) > PASSWORD_BYTES_MAX:
            return None
        return name.decode(), password
    except (binascii.Error, UnicodeDecodeError):
        return None


def _stamp(path: Path) -> _Stamp:
    """What changes where the file is another."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
