"""A log that changed its key since the last audit: the key before says so, by having signed along with the new one.

A key that the log lists, or whose checkpoints it publishes, is believed for neither. It is where a key that is believed
already signed one of the log's checkpoints which carries the new key's signature too, as all do while keys overlap.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from auditor.checkpoints import CHECKPOINT, DAYS, Trust, days_listed, notes_of_day
from auditor.finding import Findings
from auditor.source import Missing, Source
from ledger.proof.checkpoint import opened
from ledger.proof.errors import ProofFault
from ledger.proof.keys import KEY_ID_BYTES, KeyType, VerifierKey
from ledger.proof.policy import LOGS_MAX, Log
from ledger.proof.strict import to_base64

TRIED_A_DAY: Final = 64
"""Checkpoints of a day, with the line of a key, whose signatures are verified before the day is left."""


def with_later_keys(source: Source, trust: Trust) -> Trust:
    """The same with those of the log's keys for which a believed one stands."""
    known = [log.key for log in trust.policy.logs]
    origins, publics = {key.name for key in known}, {key.public for key in known}
    wanted = [
        key for key in trust.also if key.type is KeyType.ED25519 and key.name in origins and key.public not in publics
    ][:LOGS_MAX]
    found = True
    while found and wanted and len(known) < LOGS_MAX:
        # Each of several changes is vouched for by the key of the one before.
        found = _introduced(source, known, wanted)
    logs = tuple(Log(key) for key in known[len(trust.policy.logs) :])
    policy = msgspec.structs.replace(trust.policy, logs=(*trust.policy.logs, *logs))
    return msgspec.structs.replace(trust, policy=policy)


def _introduced(source: Source, known: list[VerifierKey], wanted: list[VerifierKey]) -> bool:
    """Move one key from those that are wanted to those that are known, where a checkpoint lets it."""
    for data in _published(source):
        for key in wanted:
            if any(_stands_for(known, key, note) for note in _signed_by(key, data)):
                known.append(key)
                wanted.remove(key)
                return True
    return False


def _published(source: Source) -> Iterator[bytes]:
    """Files of checkpoints, the newest first."""
    for path in [CHECKPOINT, *(f"{DAYS}/{day}" for day in reversed(days_listed(source, Findings())))]:
        try:
            yield source.get(path)
        except Missing:
            continue


def _signed_by(key: VerifierKey, data: bytes) -> list[bytes]:
    """The checkpoints in a file that have a line of this key, the first so many."""
    # Of the key ID's 32 bits five characters have 30; the ID's own line is told apart where the note is read.
    line = f"— {key.name} {to_base64(key.key_id)[: KEY_ID_BYTES + 1]}".encode()
    if line not in data:
        return []
    return [note for note in notes_of_day(data, "", Findings()) if line in note][:TRIED_A_DAY]


def _stands_for(known: list[VerifierKey], key: VerifierKey, note: bytes) -> bool:
    try:
        return any(one.key == key for one in opened(note, known, [key]).signed)
    except ProofFault:
        return False
