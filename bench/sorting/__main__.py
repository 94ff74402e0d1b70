"""`python -m bench.sorting [--json] [--devices N]`: a sorting hall on a running platform.

Whole inspections as an automated line streams them, durable when answered; scans of a bench through the gateway; the
decision by itself; and a review's sample derived again from a large population. Everything on one disk, in one run.
"""

import argparse
import itertools
import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
import uvloop

from bench.gateway.http_load import Connection, paced, request
from bench.measure import Measure, fsync_p50_us, report, scratch_folder
from bench.sorting.deciding import verdicts_per_s
from bench.sorting.hall import DAY, RUN_POSITIONS, SITE, at_the_centre, line_reports, numbers, reported, written
from bench.sorting.redrawing import VERDICTS, redraw_s
from cli.platform import make_ready, running
from cli.settings import CliSettings
from kernel.identity_issuer import issue
from kernel.principal import Principal, Role
from services.sorting.defaults import default_groups, default_prices, default_scheme, default_verdict_table
from services.sorting.run import StartRun
from services.sorting.scheme import PublishScheme
from services.sorting.table import PublishTable

DEVICES: Final = 20_000
SCANS_PER_S: Final = 20
SCANS_S: Final = 20.0


class Hall:
    """A running platform, and who works in it."""

    def __init__(self, settings: CliSettings, gateway: str) -> None:
        self.address: Final = gateway.removeprefix("http://")
        self.rpc: Final = f"unix:{settings.data_dir.resolve() / 'run' / 'sorting.sock'}"
        roles = frozenset({Role.METROLOGIST, Role.INSPECTOR, Role.SERVICE})
        self.token: Final = issue(settings.keys_dir, Principal(subject="bench", roles=roles, units=frozenset({"*"})))
        self._keys: Final = itertools.count()

    def post(self, path: str, body: Mapping[str, object]) -> bytes:
        headers = {"authorization": f"Bearer {self.token}", "idempotency-key": str(next(self._keys))}
        return request("POST", path, headers, msgspec.json.encode(body))

    def get(self, path: str) -> bytes:
        return request("GET", path, {"authorization": f"Bearer {self.token}"})

    async def prepare(self, runs: int) -> None:
        """Publish the default rules, and start the line's runs."""
        about = {"occurred_on": DAY, "version": 1, "why": "bench"}
        rules = [PublishScheme(**about, group=one, scheme=default_scheme(one)) for one in default_groups()]  # type: ignore[arg-type]  # one dict for all
        connection = await Connection.open(self.address)
        for rule in rules:
            await connection.ask(self.post(f"/v1/schemes/{rule.group}/publish-scheme", _body(rule, "group")))
        for table in (
            PublishTable(**about, name="verdict", verdict=default_verdict_table()),  # type: ignore[arg-type]  # as above
            PublishTable(**about, name="prices", prices=default_prices()),  # type: ignore[arg-type]  # as above
        ):
            await connection.ask(self.post(f"/v1/tables/{table.name}/publish-table", _body(table, "name")))
        for number in range(runs):
            start = StartRun(occurred_on=DAY, run_id=f"R-{number}", bench="L1", site=SITE)
            await connection.ask(self.post(f"/v1/runs/{start.run_id}/start-run", _body(start, "run_id")))
        await connection.close()


def _body(command: msgspec.Struct, key: str) -> dict[str, object]:
    plain: dict[str, object] = msgspec.to_builtins(command)
    del plain[key]
    return plain


async def measure(
    folder: Path, hall: Hall, devices: list[str], scanned: list[str], verdicts: int, seconds: float
) -> list[Measure]:
    fsync_us = fsync_p50_us(folder)
    await hall.prepare(-(-len(devices) // RUN_POSITIONS))
    bodies = written(line_reports(devices, "R"))
    started = time.perf_counter()
    answers = await reported(hall.rpc, hall.token, bodies)
    reported_s = time.perf_counter() - started
    refused = [answer for answer in answers if not answer.recorded]  # type: ignore[attr-defined]  # of the message
    assert not refused, refused[0]
    scans_s = await scans(hall, scanned, seconds)
    return [
        Measure("fsync_p50_us", fsync_us, "one page made durable on this disk, median"),
        Measure(
            "inspections_per_s",
            len(devices) / reported_s,
            f"{len(devices):,} whole inspections on one stream, open to verdict, beside the platform's other parts",
            at_least=1_500,
        ),
        Measure(
            "verdicts_per_s",
            verdicts_per_s(),
            "the decision alone, on one core: inputs, rule, reasons and staircase",
            at_least=50_000,
        ),
        Measure(
            "scan_p99_ms",
            statistics.quantiles(scans_s, n=100)[98] * 1e3,
            f"a scan opened and its form shown, through the gateway, {SCANS_PER_S} a second",
            at_most=80,
        ),
        Measure("scan_p50_ms", statistics.median(scans_s) * 1e3, "the same, median"),
        Measure(
            "redraw_s",
            redraw_s(verdicts),
            f"a sample derived again from {verdicts:,} verdicts, the population's root included",
            at_most=15,
        ),
    ]


async def scans(hall: Hall, scanned: list[str], seconds: float) -> list[float]:
    """Seconds from each scan to its form."""
    body = {"occurred_on": DAY.isoformat(), "bench": "B1", "site": SITE}
    opened = (hall.post(f"/v1/inspections/{one}/open-inspection", body) for one in scanned)
    opened_s = await paced(hall.address, opened, SCANS_PER_S, lambda passed_s: passed_s < seconds)
    forms = itertools.cycle(hall.get(f"/v1/inspections/{one}/form?bench=B1") for one in scanned[: len(opened_s)])
    shown_s = await paced(hall.address, forms, SCANS_PER_S, lambda passed_s: passed_s < seconds)
    return [one + other for one, other in zip(opened_s, shown_s, strict=False)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--devices", type=int, default=DEVICES, help="inspected on the stream")
    parser.add_argument("--verdicts", type=int, default=VERDICTS, help="of the population that is drawn from again")
    parser.add_argument("--seconds", type=float, default=SCANS_S, help="of scanning")
    given = parser.parse_args()
    devices, scanned = numbers(given.devices), numbers(int(SCANS_PER_S * given.seconds) + 10, "S")
    with scratch_folder() as folder:
        settings = CliSettings(data_dir=folder / "var")
        uvloop.run(make_ready(settings))
        uvloop.run(at_the_centre(settings.ledger, [*devices, *scanned]))
        with running(settings, 0) as platform:
            hall = Hall(settings, platform.endpoints.gateway)
            measures = uvloop.run(measure(folder, hall, devices, scanned, given.verdicts, given.seconds))
    report("sorting", measures, as_json=given.json)


if __name__ == "__main__":
    main()
