"""A witness (tlog-witness, C2SP/C2SP@5ba5ee8): cosigns a checkpoint of a log where it goes on from the last one it did.

What it stands for: it never cosigns two checkpoints of one log of which neither goes on from the other, so whoever asks
for its cosignature sees the log that everybody sees. It keeps no entries and does not know what they say.
"""

import os
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final, TypeAlias

import msgspec
import structlog

from ledger.proof.checkpoint import Checkpoint, Opened, opened
from ledger.proof.cosignature import cosign
from ledger.proof.errors import Malformed, ProofFault, Untrusted
from ledger.proof.keys import KeyType, Signature, SignerKey, VerifierKey
from ledger.proof.merkle import EMPTY_ROOT, verify_consistency
from ledger.proof.note import Note
from ledger.proof.witness_request import SIZE_CONTENT_TYPE, AddCheckpoint, encode_size
from ledger.transparency.faults import Fault
from ledger.transparency.witness_store import DATABASE, Change, Cosigned, Evidence, WitnessStore

Clock: TypeAlias = Callable[[], int]
"""Microseconds since 1970-01-01 UTC."""

KEY_FILE: Final = "witness.key"

CLOCK_BACK_S_MAX: Final = 60
"""A clock that was set back by no more says the time of the last cosignature until it is past it; one that was set back
further is wrong now or was wrong then, and a cosignature is worth its time.
"""

TEXT: Final = "text/plain; charset=utf-8"

_US_PER_S: Final = 1_000_000
_OTHERS: Final = 0o077
_LOG: Final = structlog.get_logger("witness")

KEY_UNUSABLE: Final = Fault(
    "witness.key_unusable",
    "见证人的密钥文件 {file} 可被他人读取，或不是见证人的密钥。",
    "the witness's key file {file} is open to others, or is not the key of a witness",
)
OTHER_NAME: Final = Fault(
    "witness.other_name",
    "此目录的密钥属于见证人 {kept}，而不是 {found}。名称是每个签名的一部分，不能更改。",
    "the key in this folder is that of the witness {kept}, not of {found}; the name is part of every signature and"
    " cannot change",
)
NAME_MISSING: Final = Fault(
    "witness.name_missing",
    "首次启动须给出见证人的名称，例如 witness.example/regulator（不含空格与加号）。",
    "the first start needs the witness's name, such as witness.example/regulator, without spaces and plus signs",
)
MEMORY_MISSING: Final = Fault(
    "witness.memory_missing",
    "密钥 {file} 在，而数据库不在：见证人不知道自己签过什么，不再签名。请恢复数据库；若已丢失，须换用新的目录和"
    "新的密钥。",
    "there is the key {file} and no database: the witness does not know what it has cosigned, and cosigns nothing more."
    " Put the database back; where it is lost, begin with a new folder and a new key",
)
KEY_MISSING: Final = Fault(
    "witness.key_missing",
    "数据库记有签过的检查点，而密钥 {file} 不在。请恢复密钥，或换用新的目录。",
    "the database knows of cosigned checkpoints and the key {file} is missing; put it back, or begin with a new folder",
)
BAD_LOG: Final = Fault(
    "witness.bad_log",
    "所给的日志公钥有误：{why}",
    "the verifier key of a log is not one: {why}",
)


class Answer(msgspec.Struct, frozen=True):
    """What a request is answered with."""

    status: int
    body: bytes
    content_type: str = TEXT


