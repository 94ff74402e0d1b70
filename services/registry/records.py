"""What the registry keeps that is not derived from events: imports, and the names of people. Never dropped by a
rebuild, in every backup.

Events carry opaque subject ids; who is behind one is kept by kernel.people, in a table of its own, can be erased there,
and is shown on papers as long as it is known.
"""

from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel


class Records(SQLModel, registry=registry()):
    """The registry's records."""


class ImportRecord(Records, table=True):
    """An import. `ask` is what was asked for, `caller` who asked it, both as JSON; `after` is where reading goes on;
    `begun_at` the ledger's head when it began; `errors_bytes` how much of the error file counts; `unused` the columns
    that were not read, as JSON; `also` the other kind that the file seems to be of. Times are microseconds since
    1970-01-01 UTC.
    """

    __tablename__ = "import_record"

    id: str = Field(primary_key=True)
    actor: str = Field(index=True)
    caller: str
    ask: str
    state: str = Field(index=True)
    created_at_us: int
    finished_at_us: int | None = None
    bytes_received: int = 0
    begun_at: int | None = None
    after: str | None = None
    done: int = 0
    total: int = 0
    accepted: int = 0
    unchanged: int = 0
    refused: int = 0
    warned: int = 0
    skipped: int = 0
    position: int = 0
    errors_bytes: int = 0
    failure: str | None = None
    unused: str | None = None
    also: str | None = None
