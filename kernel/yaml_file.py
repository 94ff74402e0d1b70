"""A YAML file that people keep, read as strictly as a message: no key twice, no member that is not known."""

from pathlib import Path
from typing import Any, TypeVar

import msgspec
import yaml

T = TypeVar("T")


def read_yaml(path: Path, kind: type[T]) -> T:
    """What the file says, or a ValueError that names the file and what is wrong in it."""
    try:
        plain = yaml.load(path.read_text("utf-8"), Loader=_OnceLoader)  # noqa: S506  a SafeLoader that is stricter still
        return msgspec.convert(plain, kind)
    except (OSError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise ValueError(f"{path.name}: {error}") from error


class _OnceLoader(yaml.SafeLoader):
    """YAML in which a key said twice is an error, not a quiet second thought."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002  PyYAML's signature
        mapping = super().construct_mapping(node, deep)
        if len(mapping) < len(node.value):
            raise yaml.constructor.ConstructorError(None, None, "a key is there twice", node.start_mark)
        return mapping
