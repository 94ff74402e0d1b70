"""Papers through the gateway, with the real registry and its workshop behind."""

import asyncio
import base64
import hashlib
import io
import json
import re
from datetime import date

import msgspec
import pypdf
import pytest
from python_calamine import CalamineWorkbook

from client import AsyncClient, Refused, types
from kernel.principal import Role
from services.registry.documents.rendering import MEDIA_TYPES, Format
from services.registry.meter.custody import Dispatch
from services.registry.meter.missing import MarkFound, MarkMissing
from services.registry.meter.unexpected import ReceiveUnexpected
from services.registry.plan import SetPlan
from services.registry.shipment import CancelShipment, FoundLine, RecordShipmentException
from services.registry.site import CloseSite
from tests.gateway.behind import behind
from tests.gateway.season import (
    CENTRE,
    DAY,
    SHIPMENT,
    STORE,
    UNIT,
    dismantled,
    dispatched,
    number,
    prepared,
    received,
    signed,
    sites,
    tell,
)
from tests.registry.stories import on

pytestmark = pytest.mark.timeout(600)
"""Each document is a process of its own, which takes its time where the machine is busy."""

HERE, DAMAGED, MISSING, STRANGER = (number(serial) for serial in range(1, 5))
NOTE = f"/v1/shipments/{SHIPMENT}/transfer-note"
LEDGER = "/v1/recovery/ledger"
PAGE = f"/v1/meters/{HERE}/page"
XLSX = MEDIA_TYPES[Format.XLSX]


@pytest.fixture
async def platform(tmp_path):
    async with behind(tmp_path) as started:
        yield started


@pytest.fixture
async def season(platform):
    """A shipment of three, of which one is damaged and one missing; a fourth that nobody announced."""
    found = [FoundLine(asset_no=HERE), FoundLine(asset_no=DAMAGED, damaged=True), FoundLine(asset_no=STRANGER)]
    await tell(platform.registry, [*sites(), *dismantled([HERE, DAMAGED, MISSING])])
    told = [prepared([HERE, DAMAGED, MISSING]), dispatched(), received(found), signed("from"), signed("to")]
    await tell(platform.registry, told)
    return platform


async def asked(platform, path, *roles, units=(), headers=None, **params):
    headers = platform.headers(*roles or (Role.AUDITOR,), units=units) | (headers or {})
    return await platform.client.get(path, params=params, headers=headers)


def squeezed(pdf: bytes) -> str:
    pages = pypdf.PdfReader(io.BytesIO(pdf), strict=True).pages
    return re.sub(r"[\s\u200b]", "", "".join(page.extract_text() for page in pages))


def sheet(xlsx: bytes, name: str) -> list[list]:
    return CalamineWorkbook.from_filelike(io.BytesIO(xlsx)).get_sheet_by_name(name).to_python()


async def test_a_transfer_note_shows_what_the_log_says(season):
    answer = await asked(season, NOTE)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == MEDIA_TYPES[Format.PDF]
    text = squeezed(answer.content)
    for shown in (
        SHIPMENT,
        HERE,
        DAMAGED,
        MISSING,
        STRANGER,
        "合成一局表库",
        "合成省级分拣中心",
        "FY-000123",
        "已接收",
    ):
        assert shown in text
    assert "应交3件，实收2件，缺失1件，计划外1件，其中损坏1件" in text
    assert f"{HERE}单相电能表" in text
    assert "1,234.56" in text
    assert "到期轮换" in text
    for event in (await season.ledger.read(f"shipment-{SHIPMENT}")).events:
        assert event.id.hex() in text
    for signer in ("subject-from", "subject-to"):
        assert signer in text
    assert season.ledger.ledger_id in text


async def test_a_file_has_its_name_in_chinese_and_in_ascii_and_its_digest(season):
    answer = await asked(season, NOTE, format="xlsx")
    assert answer.headers["content-disposition"] == (
        f"attachment; filename=\"{SHIPMENT}.xlsx\"; filename*=UTF-8''%E7%A7%BB%E4%BA%A4%E5%8D%95%20{SHIPMENT}.xlsx"
    )
    assert answer.headers["content-type"] == XLSX
    assert answer.headers["cache-control"] == "private, no-cache"
    assert answer.headers["content-length"] == str(len(answer.content))
    digest = base64.b64encode(hashlib.sha256(answer.content).digest()).decode()
    assert answer.headers["repr-digest"] == f"sha-256=:{digest}:"


