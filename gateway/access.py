"""Role by action: whether anybody in this role may ask this at all. Whose row it is, the service behind decides."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from fastapi import Request

from kernel.authority import POLICIES_FILE, Policies, Resource
from kernel.identity import Verifier
from kernel.principal import Principal

DOOR: Final = Resource(type="Door")


class Access:
    """Checks the token, then the role."""

    def __init__(
        self, verifier: Verifier, commands: Iterable[str], questions: Iterable[str], disclosures: Iterable[str]
    ) -> None:
        text = (Path(__file__).parent / POLICIES_FILE).read_text("utf-8")
        actions = {"Command": commands, "Question": questions, "Disclosure": disclosures}
        self._policies: Final = Policies(text, _schema(actions))
        self._verifier: Final = verifier

    async def identify(self, request: Request) -> None:
        """Check the token, if there is one: what is public is for everybody, but nobody is taken for another."""
        if (header := request.headers.get("authorization")) is not None:
            await self._verifier.of_header(header)

    async def require(self, request: Request, action: str) -> Principal:
        """The caller, if its roles may do this; a refusal raised else."""
        principal = await self._verifier.of_header(request.headers.get("authorization"))
        self.allow(principal, action)
        return principal

    def allow(self, principal: Principal, action: str) -> None:
        """Nothing where these roles may do this; a refusal raised else."""
        self._policies.authorize(principal, action, DOOR)


def _schema(actions: Mapping[str, Iterable[str]]) -> str:
    """One action for each method behind, and for each set that is disclosed, in its group."""
    lines = ["entity Door;", f"action {', '.join(actions)};"]
    for group, names in actions.items():
        listed = ", ".join(json.dumps(name) for name in sorted(set(names)))
        applies = "{ principal: Principal, resource: Door }"
        lines.append(f'action {listed} in [Action::"{group}"] appliesTo {applies};')
    return "\n".join(lines)
