"""Pages for people. So far one: how the platform is, and which doors it has."""

import asyncio
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from string import Template
from typing import Final

from fastapi import FastAPI
from fastapi.responses import FileResponse, HTMLResponse

from kernel.clock import now
from kernel.grpc_client import Peer
from kernel.quantity import BUSINESS_ZONE

PAGES: Final = Path(__file__).parent / "pages"
STYLE: Final = "/pages/page.css"
"""All that is served as it lies there; the page itself is a template."""

PEER_S_MAX: Final = 2.0
SECURITY: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}
_STATES: Final = {True: ("good", "正常", "up"), False: ("bad", "不可用", "away")}


def add_pages(app: FastAPI, peers: Mapping[str, Peer], ledger_id: str, public_events: Callable[[], int]) -> None:
    """The status page at `/`, and what it needs. Everything on it anyone may know."""
    page = Template((PAGES / "status.html").read_text("utf-8"))

    async def status() -> HTMLResponse:
        ready = await asyncio.gather(*(peer.ready(PEER_S_MAX) for peer in peers.values()))
        shown = page.substitute(
            services="\n".join(_row(name, up=up) for name, up in zip(peers, ready, strict=True)),
            ledger_id=escape(ledger_id),
            public_events=public_events(),
            now=f"{now().astimezone(BUSINESS_ZONE):%Y-%m-%d %H:%M:%S} +08:00",
        )
        return HTMLResponse(shown, headers=SECURITY | {"Cache-Control": "no-store"})

    async def style() -> FileResponse:
        return FileResponse(PAGES / "page.css", media_type="text/css")

    app.add_api_route("/", status, include_in_schema=False)
    app.add_api_route(STYLE, style, include_in_schema=False)


def _row(name: str, *, up: bool) -> str:
    kind, zh, en = _STATES[up]
    return f'<tr><td>{escape(name)}</td><td class="{kind}">{zh} <span lang="en">{en}</span></td></tr>'