class Witness:
    """Calls may come from any number of threads at once. `contradictions` counts the proofs kept against logs."""

    def __init__(self, store: WitnessStore, signer: SignerKey, logs: Sequence[VerifierKey], clock: Clock) -> None:
        """`logs` are the keys that are believed; several of one name are keys of one log. `signer` is a cosigner's."""
        self._store: Final = store
        self._signer: Final = signer
        self._clock: Final = clock
        self._keys: Final[dict[str, list[VerifierKey]]] = {}
        for key in logs:
            self._keys.setdefault(key.name, []).append(key)
        self._origins: Final = {sha256(origin.encode()).hexdigest(): origin for origin in self._keys}
        self.contradictions = len(store.evidence())

    @property
    def key(self) -> VerifierKey:
        """Whom to trust, as a policy names it."""
        return self._signer.verifier

    @property
    def origins(self) -> list[str]:
        """The logs it cosigns for."""
        return list(self._keys)

    def add_checkpoint(self, body: bytes) -> Answer:
        """What to answer to this request (section add-checkpoint). Whatever it cosigned is durable when this returns.

        Raises LogFault where the database was put back, apsw.Error where it cannot be written.
        """
        try:
            request = AddCheckpoint.parse(body)
            claimed = Checkpoint.parse(Note.parse(request.checkpoint).text)
        except Malformed as error:
            return _told(400, error)
        keys = self._keys.get(claimed.origin)
        if keys is None:
            return Answer(404, b"this witness does not know the log\n")
        try:
            found = opened(request.checkpoint, keys)
        except Untrusted as error:
            return _told(403, error)
        if request.old_size > found.checkpoint.size:
            return Answer(400, b"the old size is larger than that of the checkpoint\n")
        with self._store.changing() as change:
            # The answer may be lost on its way, and what it says stands: asked again it is 409 and the size.
            return self._decided(change, request, found)

    def checkpoint(self, origin_hash: str) -> Answer:
        """The largest tree it cosigned of the log whose origin has this SHA-256, as 64 hexadecimal digits."""
        origin = self._origins.get(origin_hash)
        cosigned = None if origin is None else self._store.cosigned(origin)
        if cosigned is None:
            return Answer(404, b"this witness has cosigned no such log\n")
        return Answer(200, cosigned.note)

    def cosigned(self, origin: str) -> Cosigned | None:
        """The same, by the origin itself."""
        return self._store.cosigned(origin)

    def close(self) -> None:
        """Wait for the request under way, and let go of the database."""
        self._store.close()

    def _decided(self, change: Change, request: AddCheckpoint, found: Opened) -> Answer:
        told = found.checkpoint
        last = change.cosigned(told.origin)
        size, root = (last.size, last.root) if last else (0, EMPTY_ROOT)
        if request.old_size != size:
            return Answer(409, encode_size(size), SIZE_CONTENT_TYPE)
        try:
            verify_consistency(size, told.size, request.proof, root, told.root)
        except ProofFault as error:
            if last and told.size == size and told.root != root:
                self._contradicted(change, found, last)
            return _told(422, error)
        now_s = self._clock() // _US_PER_S
        at_s = max(now_s, last.cosigned_at_s) if last else now_s
        if at_s - now_s > CLOCK_BACK_S_MAX:
            _LOG.error("the clock was set back", seconds=at_s - now_s)
            return Answer(503, b"the witness's clock is behind its last cosignature\n")
        line = cosign(found.note.text, self._signer, at_s)
        note = _by_the_log(found).signed_also([line])
        change.cosign(Cosigned(told.origin, told.size, told.root, note.encoded(), at_s))
        return Answer(200, line.line().encode())

    def _contradicted(self, change: Change, found: Opened, last: Cosigned) -> None:
        told = found.checkpoint
        _LOG.error("a log signed two roots for one size", origin=told.origin, size=told.size)
        note, seen_at_s = _by_the_log(found).encoded(), self._clock() // _US_PER_S
        if change.keep(Evidence(told.origin, told.size, told.root, note, last.note, seen_at_s)):
            self.contradictions += 1


def open_witness(folder: Path, name: str, logs: Sequence[VerifierKey], clock: Clock) -> Witness:
    """The witness whose memory and key are in this folder, made where it is empty. An empty `name` is that of the key.

    Raises LogFault where the key or the memory is missing or was put back, OSError, apsw.Error.
    """
    for key in logs:
        if key.type is not KeyType.ED25519:
            raise BAD_LOG(why=f"{key.name}: {key.type:#04x}")
    file, remembers = folder / KEY_FILE, (folder / DATABASE).exists()
    signer = _signer_in(file) if file.exists() else None
    if signer is not None and not remembers:
        raise MEMORY_MISSING(file=file)
    if signer is None and not name:
        raise NAME_MISSING()
    if signer is not None and name not in {"", signer.verifier.name}:
        raise OTHER_NAME(kept=signer.verifier.name, found=name)
    # At this point a first start makes the database before the key: a key without a database is one that has signed.
    store = WitnessStore(folder)
    try:
        if signer is None:
            signer = _first_key(store, file, name)
        return Witness(store, signer, logs, clock)
    except BaseException:
        store.close()
        raise


def read_logs(text: str) -> list[VerifierKey]:
    """Verifier keys of logs, a line each; blank lines and those that begin with # say nothing. Raises LogFault."""
    try:
        lines = [line.strip() for line in text.splitlines()]
        return [VerifierKey.parse(line) for line in lines if line and not line.startswith("#")]
    except Malformed as error:
        raise BAD_LOG(why=error) from error


def _by_the_log(found: Opened) -> Note:
    """The note with those signatures alone that were verified: of the others nobody knows who made them."""
    keys = [one.key for one in found.signed]
    kept: dict[Signature, None] = {line: None for line in found.note.signatures if any(key.made(line) for key in keys)}
    return Note(found.note.text, tuple(kept))


def _signer_in(file: Path) -> SignerKey:
    if file.stat().st_mode & _OTHERS:
        raise KEY_UNUSABLE(file=file)
    try:
        signer = SignerKey.parse(file.read_text("utf-8").strip())
    except (Malformed, UnicodeDecodeError):
        # What is wrong with it would quote it.
        raise KEY_UNUSABLE(file=file) from None
    if signer.verifier.type is not KeyType.COSIGNATURE:
        raise KEY_UNUSABLE(file=file)
    return signer


def _first_key(store: WitnessStore, file: Path, name: str) -> SignerKey:
    with store.changing() as change:
        if change.count():
            raise KEY_MISSING(file=file)
        # Another process may have begun at the same moment, and was first.
        if not file.exists():
            _write_key(file, name)
    return _signer_in(file)


def _write_key(file: Path, name: str) -> None:
    """A new key, durable under its name or not there."""
    try:
        secret = SignerKey(name, KeyType.COSIGNATURE, os.urandom(32)).secret()
    except Malformed:
        raise NAME_MISSING() from None
    draft = file.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w") as opened_file:
        opened_file.write(secret + "\n")
        opened_file.flush()
        os.fsync(opened_file.fileno())
    draft.replace(file)
    folder = os.open(file.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _told(status: int, error: Exception) -> Answer:
    return Answer(status, f"{error}\n".encode("utf-8", "backslashreplace"))
