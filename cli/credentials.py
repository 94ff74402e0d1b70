"""Who may call `meterloop ledger serve`: names, roles, and what their passwords hash to, in a file of the keys folder.

A password is hashed by scrypt (RFC 7914), which makes trying costly: some hundred milliseconds and 32 MiB each. Whoever
takes the file away has no password, unless it can be guessed in spite of that.
"""

import getpass
import hashlib
import hmac
import os
import secrets
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from cli.certificates import locked
from kernel.keys import OWNER_ONLY, read_private, write_file
from kernel.principal import Role
from kernel.quantity import instant_of_us
from kernel.refusal import against_rules, not_found, unreadable

FILE: Final = "ledger-users.json"
SALT_BYTES: Final = 16
HASH_BYTES: Final = 32
GENERATED_BYTES: Final = 24
"""Of chance, which nobody guesses."""

PASSWORD_CHARACTERS_MIN: Final = 12
PASSWORD_BYTES_MAX: Final = 1_024
"""A longer one would be work for the server before it knows who asks."""

Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$(?!\n)")]
Work = Annotated[int, Meta(ge=1 << 10, le=1 << 20)]

THERE = against_rules(
    "ledger_user.exists",
    "用户 {name} 已存在。如要更换口令，请先 `meterloop ledger user remove {name}`。",
    "there is a user {name} already; for another password, `meterloop ledger user remove {name}` first",
)
NOBODY = not_found("ledger_user.unknown", "没有用户 {name}。", "there is no user {name}")
BAD_NAME = unreadable(
    "ledger_user.name",
    "用户名须以小写字母或数字开头，只含小写字母、数字、点、下划线、连字符，至多 64 个字符。",
    "the name of a user begins with a small letter or a digit, and has these, dots, underscores, hyphens: at most 64",
)
WEAK = unreadable(
    "ledger_user.password",
    "口令须有至少 {least} 个字符，至多 {most} 字节。",
    "a password has at least {least} characters, and at most {most} bytes",
)
SERVICE_NEEDED = unreadable(
    "ledger_user.service",
    "角色 service 须用 --service 指明是哪一个：{known}；其他角色不得带 --service。",
    "role service needs --service, one of {known}; other roles have none",
)


class Hashed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a password hashes to, and by which scrypt: `work` is its N, with r = 8 and p = 1."""

    salt: bytes
    hash: bytes
    work: Work = 1 << 15

    @classmethod
    def of(cls, password: bytes, salt: bytes, work: int = 1 << 15) -> "Hashed":
        """Takes a tenth of a second: for a thread."""
        found = hashlib.scrypt(password, salt=salt, n=work, r=8, p=1, maxmem=work << 11, dklen=HASH_BYTES)
        return cls(salt=salt, hash=found, work=work)

    def matches(self, password: bytes) -> bool:
        """As slow, and no faster where it differs at once."""
        return hmac.compare_digest(Hashed.of(password, self.salt, self.work).hash, self.hash)


NOBODYS: Final = Hashed(salt=bytes(SALT_BYTES), hash=bytes(HASH_BYTES))
"""A name that there is not takes as long as one that there is."""


class Credential(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a name stands for. `service`: which one, of role service alone."""

    role: Role
    password: Hashed
    created_at: datetime
    service: str | None = None


class Credentials(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file."""

    users: dict[Name, Credential] = {}
    format: Annotated[int, Meta(ge=1, le=1)] = 1


def read_credentials(folder: Path) -> Credentials:
    """All of them; none where there is no file. Raises PermissionError where others may read it, ValueError."""
    path = folder / FILE
    try:
        return msgspec.json.decode(read_private(path), type=Credentials)
    except FileNotFoundError:
        return Credentials()
    except msgspec.MsgspecError as error:
        raise ValueError(f"{path}: {error}") from error


def add_user(
    folder: Path, name: str, role: Role, service: str | None, password: str, now_us: int, *, replace: bool = False
) -> None:
    """Put a user into the file; a running server knows it from its next call on. What goes on by one that is
    replaced ends. Raises Refusal, OSError, ValueError; what `service` may be is for the caller to know.
    """
    credential = Credential(
        role=role,
        service=service,
        password=Hashed.of(_checked(password), os.urandom(SALT_BYTES)),
        created_at=instant_of_us(now_us),
    )
    try:
        msgspec.convert(name, Name)
    except msgspec.ValidationError:
        raise BAD_NAME() from None
    with locked(folder):
        users = read_credentials(folder).users
        if name in users and not replace:
            raise THERE(name=name)
        _write(folder, {**users, name: credential})


def remove_user(folder: Path, name: str) -> None:
    """Take a user out of the file: its next call is refused, and subscriptions end within seconds. Raises
    Refusal.
    """
    with locked(folder):
        users = read_credentials(folder).users
        if name not in users:
            raise NOBODY(name=name)
        _write(folder, {other: credential for other, credential in users.items() if other != name})


def new_password() -> str:
    """Of letters, digits, hyphens and underscores, so that it can stand in a URL."""
    return secrets.token_urlsafe(GENERATED_BYTES)


def asked_password(question: str) -> str:
    """What whoever sits at the terminal types, unseen; else a line of standard input."""
    if sys.stdin.isatty():
        return getpass.getpass(question)
    return sys.stdin.readline().rstrip("\r\n")


def _checked(password: str) -> bytes:
    encoded = password.encode()
    if len(password) < PASSWORD_CHARACTERS_MIN or len(encoded) > PASSWORD_BYTES_MAX:
        raise WEAK(least=PASSWORD_CHARACTERS_MIN, most=PASSWORD_BYTES_MAX)
    return encoded


def _write(folder: Path, users: dict[str, Credential]) -> None:
    content = msgspec.json.format(msgspec.json.encode(Credentials(users=users)))
    write_file(folder / FILE, content + b"\n", OWNER_ONLY)
