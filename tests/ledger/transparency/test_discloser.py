"""What is disclosed, and what keeps the discloser from disclosing it; read with `ledger.proof` alone."""

import asyncio
import os
from contextlib import asynccontextmanager

import msgspec
import pytest

from ledger.memory import MemoryLedger
from ledger.port import ANY, Append, Draft
from ledger.proof.disclosure import FILE_BYTES_MAX, RECORDS_BYTES_MAX
from ledger.sqlite import SqliteLedger
from ledger.transparency import disclosed
from ledger.transparency import discloser as module
from ledger.transparency.disclosed import METADATA, PUBLIC, RANGE_ENTRIES, SUPERVISOR, head_name, packed, range_name
from ledger.transparency.discloser import GiveWay, Labels
from ledger.transparency.faults import LogFault
from ledger.transparency.layout import CHECKPOINT, MARKS
from tests.ledger.making import everything
from tests.ledger.transparency.disclosures import (
    CLOSED,
    LABELS,
    OPEN,
    UNKNOWN,
    Forged,
    Shown,
    check,
    disclose,
    discloser_of,
    record,
    sequence,
)


@pytest.fixture(params=["memory", "memory in strides", "sqlite"])
async def ledger(request, tmp_path):
    match request.param:
        case "memory":
            ledger = MemoryLedger()
        case "memory in strides":
            ledger = MemoryLedger(position_stride=7)
        case _:
            ledger = await SqliteLedger.open(tmp_path / "ledger.sqlite")
    yield ledger
    await ledger.close()


async def test_nothing_is_disclosed_before_a_checkpoint_is_published(ledger, tmp_path):
    done = await discloser_of(ledger, tmp_path).step()
    assert (done.added, done.covered, done.published) == (0, 0, 0)
    assert not (tmp_path / "proof").exists()


async def test_of_an_empty_log_the_heads_say_so(ledger, tmp_path):
    await sequence(ledger, tmp_path)
    assert await disclose(discloser_of(ledger, tmp_path)) == 0
    shown = Shown(tmp_path)
    assert {head.covered for head in shown.heads.values()} == {0}


