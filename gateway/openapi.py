"""The gateway's OpenAPI document: its own paths and those it passes on, as the services behind describe them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from starlette.routing import Route

_SCHEMAS: Final = "#/components/schemas/"


def merged(own: Mapping[str, Any], described: Iterable[Mapping[str, Any]], routes: Iterable[object]) -> dict[str, Any]:
    """One document. Of the services' paths those that this door has a route for, in their words; its own are in `own`
    and may refer to the services' schemas.
    """
    passed_on = {route.path for route in routes if isinstance(route, Route)}
    document: dict[str, Any] = {**own, "paths": dict(own.get("paths", {})), "components": dict(own["components"])}
    for other in described:
        paths = {path: item for path, item in other["paths"].items() if path in passed_on}
        document["paths"].update(paths)
        for part, held in other["components"].items():
            document["components"][part] = {**held, **document["components"].get(part, {})}
    document["paths"] = dict(sorted(document["paths"].items()))
    document["components"]["schemas"] = _reached(document)
    return document


def _reached(document: Mapping[str, Any]) -> dict[str, Any]:
    """The schemas that the paths lead to; of what services describe for their own doors the rest stays there."""
    schemas = document["components"].get("schemas", {})
    open_names = [*_named(document["paths"]), *_named({**document["components"], "schemas": {}})]
    found: set[str] = set()
    while open_names:
        name = open_names.pop()
        if name not in found:
            found.add(name)
            open_names += _named(schemas[name])
    return {name: schemas[name] for name in sorted(found)}


def _named(node: object) -> Iterator[str]:
    if isinstance(node, Mapping):
        reference = node.get("$ref", "")
        if isinstance(reference, str) and reference.startswith(_SCHEMAS):
            yield reference.removeprefix(_SCHEMAS)
        for inner in node.values():
            yield from _named(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from _named(inner)
