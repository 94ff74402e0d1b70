"""The gateway's OpenAPI document: its own paths and those it passes on, as the services behind describe them."""

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi.routing import APIRoute


def merged(own: Mapping[str, Any], described: Iterable[Mapping[str, Any]], routes: Iterable[object]) -> dict[str, Any]:
    """One document. Of the services' paths those that this door has a route for, in their words."""
    passed_on = {route.path for route in routes if isinstance(route, APIRoute)}
    document: dict[str, Any] = {**own, "paths": dict(own.get("paths", {})), "components": dict(own["components"])}
    for other in described:
        paths = {path: item for path, item in other["paths"].items() if path in passed_on}
        document["paths"].update(paths)
        for part, held in other["components"].items():
            document["components"][part] = {**held, **document["components"].get(part, {})}
    document["paths"] = dict(sorted(document["paths"].items()))
    return document
