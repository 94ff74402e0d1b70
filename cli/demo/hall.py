"""The centre's hall in the demonstration: what was received is inspected, assessed and judged, by the default rules."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import islice
from typing import Any, Final

import msgspec
import typer

from cli.connection import note, warn
from cli.demo.on_the_bench import accuracy_class, reports
from cli.demo.people import token_of
from cli.demo.showing import show_verdicts
from cli.demo.workshop import make_good
from cli.sorting.publishing import published
from cli.sorting.rules import default_rules
from client import Client
from client.types import InspectAtOnce, ListDevices, ListInspections
from kernel.principal import Role
from kernel.settings import Settings
from services.sorting.defaults import default_groups, default_scheme
from services.sorting.norms import Scheme
from services.sorting.table import TABLE_NAMES

CENTRE: Final = "centre"
SORTED_ON: Final = date(2025, 6, 3)
BENCHES: Final = ("B-01", "B-02", "B-03")
CHUNK: Final = 500
SEED: Final = 20_250_603


class Sorted(msgspec.Struct, frozen=True):
    """How many devices of each disposition, and how many of them have a certificate to be used again."""

    verdicts: dict[str, int]
    reverified: int


def sort_what_was_received(settings: Settings, gateway: str) -> Sorted:
    """Publish the rules, inspect every device of the company's at the centre, and make some of them good."""
    metrologist = token_of(settings, "demo-metrologist", Role.METROLOGIST)
    with Client(gateway, metrologist, timeout_s=120) as platform:
        rules = published(
            platform, {name: default_rules(name) for name in (*default_groups(), *TABLE_NAMES)}, "演示 demonstration"
        )
    to_confirm = sum(one.unconfirmed for one in rules)
    note(
        f"已发布 {len(rules)} 份缺省规则，其中 {to_confirm} 项数值待计量员确认，故不用于生产。",
        f"{len(rules)} default rules are published; {to_confirm} of their values are to be confirmed by the "
        "metrologist, so that they do not run in production",
    )
    with Client(gateway, token_of(settings, "demo-line", Role.SERVICE), timeout_s=120) as line:
        waiting = _commands(line)
        last = 0
        while chunk := list(islice(waiting, CHUNK)):
            last = max(last, _inspected(line, chunk))
        judged = list(line.rows(ListInspections(phase="judged", seen=last)))
    mix = Counter(row.disposition or "hold" for row in judged)
    show_verdicts(mix)
    return Sorted(dict(sorted(mix.items())), make_good(gateway, metrologist))


def _commands(line: Client) -> Iterator[InspectAtOnce]:
    """What the benches report of each device, made up."""
    by_class: dict[str, Scheme] = {
        one: scheme for scheme in map(default_scheme, default_groups()) for one in scheme.device_classes
    }
    chance = random.Random(SEED)  # noqa: S311  a story that can be told again, no secret
    for card in line.rows(ListDevices(site=CENTRE, phase="at_site")):
        scheme = by_class.get(card.device_class)
        if scheme is None or card.owner == "customer" or card.unexpected:
            continue
        yield _report(card.asset_no, scheme, chance)


def _report(asset_no: str, scheme: Scheme, chance: random.Random) -> InspectAtOnce:
    plate = accuracy_class(scheme)
    found: dict[str, Any] = {step: msgspec.to_builtins(one) for step, one in reports(scheme, chance, plate).items()}
    plain = {
        "occurred_on": SORTED_ON,
        "asset_no": asset_no,
        "bench": chance.choice(BENCHES),
        "site": CENTRE,
        "accuracy_class": plate,
        "barcode": asset_no,
        **found,
    }
    return msgspec.convert(plain, InspectAtOnce)


def _inspected(line: Client, commands: Sequence[InspectAtOnce]) -> int:
    """Report these. The position of the last event; nothing may be refused, for the story is ours."""
    answer = line.do_many(commands)
    refused = [one for one in answer.lines if one.code is not None]
    if refused:
        warn(refused[0].zh or "", refused[0].en or "")
        raise typer.Exit(1)
    return max((one.position or 0 for one in answer.lines), default=0)
