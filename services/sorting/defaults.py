"""The schemes and tables that come with the program, and how such a file is read: `schemes/<group>.yaml`,
`tables/verdict.yaml`, `tables/prices.yaml`. They are for trying out until a metrologist has confirmed them.
"""

from pathlib import Path
from typing import Final, TypeVar

import msgspec

from kernel.yaml_file import read_yaml
from services.sorting.cases import Case
from services.sorting.decision import VerdictTable
from services.sorting.norms import Scheme
from services.sorting.prices import Prices

HERE: Final = Path(__file__).parent
SCHEMES: Final = HERE / "schemes"
TABLES: Final = HERE / "tables"

Content = TypeVar("Content", Scheme, VerdictTable, Prices)


class Cases(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of cases to try a decision table with."""

    cases: tuple[Case, ...]


def default_groups() -> tuple[str, ...]:
    """The scheme groups that come with the program."""
    return tuple(sorted(path.stem for path in SCHEMES.glob("*.yaml")))


def read_scheme(path: Path) -> Scheme:
    """The scheme in a file. Raises ValueError, which names the file and what is wrong, also with the whole."""
    return _agreeing(path, read_yaml(path, Scheme))


def read_verdict_table(path: Path) -> VerdictTable:
    """The decision table in a file. Raises ValueError, which names the file and what is wrong, also with the whole."""
    return _agreeing(path, read_yaml(path, VerdictTable))


def read_prices(path: Path) -> Prices:
    """The parameters of value in a file. Raises ValueError, which names the file and what is wrong."""
    return _agreeing(path, read_yaml(path, Prices))


def default_scheme(group: str) -> Scheme:
    """That of a group of default_groups."""
    return read_scheme(SCHEMES / f"{group}.yaml")


def default_verdict_table() -> VerdictTable:
    """The decision table that comes with the program."""
    return read_verdict_table(TABLES / "verdict.yaml")


def default_prices() -> Prices:
    """The parameters of value that come with the program."""
    return read_prices(TABLES / "prices.yaml")


def _agreeing(path: Path, content: Content) -> Content:
    if wrong := list(content.disagreements()):
        raise ValueError(f"{path.name}: {'; '.join(wrong)}")
    return content
