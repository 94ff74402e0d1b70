"""Basic credentials of callers (RFC 7617), checked against the file, which is read again where it has changed.

A password is hashed slowly once; afterwards the credential is known by a quick hash under a key that this process made
for itself, right or wrong. What was wrong never drives out what was right. One password is hashed at a time, so that
whoever tries many keeps nobody's processor, and what is wrong is answered late. Names that there are come before
others, and callers of one name and one address wait for each other before others wait for them. So a crowd of guesses
makes those wait whom it shares name and address with, and others little.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
import os
import time
from collections import OrderedDict, deque
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

import structlog

from cli.credentials import FILE, NOBODYS, PASSWORD_BYTES_MAX, Credential, Credentials, read_credentials

WRONG_KNOWN_MAX: Final = 1_000
"""Wrong credentials that are remembered; the one not asked for the longest goes. Right ones are as many as users."""

WAITING_MAX: Final = 64
WAITING_OF_PEER_MAX: Final = 16
WAITING_OF_NAME_MAX: Final = 4
"""Passwords that wait to be hashed, a tenth of a second each: of names that there are, of these from one address, and
of these for one name. The next are told at once to come again.
"""

WAITING_UNKNOWN_MAX: Final = 8
"""The same of names that there are not."""

WRONG_PAUSE_S: Final = 0.5
REFUSALS_LOGGED_MAX: Final = 10
REFUSALS_EACH_S: Final = 60.0
SCHEME: Final = "basic "

_LOG: Final = structlog.get_logger("ledger")

_Stamp: TypeAlias = tuple[int, int, int] | None


class TooMany(Exception):
    """More callers show passwords than can be looked at; to be tried again shortly."""


class BasicCredentials:
    """See the module. For one event loop."""

    def __init__(
        self, folder: Path, *, wrong_pause_s: float = WRONG_PAUSE_S, wrong_known_max: int = WRONG_KNOWN_MAX
    ) -> None:
        self._folder: Final = folder
        self._wrong_pause_s: Final = wrong_pause_s
        self._wrong_known_max: Final = wrong_known_max
        self._key: Final = os.urandom(32)
        self._right: Final[dict[bytes, Credential]] = {}
        self._wrong: Final[OrderedDict[bytes, None]] = OrderedDict()
        self._turns: Final = _Turns()
        self._looking: Final[dict[bytes, asyncio.Task[None]]] = {}
        self._refusals: Final = _Refusals()
        self._stamp: _Stamp = None
        self._read = Credentials()

    async def of(self, header: str | None, peer: str = "") -> Credential | None:
        """Whose this authorization header is, shown from the address `peer`; None where nobody's. Raises TooMany;
        OSError, ValueError where the file cannot be read.
        """
        shown = _shown(header)
        if shown is None:
            return None
        quick = hmac.digest(self._key, b"\0".join((shown.name.encode(), shown.password)), hashlib.sha256)
        users = self.users()
        while quick not in self._right and quick not in self._wrong:
            try:
                looking = self._look(users, quick, shown, peer)
            except TooMany:
                self._refusals.log(shown.name if shown.name in users.users else None, peer, busy=True)
                raise
            # It goes on without its caller, or whoever gives up at once would have many hashed together.
            await asyncio.shield(looking)
            # Where the file has changed meanwhile, nothing of what it said before is kept.
            users = self.users()
        found = self._right.get(quick)
        if found is None:
            self._wrong.move_to_end(quick)
            self._refusals.log(shown.name if shown.name in users.users else None, peer, busy=False)
            await asyncio.sleep(self._wrong_pause_s)
        return found

    def users(self) -> Credentials:
        """As the file says now. Raises OSError, ValueError."""
        stamp = _stamp(self._folder / FILE)
        if stamp != self._stamp:
            # Stamped before it is read: changed in between, it is read again the next time.
            self._read, self._stamp = read_credentials(self._folder), stamp
            self._right.clear()
            self._wrong.clear()
        return self._read

    def _look(self, users: Credentials, quick: bytes, shown: "_Shown", peer: str) -> asyncio.Task[None]:
        """All who show the same wait for the same."""
        if quick not in self._looking:
            turn = self._turns.join((peer, shown.name), known=shown.name in users.users)
            task = asyncio.create_task(self._hashed(turn, users, quick, shown))
            self._looking[quick] = task
            task.add_done_callback(lambda _: self._looking.pop(quick))
        return self._looking[quick]

    async def _hashed(self, turn: asyncio.Future[None], users: Credentials, quick: bytes, shown: "_Shown") -> None:
        await turn
        try:
            credential = users.users.get(shown.name)
            expected = credential.password if credential else NOBODYS
            matches = await asyncio.to_thread(expected.matches, shown.password)
        finally:
            self._turns.pass_on()
        if self.users() is not users:
            return
        if credential is not None and matches:
            self._right[quick] = credential
            return
        self._wrong[quick] = None
        if len(self._wrong) > self._wrong_known_max:
            self._wrong.popitem(last=False)


class _Turns:
    """Whose password is hashed next: of those that wait under one key of address and name the first, and the keys in
    turn; such whose name there is not only when nobody else waits.
    """

    def __init__(self) -> None:
        self._taken = False
        self._waiting: Final[dict[bool, OrderedDict[tuple[str, str], deque[asyncio.Future[None]]]]] = {
            True: OrderedDict(),
            False: OrderedDict(),
        }

    def join(self, key: tuple[str, str], *, known: bool) -> asyncio.Future[None]:
        """Is done when it is their turn, which they pass on. Raises TooMany."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if not self._taken:
            self._taken = True
            turn.set_result(None)
            return turn
        waiting = self._waiting[known]
        total = sum(map(len, waiting.values()))
        if known:
            of_peer = sum(len(turns) for (peer, _), turns in waiting.items() if peer == key[0])
            full = total >= WAITING_MAX or of_peer >= WAITING_OF_PEER_MAX
            full = full or len(waiting.get(key, ())) >= WAITING_OF_NAME_MAX
        else:
            full = total >= WAITING_UNKNOWN_MAX
        if full:
            raise TooMany
        waiting.setdefault(key, deque()).append(turn)
        return turn

    def pass_on(self) -> None:
        for waiting in (self._waiting[True], self._waiting[False]):
            if waiting:
                key, turns = waiting.popitem(last=False)
                turn = turns.popleft()
                if turns:
                    waiting[key] = turns
                turn.set_result(None)
                return
        self._taken = False


