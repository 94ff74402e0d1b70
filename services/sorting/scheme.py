"""分拣检测方案: a scheme group's versions. The log keeps each one whole: a verdict of years ago can be re-checked.

    SchemePublished (version 1) -> SchemePublished (version 2) ...

An inspection keeps the version that it began with.
"""

from collections.abc import Sequence
from typing import Final, TypeAlias

import msgspec

from kernel.decider import Decider, Part, becomes, members
from kernel.quantity import Happened, PublicRemark, Sha256
from kernel.refusal import against_rules, unreadable
from services.sorting.norms import Scheme, SchemeRef, SchemeVersion, digest
from services.sorting.vocabulary import GroupId

WRONG_GROUP = unreadable(
    "scheme.wrong_group",
    "方案内写的组别是 {named}，不是 {group}。",
    "the scheme itself is of group {named}, not {group}",
)
DISAGREES = unreadable(
    "scheme.disagrees",
    "方案 {group} 不能使用：{why}",
    "scheme {group} cannot be used: {why}",
)
NOT_THE_NEXT = against_rules(
    "scheme.not_the_next_version",
    "方案 {group} 现为第 {current} 版，下一版须为 {expected}。请先查看差异。",
    "scheme {group} is at version {current}, the next is {expected}; look at the difference first",
)


class PublishScheme(Happened, frozen=True, kw_only=True):
    """发布方案 The next version of a scheme group, whole, and why it changes."""

    group: GroupId
    version: SchemeVersion
    scheme: Scheme
    why: PublicRemark


class SchemePublished(Happened, frozen=True, kw_only=True):
    """A version stands. `sha256` is that of the scheme as JSON with its members in order of name."""

    group: GroupId
    version: SchemeVersion
    scheme: Scheme
    sha256: Sha256
    why: PublicRemark


Command: TypeAlias = PublishScheme
Event: TypeAlias = SchemePublished


class Published(msgspec.Struct, frozen=True):
    """Every version that was published: an inspection goes on by the one that it began with."""

    versions: tuple[Scheme, ...] = ()
    sha256: str = ""

    @property
    def version(self) -> int:
        """The one that stands, 0 before the first."""
        return len(self.versions)

    @property
    def ref(self) -> SchemeRef:
        """The one that stands, as whoever begins with it keeps it."""
        return SchemeRef(group=self.versions[-1].group, version=self.version, sha256=self.sha256)

    def of(self, ref: SchemeRef) -> Scheme:
        """The scheme of this version."""
        return self.versions[ref.version - 1]


def decide(command: Command, published: Published) -> Sequence[Event]:
    scheme = command.scheme
    if scheme.group != command.group:
        raise WRONG_GROUP(group=command.group, named=scheme.group, field="scheme.group")
    if wrong := list(scheme.disagreements()):
        raise DISAGREES(group=command.group, why="; ".join(wrong), field="scheme")
    sha256 = digest(scheme)
    if sha256 == published.sha256:
        return []
    if command.version != published.version + 1:
        raise NOT_THE_NEXT(
            group=command.group, current=published.version, expected=published.version + 1, field="version"
        )
    return [becomes(command, SchemePublished, sha256=sha256)]


def evolve(published: Published, event: Event) -> Published:
    return Published((*published.versions, event.scheme), event.sha256)


SCHEME: Final = Decider(
    category="scheme",
    initial=Published(),
    key="group",
    begins=(PublishScheme,),
    parts=(Part(members(Command), members(Event), decide, evolve),),
)
