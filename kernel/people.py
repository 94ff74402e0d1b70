"""Names behind subject ids. Events carry the id alone, so that a person can be forgotten and the log stays as it is.

A record, not a view: nothing in the log brings it back, a rebuild does not touch it, a backup holds it.
"""

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta
from sqlalchemy import BigInteger, Column, Connection, MetaData, String, Table, delete, select, text

from kernel.clock import Clock, system_clock_us
from kernel.database import Database
from kernel.quantity import Subject, instant_of_us

T = TypeVar("T")

SUBJECTS_MAX: Final = 500
"""Ids in one question: databases limit the parameters of a statement."""

DisplayName = Annotated[str, Meta(min_length=1, max_length=200, description="a person's name as they are addressed")]
Contact = Annotated[str, Meta(min_length=1, max_length=200, description="a telephone number or an address")]


class Person(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is behind a subject id."""

    subject: Subject
    name: DisplayName
    contact: Contact | None = None


class People:
    """The people that one service knows. `service` keeps tables apart where services share a database."""

    def __init__(self, database: Database, service: str, *, clock: Clock = system_clock_us) -> None:
        self._database: Final = database
        self._clock: Final = clock
        self._table: Final = Table(
            f"{service}_people",
            MetaData(),
            Column("subject", String, primary_key=True),
            Column("name", String, nullable=False),
            Column("contact", String),
            Column("known_since_us", BigInteger, nullable=False),
        )

    async def open(self) -> None:
        """Make the table where there is none. Raises DatabaseUnavailable, as everything here."""
        await self._database.create(self._table.metadata)

    async def remember(self, person: Person) -> None:
        """Know this person from now on, or know them under another name."""
        row = {
            "subject": person.subject,
            "name": person.name,
            "contact": person.contact,
            "known_since_us": self._clock(),
        }

        def put(connection: Connection) -> None:
            connection.execute(delete(self._table).where(self._table.c.subject == person.subject))
            connection.execute(self._table.insert(), [row])

        await self._leaving_nothing(put)

    async def named(self, subjects: Collection[str]) -> dict[str, Person]:
        """Those of these subjects that are known. Whoever is not there was never known, or has been forgotten."""
        if len(subjects) > SUBJECTS_MAX:
            raise ValueError(f"at most {SUBJECTS_MAX} subjects at once")
        query = select(self._table).where(self._table.c.subject.in_(set(subjects)))

        def ask(connection: Connection) -> dict[str, Person]:
            return {
                row.subject: Person(subject=row.subject, name=row.name, contact=row.contact)
                for row in connection.execute(query)
            }

        return await self._database.read(ask) if subjects else {}

    async def known_since(self, subject: str) -> datetime | None:
        """Since when, for the person's own question what is kept of them."""
        query = select(self._table.c.known_since_us).where(self._table.c.subject == subject)
        found = await self._database.read(lambda connection: connection.execute(query).scalar())
        return None if found is None else instant_of_us(found)

    async def forget(self, subject: str) -> bool:
        """Erase this person, whether they were known or not. Events keep the id, which nobody can name any more.

        SQLite's files hold nothing of it afterwards, and PostgreSQL's next vacuum makes room of it. Copies in backups
        end with the backups. Raises DatabaseUnavailable where the row is gone and somebody reads too long for its last
        trace to go: to be asked again.
        """

        def erase(connection: Connection) -> bool:
            found = select(self._table.c.subject).where(self._table.c.subject == subject)
            known = connection.execute(found).scalar() is not None
            connection.execute(delete(self._table).where(self._table.c.subject == subject))
            return known

        return await self._leaving_nothing(erase)

    async def _leaving_nothing(self, work: Callable[[Connection], T]) -> T:
        """Do the work so that rows which go, or only move to another page, leave nothing in SQLite's free space. Only
        here: views hold nothing personal and would pay for it.
        """
        if self._database.dialect.name != "sqlite":
            return await self._database.write(work)

        def thoroughly(connection: Connection) -> T:
            connection.execute(text("PRAGMA secure_delete = ON"))
            try:
                return work(connection)
            finally:
                connection.execute(text("PRAGMA secure_delete = OFF"))

        done = await self._database.write(thoroughly)
        await self._database.empty_log()
        return done
