"""Who may do what in a service, found out by asking at every entrance, and written down for people.

A command is asked with a version that no stream has: who may give it is told that it is stale, and nothing happens.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from kernel.principal import Role
from tests.doors.entrances import Answer, Entrance, Entrances

OWN, THEIR = "99401", "99402"
MAKER, OTHER_MAKER = "MK-1", "MK-2"
"""Whoever asks acts for OWN and belongs to MAKER."""

NEVER = 999_999
"""A version that no stream has."""

STALE = "command.stale_version"
GATEWAY = "    through the gateway: "
WORDS = {"all": "", "unit": "(unit)", "maker": "(maker)"}

Table: TypeAlias = Mapping[str, Mapping[Role, str]]
"""For each action the roles that may, and over what rows."""


class Asking(msgspec.Struct, frozen=True):
    """How to ask a question: about each row, or once, `seen` then telling which rows were shown."""

    about: Mapping[str, Mapping[str, Any]]
    seen: Callable[[Any], Iterable[str]] | None = None
    allowed: frozenset[str] = frozenset()
    """Codes that only those are told who may ask."""


class Asked(msgspec.Struct, frozen=True):
    """What is asked of a service. `about_each` gives a command about each row that there is of its noun; `signs` says
    of a row what being let at it means: it is of one's unit, of one's make, or anybody's. `told` are the codes that
    only those are told who may give a command, `not_there` what those are told of a row who may not read it. The
    module `written_by` writes the file. `public` questions need no token.
    """

    service: str
    offered: Sequence[type[msgspec.Struct]]
    inside: frozenset[type[msgspec.Struct]]
    about_each: Callable[[type[msgspec.Struct]], Mapping[str, Any]]
    questions: Mapping[str, Asking]
    signs: Mapping[str, str]
    file: Path
    written_by: str
    public: frozenset[str] = frozenset()
    told: frozenset[str] = frozenset({STALE})
    not_there: frozenset[str] = frozenset()

    @property
    def actions(self) -> tuple[str, ...]:
        return (*(kind.__name__ for kind in self.offered), *self.questions)

    async def table(self, entrances: Entrances, entrance: Entrance) -> Table:
        """What the entrance lets each role do."""
        found: dict[str, dict[Role, str]] = {name: {} for name in self.actions}
        for role in Role:
            token = asker(entrances, role)
            let = {**await self._commands_let(entrance, token), **await self._questions_let(entrance, token)}
            for action, rows in let.items():
                if rows:
                    found[action][role] = self._over(rows)
        return found

    async def _commands_let(self, entrance: Entrance, token: str) -> dict[str, list[str]]:
        """Each command, and the rows about which this token may give it."""
        let: dict[str, list[str]] = {}
        for kind in self.offered:
            let[kind.__name__] = [
                row
                for row, command in self.about_each(kind).items()
                if self._verdict(await entrance.give(command, token, version=NEVER), self.told)
            ]
        return let

    async def _questions_let(self, entrance: Entrance, token: str) -> dict[str, list[str]]:
        """Each question, and the rows about which this token may ask it."""
        let: dict[str, list[str]] = {}
        for name, asking in self.questions.items():
            let[name] = []
            for row, plain in asking.about.items():
                answer = await entrance.ask(name, dict(plain), token)
                if self._verdict(answer, asking.allowed):
                    let[name] += [row] if asking.seen is None else sorted({*asking.seen(answer.value)})
        return let

    def _verdict(self, answer: Answer, allowed: frozenset[str]) -> bool:
        """Whether who asked may; anything but yes and the one code of no is a fault of the test or of the door."""
        if answer.code == "access.denied":
            assert answer.status in {None, 403}
            assert answer.zh
            assert answer.en
            return False
        if answer.code in self.not_there:
            assert answer.status in {None, 404}
            return False
        assert answer.code in (allowed or {None}), answer
        return True

    def _over(self, rows: Sequence[str]) -> str:
        """All rows, or those by which sign."""
        signs = {self.signs[row] for row in rows}
        return "all" if "all" in signs else "+".join(sorted(signs))

    def written(self, own: Table, outer: Table) -> str:
        """What the service's own doors let, an action a line, and a second line where the gateway differs."""
        lines = [_HEAD.format(service=self.service, module=self.written_by)]
        for title, names in (("Commands", [kind.__name__ for kind in self.offered]), ("Questions", self.questions)):
            lines.append(f"\n{title}\n")
            for name in names:
                lines.append(f"{name}: {_roles(own[name])}")
                if own[name] != outer[name]:
                    lines.append(f"{GATEWAY}{_roles(outer[name])}")
        inside = ", ".join(sorted(kind.__name__ for kind in self.inside))
        lines.append(f"\nGiven by policies alone, at no door: {inside}\n")
        return "\n".join(lines)

    def expected(self) -> tuple[Table, Table]:
        """What the file says: the service's own doors, and the gateway."""
        own: dict[str, dict[Role, str]] = {}
        outer: dict[str, dict[Role, str]] = {}
        for line in self.file.read_text("utf-8").splitlines():
            name, separator, roles = line.partition(": ")
            if line.startswith(GATEWAY):
                outer[next(reversed(own))] = _read(line.removeprefix(GATEWAY))
            elif separator and name in self.actions:
                own[name] = outer[name] = _read(roles)
        return own, outer

    async def write(self, entrances: Entrances) -> None:
        """Ask everything, and write the file anew."""
        own, outer = await self.table(entrances, entrances.rest), await self.table(entrances, entrances.gateway)
        self.file.write_text(self.written(own, outer), "utf-8")


def asker(entrances: Entrances, role: Role) -> str:
    """A token of somebody in this role, who acts for OWN and belongs to MAKER."""
    return entrances.token(role, units=(OWN,), organisation=MAKER, subject=f"u-{role}")


def _roles(over_what: Mapping[Role, str]) -> str:
    if len(over_what) == len(Role) and set(over_what.values()) == {"all"}:
        return "everybody"
    said = [f"{role.value}{WORDS.get(what, f'({what})')}" for role, what in sorted(over_what.items())]
    return " ".join(said) or "nobody"


def _read(roles: str) -> dict[Role, str]:
    if roles == "everybody":
        return dict.fromkeys(Role, "all")
    found = {}
    for word in roles.split() if roles != "nobody" else ():
        name, _, what = word.rstrip(")").partition("(")
        found[Role(name)] = what or "all"
    return found


_HEAD = """Who may do what in the {service}, as its doors answer. Made by asking: python -m {module}
Roles are those of kernel.identity. (unit): rows of one's own managing units; (maker): of one's own make."""
