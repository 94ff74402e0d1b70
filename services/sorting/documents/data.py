"""What each paper shows. Whoever asks for one fills it from log and views; nothing else is read."""

from typing import TypeAlias

import msgspec

from kernel.documents.data import Coded, Label, Verification, When
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


class ResultLine(msgspec.Struct, frozen=True, kw_only=True):
    """What one item of a step gave, what is allowed of it, and the document and clause that say so."""

    name: Label
    value: Label
    allowed: str = ""
    source: str = ""


class StepResult(msgspec.Struct, frozen=True, kw_only=True):
    """How one of the three inspections ended, and what it measured."""

    name: Label
    ended: Label
    results: tuple[ResultLine, ...] = ()


class Certificate(msgspec.Struct, frozen=True, kw_only=True, tag="certificate", tag_field="document"):
    """重新检定证书: one device, one repair, one scheme. `verifier` is an opaque subject id."""

    number: str
    issued_on: CivilDate
    valid_until: CivilDate
    asset_number: str
    device_class: Coded
    site: Coded
    repair: str
    verifier: str
    verified: When
    scheme: Label
    scheme_group: str
    scheme_version: Count
    scheme_sha256: Sha256
    steps: tuple[StepResult, ...]
    verification: Verification
    """Its first event is the one by which the certificate was issued."""
    accuracy_class: str = ""
    maker: str = ""
    model: str = ""
    batch: str = ""
    made_on: CivilDate | None = None
    seals: tuple[str, ...] = ()


Document: TypeAlias = SampleList | Certificate
