"""Versions, cursors and keys as HTTP says them: ETag and If-Match, keyset cursors, Idempotency-Key."""

import base64
import hashlib
import hmac
import re
from collections.abc import Sequence
from typing import Final

import msgspec

from kernel.door import BadRequest
from kernel.questions import CursorValue
from kernel.refusal import Reason

MAC_BYTES: Final = 16
CURSOR_CHARS_MAX: Final = 2_000
VERSION_DIGITS_MAX: Final = 18

_IDEMPOTENCY_KEY: Final = re.compile(r"[!-~]{1,255}", re.ASCII)
_VERSION_TAG: Final = re.compile(r'"(\d{1,18})"', re.ASCII)

NO_IDEMPOTENCY_KEY = Reason(
    BadRequest,
    "request.no_idempotency_key",
    "每个 POST 请求都须带 Idempotency-Key，重试时保持不变。",
    "every POST needs an Idempotency-Key, the same again when it is retried",
)
BAD_IDEMPOTENCY_KEY = Reason(
    BadRequest,
    "request.bad_idempotency_key",
    "Idempotency-Key 须为 1 至 255 个可见 ASCII 字符。",
    "an Idempotency-Key is 1 to 255 printable ASCII characters without spaces",
)
BAD_IF_MATCH = Reason(
    BadRequest,
    "request.bad_if_match",
    'If-Match 须为一个版本，如 "12"。',
    'If-Match must name one version, such as "12"',
)
BAD_CURSOR = Reason(
    BadRequest,
    "request.bad_cursor",
    "翻页标记无效，或属于另一个查询。请从第一页开始。",
    "the cursor is not one of ours, or belongs to another query; start from the first page",
)


def idempotency_key(header: str | None) -> str:
    """The caller's name for this one request, or a refusal."""
    if not header:
        raise NO_IDEMPOTENCY_KEY()
    if _IDEMPOTENCY_KEY.fullmatch(header) is None:
        raise BAD_IDEMPOTENCY_KEY()
    return header


def expected_version(if_match: str | None) -> int | None:
    """The version that the caller saw, from If-Match. Lists, `*` and weak tags name no one version: refused."""
    if if_match is None:
        return None
    found = _VERSION_TAG.fullmatch(if_match.strip())
    if found is None:
        raise BAD_IF_MATCH()
    return int(found[1])


def version_tag(version: int) -> str:
    """The strong ETag of a stream's state, and what If-Match takes."""
    return f'"{version}"'


def content_tag(body: bytes) -> str:
    """The strong ETag of a public representation: it tells nothing of how many events there were."""
    return f'"{base64.urlsafe_b64encode(hashlib.sha256(body).digest()[:18]).decode()}"'


def not_modified(if_none_match: str | None, tag: str) -> bool:
    """RFC 9110 section 13.1.2, weak comparison."""
    if if_none_match is None:
        return False
    tags = {one.strip().removeprefix("W/") for one in if_none_match.split(",")}
    return tag in tags or "*" in tags


class Cursors:
    """Keyset cursors: the last row's sort values, opaque, and of no use with another query or another's key."""

    def __init__(self, key: bytes) -> None:
        self._key: Final = key

    def seal(self, query: str, values: Sequence[CursorValue]) -> str:
        """A cursor that goes on after the row with these values, in this query alone."""
        body = msgspec.json.encode(values)
        return base64.urlsafe_b64encode(self._mac(query, body) + body).decode().rstrip("=")

    def open(self, query: str, cursor: str) -> tuple[CursorValue, ...]:
        """The values that were sealed, or a refusal."""
        if len(cursor) > CURSOR_CHARS_MAX:
            raise BAD_CURSOR()
        try:
            sealed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except ValueError:
            raise BAD_CURSOR() from None
        mac, body = sealed[:MAC_BYTES], sealed[MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(query, body)):
            raise BAD_CURSOR()
        return msgspec.json.decode(body, type=tuple[CursorValue, ...])

    def _mac(self, query: str, body: bytes) -> bytes:
        named = len(query.encode()).to_bytes(4, "big") + query.encode() + body
        return hmac.new(self._key, named, hashlib.sha256).digest()[:MAC_BYTES]
