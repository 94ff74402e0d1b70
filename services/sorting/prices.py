"""价值参数: what devices of a class are worth, in money and in carbon, and how long they live. Versioned data; a value
that nobody has confirmed says so.
"""

from typing import Annotated

from msgspec import Meta

from kernel.device import DeviceClass
from kernel.quantity import AmountFen, Code, MassG, PublicRemark
from services.sorting.norms import Part, to_be_confirmed
from services.sorting.vocabulary import MassCo2G, Months, SharePpm, Words


class Material(Part, frozen=True, kw_only=True):
    """What one device yields of a material, and its price by the kilogram."""

    code: Code
    name: Words
    mass_g: MassG
    fen_per_kg: AmountFen


class ClassValue(Part, frozen=True, kw_only=True):
    """What holds for a device of these classes. Carbon is what a device saves by each disposition, in grams of CO2.
    `source` says of each figure where it comes from; without `confirmed` they are for trying out.
    """

    device_classes: Annotated[tuple[DeviceClass, ...], Meta(min_length=1)]
    life_months: Months
    life_left_months_min: Months
    warranty_months: Months
    new_fen: AmountFen
    clean_fen: AmountFen
    re_verify_fen: AmountFen
    claim_share_ppm: SharePpm
    claim_odds_ppm: SharePpm
    claim_handling_fen: AmountFen
    scrap_handling_fen: AmountFen
    materials: tuple[Material, ...]
    reuse_co2_g: MassCo2G
    claim_co2_g: MassCo2G
    scrap_co2_g: MassCo2G
    source: PublicRemark
    confirmed: bool = False

    @property
    def material_fen(self) -> int:
        """What the materials of one device bring, rounded down."""
        return sum(one.mass_g * one.fen_per_kg for one in self.materials) // 1_000


class Prices(Part, frozen=True, kw_only=True):
    """The parameters of every class."""

    classes: tuple[ClassValue, ...]

    def of(self, device_class: str) -> ClassValue | None:
        """Those of a class; None where nobody has entered any."""
        return next((one for one in self.classes if device_class in one.device_classes), None)

    def unconfirmed(self, device_class: str) -> bool:
        """Whether what a class is worth is for trying out."""
        value = self.of(device_class)
        return value is not None and not value.confirmed

    def disagreements(self) -> list[str]:
        """What is wrong with them, in words."""
        named = [name for one in self.classes for name in one.device_classes]
        twice = [
            f"类别 {name} 出现在两处 class {name} is there twice"
            for name in sorted({name for name in named if named.count(name) > 1})
        ]
        return twice + [
            f"{' '.join(one.device_classes)}: 已确认，出处仍写“待确认” confirmed, but its source says it is to be"
            for one in self.classes
            if one.confirmed and to_be_confirmed(one.source)
        ]
