"""client/types.py, made from the gateway's OpenAPI document: `make docs` writes it, a test compares them.

The client knows nothing of the house, so its types are made rather than imported.
"""

import json
import keyword
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

HEAD: Final = '''"""The platform's commands, questions and answers. Made by `make docs` from the OpenAPI document."""

from datetime import date, datetime
from typing import Any, ClassVar, Literal

import msgspec

from client.calls import Command, Download, Page, Question
'''
API: Final = "/v1/"
"""The files of the proof log are for those who verify, with programs that trust nobody's client."""

_PATH_NAME: Final = re.compile(r"{(\w+)}")
_REF: Final = "#/components/schemas/"


def client_types(document: Mapping[str, Any]) -> str:
    """The module's text."""
    schemas: Mapping[str, Any] = document["components"]["schemas"]
    commands, questions = [], []
    for path, item in sorted(document["paths"].items()):
        if not path.startswith(API):
            continue
        for verb, operation in item.items():
            if verb == "post" and "_" in operation["operationId"] and "/bulk/" not in path:
                commands.append(_command(path, operation, schemas))
            elif verb == "get" and "text/event-stream" not in operation["responses"]["200"].get("content", {}):
                is_json = "application/json" in operation["responses"]["200"].get("content", {})
                questions.append(_question(path, operation) if is_json else _download(path, operation))
    # A command stands in the document whole as well, for bulk calls.
    whole = {re.match(r"class (\w+)", text)[1] for text in commands}  # type: ignore[index]  # each is a class
    bodies = {name for name in schemas if name.endswith(("Body", "Page"))} | whole
    models = [_model(name, schemas[name]) for name in _ordered(schemas) if name not in bodies]
    parts = [HEAD, *[text for text in models if text], *commands, *questions]
    return "\n\n".join(part.strip("\n") + "\n" for part in parts)


def _ordered(schemas: Mapping[str, Any]) -> Iterator[str]:
    """Names so that what is referred to comes first."""
    done: set[str] = set()

    def visit(name: str) -> Iterator[str]:
        if name in done:
            return
        done.add(name)
        for inner in re.findall(rf'"{_REF}(\w+)"', json.dumps(schemas[name])):
            yield from visit(inner)
        yield name

    for name in sorted(schemas):
        yield from visit(name)


def _model(name: str, schema: Mapping[str, Any]) -> str:
    if "properties" not in schema:
        return f"{name} = {_type(schema)}\n"
    return _struct(f"class {name}(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):", schema)


def _struct(head: str, schema: Mapping[str, Any], extra: tuple[str, ...] = ()) -> str:
    lines = [head, *_doc(schema.get("description", ""))]
    lines += [f"    {line}" for line in extra]
    required = set(schema.get("required", ()))
    fields = sorted(schema.get("properties", {}).items(), key=lambda item: item[0] not in required)
    for field, kind in fields:
        assert not keyword.iskeyword(field), field
        lines.append(f"    {field}: {_type(kind)}" + ("" if field in required else _optional(kind)))
    if len(lines) == 1:
        lines.append("    pass")
    return "\n".join(lines)


def _command(path: str, operation: Mapping[str, Any], schemas: Mapping[str, Any]) -> str:
    body = schemas[operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].removeprefix(_REF)]
    name = operation["operationId"].rpartition("_")[2]
    key = _PATH_NAME.findall(path)[0]
    schema = {
        "description": operation.get("description", ""),
        "properties": {key: {"type": "string"}, **body["properties"]},
        "required": [key, *body.get("required", ())],
    }
    constants = (f'PATH: ClassVar[str] = "{path}"', f'KEY: ClassVar[str] = "{key}"')
    return _struct(f"class {name}(Command, frozen=True, kw_only=True, omit_defaults=True):", schema, constants)


def _download(path: str, operation: Mapping[str, Any]) -> str:
    head = f"class {operation['operationId']}(Download, frozen=True, kw_only=True):"
    return _struct(head, _parameters(operation), (f'PATH: ClassVar[str] = "{path}"',))


def _question(path: str, operation: Mapping[str, Any]) -> str:
    answer = operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].removeprefix(_REF)
    kind = f"Page[{answer.removesuffix('Page')}]" if answer.endswith("Page") else answer
    constants = (f'PATH: ClassVar[str] = "{path}"', f"ANSWER: ClassVar[Any] = {kind}")
    head = f"class {operation['operationId']}(Question[{kind}], frozen=True, kw_only=True):"
    return _struct(head, _parameters(operation), constants)


def _parameters(operation: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a GET as a schema of an object."""
    parameters = [one for one in operation.get("parameters", ()) if one["name"] != "cursor"]
    return {
        "description": operation.get("description", ""),
        "properties": {one["name"]: one["schema"] for one in parameters},
        "required": [one["name"] for one in parameters if one["required"]],
    }


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).removeprefix(_REF)
    if "anyOf" in schema:
        return " | ".join(_type(one) for one in schema["anyOf"])
    if "enum" in schema:
        return f"Literal[{', '.join(json.dumps(one, ensure_ascii=False) for one in schema['enum'])}]"
    match schema.get("type"):
        case "string":
            return {"date": "date", "date-time": "datetime"}.get(schema.get("format", ""), "str")
        case "integer":
            return "int"
        case "boolean":
            return "bool"
        case "null":
            return "None"
        case "array":
            return f"tuple[{_type(schema['items'])}, ...]"
        case _:
            return "Any"


def _optional(schema: Mapping[str, Any]) -> str:
    if "default" not in schema:
        return " = None" if "None" in _type(schema) else " | None = None"
    return f" = {_default(schema)}"


def _default(schema: Mapping[str, Any]) -> str:
    default = schema["default"]
    if isinstance(default, list):
        return "()"
    if isinstance(default, dict):
        return f"msgspec.field(default_factory={_type(schema)})"
    return repr(default)


def _doc(text: str) -> list[str]:
    first = " ".join(text.split("\n\n", maxsplit=1)[0].split()) or "See the API reference."
    words, lines, line = first.split(" "), [], '    """'
    for word in words:
        if len(line) + len(word) + 1 > 116:  # noqa: PLR2004  the house's line length, less the closing quotes
            lines.append(line.rstrip())
            line = "    "
        line += word + " "
    closing = f'{line.rstrip()}"""' if not lines else line.rstrip()
    return [*lines, closing] if not lines else [*lines, closing, '    """']
