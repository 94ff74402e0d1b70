"""The log's signing keys: files that only their owner reads, and the store's list of which one signs when.

A new key signs along with the one before for a time, so that whoever has pinned the old one sees the log say, under
it, checkpoints that carry the new one too.
"""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.proof.keys import KeyType, SignerKey, VerifierKey
from ledger.transparency.faults import KEY_MISSING, LogFault
from ledger.transparency.store import LogKey, SequencerStore

KEY_FILE: Final = "log.pem"
OVERLAP_US: Final = 30 * 24 * 3_600 * 1_000_000
"""How long the key before signs along, unless told otherwise."""

_OTHERS: Final = 0o077
_NOT_THERE: Final = (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError)
"""What does not pass by itself."""


def new_key() -> bytes:
    """A new private key as PEM, for a file that only its owner reads."""
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def signer_in(file: Path, origin: str) -> SignerKey:
    """The key in this file under the log's name. Raises LogFault (log.key_missing), OSError where the disk fails."""
    try:
        if file.stat().st_mode & _OTHERS:
            raise KEY_MISSING(file=file)
        key = serialization.load_pem_private_key(file.read_bytes(), password=None)
    except (*_NOT_THERE, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise KEY_MISSING(file=file) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise KEY_MISSING(file=file)
    return SignerKey(origin, KeyType.ED25519, key.private_bytes_raw())


class LogKeys:
    """The keys of one log."""

    def __init__(self, store: SequencerStore, folder: Path, origin: str) -> None:
        self._store: Final = store
        self._folder: Final = folder
        self._origin: Final = origin

    def enrol(self, now_us: int) -> None:
        """Take the first key, unless there is one."""
        if not self._store.log_keys():
            signer = signer_in(self._folder / KEY_FILE, self._origin)
            self._store.add_key(KEY_FILE, str(signer.verifier), now_us, {})

    def signers(self, now_us: int) -> list[SignerKey]:
        """Those that sign now, the newest last. Raises LogFault (log.key_missing), OSError."""
        return [self._signer(key) for key in self._store.log_keys() if key.until_us is None or now_us < key.until_us]

    def verifiers(self) -> list[VerifierKey]:
        """All there ever were, the newest last."""
        return keys_of(self._store)

    def retire(self, now_us: int) -> None:
        """Remove the private halves of keys that sign no more, so that nobody can take them. Where they cannot be
        removed, as from a folder that is only read, they stay.
        """
        for key in self._store.log_keys():
            if key.until_us is not None and key.until_us <= now_us and self._is_there(key):
                with suppress(OSError):
                    (self._folder / key.file).unlink()

    def next_file(self) -> Path:
        """Where the next key's private half is to be."""
        return self._folder / f"log-{len(self._store.log_keys()) + 1}.pem"

    def rotate(self, now_us: int, overlap_us: int = OVERLAP_US) -> LogKey:
        """Let the key in `next_file` sign from now on, and the one before only for the overlap; not at all where its
        file is not there any more.
        """
        file = self.next_file()
        signer = signer_in(file, self._origin)
        ending = {
            key.number: min(key.until_us or now_us + overlap_us, now_us + overlap_us) if self._is_there(key) else 0
            for key in self._store.log_keys()
            if key.until_us is None or now_us < key.until_us
        }
        self._store.add_key(file.name, str(signer.verifier), now_us, ending)
        return self._store.log_keys()[-1]

    def _is_there(self, key: LogKey) -> bool:
        try:
            self._signer(key)
        except (LogFault, OSError):
            return False
        return True

    def _signer(self, key: LogKey) -> SignerKey:
        file = self._folder / key.file
        signer = signer_in(file, self._origin)
        if str(signer.verifier) != key.vkey:
            raise KEY_MISSING(file=file)
        return signer


def keys_of(store: SequencerStore) -> list[VerifierKey]:
    """All keys of the log that there ever were, the newest last."""
    return [VerifierKey.parse(key.vkey) for key in store.log_keys()]


def keys_file(keys: Sequence[VerifierKey]) -> bytes:
    """The content of `log/keys`."""
    return "".join(f"{key}\n" for key in keys).encode("utf-8")
