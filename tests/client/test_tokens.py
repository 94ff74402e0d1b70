"""A client whose tokens are made anew works on while each of them runs out, as the platform itself judges them."""

import asyncio
import time

import pytest

from client import Unidentified, types
from kernel.identity import CLOCK_LEEWAY_S
from kernel.identity_issuer import issue
from kernel.principal import Principal, Role
from tests.client.callers import KINDS, calling, losing
from tests.gateway.behind import behind
from tests.gateway.season import UNIT
from tests.gateway.serving import served

LIVES_S = 2
OPERATOR = Principal(subject="u-1", roles=frozenset({Role.OPERATOR, Role.ADMIN}), units=frozenset({UNIT}))


class Wallet:
    """Tokens of the built-in issuer that the platform takes for about two seconds, each made when the last is old."""

    def __init__(self, keys, kept_s):
        self.keys, self.kept_s = keys, kept_s
        self.made, self.asked, self.made_at_s = [], 0, 0.0

    def __call__(self):
        self.asked += 1
        if not self.made or time.monotonic() - self.made_at_s > self.kept_s:
            self.made_at_s = time.monotonic()
            # What the platform allows for clocks that differ is taken off.
            self.made.append(issue(self.keys, OPERATOR, seconds=LIVES_S - CLOCK_LEEWAY_S))
        return self.made[-1]


@pytest.fixture
async def platform(tmp_path):
    async with behind(tmp_path) as started, served(started.gateway.app) as url:
        started.url = url
        yield started


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


async def test_work_outlasts_a_token_that_is_made_anew(platform, kind):
    wallet = Wallet(platform.keys, kept_s=0.5)
    async with calling(kind, platform.url, wallet) as renewing, calling(kind, platform.url, wallet()) as fixed:
        assert await fixed.call("ask", types.ListSites())
        until, asked = time.monotonic() + LIVES_S + 2, 0
        while time.monotonic() < until:
            await renewing.call("ask", types.ListSites())
            asked += 1
            await asyncio.sleep(0.2)
        with pytest.raises(Unidentified) as expired:
            await fixed.call("ask", types.ListSites())
        assert expired.value.code == "identity.expired"
    assert wallet.asked == asked + 1
    assert len(wallet.made) > LIVES_S


async def test_a_token_that_is_kept_too_long_is_refused_by_name(platform, kind):
    wallet = Wallet(platform.keys, kept_s=3_600)
    async with calling(kind, platform.url, wallet) as caller:
        await caller.call("ask", types.ListSites())
        await asyncio.sleep(LIVES_S + 1)
        with pytest.raises(Unidentified) as expired:
            await caller.call("ask", types.ListSites())
        assert expired.value.code == "identity.expired"
        # The next token counts again, on the same connection.
        wallet.made.clear()
        await caller.call("ask", types.ListSites())


async def test_a_request_that_is_sent_again_takes_a_token_of_its_own(platform, kind):
    wallet, network = Wallet(platform.keys, kept_s=0), losing(kind, 1)
    async with calling(kind, platform.url, wallet, transport=network) as caller:
        await caller.call("ask", types.ListSites())
    sent = [request.headers["Authorization"].removeprefix("Bearer ") for request in network.sent]
    # Two made within a second are alike.
    assert sent == wallet.made
    assert len(sent) == 2


async def test_no_token_no_request(platform, kind):
    def locked():
        raise PermissionError("the wallet is locked")

    network = losing(kind, 0)
    async with calling(kind, platform.url, locked, transport=network) as caller:
        with pytest.raises(PermissionError):
            await caller.call("ask", types.ListSites())
    async with calling(kind, platform.url, lambda: "two words", transport=network) as caller:
        with pytest.raises(ValueError, match="characters that no token has"):
            await caller.call("ask", types.ListSites())
    assert network.sent == []