async def test_a_note_in_xlsx_reads_back_with_every_device(season):
    answer = await asked(season, NOTE, format="xlsx")
    facts = {line[0]: line[1] for line in sheet(answer.content, "移交单 Note")}
    assert facts["移交单号 note number"] == SHIPMENT
    assert facts["状态 status"] == "已接收 received"
    _, *devices = sheet(answer.content, "器具 Devices")
    assert [(line[1], line[7], line[10]) for line in devices] == [
        (HERE, 1_234.56, "已收"),
        (DAMAGED, 1_235.56, "已收、损坏"),
        (MISSING, 1_236.56, "缺失"),
        (STRANGER, "", "计划外"),
    ]


async def test_the_same_position_gives_the_same_paper_whatever_came_after(season):
    first = await asked(season, NOTE)
    position = (await asked(season, f"/v1/shipments/{SHIPMENT}")).json()["events"][-1]["position"]
    assert f"position{position}" in squeezed(first.content)
    exception = RecordShipmentException(shipment_id=SHIPMENT, asset_no=HERE, code="meter.not_at_site", occurred_on=DAY)
    await tell(season.registry, [exception])
    later = await asked(season, NOTE)
    again = await asked(season, NOTE, as_of_position=position)
    assert again.content == first.content != later.content
    assert "meter.not_at_site" in squeezed(later.content)
    had = await asked(season, NOTE, headers={"If-None-Match": first.headers["etag"]}, as_of_position=position)
    assert (had.status_code, had.content) == (304, b"")
    before = await asked(season, NOTE, as_of_position=1)
    assert (before.status_code, before.json()["code"]) == (404, "shipment.unknown")


async def test_a_note_tells_of_other_units_devices_no_more_than_its_shipment_does(platform):
    theirs = number(7)
    told = [*sites(), *dismantled([HERE]), *dismantled([theirs], unit="99402"), prepared([HERE, theirs])]
    await tell(platform.registry, told)
    own = await asked(platform, NOTE, Role.OPERATOR, units=(UNIT,), format="xlsx")
    whole = await asked(platform, NOTE, format="xlsx")
    shown, described = [theirs, "", "", ""], ["SYN-MAKER-A", "到期轮换"]
    assert [[line[1], line[4], line[6], line[7]] for line in sheet(own.content, "器具 Devices")[1:]] == [
        [HERE, *described, 1_234.56],
        shown,
    ]
    assert [[line[1], line[4], line[6], line[7]] for line in sheet(whole.content, "器具 Devices")[1:]] == [
        [HERE, *described, 1_234.56],
        [theirs, *described, 1_234.56],
    ]
    paper = squeezed((await asked(platform, NOTE, Role.OPERATOR, units=(UNIT,))).content)
    assert "非本单位器具1只" in paper
    last = (await platform.registry.card_as_of(theirs)).position
    assert f"as_of_position={max(last, (await platform.registry.consignment(SHIPMENT)).position)}" in paper


async def test_a_paper_names_sites_as_they_were_named_then(platform):
    sent = [on(Dispatch, asset_no=HERE, shipment="SH-9", device_class="01", from_site=STORE, to_site=CENTRE)]
    stopped = [on(CancelShipment, shipment_id=SHIPMENT, why="合成")]
    await tell(platform.registry, [*sites(), *dismantled([HERE]), prepared([HERE]), *stopped, *sent])
    papers = [await asked(platform, path) for path in (PAGE, NOTE)]
    renamed = msgspec.structs.replace(sites()[0], name="合成改名表库")
    await tell(platform.registry, [on(CloseSite, site_id=STORE, why="合成"), renamed])
    for path, before in zip((PAGE, NOTE), papers, strict=True):
        text = squeezed(before.content)
        position = re.search(r"as_of_position=([0-9]+)", text)[1]
        assert "合成一局表库" in text
        assert (await asked(platform, path, as_of_position=position)).content == before.content
    back = on(ReceiveUnexpected, asset_no=HERE, site=STORE, device_class="01")
    await tell(platform.registry, [back])
    assert "合成改名表库" in squeezed((await asked(platform, PAGE)).content)


async def test_before_receipt_a_note_follows_what_is_recorded_of_its_devices(platform):
    await tell(platform.registry, [*sites(), *dismantled([HERE])[:1]])
    await tell(platform.registry, [prepared([HERE], container="box-1")])
    bare = squeezed((await asked(platform, NOTE)).content)
    assert "1,234.56" not in bare
    assert "容器box-1" in bare
    await tell(platform.registry, dismantled([HERE])[1:])
    assert "1,234.56" in squeezed((await asked(platform, NOTE)).content)


