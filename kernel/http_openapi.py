"""OpenAPI whose components are msgspec's own schemas, so that what is promised is what is checked.

While routes are added a type stands in the document as a mark; when the document is asked for, all marked types get
their schemas at once and every operation gets the errors that any of them may answer.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from kernel.door import STATUS_OF_CODE, STATUS_OF_KIND
from kernel.http_problem import PROBLEM_JSON, Problem

JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"

_MARK: Final = "x-type"
_REF: Final = "#/components/schemas/{name}"

_READ_STATUSES: Final = (400, 401, 403, 404, 405, 409, 413, 422, 500, 503, 504)
_COMMAND_STATUSES: Final = (*_READ_STATUSES, 412, 415)

_TIMES: Final = ("occurred_at", "occurred_on")
_ONE_TIME: Final = {"oneOf": [{"required": [name], "properties": {name: {"type": "string"}}} for name in _TIMES]}
"""What kernel.quantity.Happened checks across its fields, where msgspec's schema stops."""


class Schemas:
    """The msgspec types that an app's operations speak of."""

    def __init__(self) -> None:
        self._types: Final[dict[Any, int]] = {}

    def of(self, kind: Any) -> dict[str, Any]:
        """A schema for this type, to be filled in when the document is made."""
        return {_MARK: self._types.setdefault(kind, len(self._types))}

    def body(self, kind: Any, *media: str) -> dict[str, Any]:
        return {"required": True, "content": {name: {"schema": self.of(kind)} for name in media or (JSON,)}}

    def answers(self, *ok: tuple[int, Any, str]) -> dict[int | str, dict[str, Any]]:
        """Responses of an operation: (status, type, description) of each success."""
        return {
            status: {"description": said, "content": {JSON: {"schema": self.of(kind)}}} for status, kind, said in ok
        }

    def document(self, app: FastAPI) -> dict[str, Any]:
        """The finished OpenAPI document of the app."""
        if app.openapi_schema is None:
            problem = self.of(Problem)
            made = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
                tags=app.openapi_tags,
            )
            _declare_errors(made, problem)
            schemas, components = msgspec.json.schema_components(self._types, ref_template=_REF)
            finished = _filled(made, list(schemas))
            kept = finished.setdefault("components", {}).setdefault("schemas", {})
            for name in ("HTTPValidationError", "ValidationError"):
                kept.pop(name, None)
            kept.update((name, _with_one_time(schema)) for name, schema in sorted(components.items()))
            finished["components"]["securitySchemes"] = {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
            }
            app.openapi_schema = finished
        return app.openapi_schema


def header_parameter(name: str, *, required: bool, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "header", "required": required, "description": description, "schema": schema}


def _declare_errors(document: dict[str, Any], problem: dict[str, Any]) -> None:
    """Each error status once, as a component; every operation refers to those it may answer."""
    used: set[int] = set()
    for path in document.get("paths", {}).values():
        for method, operation in path.items():
            statuses = _COMMAND_STATUSES if method in ("post", "put") else _READ_STATUSES
            responses = operation.setdefault("responses", {})
            # FastAPI's own description of what it would say to a bad parameter; ours replaces it.
            responses.pop("422", None)
            for status in statuses:
                responses.setdefault(str(status), {"$ref": f"#/components/responses/Problem{status}"})
            operation.setdefault("security", [{"bearer": []}])
            if said := operation.get("description"):
                # What FastAPI makes of a name ("Listbalances") says less than the first sentence.
                operation["summary"] = said.split("\n", 1)[0].split(". ", 1)[0].rstrip(".")
            used.update(statuses)
    document.setdefault("components", {})["responses"] = {
        f"Problem{status}": {"description": _meaning(status), "content": {PROBLEM_JSON: {"schema": problem}}}
        for status in sorted(used)
    }


def _with_one_time(schema: dict[str, Any]) -> dict[str, Any]:
    return schema | _ONE_TIME if schema.get("properties", {}).keys() >= set(_TIMES) else schema


def _meaning(status: int) -> str:
    said = (one for one in (*STATUS_OF_KIND.values(), *STATUS_OF_CODE.values()) if one.http == status)
    return " · ".join(dict.fromkeys(f"{one.zh} / {one.en}" for one in said))


def _filled(node: Any, schemas: list[dict[str, Any]]) -> Any:
    if isinstance(node, dict):
        if _MARK in node:
            return schemas[node[_MARK]]
        return {name: _filled(one, schemas) for name, one in node.items()}
    if isinstance(node, Iterable) and not isinstance(node, str):
        return [_filled(one, schemas) for one in node]
    return node
