"""A log that is away, full, slow, or dies after it has written: said in one way at every door, and nothing is done
twice or by half.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from kernel.identity_issuer import issue
from kernel.principal import Principal, Role
from ledger.memory import MemoryLedger
from ledger.port import Unavailable
from services.registry.asset_number import compose
from services.registry.meter.identity import Register
from services.sorting.run import StartRun
from tests.doors.entrances import Entrances
from tests.gateway.behind import behind
from tests.registry.doors.entrances import Entrances as RegistryEntrances
from tests.registry.stories import DAY, UNIT
from tests.sorting.doors.entrances import Entrances as SortingEntrances
from tests.sorting.examples import BENCH, SITE

pytestmark = pytest.mark.asyncio(loop_scope="module")

SLOW_S = 0.4
EVERYBODY = Principal(subject="u-1", roles=frozenset(Role), units=frozenset({"*"}))
AT = ("rest", "grpc", "gateway")


class Troubled(MemoryLedger):
    """Away for whoever reads and writes, full for whoever writes, slow, or one that dies when it has written."""

    trouble: str | None = None

    async def append(self, *asked, **more):
        if self.trouble in ("away", "full"):
            raise Unavailable(self.trouble)
        if self.trouble == "slow":
            await asyncio.sleep(SLOW_S)
        receipt = await super().append(*asked, **more)
        if self.trouble == "dies":
            raise Unavailable(self.trouble)
        return receipt

    async def read(self, *asked, **more):
        self._refuse()
        return await super().read(*asked, **more)

    async def read_many(self, *asked, **more):
        self._refuse()
        return await super().read_many(*asked, **more)

    def _refuse(self):
        if self.trouble == "away":
            raise Unavailable(self.trouble)


class Given(msgspec.Struct, frozen=True):
    """A command of a service about the nth thing of its kind, which begins it; and what is then asked of it in the log,
    and of the views.
    """

    entrances: Callable[[Any], Entrances]
    command: Callable[[int], msgspec.Struct]
    from_log: tuple[str, dict[str, Any]]
    from_views: str


def number(nth: int) -> str:
    return compose(UNIT, "01", f"{nth:014d}")


SERVICES = {
    "registry": Given(
        entrances=RegistryEntrances,
        command=lambda nth: Register(occurred_on=DAY, asset_no=number(nth), device_class="01", unit=UNIT),
        from_log=("GetLife", {"asset_no": number(1)}),
        from_views="ListSites",
    ),
    "sorting": Given(
        entrances=SortingEntrances,
        command=lambda nth: StartRun(occurred_on=DAY, run_id=f"R{nth}", bench=BENCH, site=SITE),
        from_log=("GetForm", {"asset_no": number(1)}),
        from_views="ListInspections",
    ),
}


class Hall:
    """A platform over such a log. Each test gives commands of its own."""

    def __init__(self, given: Given, entrances: Entrances, ledger: Troubled) -> None:
        self.given, self.entrances, self.ledger = given, entrances, ledger
        self.token = issue(entrances.platform.keys, EVERYBODY)
        self.nth = 0

    def next(self) -> msgspec.Struct:
        self.nth += 1
        return self.given.command(self.nth)

    async def give(self, at: str, command: msgspec.Struct) -> Any:
        return await self.entrances.named(at).give(command, self.token, "k")


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=SERVICES)
async def hall(request, tmp_path_factory):
    ledger, given = Troubled(), SERVICES[request.param]
    async with behind(tmp_path_factory.mktemp("trouble"), troubled=ledger) as platform:
        yield Hall(given, given.entrances(platform), ledger)
    await ledger.close()


@pytest.fixture(autouse=True)
def over(hall):
    yield
    hall.ledger.trouble = None


@pytest.mark.parametrize("trouble", ["away", "full"])
async def test_what_the_log_cannot_take_is_said_alike_and_taken_once_it_can(hall, trouble):
    command, head = hall.next(), await hall.ledger.head()
    hall.ledger.trouble = trouble
    answers = [await hall.give(at, command) for at in AT]
    assert {answer.code for answer in answers} == {"ledger.unavailable"}
    assert len({(answer.zh, answer.en) for answer in answers}) == 1
    assert [answer.status for answer in answers] == [503, None, 503]
    assert await hall.ledger.head() == head
    hall.ledger.trouble = None
    told = [await hall.give(at, command) for at in AT]
    assert [answer.value["repeated"] for answer in told] == [False, True, True]


@pytest.mark.parametrize("at", AT)
async def test_what_was_written_before_the_log_died_is_not_written_again(hall, at):
    command, head = hall.next(), await hall.ledger.head()
    hall.ledger.trouble = "dies"
    assert (await hall.give(at, command)).code == "ledger.unavailable"
    hall.ledger.trouble = None
    again = await hall.give(at, command)
    assert (again.code, again.value["repeated"]) == (None, True)
    assert await hall.ledger.head() == head + 1


async def test_whoever_does_not_wait_for_a_slow_log_asks_again_and_it_is_done_once(hall):
    command, head = hall.next(), await hall.ledger.head()
    hall.ledger.trouble = "slow"
    late = await hall.entrances.rpc.call(
        type(command).__name__, command, hall.token, idempotency_key="k", timeout_s=SLOW_S / 4
    )
    # Whichever of the two sees first that the time is over.
    assert late.code in {"request.deadline", "peer.deadline"}
    patient = await hall.give("rest", command)
    hall.ledger.trouble = None
    assert patient.code is None
    again = await hall.give("grpc", command)
    assert again.value["repeated"] is True
    assert await hall.ledger.head() == head + 1


async def test_views_answer_while_the_log_is_away_and_what_needs_it_says_so(hall):
    hall.ledger.trouble = "away"
    question, about = hall.given.from_log
    for at in AT:
        entrance = hall.entrances.named(at)
        assert (await entrance.ask(question, dict(about), hall.token)).code == "ledger.unavailable"
        assert (await entrance.ask(hall.given.from_views, {}, hall.token)).code is None
