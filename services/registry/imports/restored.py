"""Imports that a restored registry finds unfinished. Uploads are in no backup: they hold what people sent, whole, and
go after days. What such an import recorded is in the log, and the same file imported again adds only what is missing.
"""

import msgspec
from sqlalchemy import update
from sqlmodel import col

from kernel.clock import Clock, system_clock_us
from kernel.database import Database, MissingTable
from kernel.refusal import against_rules
from services.registry.imports.jobs import OPEN, Failure
from services.registry.records import ImportRecord

ENDED = against_rules(
    "import.ended_by_restore",
    "平台已从备份恢复，备份不含上传的文件，此次导入因此中止。请重新导入同一文件，已入账的行不会重复。",
    "the platform was restored from a backup, which holds no uploads, and this import ended with it; import the same"
    " file again, what is recorded is not recorded twice",
)


async def end_unfinished(database: Database, *, clock: Clock = system_clock_us) -> int:
    """End the imports whose files are gone, so that whoever sends one again begins a new one. Returns how many."""
    ended = ENDED()
    failure = Failure(ended.code, ended.zh, ended.en)
    unfinished = update(ImportRecord).where(col(ImportRecord.state).in_(OPEN))
    values = {"state": "failed", "finished_at_us": clock(), "failure": msgspec.json.encode(failure).decode()}
    query = unfinished.values(**values).returning(col(ImportRecord.id))
    try:
        return len(await database.write(lambda session: session.scalars(query).all()))
    except MissingTable:
        return 0