async def plan_and_receive(platform):
    """Six dismantled: in time, late, missing, owed, and one held apart; and a device that nobody ever dismantled."""
    devices = [number(serial) for serial in range(10, 16)]
    cut_off = date(2026, 4, 10)
    plan = SetPlan(plan_id=f"{UNIT}-2026-03", expected=6, target_ppm=999_900, cut_off=cut_off, occurred_on=DAY)
    idle = SetPlan(plan_id="99402-2026-03", expected=9, target_ppm=1_000_000, cut_off=cut_off, occurred_on=DAY)
    await tell(platform.registry, [*sites(), plan, idle, *dismantled(devices)])
    in_time, late, missing, lost_sight, apart, _owed = devices
    gone = [MarkMissing(asset_no=one, site=STORE, occurred_on=DAY) for one in (in_time, late, missing, lost_sight)]
    back = [
        MarkFound(asset_no=in_time, site=CENTRE, occurred_on=date(2026, 4, 10)),
        MarkFound(asset_no=late, site=CENTRE, occurred_on=date(2026, 4, 11)),
        ReceiveUnexpected(asset_no=apart, site=CENTRE, device_class="01", occurred_on=DAY),
        ReceiveUnexpected(asset_no=STRANGER, site=CENTRE, device_class="01", occurred_on=DAY),
    ]
    await tell(platform.registry, gone)
    return await tell(platform.registry, back)


