"""A file on its way in: written as it comes, and checked against the digest that came with it."""

import base64
import hashlib
import re
from collections.abc import Callable
from typing import BinaryIO, Final, TypeAlias
from urllib.parse import unquote

import httpx
import msgspec

from client.errors import Torn

Told: TypeAlias = Callable[[int, int | None], None]
"""Called with the bytes that are here and, where it is known, how many there will be."""

_NAME: Final = re.compile(r"filename\*=UTF-8''([^;]+)")
_PLAIN_NAME: Final = re.compile(r'filename="([^"]+)"')
_DIGEST: Final = re.compile(r"sha-256=:([A-Za-z0-9+/=]+):")


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """A file that has come whole. `name` is what it would be saved as; `sha256` is in lower-case hexadecimal."""

    name: str
    media_type: str
    size_bytes: int
    sha256: str


class Arriving:
    """Takes the content of one response, piece by piece."""

    def __init__(self, response: httpx.Response, into: BinaryIO, told: Told | None) -> None:
        self._headers: Final = response.headers
        self._into: Final = into
        self._told: Final = told
        self._hash: Final = hashlib.sha256()
        self._size_bytes = 0
        announced = self._headers.get("content-length", "")
        self._whole_bytes: Final = int(announced) if announced.isdecimal() else None

    def take(self, piece: bytes) -> None:
        """Write what has come."""
        self._into.write(piece)
        self._hash.update(piece)
        self._size_bytes += len(piece)
        if self._told is not None:
            self._told(self._size_bytes, self._whole_bytes)

    def done(self) -> Fetched:
        """The whole file, or Torn raised where it is not what was sent."""
        digest = _DIGEST.search(self._headers.get("repr-digest", ""))
        if digest is not None and base64.b64decode(digest[1]) != self._hash.digest():
            raise Torn("the file did not come as it was sent")
        said = self._headers.get("content-disposition", "")
        name, plain = _NAME.search(said), _PLAIN_NAME.search(said)
        return Fetched(
            name=unquote(name[1]) if name else plain[1] if plain else "",
            media_type=self._headers.get("content-type", ""),
            size_bytes=self._size_bytes,
            sha256=self._hash.hexdigest(),
        )
