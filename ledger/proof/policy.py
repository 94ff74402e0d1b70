"""Whom to trust (tlog-policy): the logs and witnesses one knows, and how many of which witnesses must have signed.

A policy says what makes a checkpoint valid: any one of its logs signed it, and its witnesses cosigned it in the quorum
that it names. Names of witnesses and groups mean nothing outside the file.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from ledger.proof.checkpoint import Checkpoint, opened
from ledger.proof.errors import Malformed, NoQuorum
from ledger.proof.keys import KeyType, VerifierKey
from ledger.proof.note import Note, Signed
from ledger.proof.strict import decimal

NONE: Final = "none"
"""The quorum of nobody."""

LOGS_MAX: Final = 32
WITNESSES_MAX: Final = 32
GROUPS_MAX: Final = 32
"""What any reader of these files is told to support at least (section Implementation limits); more is not read here."""

_NOT_ALLOWED: Final = re.compile(rb"[^\t\n\x20-\x7e\x80-\xff]")


class Log(msgspec.Struct, frozen=True):
    """A log that is believed. The key's name is its origin."""

    key: VerifierKey
    url: str | None = None


class Witness(msgspec.Struct, frozen=True):
    """Someone whose cosignature counts, under the name that the file gives it."""

    name: str
    key: VerifierKey
    url: str | None = None


class Group(msgspec.Struct, frozen=True):
    """Has witnessed what at least `threshold` of its members, witnesses or groups, have."""

    name: str
    threshold: int
    members: tuple[str, ...]


class Policy(msgspec.Struct, frozen=True):
    """Witnesses and groups by name, in the file's order: a group's members come before it. `quorum` is the name of one
    of them, or NONE.
    """

    logs: tuple[Log, ...]
    witnesses: Mapping[str, Witness]
    groups: Mapping[str, Group]
    quorum: str

    @classmethod
    def parse(cls, data: bytes) -> "Policy":
        """The policy in a file. Malformed, with the number of the line, where it is none."""
        if data and not data.endswith(b"\n"):
            raise Malformed("a policy's last line does not end with a newline")
        if found := _NOT_ALLOWED.search(data):
            raise Malformed(f"a policy has the character 0x{found[0][0]:02x} at byte {found.start()}")
        reading = _Reading()
        # Bytes that are not UTF-8 are names as good as any; they come back as they were.
        for number, line in enumerate(data.decode("utf-8", "surrogateescape").split("\n"), 1):
            words = [word for word in re.split("[ \t]+", line) if word]
            if words and not words[0].startswith("#"):
                try:
                    reading.take(words)
                except Malformed as error:
                    raise Malformed(f"line {number} of the policy: {error}") from error
        if reading.quorum is None:
            raise Malformed("a policy has a line that says the quorum")
        return cls(tuple(reading.logs), reading.witnesses, reading.groups, reading.quorum)

    def encoded(self) -> bytes:
        """The policy as a file."""
        lines = [_line("log", str(log.key), log.url) for log in self.logs]
        lines += [_line("witness", one.name, str(one.key), one.url) for one in self.witnesses.values()]
        lines += [_line("group", one.name, str(one.threshold), *one.members) for one in self.groups.values()]
        lines.append(_line("quorum", self.quorum))
        data = "".join(lines).encode("utf-8", "surrogateescape")
        if Policy.parse(data) != self:
            raise Malformed("a policy with a name or a URL that is not one word, or defined twice or not at all")
        return data

    def is_met_by(self, witnesses: Mapping[str, object]) -> bool:
        """Whether these witnesses, by their names in the policy, are its quorum."""
        if self.quorum == NONE:
            return True
        stand = {name for name in self.witnesses if name in witnesses}
        for group in self.groups.values():
            if sum(member in stand for member in group.members) >= group.threshold:
                stand.add(group.name)
        return self.quorum in stand

    def met_by_s(self, cosigned_at_s: Mapping[str, int]) -> int | None:
        """By when the quorum had cosigned: the first time at which those who had done so were it. None where they never
        are. One witness whose clock is wrong does not move it, unless that one is the quorum.
        """
        return self._met(cosigned_at_s, sorted(cosigned_at_s, key=lambda name: cosigned_at_s[name]))

    def met_since_s(self, cosigned_at_s: Mapping[str, int]) -> int | None:
        """How new the quorum's word is: the last time such that those who cosigned then or later are the quorum."""
        return self._met(cosigned_at_s, sorted(cosigned_at_s, key=lambda name: -cosigned_at_s[name]))

    def _met(self, cosigned_at_s: Mapping[str, int], names: Sequence[str]) -> int | None:
        there: dict[str, int] = {}
        for name in names:
            there[name] = cosigned_at_s[name]
            if self.is_met_by(there):
                return there[name]
        return None


