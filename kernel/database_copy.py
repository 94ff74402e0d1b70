"""A copy of a service's SQLite file while the service goes on writing to it: its views, its records, its policies."""

import os
from contextlib import closing
from pathlib import Path
from typing import Final

from sqlalchemy import make_url

from kernel.database import BUSY_MS, SQLITE_DRIVER, DatabaseUnavailable
from ledger.sqlite_file import Told

COPY_PAGES: Final = 4_096
OWNER_ONLY: Final = 0o600


def sqlite_file(url: str) -> Path | None:
    """The file behind a database's URL; None where a server is."""
    parsed = make_url(url)
    return Path(parsed.database) if parsed.get_backend_name() == "sqlite" and parsed.database else None


def copy_database(source: Path, target: Path, told: Told = lambda _here, _whole: None) -> None:
    """Copy the file, as it is at one moment, into a new one. For a process of its own: in one that has the file open,
    closing this connection would drop the others' locks. What `told` raises breaks it off. Raises DatabaseUnavailable.
    """
    try:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, OWNER_ONLY))
        with (
            closing(SQLITE_DRIVER.connect(str(source), isolation_level=None)) as reader,
            closing(SQLITE_DRIVER.connect(str(target), isolation_level=None)) as writer,
        ):
            reader.execute(f"PRAGMA busy_timeout = {BUSY_MS}")
            reader.execute("PRAGMA query_only = ON")
            # One state is held while it is copied step by step, or every commit would begin the copy anew.
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM sqlite_schema").fetchall()
            reader.backup(writer, pages=COPY_PAGES, progress=lambda _, left, whole: told(whole - left, whole))
    except (SQLITE_DRIVER.Error, OSError) as error:
        raise DatabaseUnavailable(f"{source}: {error}") from error


def check_sqlite(path: Path) -> str | None:
    """What is wrong with an SQLite file that nobody writes to; None where nothing is. Reads all of it."""
    try:
        # Immutable: the check leaves no file beside it.
        with closing(SQLITE_DRIVER.connect(f"{path.absolute().as_uri()}?immutable=1", uri=True)) as reader:
            (said,) = reader.execute("PRAGMA quick_check(1)").fetchone()
    except SQLITE_DRIVER.Error as error:
        return str(error)
    return None if said == "ok" else str(said)
