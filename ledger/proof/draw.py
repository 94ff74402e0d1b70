"""A random sample of a population that neither of two parties could choose, and that anyone can draw again.

One party commits the population as a Merkle root, the other a nonce as its SHA-256, and both stand in one entry of the
log. The first checkpoint published after that covers it, and then the nonce is revealed: root, nonce and checkpoint
give the seed, the seed gives the sample.

    leaf      deterministic CBOR of [name, version, word, ...], the words being those of the member's stratum
    root      RFC 6962 over the leaves by rising name, as its bytes in UTF-8 rise
    seed      SHA-256("meterloop/v1/draw" || root || nonce || checkpoint root)
    stratum   members with the same words; strata come by rising CBOR of the array of their words
    number    the first 8 bytes of SHA-256(seed || counter, 8 bytes || CBOR of the stratum's words), counter 0, 1, 2 ...
    place     number mod m where it is below the largest multiple of m that 8 bytes hold; else the next number is taken

Within a stratum of N members, by rising name from 0, the k-th draw takes the place p of the m = N - k that are left and
puts the last of those left where it was: a Fisher-Yates shuffle from the end, cut off when enough are drawn. The first
ones are the sample, those after them the spares, in their order.
"""

from array import array
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from itertools import islice
from typing import Final, TypeAlias

import msgspec

from ledger.proof.cbor import ARRAY, FALSE, NULL, TEXT, TRUE, UINT, UINT_MAX, head
from ledger.proof.errors import Malformed, OutOfRange
from ledger.proof.merkle import HASH_BYTES, Range, leaf_hashes

SEED_OF: Final = b"meterloop/v1/draw"
NONCE_BYTES: Final = 32
"""A nonce is as long as a hash, so that what stands beside it in the seed cannot be taken for a part of it."""

MILLION: Final = 1_000_000
MEMBERS_MAX: Final = (1 << 32) - 1
"""Members are counted in four bytes each."""

Word: TypeAlias = str | bool | None
Stratum: TypeAlias = tuple[Word, ...]
Member: TypeAlias = tuple[str, int, Stratum]
"""Its name, the number of its version, and the words of its stratum."""

_NUMBERS: Final = 1 << 64
_END: Final = "\0"
"""After a name, before the number of its kind: below every other character, so that these sort as the names do."""
_KIND_BYTES: Final = 4
_KIND: Final = -_KIND_BYTES
_NAME: Final = _KIND - len(_END)
_AT_ONCE: Final = 1 << 16
"""Leaves that are hashed together."""


class Size(msgspec.Struct, frozen=True):
    """How many members of a stratum are drawn: the sample, and the spares after it."""

    sample: int
    spares: int


class Drawn(msgspec.Struct, frozen=True):
    """What was drawn of a stratum, names in the order in which they were drawn."""

    stratum: Stratum
    sample: tuple[str, ...]
    spares: tuple[str, ...]


class Population:
    """The members of a population by rising name, its root, and how many are in each stratum."""

    def __init__(self, members: Iterable[Member]) -> None:
        """In whatever order they come. Takes some 100 bytes a member. Raises Malformed where two have the same name or
        one has none.
        """
        kinds: dict[tuple[int, Stratum], bytes] = {}
        packed: list[bytes] = []
        for name, version, stratum in members:
            kind = kinds.get((version, stratum))
            if kind is None:
                kind = kinds[version, stratum] = len(kinds).to_bytes(_KIND_BYTES, "big")
            if not name or _END in name:
                raise Malformed(f"no name of a member: {name!r}")
            packed.append(f"{name}{_END}".encode() + kind)
        if len(packed) > MEMBERS_MAX:
            raise OutOfRange(f"a population has at most {MEMBERS_MAX} members")
        packed.sort()
        ordered = sorted({stratum for _, stratum in kinds}, key=stratum_cbor)
        self._packed: Final = packed
        self._members_of: Final = {stratum: array("I") for stratum in ordered}
        self.root: Final = _root(packed, {kind: _Kind(*of, self._members_of) for of, kind in kinds.items()})

    @property
    def size(self) -> int:
        return len(self._packed)

    @property
    def counts(self) -> dict[Stratum, int]:
        """The members of each stratum, strata in their order."""
        return {stratum: len(places) for stratum, places in self._members_of.items()}

    def drawn(self, seed: bytes, sizes: Mapping[Stratum, Size]) -> list[Drawn]:
        """The sample of each stratum, strata in their order. Raises OutOfRange where one is asked for more than it has,
        or there is no such stratum.
        """
        if strangers := sizes.keys() - self._members_of.keys():
            raise OutOfRange(f"the population has no stratum {sorted(map(str, strangers))}")
        found = []
        for stratum, places in self._members_of.items():
            size = sizes.get(stratum, Size(0, 0))
            picked = picks(seed, stratum, len(places), size.sample + size.spares)
            names = tuple(_name(self._packed[places[pick]]) for pick in picked)
            found.append(Drawn(stratum, names[: size.sample], names[size.sample :]))
        return found


