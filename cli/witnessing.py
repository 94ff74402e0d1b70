"""A witness as a process: `meterloop witness`, or `python -m cli.witnessing` with settings alone."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import structlog
import typer
from fastapi import FastAPI
from msgspec import Meta

from cli.connection import console, note
from cli.platform import free_ports, require_free
from kernel.clock import system_clock_us
from kernel.http_limits import HttpLimits, LimitsMiddleware
from kernel.http_operations import NO_TELEMETRY_OF_ITS_OWN, TelemetryMiddleware, operations_app
from kernel.process import Parts, Process, run, run_with
from kernel.readiness import Health
from kernel.settings import Settings
from kernel.telemetry import METER
from ledger.proof.keys import VerifierKey
from ledger.transparency.witness import Witness, open_witness, read_logs
from ledger.transparency.witness_door import witness_routes

NAME: Final = "witness"
PORT: Final = 8790
WATCH_S: Final = 5.0
IN_FLIGHT_MAX: Final = 64
"""Requests at once. They are decided one after the other; a log asks about once a second."""

_SIZE: Final = METER.create_gauge("witness.size", unit="{entry}", description="entries of the largest tree cosigned")
_AGE: Final = METER.create_gauge("witness.age", unit="s", description="age of the newest cosignature for a log")
_CONTRADICTIONS: Final = METER.create_gauge(
    "witness.contradictions", unit="1", description="proofs kept that a log signed two roots for one size"
)
_LOG: Final = structlog.get_logger(NAME)


class WitnessSettings(Settings, frozen=True, kw_only=True):
    """What a witness has beside what every process has."""

    state: Annotated[
        Path | None,
        Meta(
            description="见证人的目录：密钥与记忆；默认为数据目录下的 witness / folder of the witness's key and memory;"
            " by default `witness` in data_dir"
        ),
    ] = None
    name: Annotated[
        str,
        Meta(
            description="见证人的名称，首次启动时须给出 / name of the witness, a URL without scheme; needed at the"
            " first start"
        ),
    ] = ""
    logs: Annotated[
        Path | None,
        Meta(
            description="所见证日志的公钥文件，一行一个 / file of the logs to cosign for, a verifier key a line; one"
            " log may have several keys"
        ),
    ] = None

    @property
    def folder(self) -> Path:
        """Where the key and the memory are."""
        return self.state or self.data_dir / NAME

    @property
    def log_keys(self) -> list[VerifierKey]:
        """The logs of the file. Raises LogFault, OSError."""
        return read_logs(self.logs.read_text("utf-8")) if self.logs else []


def witness(
    state: Annotated[Path, typer.Option(help="目录：密钥与记忆 folder of its key and memory")],
    name: Annotated[str, typer.Option(help="名称，首次启动须给出 its name; needed at the first start")] = "",
    log: Annotated[list[str] | None, typer.Option(help="日志的公钥，可重复 vkey of a log; may be repeated")] = None,
    logs: Annotated[Path | None, typer.Option(help="日志公钥文件，一行一个 file of vkeys, one a line")] = None,
    host: Annotated[str, typer.Option(help="监听地址 address to listen at")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="端口，0 为任取 port; 0 takes a free one", min=0, max=65_535)] = PORT,
) -> None:
    """为他人的存证日志作见证，Ctrl-C 停止 Cosign the checkpoints of somebody else's proof log; Ctrl-C stops it.

    供监管、审计、研究机构运行：只为前后一致的检查点签名 For a regulator, an auditor or an institute.
    """
    port = port or free_ports(1)[0]
    settings = WitnessSettings(
        data_dir=state,
        state=state,
        name=name,
        logs=logs,
        rest_host=host,
        rest_port=port,
        log_format="text",
        # A log asks about once a second.
        log_level="WARNING",
    )
    keys = [*settings.log_keys, *read_logs("\n".join(log or ()))]
    # Opened before it is said to be there: what is wrong with the folder is told plainly, not in a log.
    opened = open_witness(settings.folder, name, keys, system_clock_us)
    try:
        require_free(port, host)
        _introduce(opened, f"http://{host}:{port}")
    finally:
        opened.close()

    async def assembled(process: Process) -> Parts:
        return await assemble(process, keys)

    raise typer.Exit(run_with(NAME, settings, assembled))


async def assemble(process: Process, log_keys: Sequence[VerifierKey] | None = None) -> Parts:
    """Open memory and key, and the door. Probes and metrics are at a port of their own, for nobody outside."""
    settings: WitnessSettings = process.settings
    keys = settings.log_keys if log_keys is None else log_keys
    opened = await asyncio.to_thread(open_witness, settings.folder, settings.name, keys, system_clock_us)
    _LOG.info("witnessing", vkey=str(opened.key), logs=opened.origins)
    process.readiness.add("memory", _Watch(opened).health)
    rest = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, telemetry=NO_TELEMETRY_OF_ITS_OWN)
    rest.router.redirect_slashes = False
    rest.router.routes.extend(witness_routes(opened))
    rest.add_middleware(LimitsMiddleware, limits=HttpLimits(in_flight_max=IN_FLIGHT_MAX))
    rest.add_middleware(TelemetryMiddleware)

    async def close() -> None:
        await asyncio.to_thread(opened.close)

    assert process.telemetry is not None
    return Parts(
        rest=rest,
        operations=operations_app(process.readiness, process.telemetry),
        followers={"metrics": _Watch(opened).run},
        closing=[close],
    )


class _Watch:
    """What a witness has come to, for probes and metrics."""

    def __init__(self, witness: Witness) -> None:
        self._witness: Final = witness

    async def health(self) -> Health:
        """Fails where the memory cannot be read; degraded where a log was seen to contradict itself."""
        for origin in self._witness.origins[:1]:
            await asyncio.to_thread(self._witness.cosigned, origin)
        if found := self._witness.contradictions:
            return Health(ok=True, degraded=True, detail=f"{found} contradictions")
        return Health(ok=True)

    async def run(self) -> None:
        """Keep the metrics until cancelled."""
        while True:
            _CONTRADICTIONS.set(self._witness.contradictions)
            for origin in self._witness.origins:
                if cosigned := await asyncio.to_thread(self._witness.cosigned, origin):
                    labels = {"log": origin}
                    _SIZE.set(cosigned.size, labels)
                    _AGE.set(system_clock_us() / 1e6 - cosigned.cosigned_at_s, labels)
            await asyncio.sleep(WATCH_S)


def _introduce(witness: Witness, address: str) -> None:
    """Who it is, on standard output; whom it is for, and what is to be done with that, beside."""
    note(
        "见证人只为前后一致的检查点签名：日志若改写历史，或向不同的人出示不同的历史，就得不到签名。"
        "它供日志运营者以外的一方运行。",
        "a witness cosigns a log's checkpoint where it goes on from the last one, so that a log that rewrites its"
        " history, or shows different people different ones, gets no cosignature; somebody else than the log's operator"
        " runs it",
    )
    for origin in witness.origins:
        cosigned = witness.cosigned(origin)
        size = cosigned.size if cosigned else 0
        note(f"日志 {origin}，已签到第 {size:,} 项", f"the log {origin}, cosigned up to {size:,} entries")
    if not witness.origins:
        note("尚未指定日志，请加 --log 或 --logs。", "no log is named yet: add --log or --logs")
    note(
        "以下公钥（vkey）请交给日志的运营者和验证者：",
        "give this vkey to the log's operator, and to whoever verifies:",
    )
    sys.stdout.write(f"{witness.key}\n")
    sys.stdout.flush()
    console.print(f"POST {address}/add-checkpoint（Ctrl-C 停止 stops it）")


def main() -> int:
    """Run until told to stop."""
    return run(NAME, WitnessSettings, assemble)


if __name__ == "__main__":
    sys.exit(main())
