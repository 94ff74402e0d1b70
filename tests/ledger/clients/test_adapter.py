"""The adapter over TLS, as a service's user, and what it is told where the user or the password is wrong."""

import os

import pytest

from cli.credentials import add_user, new_password
from kernel.principal import Role
from ledger.open import open_ledger
from ledger.port import NO_STREAM, Append, Rejected
from tests.ledger.clients.serving import Serving
from tests.ledger.making import draft, everything, first_events, one

CREATED_AT_US = 1_780_000_000_000_000


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A server over TLS, and the password of its one user."""
    folder = tmp_path_factory.mktemp("adapter")
    password = new_password()
    add_user(folder / "keys", "registry", Role.SERVICE, "registry", password, CREATED_AT_US)
    with Serving(data=folder) as server:
        yield server.door, password


@pytest.mark.parametrize("scheme", ["kurrentdb", "kurrentdb+discover"])
async def test_a_service_keeps_its_log_behind_a_server(served, scheme):
    door, password = served
    log = await open_ledger(door.of(f"registry:{password}").url(scheme=scheme))
    stream = f"meter-{os.urandom(6).hex()}"
    before = await log.head()
    written = Append(stream, NO_STREAM, [draft(b"1", metadata=b"\xff"), draft(b"2")])
    receipt = await log.append([written])
    assert [event.position for event in await everything(log, before)] == list(receipt.positions)
    assert len(await first_events(log.follow(before, stream_prefixes=["meter-"]), 2)) == 2
    with pytest.raises(Rejected) as refused:
        await log.append(one("elsewhere-1"))
    assert password not in str(refused.value)
    await log.close()


async def test_a_wrong_password_is_refused_at_once_and_not_waited_for(served):
    door, password = served
    for credentials in (f"registry:{password}x", f"nobody:{password}"):
        with pytest.raises(Rejected) as refused:
            await open_ledger(door.of(credentials).url())
        assert password not in str(refused.value)