async def test_what_is_published_is_disclosed_to_whom_it_may_be(ledger, tmp_path):
    following = discloser_of(ledger, tmp_path)
    for count in (1, 255, 1, 600, RANGE_ENTRIES - 857, 1, RANGE_ENTRIES, 2 * RANGE_ENTRIES + 5):
        await record(ledger, count)
        size = await sequence(ledger, tmp_path)
        assert await disclose(following) == await check(ledger, tmp_path) == size
    assert following.unlabelled == {UNKNOWN: size // 4}


async def test_started_anew_at_every_size_it_goes_on_where_it_was(tmp_path):
    ledger = MemoryLedger(position_stride=3)
    for _ in range(30):
        await record(ledger, 37)
        size = await sequence(ledger, tmp_path)
        assert await disclose(discloser_of(ledger, tmp_path)) == size
        assert await check(ledger, tmp_path) == size


async def test_around_the_end_of_a_range(tmp_path):
    ledger = MemoryLedger()
    await record(ledger, RANGE_ENTRIES - 2)
    for size in range(RANGE_ENTRIES - 2, RANGE_ENTRIES + 3):
        assert await sequence(ledger, tmp_path) == size
        assert await disclose(discloser_of(ledger, tmp_path)) == await check(ledger, tmp_path) == size
        await record(ledger, 1)
    whole = tmp_path / "proof" / range_name(PUBLIC, 0)
    before = whole.stat()
    await sequence(ledger, tmp_path)
    await disclose(discloser_of(ledger, tmp_path))
    assert whole.stat() == before, "a whole range is never written again"


async def test_much_at_once_goes_step_by_step(tmp_path):
    ledger = MemoryLedger()
    await record(ledger, module.STEP_ENTRIES_MAX + 300)
    size = await sequence(ledger, tmp_path)
    following = discloser_of(ledger, tmp_path)
    done = await following.step()
    assert (done.added, done.covered, done.published) == (module.STEP_ENTRIES_MAX, module.STEP_ENTRIES_MAX, size)
    assert await check(ledger, tmp_path) == module.STEP_ENTRIES_MAX
    assert await disclose(following) == await check(ledger, tmp_path) == size


async def test_a_label_that_changes_holds_from_then_on(tmp_path):
    ledger = MemoryLedger()
    await record(ledger, 100)
    await sequence(ledger, tmp_path)
    await disclose(discloser_of(ledger, tmp_path))
    before = Shown(tmp_path).public
    await record(ledger, 100)
    await sequence(ledger, tmp_path)
    other = Labels(public=frozenset({CLOSED}), labelled=LABELS.labelled)
    await disclose(discloser_of(ledger, tmp_path, other))
    after = Shown(tmp_path).public
    assert {index: one for index, one in after.items() if index < 100} == before
    assert {one.type for index, one in after.items() if index >= 100} == {CLOSED}


async def test_it_follows_the_checkpoint_by_itself(tmp_path):
    ledger = MemoryLedger()
    following = discloser_of(ledger, tmp_path)
    running = asyncio.create_task(following.run())
    try:
        for _ in range(3):
            await record(ledger, 100)
            size = await sequence(ledger, tmp_path)
            async with asyncio.timeout(20):
                while following.covered < size:  # noqa: ASYNC110  it tells nobody
                    await asyncio.sleep(0.01)
            assert await check(ledger, tmp_path) == size
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@asynccontextmanager
async def growing(ledger, folder, following):
    """While the block lasts the log grows without a pause, and somebody discloses it. Yields how to end the growth."""
    calming = asyncio.Event()

    async def grow():
        while not calming.is_set():
            await record(ledger, 10)
            await sequence(ledger, folder)

    growth = asyncio.create_task(grow())
    running = asyncio.create_task(following.run())

    async def calm():
        calming.set()
        await growth

    try:
        yield calm
    finally:
        await calm()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_it_gives_way_while_the_log_grows_fast(tmp_path):
    ledger = MemoryLedger()
    await record(ledger, 10)
    await sequence(ledger, tmp_path)
    following = discloser_of(ledger, tmp_path, giving_way=GiveWay(fast_entries=1, look_s=1, s_max=60))
    async with growing(ledger, tmp_path, following) as calm:
        async with asyncio.timeout(20):
            while not (begun := following.covered):  # noqa: ASYNC110  it tells nobody
                await asyncio.sleep(0.01)
            while following.published < begun + 40:  # noqa: ASYNC110  as above
                await asyncio.sleep(0.01)
        assert following.covered == begun
        await calm()
        size = len(await everything(ledger))
        async with asyncio.timeout(20):
            while following.covered < size:  # noqa: ASYNC110  it tells nobody
                await asyncio.sleep(0.01)
    assert await check(ledger, tmp_path) == size


async def test_it_gives_way_so_long_and_no_longer(tmp_path):
    ledger = MemoryLedger()
    await record(ledger, 10)
    await sequence(ledger, tmp_path)
    following = discloser_of(ledger, tmp_path, giving_way=GiveWay(fast_entries=1, look_s=0.2, s_max=0.3))
    async with growing(ledger, tmp_path, following), asyncio.timeout(20):
        while following.covered < 40:  # noqa: ASYNC110  it tells nobody
            await asyncio.sleep(0.01)


async def standing(ledger, folder, count=300):
    """A log of which everything is disclosed, and some more that is not."""
    await record(ledger, count)
    await sequence(ledger, folder)
    await disclose(discloser_of(ledger, folder))


async def stops(ledger, folder, code, *said):
    """That this is where disclosing stops, and nothing is written any more."""
    before = files(folder)
    following = discloser_of(ledger, folder)
    for _ in range(2):
        with pytest.raises(LogFault) as caught:
            await following.step()
        assert caught.value.code == code
        for text in said:
            assert text in caught.value.zh
            assert text in caught.value.en
    assert files(folder) == before


def files(folder):
    proof = folder / "proof"
    return {
        path.relative_to(proof): path.read_bytes()
        for of in (PUBLIC, SUPERVISOR, METADATA)
        for path in (proof / of).rglob("*")
        if path.is_file()
    }


async def test_an_event_that_is_not_the_logs_stops_it_with_its_index(tmp_path):
    ledger = Forged(position_stride=5)
    await standing(ledger, tmp_path)
    await record(ledger, 50)
    await sequence(ledger, tmp_path)
    ledger.forged = 5 * 321
    await stops(ledger, tmp_path, "log.disclosure_differs", "320", str(ledger.forged))
    ledger.forged = None
    assert await disclose(discloser_of(ledger, tmp_path)) == await check(ledger, tmp_path) == 350


async def test_it_stops_by_itself_while_it_runs(tmp_path):
    ledger = Forged()
    await record(ledger, 10)
    await sequence(ledger, tmp_path)
    ledger.forged = 3
    with pytest.raises(LogFault, match=r"log\.disclosure_differs"):
        await asyncio.wait_for(discloser_of(ledger, tmp_path).run(), 10)


async def test_another_ledger_is_noticed_even_where_nothing_is_new(tmp_path):
    await standing(MemoryLedger(), tmp_path)
    other = MemoryLedger()
    await record(other, 400)
    await stops(other, tmp_path, "log.disclosure_differs", "256")


async def test_a_ledger_that_ends_before_the_log_does(tmp_path):
    ledger = await SqliteLedger.open(tmp_path / "ledger.sqlite")
    await record(ledger, 280)
    await ledger.backup(tmp_path / "earlier.sqlite")
    await standing(ledger, tmp_path, 20)
    await ledger.close()
    earlier = await SqliteLedger.open(tmp_path / "earlier.sqlite")
    await stops(earlier, tmp_path, "log.ledger_shorter", "280")
    await earlier.close()


async def test_what_is_disclosed_of_another_log(tmp_path):
    ledger = MemoryLedger()
    await standing(ledger, tmp_path)
    (tmp_path / "proof" / head_name(PUBLIC)).write_text("log.example/another\n300\n")
    await stops(ledger, tmp_path, "log.disclosure_of_other_log", "log.example/another")


async def test_an_older_checkpoint_put_back(tmp_path):
    ledger = MemoryLedger()
    await record(ledger, 100)
    await sequence(ledger, tmp_path)
    older = (tmp_path / "proof" / CHECKPOINT).read_bytes()
    await standing(ledger, tmp_path)
    (tmp_path / "proof" / CHECKPOINT).write_bytes(older)
    await stops(ledger, tmp_path, "log.disclosure_ahead", "400", "100")


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        (range_name(PUBLIC, 0), None, "log.disclosure_incomplete"),
        (range_name(SUPERVISOR, 0), packed(b""), "log.disclosure_incomplete"),
        (range_name(METADATA, 0), packed(b""), "log.disclosure_incomplete"),
        (range_name(SUPERVISOR, 0), packed(b"x"), "log.does_not_hold"),
        (range_name(PUBLIC, 0), b"no frame", "log.does_not_hold"),
        (range_name(PUBLIC, 0), packed(b"") + b"x", "log.does_not_hold"),
        (range_name(PUBLIC, 0), packed(b"x" * 100)[:-2], "log.does_not_hold"),
        (head_name(PUBLIC), b"log.example/tests\n", "log.does_not_hold"),
        (head_name(SUPERVISOR), b"log.example/tests\n0300\n", "log.does_not_hold"),
        (MARKS, b"", "log.file_short"),
        ("log/tile/0/001.p/44", os.urandom(44 * 32), "log.does_not_hold"),
    ],
)
async def test_a_file_that_is_not_what_it_was_is_never_written_over(tmp_path, name, content, code):
    ledger = MemoryLedger()
    await standing(ledger, tmp_path)
    if content is None:
        (tmp_path / "proof" / name).unlink()
    else:
        (tmp_path / "proof" / name).write_bytes(content)
    await stops(ledger, tmp_path, code)


