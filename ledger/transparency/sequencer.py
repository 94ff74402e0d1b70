"""The single writer of a proof log: follows a ledger, writes tiles, signs, publishes.

A round: read what was recorded after the cursor; write tiles and bundles; read them back and compute the root from
what was read; sign; move the cursor in the store by compare-and-swap; ask the witnesses; publish. Whatever breaks it
off, the next round begins with what the store says, and does again what is not there: recovery is the normal path.
A checkpoint that was signed is published before another is signed, so each that ever was is in `log/checkpoints`.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Any, Final, Protocol, Self, TypeAlias, TypeVar

import apsw
import msgspec

from ledger.port import Ledger, Unavailable
from ledger.proof.checkpoint import Checkpoint, opened
from ledger.proof.errors import ProofFault
from ledger.proof.keys import Signature
from ledger.proof.note import Note
from ledger.proof.policy import NONE, Log, Policy, satisfied
from ledger.transparency.faults import (
    LEDGER_SHORTER,
    OTHER_LEDGER,
    OTHER_ORIGIN,
    STORE_MISSING,
    STORE_OLDER,
    TREE_DIFFERS,
)
from ledger.transparency.keys import LogKeys, keys_file
from ledger.transparency.layout import CHECKPOINT, KEYS, LOCK, POLICY, STORE
from ledger.transparency.lock import SingleWriter
from ledger.transparency.publishing import Publisher
from ledger.transparency.reading import At, Run, read_run
from ledger.transparency.storage import DirectoryStorage, Disk, Storage
from ledger.transparency.store import Cursor, Published, SequencerStore
from ledger.transparency.tree import Tree

T = TypeVar("T")

Clock: TypeAlias = Callable[[], int]
"""Microseconds since 1970-01-01 UTC."""

Prove: TypeAlias = Callable[[int], Sequence[bytes]]
"""The consistency proof from a tree of so many entries to the checkpoint in question. Reads files."""

ROUND_ENTRIES_MAX: Final = 65_536
SIGNED_EVERY_US_MIN: Final = 1_000_000
"""A log that grows is signed so often, and no more."""
PUBLISHED_EVERY_US_MAX: Final = 60_000_000
"""A log that does not grow is published anew so often: a fresh cosignature says that nothing was held back."""
RETRY_S: Final = (0.1, 10.0)
"""The first pause after what may pass by itself, and the longest; each is twice the one before."""

PASSING: Final = (Unavailable, OSError, apsw.Error, ProofFault)
"""What may pass by itself. The state in memory is dropped, and the next round begins with the store."""

NO_POLICY: Final = Policy((), {}, {}, NONE)
"""No witness is asked for."""

_US_PER_S: Final = 1_000_000


class Cosigner(Protocol):
    """Those who stand for a checkpoint beside the log itself: witnesses."""

    async def cosign(self, old_size: int, note: bytes, prove: Prove) -> Sequence[Signature]:
        """The cosignatures that could be had for this signed checkpoint, within a bounded time.

        `old_size` is the size published last, the tree that a witness is expected to know; one that says it knows
        another is asked again with the proof from there. Called for the same checkpoint again and again, after a
        crash too. Cosignatures are verified before they are returned. Raises nothing: a witness that does not answer
        is left out.
        """
        ...


class Outcome(msgspec.Struct, frozen=True):
    """What a round did: entries it added, the size that is signed and the one that is published."""

    added: int
    signed_size: int
    published_size: int
    at_head: bool


class Sequencer:
    """See the module. `round` is called by one task at a time; `run` does it for ever."""

    @classmethod
    async def open(
        cls,
        ledger: Ledger,
        folder: Path,
        keys_dir: Path,
        *,
        origin: str,
        clock: Clock,
        disk: Disk | None = None,
        cosigner: Cosigner | None = None,
        policy: Policy = NO_POLICY,
        heading: bytes = b"",
    ) -> Self:
        """The sequencer of the log in this folder, as the single writer it has. Nothing is read yet: `load` does. Of
        the policy its witnesses and its quorum count; the log that it is about is this one. `heading`: comment lines to
        begin the published policy with.

        Raises LogFault (log.locked) where another writes there, OSError, apsw.Error.
        """

        def opened() -> tuple[SingleWriter, SequencerStore]:
            lock = SingleWriter(folder / LOCK)
            try:
                return lock, SequencerStore(folder / STORE)
            except BaseException:
                lock.close()
                raise

        lock, store = await asyncio.to_thread(opened)
        keys = LogKeys(store, keys_dir, origin)
        storage = DirectoryStorage(folder, disk)
        return cls(
            ledger, lock, store, storage, keys,
            origin=origin, clock=clock, cosigner=cosigner, policy=policy, heading=heading,
        )  # fmt: skip

    def __init__(
        self,
        ledger: Ledger,
        lock: SingleWriter,
        store: SequencerStore,
        storage: Storage,
        keys: LogKeys,
        *,
        origin: str,
        clock: Clock,
        cosigner: Cosigner | None = None,
        policy: Policy = NO_POLICY,
        heading: bytes = b"",
    ) -> None:
        self._ledger: Final = ledger
        self._lock: Final = lock
        self._store: Final = store
        self._storage: Final = storage
        self._keys: Final = keys
        self._origin: Final = origin
        self._clock: Final = clock
        self._cosigner: Final = cosigner
        self._policy: Final = policy
        self._heading: Final = heading
        self._publisher: Final = Publisher(storage, store)
        self._loaded: _Loaded | None = None
        self._asked_at_us = 0
        self._under_way: asyncio.Future[Any] | None = None
        self.rounds = 0
        self.trouble: str | None = None
        self.remaking: tuple[int, int] | None = None
        """Where tiles are made again: of how many entries they are there, and of how many they are to be."""

    @property
    def cursor(self) -> Cursor | None:
        """How far is signed, as far as is known now."""
        return self._loaded.cursor if self._loaded else None

    @property
    def published(self) -> Published | None:
        """The newest published checkpoint, as far as is known now."""
        return self._loaded.published if self._loaded else None

    async def load(self, *, remake: bool = True) -> Cursor:
        """Take up what the store says, and hold the ledger and the files against it. Tiles that are gone are made
        again, which takes as long as it did the first time, or are left to the first round. Raises LogFault where they
        differ, and what may pass by itself.
        """
        loaded = await self._in_thread(self._begun)
        cursor = loaded.cursor
        await read_run(self._ledger, cursor, 0)
        if loaded.tree.size < cursor.size:
            self.remaking = 0, cursor.size
            if not remake:
                return cursor
            loaded.tree = await self._remade(cursor)
        self.remaking = None
        if loaded.tree.root() != cursor.root:
            raise TREE_DIFFERS(size=cursor.size)
        self._loaded = loaded
        return cursor

    async def round(self, *, refresh: bool = False) -> Outcome:
        """One round. Where there is nothing to add, the same checkpoint is published again only to `refresh` it.

        Raises LogFault, and what may pass by itself; called again it goes on from whatever has become of it.
        """
        try:
            if self._loaded is None:
                await self.load()
            assert self._loaded is not None
            outcome = await self._round(self._loaded, refresh=refresh)
        except BaseException:
            # Whether the last step was done nobody here knows: the store does.
            self._loaded = None
            raise
        self.rounds += 1
        return outcome

    async def run(self) -> None:
        """Rounds until cancelled: at once while there is more to add, else as it grows, else now and then. Raises
        LogFault.
        """
        pause_s, pause_s_max = RETRY_S
        refresh = True
        while True:
            try:
                outcome = await self.round(refresh=refresh)
                self.trouble = None
                pause_s = RETRY_S[0]
                refresh = await self._wait(outcome)
            except PASSING as error:
                self.trouble = f"{type(error).__name__}: {error}"
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, pause_s_max)

    async def close(self) -> None:
        """Wait for the step under way, then let go of store and lock."""
        if self._under_way is not None:
            await asyncio.gather(self._under_way, return_exceptions=True)

        def closed() -> None:
            self._store.close()
            self._lock.close()

        await asyncio.to_thread(closed)

    async def _in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        """What is cancelled meanwhile is not broken off, for a thread cannot be; the next step waits for it."""
        if self._under_way is not None:
            await asyncio.wait([self._under_way])
        self._under_way = asyncio.ensure_future(asyncio.to_thread(work, *arguments))
        found: T = await asyncio.shield(self._under_way)
        return found

    async def _wait(self, outcome: Outcome) -> bool:
        """Until the next round is due; whether it is due though nothing has grown."""
        loaded = self._loaded
        assert loaded is not None
        await asyncio.sleep(_left_s(self._clock(), loaded.cursor.signed_at_us, SIGNED_EVERY_US_MIN))
        if not outcome.at_head:
            return False
        asked_at_us = max(self._asked_at_us, loaded.published.published_at_us if loaded.published else 0)
        left_s = _left_s(self._clock(), asked_at_us, PUBLISHED_EVERY_US_MAX)
        async with aclosing(self._ledger.follow(loaded.cursor.position, limit=1)) as pages:
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await anext(pages)
                    return False
        return True

    async def _round(self, loaded: "_Loaded", *, refresh: bool) -> Outcome:
        added, at_head = 0, False
        if loaded.pending:
            # At this point a round before has signed this, and perhaps shown it to a witness. It is published, not
            # replaced by a later one.
            await self._publish(loaded)
        else:
            run = await read_run(self._ledger, loaded.cursor, ROUND_ENTRIES_MAX)
            added, at_head = len(run.entries), run.at_head
            if added or refresh:
                await self._in_thread(self._sequence, loaded, run)
                await self._publish(loaded)
        published_size = loaded.published.size if loaded.published else 0
        return Outcome(added, loaded.cursor.size, published_size, at_head)

    def _sequence(self, loaded: "_Loaded", run: Run) -> None:
        """Stage, verify, sign, move the cursor."""
        cursor = loaded.cursor
        staged = loaded.tree.stage(run.entries, run.marks)
        # At this point files lie there that no checkpoint knows of. The next round would find them, and make the same.
        root = staged.read_back()
        now_us = max(self._clock(), cursor.signed_at_us)
        moved = Cursor(
            ledger_id=cursor.ledger_id,
            origin=cursor.origin,
            size=run.end.size,
            position=run.end.position,
            commitment=run.end.commitment,
            root=root,
            note=self._signed(run.end.size, root, now_us),
            signed_at_us=now_us,
        )
        # At this point there is a signature that nobody has seen. It counts from the swap on.
        self._store.swap(cursor, moved)
        # At this point the checkpoint stands, and nobody has seen it.
        loaded.cursor, loaded.tree = moved, staged.tree

    async def _publish(self, loaded: "_Loaded") -> None:
        cursor = loaded.cursor
        note = Note.parse(cursor.note)
        self._asked_at_us = self._clock()
        if self._cosigner is not None:
            old_size = loaded.published.size if loaded.published else 0
            note = note.signed_also(await self._cosigner.cosign(old_size, cursor.note, loaded.tree.prove))
        encoded, now_us = note.encoded(), self._clock()
        satisfied(self._standing_policy(), encoded)
        loaded.published = await self._in_thread(self._publisher.publish, encoded, cursor.size, now_us)

    def _begun(self) -> "_Loaded":
        """What the store says, of this log, made where there is nothing yet."""
        cursor = self._store.cursor()
        self._must_not_be_older(cursor)
        published = self._publisher.resume()
        now_us = self._clock()
        if cursor is None:
            if self._storage.read(CHECKPOINT) is not None:
                raise STORE_MISSING()
            self._keys.enrol(now_us)
            tree = Tree(self._storage)
            note = self._signed(0, tree.root(), now_us)
            cursor = Cursor(self._ledger.ledger_id, self._origin, 0, 0, b"", tree.root(), note, now_us)
            self._store.begin(cursor)
        if cursor.ledger_id != self._ledger.ledger_id:
            raise OTHER_LEDGER(kept=cursor.ledger_id, found=self._ledger.ledger_id)
        if cursor.origin != self._origin:
            raise OTHER_ORIGIN(kept=cursor.origin, found=self._origin)
        return _Loaded(cursor, published, Tree.load(self._storage, cursor.size) or Tree(self._storage))

    def _must_not_be_older(self, cursor: Cursor | None) -> None:
        """A store that was put back from an earlier day would have what was published since published over."""
        newest = self._storage.read(CHECKPOINT)
        if cursor is None or newest is None:
            return
        with suppress(ProofFault):
            published = opened(newest, self._keys.verifiers()).checkpoint
            differs = published.size == cursor.size and published.root != cursor.root
            if published.origin == cursor.origin and (differs or published.size > cursor.size):
                raise STORE_OLDER(size=cursor.size, published=published.size)

    def _signed(self, size: int, root: bytes, now_us: int) -> bytes:
        told = {KEYS: keys_file(self._keys.verifiers()), POLICY: self._heading + self._standing_policy().encoded()}
        changed = {name: said for name, said in told.items() if self._storage.read(name) != said}
        if changed:
            self._storage.put(changed)
        self._keys.retire(now_us)
        return Checkpoint(self._origin, size, root).signed_by(self._keys.signers(now_us)).encoded()

    def _standing_policy(self) -> Policy:
        """The policy with this log's own keys."""
        return msgspec.structs.replace(self._policy, logs=tuple(Log(key) for key in self._keys.verifiers()))

    async def _remade(self, cursor: Cursor) -> Tree:
        """All tiles from the ledger once more, where some are gone: from a backup they come without."""
        tree, place = Tree(self._storage), At()
        while tree.size < cursor.size:
            run = await read_run(self._ledger, place, min(ROUND_ENTRIES_MAX, cursor.size - tree.size))
            if not run.entries:
                raise LEDGER_SHORTER(head=place.position, position=cursor.position, size=cursor.size)
            staged = await self._in_thread(tree.stage, run.entries, run.marks)
            await self._in_thread(staged.read_back)
            tree, place = staged.tree, run.end
            self.remaking = tree.size, cursor.size
        return tree


class _Loaded:
    """What a sequencer has in memory between two rounds."""

    def __init__(self, cursor: Cursor, published: Published | None, tree: Tree) -> None:
        self.cursor = cursor
        self.published = published
        self.tree = tree

    @property
    def pending(self) -> bool:
        """Whether the signed tree is not published."""
        return self.published is None or self.published.size < self.cursor.size


def _left_s(now_us: int, since_us: int, interval_us: int) -> float:
    """Seconds until an interval is over; all of it where a clock was put back behind its beginning."""
    passed_us = now_us - since_us
    return max(0, interval_us - passed_us if passed_us > 0 else interval_us) / _US_PER_S
