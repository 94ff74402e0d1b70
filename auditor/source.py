"""Where the published files come from: a folder, or a platform's gateway. The same relative paths in both."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Protocol

import httpx
import msgspec

from auditor.trouble import Trouble

TIMEOUT_S: Final = 30.0
ATTEMPTS: Final = 4
PAUSE_S: Final = 0.5
"""After the first attempt that failed; twice as long after each further one."""

FILE_BYTES_MAX: Final = 1 << 28
"""No file of a log is larger: the largest are ranges of 4,096 events of at most a mebibyte each, compressed."""

_HASH_BYTES: Final = 32
_AGAIN: Final = frozenset({429, 500, 502, 503, 504})
_CLOSED: Final = frozenset({401, 403})


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
    """The files in a folder: a platform's own, or a copy of them."""

    def __init__(self, root: Path) -> None:
        self.name: Final = str(root)

    def get(self, path: str) -> bytes:
        try:
            with open(f"{self.name}/{path}", "rb", buffering=0) as file:  # noqa: PTH123  half the time of a Path
                if os.fstat(file.fileno()).st_size > FILE_BYTES_MAX:
                    raise Unreadable(f"{path}: over {FILE_BYTES_MAX} bytes")
                return file.read()
        except (FileNotFoundError, NotADirectoryError):
            raise Missing(path) from None
        except PermissionError:
            raise Closed(path) from None
        except OSError as error:
            raise Unreadable(f"{path}: {error.strerror}") from error

    def close(self) -> None:
        """Nothing is held open."""


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
        self.name: Final = url

    def get(self, path: str) -> bytes:
        return self._answer(path, {})

    def ask(self, path: str, **asked: str) -> Any:
        """The answer to a question of the platform's interface, as JSON has it. Raises as `get`."""
        answer = self._answer(path, asked)
        try:
            return msgspec.json.decode(answer)
        except msgspec.DecodeError as error:
            raise Unreadable(f"{path}: {error}") from error

    def close(self) -> None:
        self._http.close()

    def _answer(self, path: str, asked: dict[str, str]) -> bytes:
        pause_s = PAUSE_S
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(pause_s)
                pause_s *= 2
            try:
                with self._http.stream("GET", f"/{path}", params=asked) as answer:
                    if answer.status_code in _AGAIN:
                        why = f"HTTP {answer.status_code}"
                        continue
                    if answer.status_code == httpx.codes.UNAUTHORIZED and self._identified:
                        raise Unreadable(f"{path}: HTTP {answer.status_code}", Trouble.TOKEN_REFUSED)
                    return _body(path, answer)
            except (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.InvalidURL) as error:
                raise Unreadable(f"{path}: {error}", Trouble.BAD_URL) from error
            except httpx.RequestError as error:
                why = str(error) or type(error).__name__
        raise Unreadable(f"{path}: {why}", Trouble.UNREACHABLE)


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
    parts, total = [], 0
    for part in answer.iter_bytes():
        total += len(part)
        if total > FILE_BYTES_MAX:
            raise Unreadable(f"{path}: over {FILE_BYTES_MAX} bytes")
        parts.append(part)
    return b"".join(parts)
