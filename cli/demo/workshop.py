"""The centre's workshop in the demonstration: some of what is to be used again is made good, and re-verified."""

import time
from collections.abc import Sequence
from datetime import date
from typing import Any, Final

import msgspec

from cli.demo.on_the_bench import accuracy_class, sound
from cli.demo.showing import note_repairs
from client import Client
from client.types import (
    InspectionRow,
    ListInspections,
    ListRepairs,
    OrderRepair,
    PartReplaced,
    RepairRow,
    RestoreKeys,
    ReturnFromRepair,
    ReVerify,
    SendForRepair,
)
from kernel.device import DATA_BEARING
from services.sorting.defaults import default_groups, default_scheme

CENTRE: Final = "centre"
ON: Final = date(2025, 6, 10)
VALID_UNTIL: Final = date(2033, 6, 9)
SOUND: Final = 24
FAULTY: Final = 12
FOLLOWED_S_MAX: Final = 60
POLL_S: Final = 0.2


def make_good(gateway: str, metrologist: str) -> int:
    """Order repairs for some devices of both routes, carry them out, and re-verify. How many have a certificate."""
    with Client(gateway, metrologist, timeout_s=120) as platform:
        for_reuse = list(platform.rows(ListInspections(disposition="reuse", phase="judged")))
        chosen = [
            *[one for one in for_reuse if not one.faults][:SOUND],
            *[one for one in for_reuse if one.faults][:FAULTY],
        ]
        for one in chosen:
            platform.do(_order(one))
        repairs = _begun(platform, len(chosen))
        last = max(_carried_out(platform, repair, number) for number, repair in enumerate(repairs, 1))
        verified = list(platform.rows(ListRepairs(phase="verified", seen=last)))
    note_repairs(len(repairs), len(verified))
    return len(verified)


def _order(row: InspectionRow) -> OrderRepair:
    if not row.faults:
        return OrderRepair(asset_no=row.asset_no, route="no_fault", repairer="centre", occurred_on=ON)
    scope = f"更换故障部件 replace what is faulty: {row.faults}"
    return OrderRepair(
        asset_no=row.asset_no, route="fault", repairer="centre", scope=scope, price_fen=1_500, occurred_on=ON
    )


def _begun(platform: Client, expected: int) -> Sequence[RepairRow]:
    """The repairs, once each has followed its order."""
    deadline = time.monotonic() + FOLLOWED_S_MAX
    while True:
        begun = list(platform.rows(ListRepairs(phase="begun")))
        if len(begun) >= expected or time.monotonic() > deadline:
            return begun
        time.sleep(POLL_S)


def _carried_out(platform: Client, repair: RepairRow, number: int) -> int:
    """The position of the last event of it."""
    about: dict[str, Any] = {"repair": repair.repair, "occurred_on": ON}
    if repair.route == "fault":
        platform.do(SendForRepair(**about, reference=f"WX-示例-{number:04d}"))
        part = PartReplaced(part="board", quantity=1)
        platform.do(ReturnFromRepair(**about, outcome="repaired", parts=(part,)))
    if repair.device_class in DATA_BEARING:
        platform.do(RestoreKeys(**about, reference=f"MY-示例-{number:04d}"))
    scheme = next(one for one in map(default_scheme, default_groups()) if repair.device_class in one.device_classes)
    found = {step: msgspec.to_builtins(one) for step, one in sound(scheme, accuracy_class(scheme)).items()}
    plain = {
        **about,
        "site": CENTRE,
        "certificate": f"ZS-2025-{number:06d}",
        "verifier": "demo-metrologist",
        "valid_until": VALID_UNTIL,
        "seals": [f"FY-{number:06d}"],
        **found,
    }
    return platform.do(msgspec.convert(plain, ReVerify)).position
