"""Who may read which events whole: docs/disclosure.yaml, read strictly.

Each type of event has its kind of transparency, the right that the kind serves, and an audience. Audiences are circles
within each other: what the public may read the parties may, and the supervisor may read everything that is not sealed.
A party reads an event only where the owning service finds that it is concerned.
"""

from collections.abc import Collection, Iterable
from functools import cache
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

import msgspec

from kernel.yaml_file import plain_of_yaml, read_as

Kind: TypeAlias = Literal["must", "should", "voluntary"]
Right: TypeAlias = Literal["participation", "supervision", "knowledge"]
Audience: TypeAlias = Literal["public", "party", "supervisor"]

OUTSIDE: Final = ("ext-",)
"""How the streams begin that systems outside write. No label is for what is in them: the supervisors read it."""

RIGHTS: Final[dict[Kind, Right]] = {"must": "participation", "should": "supervision", "voluntary": "knowledge"}
"""必须透明 serves 参与权, 应该透明 serves 监督权, 自愿透明 serves 知情权."""

Words: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
TypeName: TypeAlias = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]*\.[A-Z][A-Za-z0-9]*$(?!\n)")]


DisclosureFile: TypeAlias = Annotated[
    Path | None,
    msgspec.Meta(
        description="透明度清单文件，默认为随程序所附的 docs/disclosure.yaml / the file that says who may read which "
        "events; by default docs/disclosure.yaml as it came with the program"
    ),
]
"""The setting of a service that shows events."""


class Party(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a party is called."""

    zh: Words
    en: Words


class Label(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of one type of event: how transparent, for whose right, to whom, and why."""

    kind: Kind
    right: Right
    audience: Audience
    zh: Words
    en: Words
    parties: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.right != RIGHTS[self.kind]:
            raise ValueError(f"{self.kind} serves {RIGHTS[self.kind]}, not {self.right}")
        if (self.audience == "party") is not bool(self.parties):
            raise ValueError("the parties are named where the audience is party, and nowhere else")


class Disclosure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The labels of all types of event, and the parties that they name."""

    parties: dict[str, Party]
    events: dict[TypeName, Label]

    def __post_init__(self) -> None:
        named = {party for label in self.events.values() for party in label.parties}
        if named != self.parties.keys():
            raise ValueError(f"parties are declared and named alike, but not {sorted(named ^ self.parties.keys())}")

    @property
    def public(self) -> frozenset[str]:
        """The types whose events anyone may read whole."""
        return frozenset(name for name, label in self.events.items() if label.audience == "public")

    def shown_to(self, parties: Collection[str]) -> frozenset[str]:
        """The types whose events whoever is these parties may read whole, as far as an event concerns them."""
        party = {name for name, label in self.events.items() if not set(label.parties).isdisjoint(parties)}
        return self.public | party

    def disagreements(self, types: Iterable[str]) -> list[str]:
        """What stands between these labels and the types of event that there are; empty where they agree."""
        there = set(types)
        without_label = [f"{name} has no label" for name in sorted(there - self.events.keys())]
        return without_label + [f"{name} is no type of event" for name in sorted(self.events.keys() - there)]


def load(path: Path) -> Disclosure:
    """The labels of the file, or a ValueError that says what is wrong in it."""
    return read_as(path, _labels)


@cache
def _labels(content: bytes) -> Disclosure:
    """The same of the same content: every part of a process reads this one file."""
    return msgspec.convert(plain_of_yaml(content), Disclosure)
