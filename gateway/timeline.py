"""A device's life across all services: its card, and every event in order of recording, each named by its service."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.responses import Response

from gateway.access import Access
from gateway.passage import Passage
from gateway.paths import REGISTRY, Question
from gateway.relay import AUTHORIZATION, Relay, parameters, shown
from kernel.http_openapi import JSON
from kernel.intake import UNKNOWN_FIELD, field_error, malformed
from kernel.questions import PAGE_ROWS_MAX

ACTION: Final = "GetTimeline"
PATH: Final = "/v1/meters/{asset_no}"
_REF: Final = "#/components/schemas/Timeline"
_LIFE_PARAMETERS: Final = frozenset({"asset_no", "as_of_position", "as_of_day"})
_CARD_PARAMETERS: Final = frozenset({"asset_no", "as_of_position", "as_of_day", "seen"})


_SHOWN: Final = {
    "title": "Timeline",
    "type": "object",
    "description": "A device's card and every event of its life, in order of recording.",
    "properties": {
        "device": {"$ref": "#/components/schemas/Card"},
        "timeline": {"type": "array", "items": {"$ref": "#/components/schemas/Entry"}},
    },
    "required": ["device", "timeline"],
}


def with_timeline(document: dict[str, Any], registry: Mapping[str, Any]) -> dict[str, Any]:
    """The document with this path, asked and refused as the card that is at its head."""
    card = registry["paths"]["/v1/meters/{asset_no}/card"]["get"]
    shown = {"description": "成功 / here it is", "content": {JSON: {"schema": {"$ref": _REF}}}}
    operation = {
        **card,
        "operationId": ACTION,
        "summary": "全程 A device's card and its whole life",
        "description": "全程 A device's card and its whole life, across all services.",
        "responses": {**card["responses"], "200": shown},
    }
    components = document["components"]
    schemas = {**components.get("schemas", {}), "Timeline": _SHOWN}
    return {
        **document,
        "paths": {**document["paths"], PATH: {"get": operation}},
        "components": {**components, "schemas": schemas},
    }


class Timeline:
    """Composes what the services know of a device."""

    def __init__(self, app: FastAPI, registry: Relay, access: Access) -> None:
        self._registry: Final = registry
        self._access: Final = access
        asked = {question.method.name: question for question in REGISTRY.asked()}
        self._card: Final[Question] = asked["GetDevice"]
        self._life: Final[Question] = asked["GetLife"]
        app.router.routes.append(Passage(PATH, "GET", ACTION, self._answer))

    async def _answer(self, request: Request) -> Response:
        await self._access.require(request, ACTION)
        given = parameters(request)
        if strangers := sorted(given.keys() - _CARD_PARAMETERS):
            raise malformed([field_error(UNKNOWN_FIELD(field=name), name) for name in strangers])
        token = request.headers.get(AUTHORIZATION)
        known = {name: value for name, value in given.items() if name in _LIFE_PARAMETERS}
        card, life = await asyncio.gather(
            self._registry.ask(self._card, given, token),
            self._whole_life(known, token),
        )
        entries = [one for one in life if one["position"] <= card["position"]]
        return shown(request, {"device": card, "timeline": entries}, version=card["version"])

    async def _whole_life(self, known: dict[str, Any], token: str | None) -> list[dict[str, Any]]:
        """Every page of it."""
        asked: dict[str, Any] = {**known, "limit": PAGE_ROWS_MAX}
        entries: list[dict[str, Any]] = []
        while True:
            page = await self._registry.ask(self._life, asked, token)
            entries += page["items"]
            if page["next"] is None:
                return entries
            asked["cursor"] = page["next"]