class _Refusals:
    """Tells the log of log-ins that were refused, of so many within a minute. A name that there is not stays out of it:
    it may be a password in the wrong place.
    """

    def __init__(self) -> None:
        self._since_s = -REFUSALS_EACH_S
        self._logged = self._left_out = 0

    def log(self, user: str | None, peer: str, *, busy: bool) -> None:
        now_s = time.monotonic()
        if now_s - self._since_s >= REFUSALS_EACH_S:
            if self._left_out:
                _LOG.warning("more log-ins were refused than logged", left_out=self._left_out)
            self._since_s, self._logged, self._left_out = now_s, 0, 0
        if self._logged == REFUSALS_LOGGED_MAX:
            self._left_out += 1
            return
        self._logged += 1
        _LOG.warning("log-in refused", user=user, peer=peer, busy=busy)


class _Shown(NamedTuple):
    name: str
    password: bytes


def _shown(header: str | None) -> _Shown | None:
    """Name and password, None where the header has none."""
    if header is None or not header.lower().startswith(SCHEME):
        return None
    try:
        decoded = base64.b64decode(header[len(SCHEME) :].strip(), validate=True)
        name, separator, password = decoded.partition(b":")
        if not separator or len(password) > PASSWORD_BYTES_MAX:
            return None
        return _Shown(name.decode(), password)
    except (binascii.Error, UnicodeDecodeError):
        return None


def _stamp(path: Path) -> _Stamp:
    """What changes where the file is another."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
