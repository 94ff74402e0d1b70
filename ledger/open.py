"""From a URL to a ledger."""

from pathlib import Path
from typing import Final

from ledger.memory import MemoryLedger
from ledger.port import Ledger, Rejected
from ledger.sqlite import SqliteLedger

_SQLITE: Final = "sqlite:///"


async def open_ledger(url: str) -> Ledger:
    """Open the ledger that `url` names, creating the embedded one where there is none.

        memory:                  in memory, gone when closed
        sqlite:///var/ledger.db  embedded, a path relative to the working directory
        sqlite:////srv/ledger.db embedded, an absolute path (as in SQLAlchemy's URLs)

    Raises Rejected for a URL of another kind, Unavailable where the store cannot be opened, WrongLedger where the file
    is not a ledger of ours.
    """
    if url == "memory:":
        return MemoryLedger()
    if (path := embedded_file(url)) is not None:
        return await SqliteLedger.open(path)
    raise Rejected(f"not a ledger's URL: {url!r}. Supported are memory: and sqlite:///path")


def embedded_file(url: str) -> Path | None:
    """The file of an embedded ledger; None for a ledger of another kind."""
    path = url.removeprefix(_SQLITE)
    return Path(path) if path and path != url and "?" not in path and "#" not in path else None
