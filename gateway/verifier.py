"""The page on which a visitor checks one device's history: one file, served byte for byte as it can be saved.

Only the script and the style that are in the file run, and they reach no other place: the policy names both by their
hashes. The file's own hash is told beside it; whoever does not trust this server compares it with the one in the
source.
"""

import base64
import re
from hashlib import sha256
from typing import Final

from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, Response

from gateway.portal import PAGES
from kernel.http_page import content_tag, not_modified

FILE: Final = PAGES / "verify.html"
PAGE_PATH: Final = "/verify"
HASH_PATH: Final = "/verify.sha256"

_INLINE: Final = re.compile(rb"<(script|style)[^>]*>(.*?)</\1>", re.DOTALL)


def hash_line() -> str:
    """The file's hash as `sha256sum` writes it, and reads it with `--check`."""
    return f"{sha256(FILE.read_bytes()).hexdigest()}  {FILE.name}\n"


def security_of(page: bytes) -> dict[str, str]:
    """Headers that let run what is in this page, and nothing else."""
    (style,), (script,) = (
        [_source(body) for kind, body in _INLINE.findall(page) if kind == wanted] for wanted in (b"style", b"script")
    )
    return {
        "Content-Security-Policy": f"default-src 'none'; script-src {script}; style-src {style}; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        "Referrer-Policy": "no-referrer",
    }


def add_verifier(app: FastAPI) -> None:
    """The page and its hash. Anyone may have both; what the page asks for, it asks with the visitor's own token."""
    page, line = FILE.read_bytes(), hash_line()
    headers = security_of(page) | {"Cache-Control": "no-cache", "ETag": content_tag(page)}

    async def verify(request: Request) -> Response:
        if not_modified(request.headers.get("if-none-match"), headers["ETag"]):
            return Response(None, 304, headers)
        return Response(page, 200, headers, "text/html; charset=utf-8")

    async def published() -> PlainTextResponse:
        return PlainTextResponse(line, headers={"Cache-Control": "no-cache"})

    app.add_api_route(PAGE_PATH, verify, include_in_schema=False, response_model=None)
    app.add_api_route(HASH_PATH, published, include_in_schema=False)


def _source(body: bytes) -> str:
    return f"'sha256-{base64.b64encode(sha256(body).digest()).decode()}'"
