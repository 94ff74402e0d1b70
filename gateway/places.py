"""Places that those who need no token take while they are answered, so many in all and so many an address."""

import ipaddress
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from kernel.refusal import Reason

NETWORK_BITS: Final = 64
"""Of an IPv6 address: whoever has one has all that begin alike, and would come from another each time."""


class Places:
    """Of one kind of answer. Reasons are given where there is none left, the second with its `limit`."""

    def __init__(self, most: int, most_of_address: int, *, full: Reason, full_of_address: Reason) -> None:
        self._most: Final = most
        self._most_of_address: Final = most_of_address
        self._reason_full: Final = full
        self._reason_full_of_address: Final = full_of_address
        self._of_address: Final[Counter[str]] = Counter()

    @property
    def full(self) -> bool:
        return self._of_address.total() >= self._most

    @contextmanager
    def place_for(self, client: tuple[str, int] | None) -> Iterator[None]:
        """One more of this address until the block ends, or a refusal."""
        address = _address(client)
        if self.full:
            raise self._reason_full()
        if self._of_address[address] >= self._most_of_address:
            raise self._reason_full_of_address(limit=self._most_of_address)
        self._of_address[address] += 1
        try:
            yield
        finally:
            self._of_address[address] -= 1
            if not self._of_address[address]:
                # Or there would be an entry for everybody who ever came.
                del self._of_address[address]


def _address(client: tuple[str, int] | None) -> str:
    """Whom a place is counted to. A proxy that may say for whom it asks has been believed by then."""
    if client is None:
        return ""
    try:
        address = ipaddress.ip_address(client[0].partition("%")[0])
    except ValueError:
        return client[0]
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, NETWORK_BITS), strict=False))
