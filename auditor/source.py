"""Where the published files come from: a folder, or a platform's gateway. The same relative paths in both."""

import os
import socket
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import httpx
import msgspec

from auditor.trouble import Trouble
from ledger.proof.disclosure import FILE_BYTES_MAX

TIMEOUT_S: Final = 30.0
ATTEMPTS: Final = 4
ANSWER_S: Final = 30.0
"""How long an answer may take, and a second more for each so many bytes of it that have come."""
ANSWER_BYTES_A_SECOND: Final = 1 << 15
PAUSE_S: Final = 0.5
"""After the first attempt that failed; twice as long after each further one."""

_HASH_BYTES: Final = 32
_AGAIN: Final = frozenset({429, 500, 502, 503, 504})
_CLOSED: Final = frozenset({401, 403})
_CONNECTED: Final = frozenset({"connection.connect_tcp.complete", "connection.start_tls.complete"})

T = TypeVar("T")


class Unreadable(Exception):
    """A file cannot be had now, for this trouble. It says nothing of whether the log is right."""

    def __init__(self, detail: str, trouble: Trouble = Trouble.FILE) -> None:
        super().__init__(detail, trouble)
        self.detail: Final = detail
        self.trouble: Final = trouble

    def __str__(self) -> str:
        return self.detail


class Missing(Exception):
    """There is no such file."""


class Closed(Exception):
    """It is there, and not for whoever asks."""


class Source(Protocol):
    """Published files by their paths, such as `log/checkpoint`."""

    @property
    def name(self) -> str:
        """What was asked for, to be shown."""
        ...

    def get(self, path: str) -> bytes:
        """The whole file. Raises Missing, Closed, Unreadable."""
        ...

    def close(self) -> None: ...


