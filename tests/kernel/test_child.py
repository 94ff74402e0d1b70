"""Children of a service, on the loop that services run on."""

import asyncio
import subprocess
import sys

import pytest
import uvloop

from kernel.child import give

MUCH = b"x" * (1 << 22)


@pytest.mark.parametrize("factory", [uvloop.new_event_loop, asyncio.new_event_loop])
@pytest.mark.parametrize("pause_s", [0.0, 0.3])
def test_a_child_that_ends_before_it_reads_is_known_by_its_status_alone(factory, pause_s):
    async def started() -> int:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "raise SystemExit(7)", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        # By then it has ended, or has not begun.
        await asyncio.sleep(pause_s)
        await give(process.stdin, MUCH)
        await process.communicate()
        return await process.wait()

    with asyncio.Runner(loop_factory=factory) as runner:
        assert runner.run(started()) == 7


def test_grpc_stays_out_of_forks():
    """Otherwise its handlers crash a child of ours now and then, before it is ours."""
    program = "import os, kernel; print(os.environ['GRPC_ENABLE_FORK_SUPPORT'])"

    async def said() -> bytes:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE, env={}
        )
        return (await process.communicate())[0]

    assert asyncio.run(said()).strip() == b"0"


def test_grpc_knows_the_engine_that_it_is_told_to_leave():
    """One it does not know it only complains of, and goes on with what it would have done."""
    program = "import kernel, grpc; grpc.insecure_channel('127.0.0.1:1')"
    for environ, complains in ({}, False), ({"GRPC_EXPERIMENTS": "-no_such_engine"}, True):
        done = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True)
        assert ("Unknown experiment" in done.stderr) is complains
