"""What a re-verification needs from other streams before it can be decided: the scheme as it stands, that the device is
there, and a certificate number that is no other's.

The number is taken before the certificate is issued, and only for a command that would issue it: of two that give the
same number at the same moment one is refused. Where the issue then fails after all, the number stays this repair's.
"""

import re
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, TypeAlias

import msgspec

from kernel.folded import Folded
from kernel.handling import Ask, Outcome
from kernel.refusal import Refusal, against_rules, unreadable
from services.sorting.certificate import ClaimCertificate
from services.sorting.furnishing import UNCONFIRMED, AskViews, Production
from services.sorting.repair import REPAIR, UNKNOWN, Repair, ReVerified, ReVerify, ReVerifyByScheme
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
HandleMany: TypeAlias = Callable[[Sequence[Ask]], Awaitable[list[Outcome | Refusal]]]


class _Known(msgspec.Struct, frozen=True):
    """What a call's re-verifications need to know."""

    repairs: Mapping[str, Repair]
    schemes: Mapping[str, Published]
    devices: Mapping[str, DeviceRow]
    kinds: Mapping[str, str]


class Reverifying:
    """Asks the streams of repairs and schemes, and the views; takes certificate numbers by `claim`."""

    def __init__(
        self,
        repairs: Folded[Repair],
        schemes: Folded[Published],
        ask_now: AskViews,
        claim: HandleMany,
        production: Production,
        certificate_form: str,
    ) -> None:
        """`certificate_form` is a regular expression that numbers match as a whole."""
        self._repairs: Final = repairs
        self._schemes: Final = schemes
        self._ask_now: Final = ask_now
        self._claim: Final = claim
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
        judged = [self._furnished(ask, known) for ask in asks]
        return await self._numbered(judged, known)

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

    async def _numbered(self, asks: Sequence[Ask], known: _Known) -> Sequence[Ask]:
        """The same, with the certificate numbers taken, or with what is against that."""
        places = [place for place, ask in enumerate(asks) if _would_certify(ask, known)]
        refused = await self._claim([_claim(asks[place], known) for place in places]) if places else []
        numbered = list(asks)
        for place, answer in zip(places, refused, strict=True):
            if isinstance(answer, Refusal):
                numbered[place] = msgspec.structs.replace(asks[place], hindrance=answer)
        return numbered


def _would_certify(ask: Ask, known: _Known) -> bool:
    """Whether the command issues a certificate, as far as is known before it is decided."""
    if not isinstance(ask.command, ReVerifyByScheme) or ask.hindrance is not None:
        return False
    try:
        (event,) = REPAIR.decide(ask.command, known.repairs[ask.command.repair])
    except Refusal:
        return False
    return isinstance(event, ReVerified)


def _claim(ask: Ask, known: _Known) -> Ask:
    command: ReVerify = ask.command
    asset_no = known.repairs[command.repair].asset_no
    claim = ClaimCertificate(
        **command.moment, certificate=command.certificate, repair=command.repair, asset_no=asset_no
    )
    context = msgspec.structs.replace(
        ask.context, command_id=uuid.uuid5(ask.context.command_id, "certificate"), expected_version=None
    )
    return Ask(claim, context, ask.permit)
