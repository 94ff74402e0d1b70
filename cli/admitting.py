"""Who is let in at `meterloop ledger serve`, and for how long: as long as its credential is in the file.

The file is looked at again every second, for a subscription asks nothing of its own accord. Where a credential is gone
from it or is another, by its role or its password, what was granted by it is withdrawn.
"""

import asyncio
from typing import Final

import msgspec
import structlog

from cli.basic import BasicCredentials, TooMany
from cli.credentials import Credential
from cli.grants import grant_of
from kernel.disclosure import Disclosure
from ledger.server.access import PEER, Busy, Grant, NotAdmitted, Withdrawal

LOOKED_AT_EACH_S: Final = 1.0

NOBODY = "没有凭证，或凭证不对。no credentials, or wrong ones: see `meterloop ledger user`"
BUSY = "待核验的凭证过多，请稍后再试。too many credentials to look at; try again shortly"

_LOG: Final = structlog.get_logger("ledger")


class Admitting:
    """The admission by credentials. For one event loop."""

    def __init__(self, basic: BasicCredentials, disclosure: Disclosure) -> None:
        self._basic, self._disclosure = basic, disclosure
        self._given: Final[dict[Credential, tuple[Grant, Withdrawal]]] = {}
        self._readable = True

    async def __call__(self, authorization: str | None) -> Grant:
        """Raises NotAdmitted, Busy; OSError, ValueError where the file cannot be read."""
        try:
            credential = await self._basic.of(authorization, PEER.get())
        except TooMany:
            raise Busy(BUSY) from None
        if credential is None:
            raise NotAdmitted(NOBODY)
        if credential not in self._given:
            withdrawal = Withdrawal()
            grant = grant_of(credential.role, credential.service, self._disclosure)
            if not self._given:
                self._look_later()
            self._given[credential] = msgspec.structs.replace(grant, withdrawal=withdrawal), withdrawal
        return self._given[credential][0]

    def _look_later(self) -> None:
        asyncio.get_running_loop().call_later(LOOKED_AT_EACH_S, self._look)

    def _look(self) -> None:
        try:
            there = set(self._basic.users().users.values())
        except (OSError, ValueError) as error:
            # Nobody is taken for removed by that; new calls end as failures until the file can be read again.
            if self._readable:
                _LOG.warning("the users cannot be read", exc_info=error)
            self._readable = False
        else:
            self._readable = True
            for credential in self._given.keys() - there:
                _, withdrawal = self._given.pop(credential)
                withdrawal.withdraw()
        if self._given:
            self._look_later()
