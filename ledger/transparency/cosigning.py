"""Asks the witnesses of a policy to cosign a checkpoint (tlog-witness, C2SP/C2SP@5ba5ee8): all at once, each with a
deadline, and believing none of them anything but a cosignature that verifies.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, TypeAlias

import httpx
import msgspec
import structlog

from ledger.proof.checkpoint import Checkpoint
from ledger.proof.cosignature import cosigned_at_s
from ledger.proof.errors import Malformed, ProofFault
from ledger.proof.keys import Signature
from ledger.proof.note import Note, parse_signatures
from ledger.proof.policy import Policy, Witness
from ledger.proof.witness_request import SIZE_CONTENT_TYPE, AddCheckpoint, decode_size
from ledger.transparency.sequencer import Prove

Clock: TypeAlias = Callable[[], int]
"""Microseconds since 1970-01-01 UTC."""

DEADLINE_S: Final = 3.0
"""For all that one witness is asked about one checkpoint."""

GRACE_S: Final = 0.5
"""For the others, once those who have answered are the quorum."""

PAUSE_US: Final = (1_000_000, 30_000_000)
"""A witness that failed is not asked for so long, then twice as long, up to the last, unless the quorum needs it."""

ATTEMPTS_MAX: Final = 3
"""Sizes that one witness may name for one checkpoint, before it is left out of it."""

TIME_OFF_S_MAX: Final = 120
"""An audit believes the time of a cosignature. One that is further from ours is one of two wrong clocks, and would be
on the record for good.
"""

ANSWER_BYTES_MAX: Final = 64 << 10

_US_PER_S: Final = 1_000_000
_OK: Final = 200
_CONFLICT: Final = 409
_HERE: Final = ("all://127.0.0.1", "all://localhost", "all://[::1]")
_LOG: Final = structlog.get_logger("witnesses")

_SAID: Final = {
    403: "it does not know the key of this log",
    404: "it does not know this log",
    422: "it does not take the proof: it may have seen another tree of this log",
}


class Trouble(Exception):
    """Why a witness gave no cosignature."""


class WitnessStanding(msgspec.Struct, frozen=True):
    """How it goes with one witness. `size`: entries of the largest tree it is known to have cosigned; `cosigned_at_s`:
    when it says to have done so last, 0 for never; `trouble`: what is wrong, since `since_us`, empty where it answers.
    """

    name: str
    size: int = 0
    cosigned_at_s: int = 0
    trouble: str = ""
    since_us: int = 0
    failures: int = 0
    tried_at_us: int = 0

    def is_due(self, now_us: int) -> bool:
        """Whether its pause is over."""
        if not self.failures:
            return True
        first_us, last_us = PAUSE_US
        pause_us = min(first_us << min(self.failures - 1, 10), last_us)
        return not 0 <= now_us - self.tried_at_us < pause_us


class Witnesses:
    """Those that a policy names with an address. See sequencer.Cosigner."""

    def __init__(self, policy: Policy, clock: Clock, *, deadline_s: float = DEADLINE_S) -> None:
        self._policy: Final = policy
        self._clock: Final = clock
        self._deadline_s: Final = deadline_s
        self._asked: Final = {name: one for name, one in policy.witnesses.items() if one.url is not None}
        self._standing: Final = {name: WitnessStanding(name) for name in self._asked}
        self.size = 0
        """Entries of the newest checkpoint that they were asked to cosign."""
        # No proxy stands between two processes of one machine.
        self._http: Final = httpx.AsyncClient(
            timeout=deadline_s, follow_redirects=False, mounts=dict.fromkeys(_HERE), headers={"user-agent": "meterloop"}
        )

    @property
    def standing(self) -> list[WitnessStanding]:
        """How it goes with each, in the policy's order."""
        return list(self._standing.values())

    def remember(self, note: bytes) -> None:
        """What a published checkpoint says of who has cosigned: a witness that knows less later has lost its memory."""
        published = Note.parse(note)
        size = Checkpoint.parse(published.text).size
        for name, one in self._asked.items():
            for line in published.signatures:
                if one.key.made(line):
                    with suppress(ProofFault):
                        self._cosigned(name, size, cosigned_at_s(published.text, one.key, line))

    async def cosign(self, old_size: int, note: bytes, prove: Prove) -> Sequence[Signature]:
        """As sequencer.Cosigner says. Returns when all have answered, when those who have are the quorum and the others
        had GRACE_S more, or when the deadline is over.
        """
        asked = self._due()
        proofs = _Proofs(note, prove)
        self.size = proofs.size
        tasks = {name: asyncio.create_task(self._one(one, old_size, proofs)) for name, one in asked.items()}
        try:
            await self._gathered(tasks)
        finally:
            for task in tasks.values():
                task.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)
            await proofs.close()
        return [found for task in tasks.values() if not task.cancelled() and (found := task.result()) is not None]

    async def close(self) -> None:
        """Let go of the connections."""
        await self._http.aclose()

    def _due(self) -> dict[str, Witness]:
        now_us = self._clock()
        due = {name: one for name, one in self._asked.items() if self._standing[name].is_due(now_us)}
        return due if self._policy.is_met_by(due) else self._asked

    async def _gathered(self, tasks: dict[str, asyncio.Task[Signature | None]]) -> None:
        left = set(tasks.values())
        # Each keeps the deadline by itself.
        until = asyncio.get_running_loop().time() + self._deadline_s + GRACE_S
        in_grace = False
        while left and (wait_s := until - asyncio.get_running_loop().time()) > 0:
            _, left = await asyncio.wait(left, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
            stand = {name: task for name, task in tasks.items() if task.done() and task.result() is not None}
            if stand and not in_grace and self._policy.is_met_by(stand):
                in_grace, until = True, min(until, asyncio.get_running_loop().time() + GRACE_S)

    async def _one(self, one: Witness, old_size: int, proofs: "_Proofs") -> Signature | None:
        """Its cosignature, or what is wrong with it noted down."""
        try:
            async with asyncio.timeout(self._deadline_s):
                line, at_s = await self._asked_for(one, old_size, proofs)
        except asyncio.CancelledError:
            self._failed(one.name, "it is slower than the others")
            raise
        except TimeoutError:
            self._failed(one.name, f"no answer within {self._deadline_s} s")
        except (Trouble, ProofFault) as error:
            self._failed(one.name, str(error))
        except Exception as error:  # noqa: BLE001  whatever comes of a stranger's answer, the log goes on
            self._failed(one.name, f"it is away: {type(error).__name__}")
        else:
            self._cosigned(one.name, proofs.size, at_s)
            return line
        return None

    async def _asked_for(self, one: Witness, old_size: int, proofs: "_Proofs") -> tuple[Signature, int]:
        known = self._standing[one.name].size
        old_size = min(known or old_size, proofs.size)
        for _ in range(ATTEMPTS_MAX):
            body = AddCheckpoint(old_size, await proofs.from_size(old_size), proofs.note).encoded()
            status, content_type, answer = await self._sent(one, body)
            if status == _OK:
                return self._verified(one, proofs.text, answer)
            if status != _CONFLICT or content_type != SIZE_CONTENT_TYPE:
                raise Trouble(_SAID.get(status, f"it answers {status}"))
            told = decode_size(answer)
            if told < known:
                raise Trouble(f"it knows {told} entries and has cosigned {known}: its memory was put back")
            if told > proofs.size:
                raise Trouble(f"it has cosigned {told} entries of this log, which has signed {proofs.size}")
            if told == old_size:
                raise Trouble(f"it knows {told} entries, and does not go on from there")
            old_size = told
        raise Trouble("it names another size each time")

    async def _sent(self, one: Witness, body: bytes) -> tuple[int, str, bytes]:
        address = f"{str(one.url).rstrip('/')}/add-checkpoint"
        parts, total = [], 0
        async with self._http.stream("POST", address, content=body) as response:
            async for part in response.aiter_bytes():
                total += len(part)
                if total > ANSWER_BYTES_MAX:
                    raise Trouble("its answer is too long")
                parts.append(part)
            return response.status_code, response.headers.get("content-type", ""), b"".join(parts)

    def _verified(self, one: Witness, text: bytes, answer: bytes) -> tuple[Signature, int]:
        """Its own line of the answer: lines of others are ignored."""
        lines = [line for line in parse_signatures(answer) if one.key.made(line)]
        if not lines:
            raise Trouble("it answers without a cosignature of its key")
        at_s = cosigned_at_s(text, one.key, lines[0])
        off_s = at_s - self._clock() // _US_PER_S
        if abs(off_s) > TIME_OFF_S_MAX:
            raise Trouble(f"its clock is {off_s:+} s from ours")
        return lines[0], at_s

    def _cosigned(self, name: str, size: int, at_s: int) -> None:
        before = self._standing[name]
        if before.trouble:
            _LOG.info("a witness is back", witness=name)
        self._standing[name] = WitnessStanding(name, max(size, before.size), max(at_s, before.cosigned_at_s))

    def _failed(self, name: str, trouble: str) -> None:
        before, now_us = self._standing[name], self._clock()
        if trouble != before.trouble:
            _LOG.warning("a witness does not cosign", witness=name, why=trouble)
        self._standing[name] = msgspec.structs.replace(
            before,
            trouble=trouble,
            since_us=before.since_us if before.trouble else now_us,
            failures=before.failures + 1,
            tried_at_us=now_us,
        )


class _Proofs:
    """The checkpoint in question, and its proofs from whatever sizes the witnesses know, each made once."""

    def __init__(self, note: bytes, prove: Prove) -> None:
        self.note: Final = note
        self.text: Final = Note.parse(note).text
        self.size: Final = Checkpoint.parse(self.text).size
        self._prove: Final = prove
        self._made: Final[dict[int, asyncio.Task[Sequence[bytes]]]] = {}

    async def from_size(self, old_size: int) -> tuple[bytes, ...]:
        """Raises ProofFault, OSError, where the log's own files do not give it."""
        if old_size in {0, self.size}:
            return ()
        if old_size not in self._made:
            self._made[old_size] = asyncio.create_task(asyncio.to_thread(self._prove, old_size))
        return tuple(await asyncio.shield(self._made[old_size]))

    async def close(self) -> None:
        """Wait for the files that are being read."""
        await asyncio.gather(*self._made.values(), return_exceptions=True)


def read_policy(data: bytes) -> tuple[Policy, bytes]:
    """A policy from its file, and the comments at its head, for whoever it is published to. Raises Malformed."""
    heading = []
    for line in data.splitlines(keepends=True):
        if not line.startswith(b"#"):
            break
        heading.append(line)
    policy = Policy.parse(data)
    for one in policy.witnesses.values():
        if one.url is not None and not one.url.startswith(("http://", "https://")):
            raise Malformed(f"the address of the witness {one.name} is neither http nor https")
    return policy, b"".join(heading)
