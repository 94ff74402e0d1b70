"""The page on which a bench works: scan, fill in, verdict; and the board of all benches. Their scripts and styles are
files beside them, and the policy lets no other run; what they ask for, they ask here, with the visitor's own token.
"""

from functools import partial
from typing import Final

from fastapi import FastAPI, Request
from fastapi.responses import Response

from gateway.portal import PAGES
from kernel.http_page import content_tag, not_modified

STATION_PATH: Final = "/station"
SCRIPT: Final = "text/javascript; charset=utf-8"
STYLE: Final = "text/css; charset=utf-8"
HTML: Final = "text/html; charset=utf-8"
SERVED: Final = {
    STATION_PATH: ("station.html", HTML),
    "/pages/station.css": ("station.css", STYLE),
    "/pages/station.js": ("station.js", SCRIPT),
    "/pages/station_parts.js": ("station_parts.js", SCRIPT),
    "/station/board": ("board.html", HTML),
    "/pages/board.css": ("board.css", STYLE),
    "/pages/board.js": ("board.js", SCRIPT),
}
"""Each path, its file in `pages`, and what that is."""

SECURITY: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def add_station(app: FastAPI) -> None:
    """The page and its files. Anyone may have them: there is nothing in them but how a bench works."""
    for path, (name, media_type) in SERVED.items():
        content = (PAGES / name).read_bytes()
        headers = SECURITY | {"Cache-Control": "no-cache", "ETag": content_tag(content)}
        app.add_api_route(
            path, partial(_file, content, headers, media_type), include_in_schema=False, response_model=None
        )


async def _file(content: bytes, headers: dict[str, str], media_type: str, request: Request) -> Response:
    if not_modified(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(None, 304, headers)
    return Response(content, 200, headers, media_type)
