"""The child that reads: what it may use, what becomes of it, and how its parts come to the service."""

import asyncio
import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from kernel.refusal import Refusal
from kernel.spreadsheet import Limits
from services.registry.imports.asked import FILE_BYTES_MAX, NewImport
from services.registry.imports.child import HEAD, MEMORY_BYTES, Request, cpu_s_max
from services.registry.imports.planning import as_commands, planned_in
from services.registry.imports.process import reading
from services.registry.imports.reading import Options, read
from services.registry.imports.rows import Heading
from tests.registry.imports.sheets import (
    DEFAULT,
    TODAY,
    Result,
    as_csv,
    as_ndjson,
    as_parquet,
    as_xlsx,
    number,
)

HEADER = ["资产编号", "设备类别", "供电单位", "生产厂家", "型号", "到货批次", "出厂日期", "备注"]


def row(i):
    return [number(i), "单相电能表", "99401", f"M{i % 7}", f"示例型号-{i % 5}", f"2019{i % 9}", "2019-03-05", ""]


ASK = NewImport(kind="devices", name="合成.csv", bytes=1)


def commands_of(result):
    return [planned for batch in result.batches for planned in planned_in(batch, ASK.kind)]


def read_here(content):
    options = Options(today=TODAY)
    return Result(list(as_commands(read(io.BytesIO(content), ASK.kind, DEFAULT, options), ASK, TODAY)))


def request(path, **options):
    given = {name: options.pop(name) for name in ("cpu_s_max", "memory_bytes_max") if name in options}
    given = {"cpu_s_max": 60} | given
    return Request(path=str(path), ask=ASK, mapping=DEFAULT, options=Options(today=TODAY, **options), **given)


async def parts_of(asked):
    async with reading(asked) as parts:
        return Result([part async for part in parts]), parts.done


async def taken_from(asked):
    """How many rows came, and what that took; the rows are not kept."""
    taken = 0
    async with reading(asked) as parts:
        async for part in parts:
            taken += 0 if isinstance(part, Heading) else len(planned_in(part, ASK.kind))
    return taken, parts.done


def of_process(pid, what):
    """What Linux says of a process, or nothing where there is none."""
    path = Path(f"/proc/{pid}/{what}")
    return path.read_bytes() if path.exists() else b""


def file(tmp_path, content):
    path = tmp_path / "file"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("write", [as_csv, as_xlsx, as_ndjson, as_parquet], ids=lambda write: write.__name__)
async def test_the_child_gives_what_reading_gives(tmp_path, write):
    rows = [HEADER, *(row(i) for i in range(2500)), ["x", *row(1)[1:]]]
    content = write(rows)
    result, done = await parts_of(request(file(tmp_path, content)))
    here = read_here(content)
    assert result.headings == here.headings
    assert len(commands_of(result)) == 2500
    assert commands_of(result) == commands_of(here)
    assert result.errors == here.errors
    assert [batch.after for batch in result.batches] == [batch.after for batch in here.batches]
    assert done.rss_bytes_max > 0


async def test_a_refusal_crosses_the_pipe_as_it_is(tmp_path):
    with pytest.raises(Refusal) as refused:
        await parts_of(request(file(tmp_path, as_csv([["资产编号{0}"], ["x"]]))))
    assert refused.value.code == "import_file.no_header"
    with pytest.raises(Refusal) as refused:
        await parts_of(request(file(tmp_path, b"%PDF {x}")))
    assert refused.value.code == "import_file.binary"


async def test_going_on_after_the_child_was_killed(tmp_path):
    """Whenever the child is killed, the batches that came and those read from there on are the whole."""
    path = file(tmp_path, as_csv([HEADER, *(row(i) for i in range(20_000))]))
    whole = read_here(path.read_bytes())
    for killed_after in (1, 5):
        came = []
        with pytest.raises(Refusal) as refused:  # noqa: PT012  the child is killed while it is read from
            async with reading(request(path)) as parts:
                async for part in parts:
                    if not isinstance(part, Heading):
                        came.append(part)
                        if len(came) == killed_after:
                            parts._process.send_signal(signal.SIGKILL)
        assert refused.value.code == "import_child.died"
        assert "SIGKILL" in refused.value.en
        rest, _ = await parts_of(request(path, after=came[-1].after))
        assert commands_of(Result(came)) + commands_of(rest) == commands_of(whole)


async def test_the_child_waits_while_nobody_takes_its_parts(tmp_path):
    path = file(tmp_path, as_csv([HEADER, *(row(i) for i in range(100_000))]))
    async with reading(request(path)) as parts:
        stream = aiter(parts)
        await anext(stream)
        state = b""
        for _ in range(100):
            await asyncio.sleep(0.05)
            state = of_process(parts._process.pid, "stat").rpartition(b")")[2].split()[0]
            if state == b"S":
                break
        assert state == b"S", "it sleeps until its pipe is emptied"
        assert parts.done is None