def seed_of(root: bytes, nonce: bytes, checkpoint_root: bytes) -> bytes:
    """The seed of a draw. Raises Malformed where one of them has another length than a hash."""
    for part in (root, nonce, checkpoint_root):
        if len(part) != HASH_BYTES:
            raise Malformed(f"a root and a nonce have {HASH_BYTES} bytes each, not {len(part)}")
    return sha256(SEED_OF + root + nonce + checkpoint_root).digest()


def allotted(counts: Mapping[Stratum, int], sample: int, spares_ppm: int) -> dict[Stratum, Size]:
    """How many are drawn of each stratum, where `sample` of the whole are: its share of them, rounded up, so that none
    goes without and nothing is settled by rounding. Spares are `spares_ppm` of that, rounded up, as far as there are
    members left.
    """
    whole = sum(counts.values())
    sizes = {}
    for stratum, count in counts.items():
        own = min(count, -(-min(sample, whole) * count // whole)) if whole else 0
        sizes[stratum] = Size(own, min(count - own, -(-own * spares_ppm // MILLION)))
    return sizes


def picks(seed: bytes, stratum: Stratum, members: int, wanted: int) -> list[int]:
    """The places of so many members of a stratum, each once, in the order in which they are drawn."""
    if not 0 <= wanted <= members:
        raise OutOfRange(f"of {members} members {wanted} cannot be drawn")
    numbers, moved = _numbers(seed, stratum), dict[int, int]()
    picked = []
    for left in range(members, members - wanted, -1):
        place = next(number % left for number in numbers if number < _NUMBERS - _NUMBERS % left)
        picked.append(moved.get(place, place))
        moved[place] = moved.pop(left - 1, left - 1)
    return picked


def stratum_cbor(stratum: Stratum) -> bytes:
    """The words of a stratum as one array."""
    return head(ARRAY, len(stratum)) + b"".join(map(_word, stratum))


def leaf(member: Member) -> bytes:
    """A member as an entry of the population's tree."""
    name, version, stratum = member
    return head(ARRAY, 2 + len(stratum)) + _word(name) + _uint(version) + b"".join(map(_word, stratum))


def _numbers(seed: bytes, stratum: Stratum) -> Iterator[int]:
    words = stratum_cbor(stratum)
    for counter in range(UINT_MAX):
        block = sha256(seed + counter.to_bytes(8, "big") + words).digest()
        yield int.from_bytes(block[:8], "big")


class _Kind:
    """Members of one version and stratum: what their leaves begin with, by the length of the name, and end with."""

    __slots__ = ("add", "begins", "end")

    def __init__(self, version: int, stratum: Stratum, members_of: Mapping[Stratum, "array[int]"]) -> None:
        self.begins = _Begins(head(ARRAY, 2 + len(stratum)))
        self.end = _uint(version) + b"".join(map(_word, stratum))
        self.add = members_of[stratum].append


class _Begins(dict[int, bytes]):
    def __init__(self, array_head: bytes) -> None:
        super().__init__()
        self._array_head: Final = array_head

    def __missing__(self, length: int) -> bytes:
        begin = self[length] = self._array_head + head(TEXT, length)
        return begin


def _root(packed: Iterable[bytes], kinds: Mapping[bytes, _Kind]) -> bytes:
    """The root, each member's place noted on the way. Raises Malformed where two have the same name."""
    tree, members, before, begun = Range(), iter(packed), b"", 0
    while some := list(islice(members, _AT_ONCE)):
        leaves = []
        for place, member in enumerate(some, begun):
            name, kind = member[:_NAME], kinds[member[_KIND:]]
            if name == before:
                raise Malformed(f"two members have the name {_name(member)!r}")
            before = name
            kind.add(place)
            leaves.append(kind.begins[len(name)] + name + kind.end)
        begun += len(some)
        tree.extend(leaf_hashes(leaves))
    return tree.root()


def _name(packed: bytes) -> str:
    return packed[:_NAME].decode()


def _word(word: Word) -> bytes:
    if word is None:
        return NULL
    if isinstance(word, bool):
        return TRUE if word else FALSE
    text = word.encode()
    return head(TEXT, len(text)) + text


def _uint(number: int) -> bytes:
    if not 0 <= number <= UINT_MAX:
        raise OutOfRange(f"{number} is no unsigned number of 8 bytes")
    return head(UINT, number)
