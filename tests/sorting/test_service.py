"""Sorting over one log with the registry: from a device that was received to its verdict."""

from datetime import date

import msgspec
import pytest

from kernel.authority import Policies
from kernel.handling import Context
from kernel.http_page import Cursors
from kernel.identity_issuer import built_in_verifier, write_keys
from kernel.principal import Principal, Role
from ledger.memory import MemoryLedger
from services.registry.app import CODEC as REGISTRY_CODEC
from services.registry.asset_number import compose
from services.registry.meter.custody import Received
from services.registry.meter.identity import Description, Registered
from services.registry.vocabulary import Movement
from services.sorting.access import NOT_A_PERFORMER, SECOND_IS_FIRST, Access
from services.sorting.inspection.opening import OPEN_ELSEWHERE, CheckIdentity, OpenInspection
from services.sorting.inspection.steps import InspectAccuracy, InspectAppearance, InspectFunction, StepReport
from services.sorting.reporting import Reporting, RunReport
from services.sorting.run import StartRun
from services.sorting.scheme import PublishScheme
from services.sorting.table import PublishTable
from services.sorting.views.inspection import INSPECTIONS
from tests.given import fresh_id
from tests.sorting.behind import ROOT, sorting_behind
from tests.sorting.examples import (
    ACCURATE,
    BENCH,
    DAY,
    POWERED,
    PRICES,
    SCHEME,
    SITE,
    TABLE,
    UNIT,
    WHOLE,
    inspected,
)
from tests.sorting.written import written

NUMBERS = [compose(UNIT, "01", f"9999000000{serial:04d}") for serial in range(20)]


@pytest.fixture
async def hall(tmp_path):
    """Sorting over a log that knows twenty meters at the centre, its rules published."""
    write_keys(tmp_path / "keys")
    verifier = built_in_verifier(tmp_path / "keys", ["127.0.0.1"])
    ledger = MemoryLedger()
    for number in NUMBERS:
        description = Description(
            maker="M01", arrival_batch="A1", made_on=date(2020, 1, 5), installed_on=date(2020, 6, 1)
        )
        moved = Movement(device_class="01", to_site=SITE)
        await written(
            ledger,
            REGISTRY_CODEC,
            f"meter-{number}",
            Registered(
                occurred_on=DAY, asset_no=number, device_class="01", unit=UNIT, owner="company", origin="in_service",
                description=description,
            ),
            Received(occurred_on=DAY, asset_no=number, shipment="S1", moved=moved),
        )  # fmt: skip
    async with sorting_behind(tmp_path, ledger, verifier, Cursors(b"c" * 32)) as behind:
        about = {"occurred_on": DAY, "version": 1, "why": "first"}
        for command in (
            PublishScheme(**about, group=SCHEME.group, scheme=SCHEME),
            PublishTable(**about, name="verdict", verdict=TABLE),
            PublishTable(**about, name="prices", prices=PRICES),
        ):
            await do(behind, command)
        yield behind
    await ledger.close()


async def do(behind, command):
    return await behind.sorting.do(command, Context(command_id=fresh_id(), actor="u-1"))


async def test_a_meter_goes_from_the_scan_to_its_verdict_step_by_step(hall):
    about = {"occurred_on": DAY, "asset_no": NUMBERS[0]}
    await do(hall, OpenInspection(**about, bench=BENCH, site=SITE, accuracy_class="1"))
    with pytest.raises(OPEN_ELSEWHERE.kind, match="open_elsewhere"):
        await do(hall, OpenInspection(**about, bench="B2", site=SITE))
    await do(hall, CheckIdentity(**about, barcode=NUMBERS[0]))
    for command, report in ((InspectAppearance, WHOLE), (InspectFunction, POWERED), (InspectAccuracy, ACCURATE)):
        done = await do(hall, command(**about, report=report))
    row = await judged(hall, NUMBERS[0], done.position)
    assert (row.phase, row.disposition, row.rule, row.next_step) == ("judged", "reuse", "reuse.sound", None)


