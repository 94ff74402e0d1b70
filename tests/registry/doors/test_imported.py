"""Rows of an import are refused under the same codes at the registry's own door and at the gateway."""

import asyncio
import csv
import io

import msgspec

from kernel.identity_issuer import issue
from kernel.principal import Principal, Role
from services.registry.asset_number import compose
from tests.doors.entrances import bearer, said
from tests.gateway.behind import behind
from tests.registry.doors.entrances import Entrances
from tests.registry.stories import UNIT

CLERK = Principal(subject="u-1", roles=frozenset({Role.OPERATOR}), units=frozenset({UNIT}))


async def test_rows_of_a_file_are_refused_under_the_same_codes_at_both_doors(tmp_path):
    numbers = [compose(UNIT, "01", f"{serial:014d}") for serial in range(4)]
    rows = [
        (numbers[0], UNIT, "2026-01-05"),
        ("4.13E+21", UNIT, "2026-01-05"),
        (numbers[1], UNIT, "2026-02-30"),
        (numbers[2], "994", "2026-01-05"),
        (numbers[3], "99402", "2026-01-05"),
    ]
    lines = "".join(f"{number},01,{unit},{day}\n" for number, unit, day in rows)
    content = f"资产编号,设备类别,管理单位,登记日期\n{lines}".encode()
    async with behind(tmp_path) as platform:
        token, entrances = issue(platform.keys, CLERK), Entrances(platform)
        codes = [await imported(one.client, token, content) for one in (entrances.rest, entrances.gateway)]
    assert codes[0] == codes[1]
    assert [code for _, code in codes[0]] == [
        "import_cell.scientific_notation",
        "import_cell.date_impossible",
        "import_cell.unlisted",
        "access.denied",
    ]


async def imported(client, token, content):
    """The row and the code of every refusal of a file."""
    announced = {"kind": "devices", "name": "合成.csv", "bytes": len(content), "dry_run": True}
    key = "rest" if "registry" in str(client.base_url) else "gateway"
    headers = bearer(token) | {"Idempotency-Key": key, "Content-Type": "application/json"}
    made = said(await client.post("/v1/imports", content=msgspec.json.encode(announced), headers=headers))
    path = f"/v1/imports/{made.value['import_id']}"
    await client.patch(path, content=content, headers=bearer(token) | {"Upload-Offset": "0"})
    async with asyncio.timeout(60):
        while (await client.get(path, headers=bearer(token))).json()["state"] not in {"done", "failed"}:  # noqa: ASYNC110  an import is asked how it stands
            await asyncio.sleep(0.05)
    errors = (await client.get(f"{path}/errors", headers=bearer(token))).content.decode("utf-8-sig")
    return [(row["行 row"], row["代码 code"]) for row in csv.DictReader(io.StringIO(errors))]
