"""What each paper shows. Whoever asks for one fills it from log and views; nothing else is read."""

from typing import TypeAlias

import msgspec

from kernel.documents.data import Coded, Verification
from kernel.quantity import CivilDate, Count, Sha256


class Sampled(msgspec.Struct, frozen=True, kw_only=True):
    """A device that was drawn, and where it lies. `stands_in`: it was a spare, and has taken a sample's place. Nothing
    here may tell how the device was sorted.
    """

    asset_number: str
    device_class: Coded
    maker: str = ""
    model: str = ""
    site: Coded | None = None
    location: str = ""
    container: str = ""
    stands_in: bool = False


class Draw(msgspec.Struct, frozen=True, kw_only=True):
    """What the sample follows from: docs/formats.md, "Drawing a sample". `algorithm` names that way and its version."""

    algorithm: str
    root: Sha256
    seed: Sha256
    checkpoint_size: Count
    checkpoint_root: Sha256
    drawn_on: CivilDate


class SampleList(msgspec.Struct, frozen=True, kw_only=True, tag="sample_list", tag_field="document"):
    """复核样本清单: what the institute fetches from the warehouse. Samples as one walks past them, spares in the order
    of the draw.
    """

    review: str
    issued_on: CivilDate
    members: Count
    replaced: Count
    samples: tuple[Sampled, ...]
    spares: tuple[Sampled, ...]
    draw: Draw
    verification: Verification


Document: TypeAlias = SampleList