@pytest.mark.parametrize("limit", ["RECORDS_BYTES_MAX", "FILE_BYTES_MAX"])
async def test_what_no_auditor_reads_is_not_written(tmp_path, monkeypatch, limit):
    assert (disclosed.RECORDS_BYTES_MAX, disclosed.FILE_BYTES_MAX) == (RECORDS_BYTES_MAX, FILE_BYTES_MAX)
    monkeypatch.setattr(disclosed, limit, 1_000)
    ledger = MemoryLedger()
    await record(ledger, 100)
    await sequence(ledger, tmp_path)
    await stops(ledger, tmp_path, "log.disclosure_too_large", "1000")
    assert not (tmp_path / "proof" / range_name(SUPERVISOR, 0)).exists()


async def test_tiles_that_are_not_there_yet_are_waited_for(tmp_path):
    """As after a restore, whose backup has the checkpoint and no tiles."""
    ledger = MemoryLedger()
    await record(ledger, 300)
    await sequence(ledger, tmp_path)
    tiles, away = tmp_path / "proof" / "log" / "tile", tmp_path / "away"
    tiles.rename(away)
    following = discloser_of(ledger, tmp_path)
    running = asyncio.create_task(following.run())
    async with asyncio.timeout(20):
        while following.trouble is None:  # noqa: ASYNC110  it tells nobody
            await asyncio.sleep(0.01)
        assert following.trouble.startswith("Missing: tile/")
        away.rename(tiles)
        while following.covered < 300:  # noqa: ASYNC110  it tells nobody
            await asyncio.sleep(0.01)
    running.cancel()
    assert await check(ledger, tmp_path) == 300


async def test_a_missing_head_is_written_again_from_the_beginning(tmp_path):
    ledger = MemoryLedger()
    await standing(ledger, tmp_path)
    before = files(tmp_path)
    (tmp_path / "proof" / head_name(SUPERVISOR)).unlink()
    assert await disclose(discloser_of(ledger, tmp_path)) == 300
    assert files(tmp_path) == before


async def test_what_systems_outside_wrote_is_for_supervisors_whatever_it_is_called_and_is_no_trouble(tmp_path):
    ledger = MemoryLedger()
    for stream in ("ext-1", "s", "ext-2"):
        await ledger.append([Append(stream, ANY, [Draft(os.urandom(16), kind, b"{}") for kind in (OPEN, "acme.Odd")])])
    await sequence(ledger, tmp_path)
    following = discloser_of(ledger, tmp_path, msgspec.structs.replace(LABELS, outside=("ext-",)))
    await disclose(following)
    shown = Shown(tmp_path)
    assert (list(shown.public), list(shown.supervisor)) == ([2], [0, 1, 2, 3, 4, 5])
    assert following.unlabelled == {"acme.Odd": 1}


async def test_an_unlabelled_type_is_for_supervisors_and_counted(tmp_path):
    ledger = MemoryLedger()
    await ledger.append([Append("s", ANY, [Draft(os.urandom(16), kind, b"{}") for kind in (UNKNOWN, OPEN, UNKNOWN)])])
    await sequence(ledger, tmp_path)
    following = discloser_of(ledger, tmp_path)
    await disclose(following)
    shown = Shown(tmp_path)
    assert (list(shown.public), list(shown.supervisor)) == ([1], [0, 1, 2])
    assert following.unlabelled == {UNKNOWN: 2}
