"""What an audit stands on: whom it believes, and which sets of disclosures it may read."""

from collections.abc import Callable
from datetime import date

import msgspec

from auditor.checkpoints import CHECKPOINT, LISTED, POLICY, Remembered, Trust, keys_published, size_now
from auditor.finding import Fault, Findings
from auditor.source import Closed, Missing, Source, Unreadable
from auditor.span import FOLDERS, Part, covered_by
from auditor.trouble import Trouble
from ledger.proof.checkpoint import Checkpoint
from ledger.proof.errors import Malformed
from ledger.proof.note import Note
from ledger.proof.policy import Policy


def trust_of(source: Source, policy: bytes | None, title: str, remembered: Remembered | None) -> Trust:
    """Whom to believe: a policy that is given, else that of the last audit, else the log's own. Raises Unreadable where
    there is none.
    """
    also = keys_published(source)
    try:
        if policy is not None:
            return Trust(Policy.parse(policy), title or title_of(policy), pinned=True, also=also)
        data = remembered.policy if remembered is not None else source.get(POLICY)
        return Trust(Policy.parse(data), "", pinned=False, also=also)
    except Malformed as error:
        raise Unreadable(str(error), Trouble.BAD_POLICY) from error
    except Missing as error:
        raise Unreadable(POLICY, Trouble.NO_POLICY) from error


def must_be_a_log(source: Source) -> None:
    """Raise Unreadable where there is no log, or one that has published nothing. One of its files alone may be missing,
    or be something else: that is a fault.
    """
    if not (_is(source, CHECKPOINT, Note.parse) or _is(source, LISTED, _a_day)):
        raise Unreadable(source.name, Trouble.NOTHING_PUBLISHED if keys_published(source) else Trouble.NO_LOG)


def _is(source: Source, path: str, read: Callable[[bytes], object]) -> bool:
    try:
        read(source.get(path))
    except (Missing, Malformed, ValueError):
        return False
    return True


def _a_day(data: bytes) -> None:
    date.fromisoformat(data.decode("ascii").partition("\n")[0])


def title_of(policy: bytes) -> str:
    """What a policy's first line says of it, where that is a comment."""
    first = policy.decode("utf-8", "replace").partition("\n")[0]
    return first.removeprefix("#").strip() if first.startswith("#") else "the policy given"


class Heads(msgspec.Struct, frozen=True):
    """The larger set that may be read, how many entries its files cover, and how many those of the public set."""

    part: Part = "public"
    covered: int = 0
    public: int = 0


def heads_of(source: Source, trust: Trust, now: Checkpoint, findings: Findings, *, whole: bool = False) -> Heads:
    """`whole`: the supervisors' set was asked for. Raises Unreadable where that cannot be had: who asks for all and is
    given the public set is not to take the one for the other.
    """
    public = _covered(source, "public", trust, now, findings)
    before = findings.count
    supervisor = _covered(source, "supervisor", trust, now, findings)
    if supervisor is None:
        if whole and findings.count == before:
            raise Unreadable(f"{FOLDERS['supervisor']}/head", Trouble.NOT_WHOLE)
        return Heads("public", public or 0, public or 0)
    return Heads("supervisor", supervisor, public or 0)


def _covered(source: Source, part: Part, trust: Trust, now: Checkpoint, findings: Findings) -> int | None:
    """How many of the log's entries a set covers, None where it cannot be read by who asks."""
    path = f"{FOLDERS[part]}/head"
    try:
        origin, size = covered_by(source.get(path), path)
    except (Missing, Closed):
        return None
    except Malformed as error:
        findings.add(Fault.MALFORMED, path, why=error)
        return None
    if origin != now.origin:
        findings.add(Fault.WRONG_KEY, path, origin=origin, expected=now.origin)
    rolled_back = any(one.fault is Fault.ROLLED_BACK for one in findings.kept)
    if size > now.size and not rolled_back and size > (published := size_now(source, trust)):
        findings.add(Fault.MALFORMED, path, covers=size, published=published)
    return min(size, now.size)
