"""A client whose tokens are made anew works on while each of them runs out, as the platform itself judges them."""

import pytest

from client import Unidentified, types
from kernel.clock import system_clock_us
from kernel.identity import CLOCK_LEEWAY_S
from kernel.identity_issuer import issue
from kernel.principal import Principal, Role
from tests.client.callers import KINDS, calling, losing
from tests.gateway.behind import behind
from tests.gateway.season import UNIT
from tests.gateway.serving import served

LIVES_S = 12
STEP_S = 2
OPERATOR = Principal(subject="u-1", roles=frozenset({Role.OPERATOR, Role.ADMIN}), units=frozenset({UNIT}))


class Clock:
    """Real time, and as much more as a test lets pass: less than the platform allows for clocks that differ."""

    passed_s = 0

    def __call__(self):
        return system_clock_us() + self.passed_s * 1_000_000


class Wallet:
    """Tokens of the built-in issuer that the platform takes for LIVES_S, each made when the last is old."""

    def __init__(self, platform, kept_s):
        self.platform, self.kept_s = platform, kept_s
        self.made, self.asked, self.made_at_s = [], 0, 0

    def __call__(self):
        self.asked += 1
        clock = self.platform.clock
        if not self.made or clock.passed_s - self.made_at_s >= self.kept_s:
            self.made_at_s = clock.passed_s
            # What the platform allows for clocks that differ is taken off.
            self.made.append(issue(self.platform.keys, OPERATOR, clock=clock, seconds=LIVES_S - CLOCK_LEEWAY_S))
        return self.made[-1]


@pytest.fixture
async def platform(tmp_path):
    clock = Clock()
    async with behind(tmp_path, clock=clock) as started, served(started.gateway.app) as url:
        started.url, started.clock = url, clock
        yield started


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


async def test_work_outlasts_a_token_that_is_made_anew(platform, kind):
    wallet = Wallet(platform, kept_s=2 * STEP_S)
    async with calling(kind, platform.url, wallet) as renewing, calling(kind, platform.url, wallet()) as fixed:
        assert await fixed.call("ask", types.ListSites())
        asked = 0
        while platform.clock.passed_s < 2 * LIVES_S:
            await renewing.call("ask", types.ListSites())
            asked += 1
            platform.clock.passed_s += STEP_S
        with pytest.raises(Unidentified) as expired:
            await fixed.call("ask", types.ListSites())
        assert expired.value.code == "identity.expired"
    assert wallet.asked == asked + 1
    assert len(wallet.made) == asked // 2


async def test_a_token_that_is_kept_too_long_is_refused_by_name(platform, kind):
    wallet = Wallet(platform, kept_s=3_600)
    async with calling(kind, platform.url, wallet) as caller:
        await caller.call("ask", types.ListSites())
        platform.clock.passed_s += LIVES_S + 1
        with pytest.raises(Unidentified) as expired:
            await caller.call("ask", types.ListSites())
        assert expired.value.code == "identity.expired"
        # The next token counts again, on the same connection.
        wallet.made.clear()
        await caller.call("ask", types.ListSites())


async def test_a_request_that_is_sent_again_takes_a_token_of_its_own(platform, kind):
    wallet, network = Wallet(platform, kept_s=0), losing(kind, 1)
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