class Folder:
    """The files in a folder: a platform's own, or a copy of them. It may come from somebody else, so that nothing is
    read by way of a symbolic link in it, which could name a file of the reader's own, nor from a pipe or a device,
    which may never end.
    """

    def __init__(self, root: Path) -> None:
        self.name: Final = str(root)
        self._plain: Final[set[str]] = {""}

    def get(self, path: str) -> bytes:
        try:
            self._must_be_plain(path.rpartition("/")[0])
            file = os.open(f"{self.name}/{path}", os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                return _whole(file, path)
            finally:
                os.close(file)
        except (FileNotFoundError, NotADirectoryError):
            raise Missing(path) from None
        except PermissionError:
            raise Closed(path) from None
        except OSError as error:
            raise Unreadable(f"{path}: {error.strerror}") from error

    def close(self) -> None:
        """Nothing is held open."""

    def _must_be_plain(self, folder: str) -> None:
        """Raise Unreadable where a folder below the root is a symbolic link."""
        if folder in self._plain:
            return
        self._must_be_plain(folder.rpartition("/")[0])
        if stat.S_ISLNK(os.lstat(f"{self.name}/{folder}").st_mode):
            raise Unreadable(f"{folder}: a symbolic link")
        self._plain.add(folder)


def _whole(file: int, path: str) -> bytes:
    found = os.fstat(file)
    if not stat.S_ISREG(found.st_mode):
        raise Unreadable(f"{path}: no regular file")
    if found.st_size > FILE_BYTES_MAX:
        raise Unreadable(f"{path}: over {FILE_BYTES_MAX} bytes")
    data = os.read(file, found.st_size)
    while len(data) < found.st_size and (more := os.read(file, found.st_size - len(data))):
        data += more
    return data


class Gateway:
    """The files that a platform serves, and what it shows."""

    def __init__(self, url: str, token: str = "") -> None:
        """Raises Unreadable where the URL or the token is none."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        try:
            self._http: Final = httpx.Client(
                base_url=url.rstrip("/"), headers=headers, timeout=TIMEOUT_S, follow_redirects=False
            )
        except UnicodeEncodeError as error:
            raise Unreadable("a token is ASCII", Trouble.TOKEN_REFUSED) from error
        except (httpx.InvalidURL, ValueError) as error:
            raise Unreadable(f"{url}: {error}", Trouble.BAD_URL) from error
        self._identified: Final = bool(token)
        self._stream: Any = None
        self.name: Final = url

    def get(self, path: str) -> bytes:
        return self._answer(path, {})

    def ask(self, of: type[T], path: str, **asked: str) -> T:
        """The answer to a question of the platform's interface, of this type. Raises as `get`."""
        answer = self._answer(path, asked)
        try:
            return msgspec.json.decode(answer, type=of)
        except (ValueError, RecursionError) as error:
            raise Unreadable(f"{path}: {error}", Trouble.ANSWER) from error

    def close(self) -> None:
        self._http.close()

    def _answer(self, path: str, asked: dict[str, str]) -> bytes:
        pause_s = PAUSE_S
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(pause_s)
                pause_s *= 2
            try:
                with self._begun(path, asked) as answer:
                    if answer.status_code in _AGAIN:
                        why = f"HTTP {answer.status_code}"
                        continue
                    if answer.status_code == httpx.codes.UNAUTHORIZED and self._identified:
                        raise Unreadable(f"{path}: HTTP {answer.status_code}", Trouble.TOKEN_REFUSED)
                    return _body(path, answer)
            except httpx.DecodingError as error:
                raise Unreadable(f"{path}: {error}", Trouble.ANSWER) from error
            except (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.InvalidURL) as error:
                raise Unreadable(f"{path}: {error}", Trouble.BAD_URL) from error
            except httpx.RequestError as error:
                why = str(error) or type(error).__name__
        raise Unreadable(f"{path}: {why}", Trouble.UNREACHABLE)

    @contextmanager
    def _begun(self, path: str, asked: dict[str, str]) -> Iterator[httpx.Response]:
        """An answer whose head is there. A connection that sends a byte now and then is cut off, which no timeout of
        a single reading does.
        """
        deadline = threading.Timer(ANSWER_S, self._cut_off)
        deadline.daemon = True
        deadline.start()
        try:
            with self._http.stream("GET", f"/{path}", params=asked, extensions={"trace": self._trace}) as answer:
                deadline.cancel()
                yield answer
        finally:
            deadline.cancel()

    def _trace(self, event: str, what: dict[str, Any]) -> None:
        if event in _CONNECTED:
            self._stream = what["return_value"]

    def _cut_off(self) -> None:
        connected: socket.socket | None = self._stream and self._stream.get_extra_info("socket")
        if connected is not None and connected.fileno() >= 0:
            with suppress(OSError), socket.socket(fileno=os.dup(connected.fileno())) as same:
                same.shutdown(socket.SHUT_RDWR)


class Kept:
    """A source whose files that never change are kept in a folder, so that an audit that was broken off goes on, and
    the next one fetches what is new. A kept file has its SHA-256 before it: what this machine's disk changed is fetched
    again, and is nobody's fault.
    """

    def __init__(self, source: Source, folder: Path) -> None:
        self._source: Final = source
        self._folder: Final = folder
        self.name: Final = source.name

    def get(self, path: str) -> bytes:
        if not _never_changes(path):
            return self._source.get(path)
        kept = self._folder / path
        try:
            found = kept.read_bytes()
        except OSError:
            found = b""
        data = found[_HASH_BYTES:]
        if found and sha256(data).digest() == found[:_HASH_BYTES]:
            return data
        data = self._source.get(path)
        try:
            kept.parent.mkdir(parents=True, exist_ok=True)
            unfinished = kept.with_name(f"{kept.name}.{os.getpid()}.{time.monotonic_ns()}")
            unfinished.write_bytes(sha256(data).digest() + data)
            unfinished.replace(kept)
        except OSError as error:
            raise Unreadable(f"{kept}: {error.strerror}", Trouble.STATE) from error
        return data

    def close(self) -> None:
        self._source.close()


class Place(msgspec.Struct, frozen=True):
    """Where to open a source, for processes that each open their own."""

    where: str
    token: str = ""
    keep_in: str = ""

    @property
    def is_url(self) -> bool:
        return self.where.lower().startswith(("http://", "https://"))


@contextmanager
def opened(place: Place) -> Iterator[Source]:
    """The source at a place, while the block lasts."""
    source: Source = Gateway(place.where, place.token) if place.is_url else Folder(Path(place.where))
    if place.keep_in and place.is_url:
        source = Kept(source, Path(place.keep_in))
    try:
        yield source
    finally:
        source.close()


def _never_changes(path: str) -> bool:
    """Full tiles and bundles. Those of part of their width go, and what is disclosed grows."""
    return path.startswith("log/tile/") and not path.rpartition("/")[0].endswith(".p")


def _body(path: str, answer: httpx.Response) -> bytes:
    if answer.status_code in {404, 410}:
        raise Missing(path)
    if answer.status_code in _CLOSED:
        raise Closed(path)
    if answer.status_code != httpx.codes.OK:
        raise Unreadable(f"{path}: HTTP {answer.status_code}")
    parts, total, begun_s = [], 0, time.monotonic()
    for part in answer.iter_bytes():
        total += len(part)
        if time.monotonic() - begun_s > ANSWER_S + total / ANSWER_BYTES_A_SECOND:
            raise Unreadable(f"{path}: {total} bytes in {ANSWER_S:.0f} s", Trouble.UNREACHABLE)
        if total > FILE_BYTES_MAX:
            raise Unreadable(f"{path}: over {FILE_BYTES_MAX} bytes")
        parts.append(part)
    return b"".join(parts)