async def test_leaving_kills_the_child(tmp_path):
    path = file(tmp_path, as_csv([HEADER, *(row(i) for i in range(100_000))]))

    async def read_for_ever(started):
        async with reading(request(path)) as parts:
            started.set_result(parts._process.pid)
            async for _ in parts:
                await asyncio.sleep(3600)

    started = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(read_for_ever(started))
    pid = await started
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not of_process(pid, "stat")


async def test_too_little_memory_is_a_refusal(tmp_path):
    path = file(tmp_path, as_xlsx([HEADER, *(row(i) for i in range(20_000))]))
    with pytest.raises(Refusal) as refused:
        await parts_of(request(path, memory_bytes_max=60 << 20))
    assert refused.value.code == "import_child.memory"


async def test_too_little_time_is_a_refusal(tmp_path):
    path = file(tmp_path, as_csv([HEADER]) + b"\nx,y,z,!,,!,x,x" * 500_000)
    with pytest.raises(Refusal) as refused:
        await taken_from(request(path, cpu_s_max=1))
    assert refused.value.code == "import_child.time"


async def test_the_time_allowed_is_minutes_for_what_is_small_and_enough_for_two_gigabytes_of_rows(tmp_path):
    path = file(tmp_path, as_csv([HEADER, *(row(i) for i in range(50_000))]))
    _, done = await taken_from(request(path))
    honest_s = done.cpu_us / 1e6 * (2 * 10**9) / path.stat().st_size
    assert honest_s < cpu_s_max(2 * 10**9)
    assert cpu_s_max(1) == cpu_s_max(1_000_000) <= 3 * 60
    assert cpu_s_max(100 * 10**6) <= 4 * 60
    assert cpu_s_max(FILE_BYTES_MAX) < 3_600 * 1.5


async def test_a_zip_bomb_within_the_default_limits_of_memory(tmp_path):
    path = file(tmp_path, as_xlsx([["资产编号"], *([f"{i}" + "x" * 3_000] for i in range(1000))]))
    with pytest.raises(Refusal) as refused:
        await parts_of(request(path, limits=Limits(expanded_bytes=1 << 20)))
    assert refused.value.code == "import_file.expands_too_far"


@pytest.mark.parametrize("write", [as_csv, as_ndjson], ids=lambda write: write.__name__)
async def test_memory_does_not_grow_with_the_file(tmp_path, write):
    peaks = []
    for rows in (5_000, 100_000):
        path = file(tmp_path, write([HEADER, *(row(i) for i in range(rows))]))
        taken, done = await taken_from(request(path))
        assert taken == rows
        peaks.append(done.rss_bytes_max)
    assert peaks[1] < peaks[0] + (16 << 20)
    assert peaks[1] < MEMORY_BYTES["delimited"] < 400 << 20


CONFINED = """
import socket, sys
from services.registry.imports import child
from services.registry.imports.asked import NewImport
from services.registry.imports.mapping import load
from services.registry.imports.reading import Options
from datetime import date
ask, options = NewImport(kind="devices", name="x", bytes=1), Options(today=date(2025, 1, 1))
request = child.Request(path="", ask=ask, mapping=load(), options=options, cpu_s_max=5)
child._confine("delimited", request)
connect = lambda: socket.create_connection(("127.0.0.1", 9))
for attempt in (socket.socket, connect, lambda: open("/etc/hostname")):
    try:
        attempt()
    except OSError as error:
        print(error.errno)
"""


def test_a_confined_child_opens_neither_sockets_nor_files():
    ran = subprocess.run([sys.executable, "-c", CONFINED], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["24"] * 3, "EMFILE"


def test_the_child_sees_none_of_our_secrets(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET_OF_OURS", "x")
    path = file(tmp_path, as_csv([HEADER, *(row(i) for i in range(50_000))]))

    async def environment():
        async with reading(request(path)) as parts:
            await anext(aiter(parts))
            return of_process(parts._process.pid, "environ")

    found = asyncio.run(environment())
    assert b"PATH=" in found
    assert b"SECRET_OF_OURS" not in found


async def test_a_child_that_cannot_begin_is_a_refusal(tmp_path):
    with pytest.raises(Refusal) as refused:
        await parts_of(request(tmp_path / "not there"))
    assert refused.value.code == "import_child.died"
    assert "FileNotFoundError" in "".join(refused.value.__notes__)


def test_frames_are_length_and_messagepack(tmp_path):
    path = file(tmp_path, as_csv([HEADER, row(1)]))
    ran = subprocess.run(
        [sys.executable, "-m", "services.registry.imports.child"],
        input=msgspec.msgpack.encode(request(path)),
        capture_output=True,
        check=True,
        env={"PATH": os.environ["PATH"]},
    )
    kinds, content = [], ran.stdout
    while content:
        (length,) = HEAD.unpack_from(content)
        kinds.append(msgspec.msgpack.decode(content[HEAD.size : HEAD.size + length])["type"])
        content = content[HEAD.size + length :]
    assert kinds == ["heading", "batch", "done"]
