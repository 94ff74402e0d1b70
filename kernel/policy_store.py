"""How far each policy has come, where and why it stopped, and which of its commands were refused.

A refusal is an answer as an outcome is: the log holds the one, this the other. What was answered is not asked again.

Rows of the service's own database. A process that runs the policies looks here, so what an operator decides here, it
takes up by itself. None of it comes from the log: a rebuild of views leaves it alone.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec
from sqlalchemy import BigInteger, Column, Connection, MetaData, Table, Text, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from kernel.checkpoint import Words, move_columns, refuse_beyond, refuse_other_ledger
from kernel.database import Database, lock_schema

META: Final = MetaData()
_POLICIES: Final = Table(
    "policy",
    META,
    Column("name", Text, primary_key=True),
    Column("types", Text, nullable=False),
    Column("ledger_id", Text, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("done", BigInteger, nullable=False),
    Column("stopped_at", BigInteger),
    Column("stopped_why", Text),
    Column("stopped_at_us", BigInteger),
    Column("stopped_command", Text),
)
_P: Final = _POLICIES.c
_GOING: Final = dict.fromkeys(("stopped_at", "stopped_why", "stopped_at_us", "stopped_command"))
"""What a policy that goes on has of having stopped."""

REFUSALS: Final = Table(
    "policy_refusal",
    META,
    Column("command_id", Text, primary_key=True),
    Column("policy", Text, nullable=False, index=True),
    Column("position", BigInteger, nullable=False),
    Column("event_type", Text, nullable=False),
    Column("command", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("zh", Text, nullable=False),
    Column("en", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
)
"""A command of a policy that was refused: at which event (position 0 and no type for a deadline), when last, and why.
A row for each command, however often it is asked.
"""
_R: Final = REFUSALS.c


REFUSALS_KEPT_US: Final = 400 * 24 * 3_600 * 1_000_000
"""A year and its review. What a refusal meant to a shipment stays in the log; the row is for whoever follows it up."""


class Moved(Exception):
    """Another process moved, stopped or took over the policy: look again at how it stands."""


class Checkpoint(msgspec.Struct, frozen=True):
    """How far a policy has come: all events up to `position`, and the first `done` commands of the event right after
    it. `types` are those it reacts to; where they differ from ours, another version of the service has taken over.
    """

    name: str
    types: str
    ledger_id: str
    position: int
    done: int
    stopped_at: int | None = None
    stopped_why: str | None = None


class RefusedCommand(msgspec.Struct, frozen=True):
    """A row of REFUSALS."""

    command_id: str
    policy: str
    position: int
    event_type: str
    command: str
    code: str
    zh: str
    en: str
    at_us: int


def enrol(connection: Connection, name: str, types: str, ledger_id: str) -> Checkpoint:
    """The policy's checkpoint, at the beginning of the log for a new one. Raises WrongLedger.

    From now on it reacts to these types: a process with other ones stops running it, or events of a type that only one
    of them knows could be passed over by the other.
    """
    lock_schema(connection)
    found = checkpoint(connection, name)
    if found is None:
        connection.execute(insert(_POLICIES).values(name=name, types=types, ledger_id=ledger_id, position=0, done=0))
        return Checkpoint(name, types, ledger_id, 0, 0)
    refuse_other_ledger(spoken(name), found.ledger_id, ledger_id)
    connection.execute(update(_POLICIES).where(_P.name == name).values(types=types))
    return msgspec.structs.replace(found, types=types)


def spoken(name: str) -> Words:
    """The policy, for messages."""
    return f"策略 {name} ", f"policy {name}"


def checkpoint(connection: Connection, name: str) -> Checkpoint | None:
    """How far the policy has come; None where nobody has run it."""
    columns = select(*(_P[field] for field in Checkpoint.__struct_fields__))
    row = connection.execute(columns.where(_P.name == name)).first()
    return Checkpoint(*row) if row else None


def advance(connection: Connection, stood: Checkpoint, position: int, done: int) -> None:
    """Move a checkpoint from where it stood. Raises Moved."""
    _change(connection, stood, position=position, done=done)


def stop(
    connection: Connection, stood: Checkpoint, at: int, why: str, now_us: int, command: RefusedCommand | None
) -> None:
    """Stop the policy at the event at this position, at one command of it if one is given, as it will be refused where
    an operator skips it. Raises Moved.
    """
    kept = None if command is None else msgspec.json.encode(command).decode()
    _change(connection, stood, stopped_at=at, stopped_why=why, stopped_at_us=now_us, stopped_command=kept)


def record_refused(connection: Connection, refused: Iterable[RefusedCommand]) -> None:
    """Each refused command once, with the last refusal."""
    rows = [msgspec.structs.asdict(one) for one in refused]
    if not rows:
        return
    statement = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(REFUSALS)
    last = {name: statement.excluded[name] for name in ("code", "zh", "en", "at_us")}
    connection.execute(statement.on_conflict_do_update(index_elements=["command_id"], set_=last), rows)


def refused_before(connection: Connection, command_ids: Iterable[str]) -> dict[str, str]:
    """Those of these commands that were refused, and the code each was refused with."""
    found = select(REFUSALS.c.command_id, REFUSALS.c.code).where(REFUSALS.c.command_id.in_(list(command_ids)))
    return {row.command_id: row.code for row in connection.execute(found)}


def refused_at(connection: Connection, policy: str, position: int) -> list[RefusedCommand]:
    """What this policy was refused of what it asked on the event at this position."""
    columns = select(*(REFUSALS.c[field] for field in RefusedCommand.__struct_fields__))
    where = (REFUSALS.c.policy == policy) & (REFUSALS.c.position == position)
    return [RefusedCommand(*row) for row in connection.execute(columns.where(where).order_by(REFUSALS.c.command_id))]


def forget_refused(connection: Connection, before_us: int) -> None:
    """Remove the refusals that were last met before this time."""
    connection.execute(delete(REFUSALS).where(REFUSALS.c.at_us < before_us))


class Stands(msgspec.Struct, frozen=True):
    """How a policy stands, as its database knows it."""

    name: str
    position: int
    stopped_at: int | None
    stopped_why: str | None


async def standing(database: Database) -> list[Stands]:
    """Every policy that this database knows, by name."""
    columns = select(*(_P[field] for field in Stands.__struct_fields__)).order_by(_P.name)
    await database.create(META)
    return await database.read(lambda connection: [Stands(*row) for row in connection.execute(columns)])


async def retry(database: Database, name: str) -> bool:
    """Let a stopped policy try the event again that stopped it. False where it has not stopped."""
    return await database.write(lambda connection: _resume(connection, name, skipping=False))


async def skip(database: Database, name: str) -> bool:
    """Let a stopped policy go on after what stopped it: the command, which counts as refused, or the whole event where
    that could not be read. False where it has not stopped.
    """
    return await database.write(lambda connection: _resume(connection, name, skipping=True))


def follow_another(connection: Connection, ledger_id: str) -> bool:
    """Whether any policy is on another ledger than this one."""
    return connection.execute(select(_P.name).where(_P.ledger_id != ledger_id)).first() is not None


def take_over(connection: Connection, ledger_id: str, head: int) -> list[str]:
    """Let the policies that were on another ledger, or beyond the end of this one, go on at its end. Returns their
    names. What is in a ledger already has had its consequences: those of the past are never decided anew, on a state
    that has gone on since. The others stay where they are.
    """
    strange = (_P.ledger_id != ledger_id) | (_P.position > head)
    begin = update(_POLICIES).where(strange).returning(_P.name)
    at_the_end = begin.values(ledger_id=ledger_id, position=head, done=0, **_GOING)
    return sorted(connection.execute(at_the_end).scalars().all())


def places(connection: Connection, source: str, target: str, head: int) -> set[int]:
    """The positions of the ledger `source`, which ends at `head`, that are kept of policies. Raises WrongLedger where
    one follows neither this ledger nor `target`, or is beyond the end.
    """
    kept: set[int] = set()
    moving: list[str] = []
    for row in connection.execute(select(_POLICIES)):
        if row.ledger_id == target:
            continue
        refuse_other_ledger(spoken(row.name), row.ledger_id, source)
        refuse_beyond(spoken(row.name), row.position, head)
        moving.append(row.name)
        kept |= {row.position, _half_done(row.position, row.done), row.stopped_at or 0}
        if row.stopped_command is not None:
            kept.add(msgspec.json.decode(row.stopped_command, type=RefusedCommand).position)
    kept |= set(connection.execute(select(_R.position).where(_R.policy.in_(moving)).distinct()).scalars())
    return kept


def move(connection: Connection, source: str, target: str, position_of: Callable[[int], int]) -> list[str]:
    """Let the policies that follow the ledger `source` follow `target`, which holds the same events, each after the
    same event as before. Returns their names.
    """
    moved = []
    for row in connection.execute(select(_POLICIES).where(_P.ledger_id == source)).all():
        command = row.stopped_command
        if command is not None:
            refused = msgspec.json.decode(command, type=RefusedCommand)
            again = msgspec.structs.replace(refused, position=position_of(refused.position))
            command = msgspec.json.encode(again).decode()
        position, done = _place(row.position, row.done, position_of)
        connection.execute(
            update(_POLICIES)
            .where(_P.name == row.name)
            .values(
                ledger_id=target,
                position=position,
                done=done,
                stopped_at=None if row.stopped_at is None else position_of(row.stopped_at),
                stopped_command=command,
            )
        )
        moved.append(row.name)
    move_columns(connection, REFUSALS, ["position"], position_of, _R.policy.in_(moved))
    return sorted(moved)


def _half_done(position: int, done: int) -> int:
    """Where the event is of which the first commands are done; 0 where there is none."""
    return position + 1 if done else 0


def _place(position: int, done: int, position_of: Callable[[int], int]) -> tuple[int, int]:
    """What stands for a checkpoint in a copy of its ledger. The event that is half done stands right after it there,
    too, however far from the one before: so `done` is known to be of that event.
    """
    before = position_of(position)
    half_done = position_of(_half_done(position, done))
    return (half_done - 1, done) if half_done > before else (before, 0)


def _change(connection: Connection, stood: Checkpoint, **values: Any) -> None:
    same = [
        _P[field].is_not_distinct_from(getattr(stood, field))
        for field in ("name", "types", "ledger_id", "position", "done", "stopped_at")
    ]
    if connection.execute(update(_POLICIES).where(*same).values(**values)).rowcount != 1:
        raise Moved


def _resume(connection: Connection, name: str, *, skipping: bool) -> bool:
    stopped = connection.execute(
        select(_P.stopped_at, _P.stopped_command).where(_P.name == name, _P.stopped_at.is_not(None))
    ).first()
    if stopped is None:
        return False
    after: dict[str, Any] = {}
    if skipping and stopped.stopped_command is not None:
        record_refused(connection, [msgspec.json.decode(stopped.stopped_command, type=RefusedCommand)])
    elif skipping:
        after = {"position": stopped.stopped_at, "done": 0}
    connection.execute(update(_POLICIES).where(_P.name == name).values(**_GOING, **after))
    return True
