"""Rows of shipments are gathered on disk: in their order, each device once, in memory that does not grow with them."""

import subprocess
import sys

import pytest

from kernel.spreadsheet.findings import Column
from services.registry.imports.asked import NewImport
from services.registry.imports.gathering import CACHE_BYTES, Gathered
from services.registry.imports.locating import Sourced
from services.registry.imports.rows import Heading, Row
from services.registry.imports.shipping import Shipments
from services.registry.shipment import MANIFEST_LINES_MAX
from tests.registry.imports.importing import ROOT, number

HEADING = Heading(None, 1, (Column("asset_no", "A", "资产编号"),))
OTHER = Heading("二", 3, (Column("asset_no", "B", "资产编号"),))


@pytest.fixture
def gathered(tmp_path):
    rows = Gathered(tmp_path / "spool" / "x.gathered")
    yield rows
    rows.close()
    assert list((tmp_path / "spool").iterdir()) == []


def row(at, shipment, serial, heading=HEADING, **more):
    return Sourced(Row(at, {"shipment": shipment, "asset_no": number(serial), **more}), heading)


def test_rows_come_back_by_shipment_in_their_order_with_their_headings(gathered):
    rows = [row(1, "B", 3, damaged=True), row(2, "A", 2), row(3, "B", 1, OTHER), row(4, "A", 1)]
    assert [gathered.add(one) for one in rows] == [None] * 4
    assert gathered.add(row(5, "B", 3, damaged=False)) == rows[0]
    shipments = list(gathered.shipments())
    assert [(name, count) for _, name, count, _ in shipments] == [("B", 2), ("A", 2)]
    held = {name: [one for some in gathered.rows(shipment, 9) for one in some] for shipment, name, *_ in shipments}
    assert [len(some) for some in gathered.rows(shipments[0][0], 1)] == [1, 1]
    assert held == {"B": [rows[0], rows[2]], "A": [rows[1], rows[3]]}


def test_nothing_gathered_makes_no_file(tmp_path):
    gathered = Gathered(tmp_path / "x")
    assert list(gathered.shipments()) == []
    gathered.close()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_import_left_is_begun_anew(tmp_path):
    left = tmp_path / "x"
    left.write_bytes(b"torn")
    gathered = Gathered(left)
    gathered.add(row(1, "A", 1))
    assert [name for _, name, *_ in gathered.shipments()] == ["A"]
    gathered.close()


def test_without_room_the_store_is_away(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file"):
        Gathered(tmp_path / "file" / "x").add(row(1, "A", 1))


async def test_a_shipment_that_is_too_long_is_refused_in_parts(tmp_path):
    shipments = Shipments(NewImport(kind="received", name="x", bytes=1), tmp_path / "x")
    rows = 2 * MANIFEST_LINES_MAX + 1
    assert await shipments.add([row(serial, "S", serial) for serial in range(rows)]) == [True] * rows
    parts = [part async for part in shipments.planned()]
    await shipments.close()
    assert [len(part.sources) for part in parts] == [MANIFEST_LINES_MAX, MANIFEST_LINES_MAX, 1]
    assert {part.refusal.code for part in parts} == {"import.shipment_too_long"}


MANY = """
import sys
from pathlib import Path
from services.registry.imports.gathering import Gathered
from services.registry.imports.locating import Sourced
from services.registry.imports.rows import Heading, Row

def peak():
    return next(int(line.split()[1]) << 10 for line in open("/proc/self/status") if line.startswith("VmHWM"))

heading = Heading(None, 1, ())
gathered = Gathered(Path(sys.argv[1]))
before = peak()
for serial in range(200_000):
    values = {"shipment": f"S-{serial % 800}", "asset_no": f"{serial:022d}", "carrier": "x" * 150}
    gathered.add(Sourced(Row(serial, values), heading))
counted = sum(len(some) for shipment, *_ in gathered.shipments() for some in gathered.rows(shipment, 5_000))
print(counted, peak() - before, Path(sys.argv[1]).stat().st_size)
gathered.close()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel tells the peak there")
def test_two_hundred_thousand_rows_take_no_more_memory_than_the_cache(tmp_path):
    told = subprocess.run(
        [sys.executable, "-c", MANY, str(tmp_path / "x")], cwd=ROOT, capture_output=True, text=True, check=True
    )
    counted, grown_bytes, written_bytes = map(int, told.stdout.split())
    assert counted == 200_000
    assert grown_bytes < 2 * CACHE_BYTES < written_bytes
