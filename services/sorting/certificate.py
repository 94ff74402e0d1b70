"""检定证书编号: a number belongs to the repair that it was first given for, for ever. One stream a number, so that two
who give the same at the same moment meet there.
"""

from collections.abc import Sequence
from typing import Final, TypeAlias

import msgspec

from kernel.decider import Decider, Part, becomes, members
from kernel.device import AssetNo
from kernel.quantity import Happened, Key
from kernel.refusal import against_rules

USED = against_rules(
    "certificate.used",
    "证书编号 {certificate} 已用于器具 {asset_no}。请核对编号，每份证书一个编号。",
    "certificate number {certificate} was given for {asset_no}; check it, every certificate has a number of its own",
)


class ClaimCertificate(Happened, frozen=True, kw_only=True):
    """占用证书编号 A repair takes this number for its certificate."""

    certificate: Key
    repair: Key
    asset_no: AssetNo


class CertificateClaimed(Happened, frozen=True, kw_only=True):
    """The number is that of the certificate which the repair issues in the same append."""

    certificate: Key
    repair: Key
    asset_no: AssetNo


Command: TypeAlias = ClaimCertificate
Event: TypeAlias = CertificateClaimed


class Claimed(msgspec.Struct, frozen=True):
    """By which repair, of which device."""

    repair: str | None = None
    asset_no: str = ""


def decide(command: Command, claimed: Claimed) -> Sequence[Event]:
    if claimed.repair == command.repair:
        return []
    if claimed.repair is not None:
        raise USED(certificate=command.certificate, asset_no=claimed.asset_no, field="certificate")
    return [becomes(command, CertificateClaimed)]


def evolve(_claimed: Claimed, event: Event) -> Claimed:
    return Claimed(event.repair, event.asset_no)


CERTIFICATE: Final = Decider(
    category="certificate",
    initial=Claimed(),
    key="certificate",
    begins=(ClaimCertificate,),
    parts=(Part(members(Command), members(Event), decide, evolve),),
)
