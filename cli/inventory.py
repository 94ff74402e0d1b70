"""What the house declares in code: its deciders, refusals and codes. The reference and its tests are made from this."""

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from datetime import date, datetime
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Final, Literal, TypeAlias, get_args, get_origin

import msgspec

from kernel.decider import Decider
from kernel.refusal import Reason, reasons_in

PACKAGES: Final = ("ledger", "kernel", "services", "gateway", "auditor", "client", "cli")
GENERATED: Final = "kernel.wire"

_INSTRUMENTS: Final = {
    f"create_{kind}"
    for kind in (
        "counter",
        "up_down_counter",
        "histogram",
        "gauge",
        "observable_counter",
        "observable_up_down_counter",
        "observable_gauge",
    )
}

Words: TypeAlias = dict[str, tuple[str, str]]
"""Code to its words, Chinese and English."""


class DeclaredReason(msgspec.Struct, frozen=True):
    """A refusal, and the module that declares it."""

    module: str
    reason: Reason


class Instrument(msgspec.Struct, frozen=True):
    """A metric, as OpenTelemetry names it."""

    module: str
    kind: str
    name: str
    unit: str
    description: str


class DeclaredType(msgspec.Struct, frozen=True):
    """A type with a name of its own: bounded text or number, or a list of codes (`words` where there are any)."""

    module: str
    name: str
    hint: Any
    words: Words | None = None


@cache
def modules() -> tuple[ModuleType, ...]:
    """Every module of the house, in order of name; not those that run when imported, nor generated ones."""
    names = [name for package in PACKAGES for name in _names_in(importlib.import_module(package))]
    return tuple(importlib.import_module(name) for name in sorted(names))


def deciders() -> dict[str, list[Decider[Any]]]:
    """The deciders of every service, each list in order of category."""
    found: dict[str, dict[str, Decider[Any]]] = {}
    for module in modules():
        if module.__name__.startswith("services."):
            service = module.__name__.split(".")[1]
            for value in vars(module).values():
                if isinstance(value, Decider):
                    found.setdefault(service, {})[value.category] = value
    return {service: [nouns[name] for name in sorted(nouns)] for service, nouns in sorted(found.items())}


def reasons() -> list[DeclaredReason]:
    """Every refusal, in order of code. One that several modules import belongs to the one that assigns it."""
    found = [
        DeclaredReason(module.__name__, reason)
        for module in modules()
        for reason in reasons_in(module)
        if _assigns(module, reason)
    ]
    return sorted(found, key=lambda one: (one.reason.code, one.module))


def instruments() -> list[Instrument]:
    """Every metric that a module declares, in order of name."""
    calls = [
        (module.__name__, node)
        for module in modules()
        if any(word in _source(module) for word in _INSTRUMENTS)
        for node in ast.walk(ast.parse(_source(module)))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _INSTRUMENTS
    ]
    return sorted((_instrument(module, call) for module, call in calls), key=lambda one: one.name)


@cache
def types() -> tuple[DeclaredType, ...]:
    """Every named type of bounded text, number, time or code that commands and events may use, in order of module,
    those of kernel.quantity first: others are the same under a name of their own.
    """
    found: list[DeclaredType] = []
    for module in sorted(modules(), key=lambda one: (one.__name__ != "kernel.quantity", one.__name__)):
        if not module.__name__.startswith(("kernel.device", "kernel.quantity", "services.")):
            continue
        words_of = {
            frozenset(value): value for value in vars(module).values() if isinstance(value, dict) and _are_words(value)
        }
        for name, value in vars(module).items():
            if _is_plain(value) and _assigned_in(module, name):
                codes = frozenset(get_args(value)) if get_origin(value) is Literal else frozenset()
                found.append(DeclaredType(module.__name__, name, value, words_of.get(codes)))
    return tuple(found)


def _names_in(package: ModuleType) -> Iterator[str]:
    yield package.__name__
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not (found.name.startswith(GENERATED) or found.name.endswith(".__main__")):
            yield found.name


def _instrument(module: str, call: ast.Call) -> Instrument:
    said = {word.arg: word.value for word in call.keywords} | dict(zip(("name", "unit"), call.args, strict=False))
    text = {name: value.value for name, value in said.items() if isinstance(value, ast.Constant)}
    kind = call.func.attr.removeprefix("create_") if isinstance(call.func, ast.Attribute) else ""
    return Instrument(
        module, kind.replace("_", " "), str(text["name"]), str(text.get("unit", "")), str(text["description"])
    )


def _assigns(module: ModuleType, value: object) -> bool:
    return any(mine is value and _assigned_in(module, name) for name, mine in vars(module).items())


def _assigned_in(module: ModuleType, name: str) -> bool:
    return re.search(rf"^{re.escape(name)}\b[^=\n]*=", _source(module), re.MULTILINE) is not None


@cache
def _source(module: ModuleType) -> str:
    return Path(module.__file__).read_text("utf-8") if module.__file__ else ""


def _is_plain(value: object) -> bool:
    """Whether it is a list of codes, or bounds upon a single value."""
    if get_origin(value) is Annotated:
        return getattr(value, "__origin__", None) in (str, int, datetime, date)
    return get_origin(value) is Literal


def _are_words(value: dict[Any, Any]) -> bool:
    return bool(value) and all(
        isinstance(code, str) and isinstance(said, tuple) and [type(word) for word in said] == [str, str]
        for code, said in value.items()
    )
