"""A YAML file that people keep, read as strictly as a message: no key twice, no member that is not known."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import yaml

T = TypeVar("T")


LOADER: Final = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader
"""Both give the same nodes; the one in C is ten times as fast. What nodes mean is decided by _Constructor."""

_MERGE: Final = "tag:yaml.org,2002:merge"


def read_yaml(path: Path, kind: type[T]) -> T:
    """What the file says, or a ValueError that names the file and what is wrong in it."""
    return read_as(path, lambda content: msgspec.convert(plain_of_yaml(content), kind))


def read_as(path: Path, said: Callable[[bytes], T]) -> T:
    """What the file's content says, or a ValueError that names the file and what is wrong in it."""
    try:
        return said(path.read_bytes())
    except (OSError, yaml.YAMLError, ValueError) as error:
        raise ValueError(f"{path.name}: {error}") from error


def plain_of_yaml(content: bytes) -> Any:
    """The document as plain values. Raises yaml.YAMLError, and ValueError for a date that is none."""
    node = yaml.compose(content, LOADER)
    return None if node is None else _Constructor().construct_document(node)


def extended(default: Any, own: dict[str, Any]) -> Any:
    """A document that says `extends: default`, member by member: lists of its own come before the default's, single
    values in their place.
    """
    merged = dict(default)
    for key, value in own.items():
        there = merged.get(key)
        if isinstance(there, dict) and isinstance(value, dict):
            merged[key] = extended(there, value)
        elif isinstance(there, list) and isinstance(value, list):
            merged[key] = value + [one for one in there if one not in value]
        else:
            merged[key] = value
    return merged


class _Constructor(yaml.constructor.SafeConstructor):
    """As safe_load, but a key given twice is an error: the second would silently take the place of the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002  PyYAML's signature
        seen: set[object] = set()
        for key_node, _ in node.value:
            if key_node.tag == _MERGE:
                continue
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key!r} is not text; put it in quotation marks", key_node.start_mark
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} is given twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)