async def test_a_recovery_ledger_accounts_for_every_device_that_was_dismantled(platform):
    position = await plan_and_receive(platform)
    answer = await asked(platform, LEDGER, first="2026-03", last="2026-03", format="xlsx", seen=position)
    assert answer.status_code == 200, answer.text
    mine, idle = sheet(answer.content, "明细 Cohorts")[1:]
    assert mine[0] == UNIT
    # Planned, dismantled; in time, late, owed, missing, lost, held apart, returned.
    assert mine[4:13] == [6, 6, 1, 1, 1, 2, 0, 1, 0]
    assert mine[5] == sum(mine[6:13])
    assert mine[13:17] == ["16.66 %", "1 / 6", "99.99 %", "2026-04-10"]
    assert (idle[0], idle[4:6], idle[15]) == ("99402", [9, 0], "100.00 %")
    assert sheet(answer.content, "计划外 Unexpected")[1][0::3] == [UNIT, 1]
    summary = {line[0]: line[1] for line in sheet(answer.content, "汇总 Summary")}
    assert summary["台账位置 as of position"] == f"{position:,}"
    assert "/v1/recovery?first=2026-03&last=2026-03" in summary["核验 verify"]
    rows = (await asked(platform, "/v1/recovery", first="2026-03", last="2026-03")).json()["items"]
    written = json.dumps(rows, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert summary["各行校验值 SHA-256 of rows"] == hashlib.sha256(written.encode()).hexdigest()


async def test_a_recovery_ledger_as_pdf_shows_the_same_numbers(platform):
    position = await plan_and_receive(platform)
    answer = await asked(platform, LEDGER, first="2026-03", last="2026-03", unit=UNIT, seen=position)
    text = squeezed(answer.content)
    assert "2026-0366116.66%112010" in text
    assert "99402" not in text
    assert all(role in text for role in ("制表tabulated", "审核checked", "批准approved"))
    assert answer.headers["content-disposition"].startswith(f'attachment; filename="{UNIT}_2026-03_2026-03.pdf"')


async def test_a_page_tells_a_device_whole_life_in_both_languages(season):
    answer = await asked(season, PAGE)
    assert answer.status_code == 200, answer.text
    text = squeezed(answer.content)
    for shown in ("登记registered", "拆回：到期轮换dismantled:rotationatterm", "合成一局表库", "WO-", "1,234.56"):
        assert shown in text
    life = (await asked(season, f"/v1/meters/{HERE}/life")).json()["items"]
    assert [entry["id"] for entry in life if entry["id"] not in text] == []
    assert f"as_of_position={life[-1]['position']}" in text
    begun = await asked(season, PAGE, as_of_position=life[0]["position"])
    assert "拆回：" not in squeezed(begun.content)
    unborn = await asked(season, PAGE, as_of_position=1)
    assert (unborn.status_code, unborn.json()["code"]) == (404, "meter.not_then")


@pytest.mark.parametrize("path", [NOTE, PAGE])
async def test_papers_are_for_who_may_read_what_they_show(season, path):
    assert (await asked(season, path, Role.OPERATOR, units=(UNIT,))).status_code == 200
    stranger = await asked(season, path, Role.OPERATOR, units=("99402",))
    unknown = "shipment.unknown" if path == NOTE else "meter.unknown"
    assert (stranger.status_code, stranger.json()["code"]) == (404, unknown)
    nobody = await season.client.get(path)
    assert (nobody.status_code, nobody.json()["code"]) == (401, "identity.missing_token")
    public = await asked(season, path, Role.PUBLIC)
    assert (public.status_code, public.json()["code"]) == (403, "access.denied")


async def test_a_maker_has_neither_the_ledger_nor_the_page_of_a_device_which_tells_where_it_is_kept(season):
    ledger = await asked(season, LEDGER, Role.MANUFACTURER, first="2026-03", last="2026-03")
    assert (ledger.status_code, ledger.json()["code"]) == (403, "access.denied")
    other = await asked(season, PAGE, Role.MANUFACTURER)
    assert (other.status_code, other.json()["code"]) == (404, "meter.unknown")
    own = await season.client.get(PAGE, headers=season.headers(Role.MANUFACTURER, organisation="SYN-MAKER-A"))
    assert (own.status_code, own.json()["code"]) == (403, "access.denied")


@pytest.mark.parametrize(
    ("path", "params", "status", "code"),
    [
        ("/v1/shipments/nowhere/transfer-note", {}, 404, "shipment.unknown"),
        (f"/v1/meters/{number(99)}/page", {}, 404, "meter.unknown"),
        (NOTE, {"format": "docx"}, 422, "input.not_in_list"),
        (PAGE, {"format": "xlsx"}, 422, "input.not_in_list"),
        (NOTE, {"as_of_position": "soon"}, 422, "input.wrong_type"),
        (NOTE, {"as_of_position": 1_000_000}, 422, "view.no_such_position"),
        (PAGE, {"as_of_position": 1_000_000}, 422, "view.no_such_position"),
        (f"/v1/meters/{HERE}/card", {"as_of_position": 1_000_000}, 422, "view.no_such_position"),
        (f"/v1/meters/{HERE}/life", {"as_of_position": 1_000_000}, 422, "view.no_such_position"),
        (NOTE, {"colour": "red"}, 422, "input.unknown_field"),
        (LEDGER, {"first": "2026-03"}, 422, "input.missing_field"),
        (LEDGER, {"first": "2026-13", "last": "2026-13"}, 422, "input.wrong_format"),
        (LEDGER, {"first": "0000-01", "last": "2026-03"}, 422, "input.wrong_format"),
        (LEDGER, {"first": "2026-04", "last": "2026-03"}, 422, "query.months_reversed"),
        (LEDGER, {"first": "2026-03", "last": "2026-03", "unit": "x"}, 422, "input.wrong_format"),
    ],
)
async def test_what_cannot_be_made_is_a_problem(season, path, params, status, code):
    answer = await asked(season, path, **params)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"] == "application/problem+json"


async def test_more_than_may_wait_are_told_to_come_again(season):
    answers = await asyncio.gather(*(asked(season, PAGE) for _ in range(12)))
    busy = [answer for answer in answers if answer.status_code != 200]
    assert len(answers) - len(busy) >= 3
    assert busy
    for answer in busy:
        assert (answer.status_code, answer.json()["code"]) == (503, "document.busy")
        assert answer.headers["retry-after"]
    assert len({answer.content for answer in answers if answer.status_code == 200}) == 1


async def test_a_note_of_three_thousand_devices_comes_in_parts_and_commands_are_answered_meanwhile(platform):
    devices = [number(serial) for serial in range(3_000)]
    await tell(platform.registry, [*sites(), *dismantled(devices)])
    await tell(platform.registry, [prepared(devices, container="box-1"), dispatched()])
    async with AsyncClient(
        "http://gateway", platform.token(Role.AUDITOR), transport=platform.transport, timeout_s=60
    ) as client:
        seen, file = [], io.BytesIO()
        wanted = types.GetTransferNote(shipment_id=SHIPMENT, format="pdf")
        making = asyncio.create_task(client.fetch(wanted, file, lambda got, whole: seen.append((got, whole))))
        answered = 0
        while not making.done():
            await client.ask(types.GetShipment(shipment_id=SHIPMENT))
            answered += 1
            await asyncio.sleep(0.05)
        fetched = await making
        with pytest.raises(Refused) as refused:
            await client.fetch(types.GetTransferNote(shipment_id="nowhere"), io.BytesIO())
    assert refused.value.code == "shipment.unknown"
    assert answered > 3
    assert fetched.name == f"移交单 {SHIPMENT}.pdf"
    assert (fetched.size_bytes, fetched.sha256) == (
        len(file.getvalue()),
        hashlib.sha256(file.getvalue()).hexdigest(),
    )
    assert seen[-1] == (fetched.size_bytes, fetched.size_bytes)
    pages = pypdf.PdfReader(io.BytesIO(file.getvalue())).pages
    assert len(pages) > 60
    assert devices[-1] in "".join(page.extract_text() for page in pages[-2:])
