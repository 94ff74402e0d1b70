"""Who is let in, for as long as its credential is in the file of users."""

import asyncio
import base64
import time
from contextlib import AsyncExitStack, asynccontextmanager

import grpc
import pytest

from cli.admitting import Admitting
from cli.basic import BasicCredentials
from cli.credentials import FILE, add_user, remove_user
from cli.disclosing import DISCLOSURE
from kernel.disclosure import load
from kernel.principal import Role
from ledger.memory import MemoryLedger
from ledger.port import ANY, Append
from ledger.server.running import Limits, serve
from tests.ledger.making import drafts
from tests.ledger.server.asking import first, options, read, reading, refused, subscription

NOW_US = 1_780_000_000_000_000
PASSWORD = "correct-horse-staple"
WITHIN_S = 20.0


def header(name):
    return {"authorization": "Basic " + base64.b64encode(f"{name}:{PASSWORD}".encode()).decode()}


@asynccontextmanager
async def served(folder, **limits):
    for name in ("leaver", "stayer"):
        add_user(folder, name, Role.AUDITOR, None, PASSWORD, NOW_US)
    ledger = MemoryLedger()
    await ledger.append([Append("thing-1", ANY, drafts(1))])
    admit = Admitting(BasicCredentials(folder, wrong_pause_s=0), load(DISCLOSURE))
    server = await serve(ledger, "127.0.0.1:0", admit=admit, limits=Limits(**limits))
    yield ledger, f"127.0.0.1:{server.port}"
    await server.stop(grace_s=0)


def remove(folder):
    remove_user(folder, "leaver")


def change_role(folder):
    add_user(folder, "leaver", Role.MATERIALS, None, PASSWORD, NOW_US, replace=True)


@pytest.mark.parametrize("change", [remove, change_role])
async def test_a_subscription_ends_with_the_credential_by_which_it_began(tmp_path, change):
    async with (
        served(tmp_path) as (ledger, target),
        reading(target, subscription(), **header("leaver")) as left,
        reading(target, subscription(), **header("stayer")) as stayed,
    ):
        await first(left, 3)
        await first(stayed, 3)
        change(tmp_path)
        begun = time.monotonic()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await asyncio.wait_for(left.read(), WITHIN_S)
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert time.monotonic() - begun < WITHIN_S
        await ledger.append([Append("thing-1", ANY, drafts(1))])
        assert (await stayed.read()).HasField("event")
        if change is remove:
            assert (await refused(target, options(), **header("leaver"))).code() is grpc.StatusCode.UNAUTHENTICATED
        else:
            assert not [one for one in await read(target, options(), **header("leaver")) if one.HasField("event")]


async def test_a_file_that_cannot_be_read_takes_nobody_out(tmp_path):
    async with served(tmp_path) as (ledger, target), reading(target, subscription(), **header("stayer")) as stayed:
        await first(stayed, 3)
        whole = (tmp_path / FILE).read_bytes()
        (tmp_path / FILE).write_bytes(whole[:-9])
        await asyncio.sleep(2.5)
        await ledger.append([Append("thing-1", ANY, drafts(1))])
        assert (await stayed.read()).HasField("event")
        (tmp_path / FILE).write_bytes(whole)
        remove_user(tmp_path, "stayer")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await asyncio.wait_for(stayed.read(), WITHIN_S)
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_one_credential_has_its_places_however_it_is_written(tmp_path):
    shown = header("leaver")["authorization"].removeprefix("Basic ")
    spelled = [scheme + " " * blanks + shown for scheme in ("Basic", "BASIC") for blanks in (1, 3)]
    async with served(tmp_path, calls_max=8, calls_each_max=2) as (_, target), AsyncExitStack() as calls:
        for written in spelled[:2]:
            await first(await calls.enter_async_context(reading(target, subscription(), authorization=written)), 3)
        for written in spelled:
            error = await refused(target, options(), authorization=written)
            assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert await read(target, options(), **header("stayer"))
