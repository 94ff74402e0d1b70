"""Which scheme group covers which class of device: one, or nobody could say by which of two a device is inspected.

A group that takes a class over is published after the one that gives it up. Of two groups that are published with one
class in the same moment both may stand; no device of that class is inspected then before one gives it up.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from kernel.handling import Ask
from kernel.refusal import against_rules
from services.sorting.furnishing import AskViews
from services.sorting.scheme import PublishScheme
from services.sorting.views.scheme import groups_by_class

COVERED = against_rules(
    "scheme.class_covered",
    "类别 {device_class} 已由方案组 {other} 覆盖。请先发布不含该类别的 {other} 新版，再发布 {group}。",
    "class {device_class} is covered by scheme group {other}; first publish a version of {other} without it, then "
    "{group}",
)


class Covering:
    """Asks the views which classes are covered."""

    def __init__(self, ask_now: AskViews) -> None:
        self._ask_now: Final = ask_now

    async def furnished(self, asks: Sequence[Ask]) -> Sequence[Ask]:
        """The same, each scheme to be published with what is against it. Raises Stale, ledger.port.Unavailable."""
        if not any(isinstance(ask.command, PublishScheme) for ask in asks):
            return asks
        covered = {code: list(groups) for code, groups in (await self._ask_now(groups_by_class)).items()}
        return [_hindered(ask, covered) if isinstance(ask.command, PublishScheme) else ask for ask in asks]


def _hindered(ask: Ask, covered: dict[str, list[str]]) -> Ask:
    """The same, and `covered` as it is after it."""
    command: PublishScheme = ask.command
    wanted = command.scheme.device_classes
    if taken := _taken(command.group, wanted, covered):
        code, other = taken
        refusal = COVERED(device_class=code, other=other, group=command.group, field="scheme.device_classes")
        return msgspec.structs.replace(ask, hindrance=refusal)
    for groups in covered.values():
        if command.group in groups:
            groups.remove(command.group)
    for code in wanted:
        covered.setdefault(code, []).append(command.group)
    return ask


def _taken(group: str, wanted: Sequence[str], covered: Mapping[str, Sequence[str]]) -> tuple[str, str] | None:
    """The first class that another group has, and which."""
    return next(((code, other) for code in wanted for other in covered.get(code, ()) if other != group), None)
