"""From a URL to a ledger."""

from pathlib import Path
from typing import Final

from ledger.memory import MemoryLedger
from ledger.port import Ledger, Rejected
from ledger.sqlite import SqliteLedger

_SQLITE: Final = "sqlite:///"

_KURRENT: Final = ("kurrentdb://", "kurrentdb+discover://")


async def open_ledger(url: str) -> Ledger:
    """Open the ledger that `url` names, creating the embedded one where there is none.

        memory:                  in memory, gone when closed
        sqlite:///var/ledger.db  embedded, a path relative to the working directory
        sqlite:////srv/ledger.db embedded, an absolute path (as in SQLAlchemy's URLs)
        kurrentdb://user:password@a:2113,b:2113,c:2113?tlsCaFile=ca.crt
                                 a KurrentDB, or `meterloop ledger serve`, by the addresses of its nodes
        kurrentdb+discover://user:password@name:2113
                                 the same, its nodes found by one name
        kurrentdb://host:2113?tls=false
                                 the same without TLS, and then without a user

    What else such a URL may say is documented with KurrentDB's clients.

    Raises Rejected for a URL of another kind, Unavailable where the store cannot be opened, WrongLedger where it is not
    a ledger of ours, or a KurrentDB before 25.1.
    """
    if url == "memory:":
        return MemoryLedger()
    if (path := embedded_file(url)) is not None:
        return await SqliteLedger.open(path)
    if url.startswith(_KURRENT):
        from ledger.kurrent import KurrentLedger  # noqa: PLC0415 - only who keeps the log there waits for loading it

        return await KurrentLedger.open(url)
    # Of a URL that nobody knows nobody knows where in it a password may be.
    raise Rejected(
        "不是台账的地址。可用 memory:、sqlite:///路径、kurrentdb://主机:端口 和 kurrentdb+discover://名称 / "
        "not a ledger's URL. Supported are memory:, sqlite:///path, kurrentdb://host:port and kurrentdb+discover://name"
    )


def embedded_file(url: str) -> Path | None:
    """The file of an embedded ledger; None for a ledger of another kind."""
    path = url.removeprefix(_SQLITE)
    return Path(path) if path and path != url and "?" not in path and "#" not in path else None
