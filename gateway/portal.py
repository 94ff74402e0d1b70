"""The status page: how the platform is, and which doors it has."""

import asyncio
import math
import re
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Final

from fastapi import FastAPI
from fastapi.responses import FileResponse, HTMLResponse

from gateway.paths import Service
from gateway.standing import Part, Said, Trouble, of_service
from kernel.clock import now
from kernel.grpc_client import Peer
from kernel.quantity import BUSINESS_ZONE

PAGES: Final = Path(__file__).parent / "pages"
STYLE: Final = "/pages/page.css"
"""All that is served as it lies there; the page itself is a template."""

PEER_S_MAX: Final = 3.0
"""Longer than a check may take: a service that waits for its database is degraded, not away."""

FRESH_S: Final = 1.0
"""Anyone may look, and each look would ask the services' databases: within this time all are told the same."""

SECURITY: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
}
_UP: Final = ("good", Said("正常", "up"))
_DEGRADED: Final = ("warn", Said("降级", "degraded"))
_AWAY: Final = ("bad", Said("不可用", "away"))
_TYPED: Final = re.compile(r"`([^`]+)`")


class _Services:
    """The services behind, asked at most so often."""

    def __init__(self, peers: Sequence[tuple[Service, Peer]], clock_s: Callable[[], float]) -> None:
        self._peers: Final = peers
        self._lock: Final = asyncio.Lock()
        self._parts: list[Part] = []
        self._clock_s: Final = clock_s
        self._asked_at_s = -math.inf

    async def parts(self) -> list[Part]:
        async with self._lock:
            if self._clock_s() - self._asked_at_s >= FRESH_S:
                found = await asyncio.gather(*(peer.checks_not_passed(PEER_S_MAX) for _, peer in self._peers))
                services = (service for service, _ in self._peers)
                self._parts = [of_service(*one) for one in zip(services, found, strict=True)]
                self._asked_at_s = self._clock_s()
            return self._parts


def add_pages(
    app: FastAPI,
    peers: Sequence[tuple[Service, Peer]],
    origin: Callable[[], str | None],
    own_parts: Callable[[], Sequence[Part]],
    clock_s: Callable[[], float],
) -> None:
    """The status page at `/`, and what it needs. Everything on it anyone may know."""
    page = Template((PAGES / "status.html").read_text("utf-8"))
    services = _Services(peers, clock_s)

    async def status() -> HTMLResponse:
        parts = [*await services.parts(), *own_parts()]
        shown = page.substitute(
            overall=_overall(parts),
            parts="\n".join(map(_row, parts)),
            origin=escape(origin() or "—"),
            now=f"{now().astimezone(BUSINESS_ZONE):%Y-%m-%d %H:%M:%S} +08:00",
        )
        return HTMLResponse(shown, headers=SECURITY | {"Cache-Control": "no-store"})

    async def style() -> FileResponse:
        return FileResponse(PAGES / "page.css", media_type="text/css")

    app.add_api_route("/", status, include_in_schema=False)
    app.add_api_route(STYLE, style, include_in_schema=False)


def _state(part: Part) -> tuple[str, Said]:
    if part.away:
        return _AWAY
    return _DEGRADED if part.troubles else _UP


def _overall(parts: Sequence[Part]) -> str:
    """The page in one sentence."""
    hurt = [_state(part)[0] for part in parts if part.troubles]
    if not hurt:
        kind, said = "good", Said("各部分均正常。", "Every part is up.")
    else:
        kind = "bad" if "bad" in hurt else "warn"
        said = Said(
            f"须注意：{len(parts)} 个部分中的 {len(hurt)} 个。", f"To be looked at: {len(hurt)} of {len(parts)} parts."
        )
    return f'<p class="{kind}">{_both(said)}</p>'


def _row(part: Part) -> str:
    kind, state = _state(part)
    note = f' <span class="note">{_both(part.note)}</span>' if part.note else ""
    troubles = "".join(map(_trouble, part.troubles))
    return (
        f'<tr><th scope="row">{_both(part.name)}</th>'
        f'<td><span class="{kind}">{_both(state)}</span>{note}{troubles}</td></tr>'
    )


def _trouble(trouble: Trouble) -> str:
    return f'<div class="trouble">{_paragraph(trouble.what, "what")}{_paragraph(trouble.then, "then")}</div>'


def _paragraph(said: Said, kind: str) -> str:
    return f'<p class="{kind}">{_text(said.zh)}<br><span lang="en">{_text(said.en)}</span></p>'


def _both(said: Said) -> str:
    return f'{_text(said.zh)} <span lang="en">{_text(said.en)}</span>'


def _text(words: str) -> str:
    return _TYPED.sub(r"<code>\1</code>", escape(words))
