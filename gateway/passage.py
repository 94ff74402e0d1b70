"""A path of the gateway that it passes on: a hundred of them, each asked at every request until one fits."""

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

from fastapi import Request
from fastapi.responses import Response
from starlette.routing import Match, Route

Endpoint: TypeAlias = Callable[[Request], Awaitable[Response]]


class Passage(Route):
    """A route of Starlette's own. FastAPI's would look at each request for a body, parameters and dependencies, none of
    which are declared here, and does not describe what a service behind describes.
    """

    def __init__(self, path: str, verb: str, name: str, endpoint: Endpoint) -> None:
        super().__init__(path, endpoint, methods=[verb], name=name, include_in_schema=False)
        # As at the doors of the services, a HEAD is no GET.
        self.methods = {verb}
        self._ending: Final = path.rpartition("}")[2]

    def matches(self, scope: Any) -> tuple[Match, Any]:
        """See Starlette. Most paths are told apart by how they end, at a tenth of what their pattern takes."""
        if not scope["path"].endswith(self._ending):
            return Match.NONE, {}
        match, found = super().matches(scope)
        # FastAPI's router leaves it to the route to say which one it is, for metrics and logs.
        return match, {**found, "route": self}