async def test_a_step_is_recorded_by_those_who_do_it_by_its_norm(hall):
    access = Access(Policies.load(ROOT / "services" / "sorting"), hall.sorting)
    only = msgspec.structs.replace(
        SCHEME,
        norms=tuple(
            msgspec.structs.replace(norm, performers=("laboratory",)) if norm.step == "function" else norm
            for norm in SCHEME.norms
        ),
    )
    await do(hall, PublishScheme(occurred_on=DAY, why="stricter", version=2, group=SCHEME.group, scheme=only))
    about = {"occurred_on": DAY, "asset_no": NUMBERS[2]}
    await do(hall, OpenInspection(**about, bench=BENCH, site=SITE, accuracy_class="1"))
    await do(hall, CheckIdentity(**about, barcode=NUMBERS[2]))
    await do(hall, InspectAppearance(**about, report=WHOLE))
    for role, allowed in ((Role.INSPECTOR, False), (Role.METROLOGIST, False), (Role.LABORATORY, True)):
        who = Principal(subject="u-2", roles=frozenset({role}))
        command = InspectFunction(**about, report=POWERED)
        context, permit = Context(command_id=fresh_id(), actor="u-2"), await access.permit(who, [command])
        if allowed:
            assert (await hall.sorting.do(command, context, permit)).events
            continue
        with pytest.raises(NOT_A_PERFORMER.kind, match="not_a_performer"):
            await hall.sorting.do(command, context, permit)


async def test_a_run_reports_each_position_once(hall):
    await do(hall, StartRun(occurred_on=DAY, run_id="R1", bench=BENCH, site=SITE))
    access = Access(Policies.load(ROOT / "services" / "sorting"), hall.sorting)
    reporting = Reporting(hall.sorting, access)
    line = Principal(subject="line-1", roles=frozenset({Role.SERVICE}))
    reports = [RunReport(run_id="R1", position=at, found=inspected(number)) for at, number in enumerate(NUMBERS, 1)]
    strange = RunReport(run_id="R1", position=30, found=inspected(compose(UNIT, "01", "99990000009999")))
    answers = await reporting.take(line, [*reports, strange])
    assert [(one.recorded, one.disposition) for one in answers[:-1]] == [(True, "reuse")] * len(NUMBERS)
    assert (answers[-1].recorded, answers[-1].code) == (False, "inspection.not_on_record")
    again = await reporting.take(line, reports)
    assert all(one.recorded and one.repeated for one in again)
    moved = await reporting.take(line, [RunReport(run_id="R1", position=3, found=inspected(NUMBERS[0]))])
    assert [(one.recorded, one.code) for one in moved] == [(False, "run.position_taken")]
    # What was refused left its position free.
    elsewhere = await reporting.take(line, [RunReport(run_id="R1", position=30, found=inspected(NUMBERS[0]))])
    assert [one.code for one in elsewhere] == ["run.device_twice"]


async def judged(hall, asset_no, position):
    """The device's row once its verdict is in the view."""
    while True:
        row = await hall.sorting.one(INSPECTIONS, (asset_no,), seen=position)
        if row.phase == "judged":
            return row


async def test_the_second_person_of_a_step_is_another_than_whoever_records_it(hall):
    access = Access(Policies.load(ROOT / "services" / "sorting"), hall.sorting)
    inspector = Principal(subject="u-1", roles=frozenset({Role.INSPECTOR}), units=frozenset({"*"}))
    permit = await access.permit(inspector, [])
    state = (await hall.sorting.inspections_now([NUMBERS[0]]))[NUMBERS[0]]
    for command, refused in (
        (InspectAppearance(occurred_on=DAY, asset_no=NUMBERS[0], report=StepReport(second="u-1")), True),
        (InspectAppearance(occurred_on=DAY, asset_no=NUMBERS[0], report=StepReport(second="u-2")), False),
        (InspectAppearance(occurred_on=DAY, asset_no=NUMBERS[0], report=StepReport()), False),
    ):
        refusal = permit(command, state)
        assert (refusal.code == SECOND_IS_FIRST.code if refusal else False) is refused
