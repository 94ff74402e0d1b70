"""随机数摘要: the SHA-256 of a nonce belongs to the review that it was entrusted to first, for ever: what has been
revealed once is known. One stream a digest, so that two reviews that are given the same at the same moment meet there.
"""

from collections.abc import Sequence
from typing import Final, TypeAlias

import msgspec

from kernel.decider import Decider, Part, becomes, members
from kernel.quantity import Happened, Key, Sha256
from kernel.refusal import against_rules

USED = against_rules(
    "nonce.used",
    "此随机数摘要已托付给复核 {review}。每次复核须用新的随机数。",
    "this SHA-256 was entrusted to review {review}; make a new nonce for every review",
)


class ClaimNonce(Happened, frozen=True, kw_only=True):
    """占用随机数摘要 A review takes this digest."""

    nonce_sha256: Sha256
    review: Key


class NonceClaimed(Happened, frozen=True, kw_only=True):
    """It is entrusted to this review in the same append, and to no other."""

    nonce_sha256: Sha256
    review: Key


Command: TypeAlias = ClaimNonce
Event: TypeAlias = NonceClaimed


class NonceOf(msgspec.Struct, frozen=True):
    """To which review it was entrusted."""

    review: str | None = None


def decide(command: Command, nonce: NonceOf) -> Sequence[Event]:
    if nonce.review == command.review:
        return []
    if nonce.review is not None:
        raise USED(review=nonce.review, field="nonce_sha256")
    return [becomes(command, NonceClaimed)]


def evolve(_nonce: NonceOf, event: Event) -> NonceOf:
    return NonceOf(event.review)


NONCE: Final = Decider(
    category="nonce",
    initial=NonceOf(),
    key="nonce_sha256",
    begins=(ClaimNonce,),
    parts=(Part(members(Command), members(Event), decide, evolve),),
)
