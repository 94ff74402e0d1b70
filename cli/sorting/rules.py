"""Schemes and tables between files and the platform: read, asked for, compared, written. What publishing, comparing and
trying share.
"""

from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias, TypeVar, cast

import msgspec
import typer
import yaml
from rich.console import Console, RenderableType

from cli.connection import USAGE, CannotGoOn
from client import Client, NotFound, types
from services.sorting.decision import VerdictTable
from services.sorting.defaults import (
    default_groups,
    default_prices,
    default_scheme,
    default_verdict_table,
    read_prices,
    read_scheme,
    read_verdict_table,
)
from services.sorting.norms import Scheme
from services.sorting.prices import Prices
from services.sorting.table import TABLE_NAMES, TableName

Rules: TypeAlias = Scheme | VerdictTable | Prices
Struct = TypeVar("Struct", bound=msgspec.Struct)

Url = Annotated[str | None, typer.Option(help="平台地址 the platform")]
Token = Annotated[str | None, typer.Option(help="访问令牌 access token")]

NAMES: Final = f"方案组 a group: {' | '.join(default_groups())}；或 or {' | '.join(TABLE_NAMES)}"


class Standing(msgspec.Struct, frozen=True):
    """A version that was published, and what it says; version 0 where there is none."""

    version: int
    rules: Rules | None


NOTHING: Final = Standing(0, None)


def is_table(name: str) -> bool:
    """Whether this names a table; any other name is that of a scheme group."""
    return name in TABLE_NAMES


def rules_of_file(name: str, path: Path) -> Rules:
    """What a file says. Raises CannotGoOn."""
    readers: dict[str, Any] = {"verdict": read_verdict_table, "prices": read_prices}
    try:
        return cast("Rules", readers.get(name, read_scheme)(path))
    except ValueError as error:
        raise CannotGoOn(f"文件不能使用。{error}", f"the file cannot be used. {error}", USAGE) from None


def default_rules(name: str) -> Rules:
    """What comes with the program. Raises CannotGoOn."""
    if name == "verdict":
        return default_verdict_table()
    if name == "prices":
        return default_prices()
    if name not in default_groups():
        raise CannotGoOn(
            f"没有名为 {name} 的缺省方案，请用 --file 给出文件。{NAMES}",
            f"no scheme {name} comes with the program; give a file by --file",
            USAGE,
        )
    return default_scheme(name)


def standing(platform: Client, name: str, version: int | None = None) -> Standing:
    """What is published under this name: this version, or the one that stands. NOTHING where none was ever published;
    for a version that there is not, NotFound is raised.
    """
    try:
        if is_table(name):
            table = platform.ask(types.GetTable(name=cast("TableName", name), version=version))
            return Standing(table.version, _table(table))
        scheme = platform.ask(types.GetScheme(group=name, version=version))
        return Standing(scheme.version, translated(scheme.scheme, Scheme))
    except NotFound:
        if version is None:
            return NOTHING
        raise


def translated(struct: msgspec.Struct, kind: type[Struct]) -> Struct:
    """The same said by another struct: the client's types and the service's have the same members."""
    return msgspec.convert(msgspec.to_builtins(struct), kind)


def as_yaml(rules: Rules) -> str:
    """A file that one can edit and publish."""
    return yaml.safe_dump(msgspec.to_builtins(rules), allow_unicode=True, sort_keys=False, width=120)


def shown(what: RenderableType) -> None:
    """On the terminal, as wide as it is now."""
    Console().print(what)


def _table(table: types.TablePublished) -> Rules:
    if table.verdict is not None:
        return translated(table.verdict, VerdictTable)
    assert table.prices is not None
    return translated(table.prices, Prices)
