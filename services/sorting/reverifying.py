"""What a re-verification needs from other streams before it can be decided: the scheme as it stands, that the device is
there, and a certificate number that is no other's.

The number is taken in the same append by which the certificate is issued: of two that give the same number at the same
moment one is refused, and what issues none takes none.
"""

import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from kernel.folded import Folded
from kernel.handling import Along, Ask, Handling
from kernel.refusal import Refusal, against_rules, unreadable
from ledger.port import Append
from services.sorting.certificate import USED, ClaimCertificate, Claimed
from services.sorting.furnishing import UNCONFIRMED, AskViews, Production
from services.sorting.repair import UNKNOWN, Repair, ReVerified, ReVerify, ReVerifyByScheme
from services.sorting.scheme import Published
from services.sorting.views.device import DeviceRow, devices, site_kinds

NOT_HERE = against_rules(
    "repair.not_here",
    "器具 {asset_no} 在账面上不在站点 {site}（现在：{place}）。送修的器具须先在登记服务办理退回，再重新检定。",
    "{asset_no} is not at site {site} on record (it is at {place}); what was out for repair is booked back in the "
    "registry before it is re-verified",
)
NO_LABORATORY = against_rules(
    "repair.no_laboratory",
    "站点 {site} 不是分拣中心或实验室，不能重新检定。",
    "site {site} is neither a centre nor a laboratory; nothing is re-verified there",
)
CERTIFICATE_FORM = unreadable(
    "certificate.form",
    "证书编号 {certificate} 不符合规定格式 {form}。",
    "certificate number {certificate} does not have the form {form}",
)

VERIFYING_SITES: Final = frozenset({"centre", "laboratory"})


class _Known(msgspec.Struct, frozen=True):
    """What a call's re-verifications need to know."""

    repairs: Mapping[str, Repair]
    schemes: Mapping[str, Published]
    devices: Mapping[str, DeviceRow]
    kinds: Mapping[str, str]


class Reverifying:
    """Asks the streams of repairs, schemes and certificate numbers, and the views."""

    def __init__(
        self,
        repairs: Folded[Repair],
        schemes: Folded[Published],
        ask_now: AskViews,
        certificates: Handling[Claimed],
        production: Production,
        certificate_form: str,
    ) -> None:
        """`certificate_form` is a regular expression that numbers match as a whole."""
        self._repairs: Final = repairs
        self._schemes: Final = schemes
        self._ask_now: Final = ask_now
        self._certificates: Final = certificates
        self._production: Final = production
        self._form: Final = re.compile(certificate_form)

    async def furnished(self, asks: Sequence[Ask]) -> Sequence[Ask]:
        """The same, each re-verification with what it needs, or with what is against it. Raises Stale,
        ledger.port.Unavailable.
        """
        commands = [ask.command for ask in asks if isinstance(ask.command, ReVerify)]
        if not commands:
            return asks
        repairs = await self._repairs.now({command.repair for command in commands})
        schemes = await self._schemes.now({repair.group for repair in repairs.values() if repair.group})
        numbers = {repair.asset_no for repair in repairs.values()}
        there = await self._ask_now(lambda connection: devices(connection, numbers))
        kinds = await self._ask_now(lambda connection: site_kinds(connection, {one.site for one in commands}))
        known = _Known(repairs, schemes, there, kinds)
        taken: dict[str, str] = {}
        return [await self._numbered(self._furnished(ask, known), known, taken) for ask in asks]

    def _furnished(self, ask: Ask, known: _Known) -> Ask:
        if not isinstance(ask.command, ReVerify):
            return ask
        try:
            furnished = self._with_what_it_needs(ask.command, known)
        except Refusal as refusal:
            return msgspec.structs.replace(ask, hindrance=refusal)
        return msgspec.structs.replace(ask, command=furnished, asked=ask.given)

    def _with_what_it_needs(self, command: ReVerify, known: _Known) -> ReVerifyByScheme:
        repair = known.repairs[command.repair]
        if repair.phase == "none":
            raise UNKNOWN(repair=command.repair)
        if self._form.fullmatch(command.certificate) is None:
            form = self._form.pattern
            raise CERTIFICATE_FORM(certificate=command.certificate, form=form, field="certificate")
        device = known.devices.get(repair.asset_no)
        if device is None or device.site != command.site:
            place = device.site if device and device.site else "—"
            raise NOT_HERE(asset_no=repair.asset_no, site=command.site, place=place, field="site")
        if known.kinds.get(command.site, "centre") not in VERIFYING_SITES:
            raise NO_LABORATORY(site=command.site, field="site")
        schemes = known.schemes[repair.group]
        if self._production.is_on and (limits := len(schemes.versions[-1].unconfirmed())):
            raise UNCONFIRMED(group=repair.group, version=schemes.version, limits=limits)
        said = msgspec.structs.asdict(command)
        return ReVerifyByScheme(**said, scheme=schemes.versions[-1], ref=schemes.ref)

    async def _numbered(self, ask: Ask, known: _Known, taken: dict[str, str]) -> Ask:
        """The same, with its certificate number to be taken along. `taken` are the numbers of this call, each with the
        repair that has it: more than one of a call may ask for a number that nobody has yet.
        """
        if not isinstance(ask.command, ReVerifyByScheme) or ask.hindrance is not None:
            return ask
        (answer,), appends = await self._certificates.prepared([_claim(ask, known)])
        return msgspec.structs.replace(ask, along=_along(ask.command, answer, appends, known, taken))


def _along(command: ReVerify, answer: object, appends: Sequence[Append], known: _Known, taken: dict[str, str]) -> Along:
    """Takes the number where a certificate is issued; a re-verification that failed takes none."""

    def along(events: Sequence[Any]) -> Append | None:
        if not isinstance(events[0], ReVerified):
            return None
        if isinstance(answer, Refusal):
            raise answer
        first = taken.setdefault(command.certificate, command.repair)
        if first != command.repair:
            asset_no = known.repairs[first].asset_no
            raise USED(certificate=command.certificate, asset_no=asset_no, field="certificate")
        return appends[0] if appends else None

    return along


def _claim(ask: Ask, known: _Known) -> Ask:
    command: ReVerify = ask.command
    asset_no = known.repairs[command.repair].asset_no
    claim = ClaimCertificate(
        **command.moment, certificate=command.certificate, repair=command.repair, asset_no=asset_no
    )
    context = msgspec.structs.replace(
        ask.context, command_id=uuid.uuid5(ask.context.command_id, "certificate"), expected_version=None
    )
    return Ask(claim, context)
