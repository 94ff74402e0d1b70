"""A device's life across all services: its card, and every event in order of recording, each named by its service."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.responses import Response

from gateway.access import Access
from gateway.passage import Passage
from gateway.paths import REGISTRY, SERVICES, SORTING, Question
from gateway.relay import AUTHORIZATION, Relay, parameters, shown
from kernel.http_openapi import JSON
from kernel.intake import UNKNOWN_FIELD, field_error, malformed
from kernel.questions import PAGE_ROWS_MAX
from kernel.refusal import NotFound

ACTION: Final = "GetTimeline"
LIFE_OF: Final = {REGISTRY.name: "GetLife", SORTING.name: "GetSortingLife"}
"""The question that tells what each service recorded of a device."""

_REGISTRYS: Final = f"{REGISTRY.name}."
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

    def __init__(self, app: FastAPI, relays: Mapping[str, Relay], access: Access) -> None:
        """`relays` lead to the services behind, by name; the registry is always among them."""
        self._access: Final = access
        self._registry: Final = relays[REGISTRY.name]
        asked = {question.method.name: question for service in SERVICES for question in service.asked()}
        self._card: Final[Question] = asked["GetDevice"]
        self._lives: Final = [(relay, asked[LIFE_OF[name]]) for name, relay in relays.items() if name in LIFE_OF]
        app.router.routes.append(Passage(PATH, "GET", ACTION, self._answer))

    async def _answer(self, request: Request) -> Response:
        await self._access.require(request, ACTION)
        given = parameters(request)
        if strangers := sorted(given.keys() - _CARD_PARAMETERS):
            raise malformed([field_error(UNKNOWN_FIELD(field=name), name) for name in strangers])
        token = request.headers.get(AUTHORIZATION)
        known = {name: value for name, value in given.items() if name in _LIFE_PARAMETERS}
        card, *lives = await asyncio.gather(
            self._registry.ask(self._card, given, token),
            *(_whole_life(relay, question, known, token) for relay, question in self._lives),
        )
        told = sorted((one for life in lives for one in life), key=lambda one: one["position"])
        # What the registry recorded of it after its card was read is not in the card.
        entries = [one for one in told if one["position"] <= card["position"] or not one["type"].startswith(_REGISTRYS)]
        return shown(request, {"device": card, "timeline": entries})


async def _whole_life(
    relay: Relay, question: Question, known: dict[str, Any], token: str | None
) -> list[dict[str, Any]]:
    """Every page of it; nothing where the service does not know the device."""
    asked: dict[str, Any] = {**known, "limit": PAGE_ROWS_MAX}
    entries: list[dict[str, Any]] = []
    while True:
        try:
            page = await relay.ask(question, asked, token)
        except NotFound:
            if question.service == REGISTRY.name:
                raise
            return []
        entries += page["items"]
        if page["next"] is None:
            return entries
        asked["cursor"] = page["next"]
