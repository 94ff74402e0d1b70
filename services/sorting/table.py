"""What devices are judged by beside their schemes: the decision table and the parameters of value, by version.

    TablePublished (version 1) -> TablePublished (version 2) ...

A table that leaves a combination without a rule, or meets one by two, is never published.
"""

from collections.abc import Sequence
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from kernel.decider import Decider, Part, becomes, members
from kernel.quantity import Happened, PublicRemark, Sha256
from kernel.refusal import against_rules, unreadable
from services.sorting.decision import VerdictTable
from services.sorting.norms import digest
from services.sorting.prices import Prices

TableName: TypeAlias = Literal["verdict", "prices"]
TABLE_NAMES: Final[dict[TableName, tuple[str, str]]] = {
    "verdict": ("处置决策表", "the decision table"),
    "prices": ("价值参数", "the parameters of value"),
}
TableVersion: TypeAlias = Annotated[int, Meta(ge=1, le=1_000_000, description="a table's version, from 1")]

NOT_THAT_TABLE = unreadable(
    "table.not_that_table",
    "须恰好给出 {name} 一项内容。",
    "give the content of {name} and of nothing else",
)
DISAGREES = unreadable("table.disagrees", "{name}不能使用：{why}", "{name} cannot be used: {why}")
NOT_THE_NEXT = against_rules(
    "table.not_the_next_version",
    "{name}现为第 {current} 版，下一版须为 {expected}。",
    "{name} is at version {current}, the next is {expected}",
)


class _Content(Happened, frozen=True, kw_only=True):
    """A version of one table; the member of its name holds it."""

    name: TableName
    version: TableVersion
    why: PublicRemark
    verdict: VerdictTable | None = None
    prices: Prices | None = None


class PublishTable(_Content, frozen=True, kw_only=True):
    """发布判定表 The next version of a table, whole, and why it changes."""


class TablePublished(_Content, frozen=True, kw_only=True):
    """A version stands. `sha256` is that of its content as JSON with members in order of name."""

    sha256: Sha256


Command: TypeAlias = PublishTable
Event: TypeAlias = TablePublished


class Published(msgspec.Struct, frozen=True):
    """The version that stands, 0 before the first, and what it says."""

    version: int = 0
    sha256: str = ""
    verdict: VerdictTable | None = None
    prices: Prices | None = None


def decide(command: Command, published: Published) -> Sequence[Event]:
    contents: dict[TableName, VerdictTable | Prices] = {}
    if command.verdict is not None:
        contents["verdict"] = command.verdict
    if command.prices is not None:
        contents["prices"] = command.prices
    if list(contents) != [command.name]:
        raise NOT_THAT_TABLE(name=command.name, field="name")
    content, said = contents[command.name], TABLE_NAMES[command.name]
    if wrong := list(content.disagreements()):
        raise DISAGREES(name=said, why="; ".join(wrong), field=command.name)
    sha256 = digest(content)
    if sha256 == published.sha256:
        return []
    if command.version != published.version + 1:
        raise NOT_THE_NEXT(name=said, current=published.version, expected=published.version + 1, field="version")
    return [becomes(command, TablePublished, sha256=sha256)]


def evolve(_published: Published, event: Event) -> Published:
    return Published(event.version, event.sha256, event.verdict, event.prices)


TABLE: Final = Decider(
    category="table",
    initial=Published(),
    key="name",
    begins=(PublishTable,),
    parts=(Part(members(Command), members(Event), decide, evolve),),
)
