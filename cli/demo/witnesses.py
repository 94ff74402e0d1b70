"""The demonstration's own two witnesses: each has a key and a memory of its own, and the policy says whose they are."""

import asyncio
import time
from pathlib import Path
from typing import Final

from rich.console import Console

from cli.connection import note, warn
from cli.platform import Beside, free_ports
from cli.supervision import Program
from kernel.clock import system_clock_us
from kernel.settings import Settings
from ledger.open import open_ledger
from ledger.proof.errors import ProofFault
from ledger.proof.policy import Policy, Standing, satisfied
from ledger.transparency.keys import KEY_FILE, signer_in
from ledger.transparency.layout import CHECKPOINT, POLICY
from ledger.transparency.witness import open_witness

NAMES: Final = ("witness-one", "witness-two")
HEADING: Final = "# the demo policy: both witnesses are run by this demo\n"
"""A reader of the policy must not take them for anybody else's."""

COSIGNED_S_MAX: Final = 60
POLL_S: Final = 0.2

console = Console(stderr=True)


def own_witnesses(settings: Settings) -> Beside:
    """Two witnesses of the log that is about to be written, and the policy under which both must cosign."""
    folder = settings.data_dir.resolve() / "witnesses"
    folder.mkdir(exist_ok=True)
    log = signer_in(settings.keys_dir / KEY_FILE, settings.origin(asyncio.run(_ledger_id(settings)))).verifier
    logs = folder / "logs"
    logs.write_text(f"{log}\n", "utf-8")
    lines, programs, operations = [HEADING], [], {}
    for name in NAMES:
        witness = open_witness(folder / name, f"demo.meterloop.local/{name}", [log], system_clock_us)
        witness.close()
        port, probed = free_ports(2)
        lines.append(f"witness {name} {witness.key} http://127.0.0.1:{port}\n")
        programs.append(Program(name, "cli.witnessing", 15, _environ(folder / name, logs, port, probed)))
        operations[name] = f"http://127.0.0.1:{probed}"
    policy = folder / "policy"
    policy.write_text("".join([*lines, f"group both all {' '.join(NAMES)}\n", "quorum both\n"]), "utf-8")
    return Beside(programs, {"METERLOOP_SEQUENCER__POLICY": str(policy)}, operations)


def cosigned(settings: Settings, events: int) -> int:
    """How many entries the published, cosigned log has: all of so many events, unless that takes too long."""
    deadline = time.monotonic() + COSIGNED_S_MAX
    with console.status("存证日志由两个见证人签名 both witnesses cosign the proof log"):
        while (found := _published(settings.proof)) is None or found.checkpoint.size < events:
            if time.monotonic() > deadline:
                break
            time.sleep(POLL_S)
    size = found.checkpoint.size if found else 0
    if size < events:
        warn(
            f"存证日志 {size:,} 项，台账 {events:,} 个事件：尚未全部见证。",
            f"the proof log has {size:,} entries of {events:,} events: not all is witnessed yet",
        )
    else:
        note(
            f"存证日志 {size:,} 项，两个见证人均已签名；两者都由本演示运行。",
            f"the proof log: {size:,} entries, cosigned by both witnesses, which this demo runs itself",
        )
    return size


def _published(proof: Path) -> Standing | None:
    try:
        return satisfied(Policy.parse((proof / POLICY).read_bytes()), (proof / CHECKPOINT).read_bytes())
    except (FileNotFoundError, ProofFault):
        return None


def _environ(state: Path, logs: Path, port: int, probed: int) -> dict[str, str]:
    return {
        "METERLOOP_WITNESS__STATE": str(state),
        "METERLOOP_WITNESS__LOGS": str(logs),
        "METERLOOP_WITNESS__REST_HOST": "127.0.0.1",
        "METERLOOP_WITNESS__REST_PORT": str(port),
        "METERLOOP_WITNESS__OPERATIONS_HOST": "127.0.0.1",
        "METERLOOP_WITNESS__OPERATIONS_PORT": str(probed),
    }


async def _ledger_id(settings: Settings) -> str:
    ledger = await open_ledger(settings.ledger)
    try:
        return ledger.ledger_id
    finally:
        await ledger.close()