class Standing(msgspec.Struct, frozen=True):
    """What a policy makes of a checkpoint that one of its logs signed.

    `cosigned_at_s` is when each of the policy's witnesses says to have signed, under the witness's name in the policy,
    in seconds since the epoch; where one signed twice, the later time. `quorum_met` is true of any checkpoint where the
    policy asks for no witness.
    """

    checkpoint: Checkpoint
    note: Note
    log: Log
    cosigned_at_s: Mapping[str, int]
    quorum_met: bool


def standing(policy: Policy, note: bytes) -> Standing:
    """Raises Malformed where it is no checkpoint, UnknownSigner where none of the policy's logs signed it, BadSignature
    where one of its logs or witnesses is named and did not.
    """
    found = opened(note, [log.key for log in policy.logs], [one.key for one in policy.witnesses.values()])
    by_key = {one.key: name for name, one in policy.witnesses.items()}
    cosigned: dict[str, int] = {}
    for signed in found.signed:
        if signed.time_s is not None:
            name = by_key[signed.key]
            cosigned[name] = max(signed.time_s, cosigned.get(name, 0))
    log = next(log for log in policy.logs if _stands_for(log, found.signed, found.checkpoint.origin))
    return Standing(found.checkpoint, found.note, log, cosigned, policy.is_met_by(cosigned))


def satisfied(policy: Policy, note: bytes) -> Standing:
    """As `standing`, and NoQuorum where too few witnesses signed."""
    found = standing(policy, note)
    if not found.quorum_met:
        signed = ", ".join(found.cosigned_at_s) or "nobody"
        raise NoQuorum(f"the policy asks for {policy.quorum}, and {signed} cosigned")
    return found


def _stands_for(log: Log, signed: tuple[Signed, ...], origin: str) -> bool:
    return log.key.name == origin and any(one.key == log.key for one in signed)


class _Reading:
    """A policy as far as it has been read."""

    def __init__(self) -> None:
        self.logs: list[Log] = []
        self.witnesses: dict[str, Witness] = {}
        self.groups: dict[str, Group] = {}
        self.quorum: str | None = None
        self._grouped: set[str] = set()

    def take(self, words: list[str]) -> None:
        match words:
            case ["log", vkey, *url] if len(url) <= 1:
                self._log(_key(vkey, KeyType.ED25519), *url)
            case ["witness", name, vkey, *url] if len(url) <= 1:
                self._witness(name, _key(vkey, KeyType.COSIGNATURE), *url)
            case ["group", name, threshold, *members]:
                self._group(name, threshold, tuple(members))
            case ["quorum", name]:
                self._quorum(name)
            case _:
                raise Malformed(f"not a line of a policy: {' '.join(words)[:80]!r}")

    def _log(self, key: VerifierKey, url: str | None = None) -> None:
        if any(log.key.public == key.public for log in self.logs):
            raise Malformed(f"the public key of {key.name} is that of a log before")
        if len(self.logs) >= LOGS_MAX:
            raise Malformed(f"more than {LOGS_MAX} logs")
        self.logs.append(Log(key, url))

    def _witness(self, name: str, key: VerifierKey, url: str | None = None) -> None:
        self._must_be_new(name)
        if any(witness.key.public == key.public for witness in self.witnesses.values()):
            raise Malformed(f"the public key of {name} is that of a witness before")
        if len(self.witnesses) >= WITNESSES_MAX:
            raise Malformed(f"more than {WITNESSES_MAX} witnesses")
        self.witnesses[name] = Witness(name, key, url)

    def _group(self, name: str, threshold: str, members: tuple[str, ...]) -> None:
        self._must_be_new(name)
        if len(self.groups) >= GROUPS_MAX:
            raise Malformed(f"more than {GROUPS_MAX} groups")
        for member in members:
            if not self._is_known(member):
                raise Malformed(f"{member} is neither a witness nor a group of a line before")
            if member in self._grouped:
                raise Malformed(f"{member} is a member twice")
            self._grouped.add(member)
        most = len(members)
        least = {"any": 1, "all": most}.get(threshold) or decimal(threshold, "how many of a group's members")
        if not 1 <= least <= most:
            raise Malformed(f"a group of {most} cannot ask for {least}")
        self.groups[name] = Group(name, least, members)

    def _quorum(self, name: str) -> None:
        if self.quorum is not None:
            raise Malformed("a second quorum")
        if name != NONE and not self._is_known(name):
            raise Malformed(f"{name} is neither a witness nor a group of a line before")
        self.quorum = name

    def _must_be_new(self, name: str) -> None:
        if name == NONE or self._is_known(name):
            raise Malformed(f"{name} is the name of something else")

    def _is_known(self, name: str) -> bool:
        return name in self.witnesses or name in self.groups


def _key(vkey: str, key_type: KeyType) -> VerifierKey:
    key = VerifierKey.parse(vkey)
    if key.type is not key_type:
        raise Malformed(f"the key of {key.name} is of the type {key.type:#04x}, not {key_type:#04x}")
    return key


def _line(*words: str | None) -> str:
    return " ".join(word for word in words if word is not None) + "\n"
