"""A device's whole way over both services: dismantled, inspected, judged, made fit for use again or let go."""

import asyncio
import itertools
from contextlib import asynccontextmanager
from datetime import date

import msgspec
import pytest

from kernel.principal import Role
from services.registry.asset_number import compose
from services.registry.meter.binding import BindIdentity
from services.registry.meter.dismantling import Dismantle
from services.registry.meter.identity import AssignTemporaryIdentity, Description, Register
from services.registry.meter.release import ReceiveFromMaker, RecordPrecondition, Reinstall, Release
from services.registry.shipment import DispatchShipment, FoundLine, Line, PrepareShipment, ReceiveShipment
from services.registry.site import OpenSite
from services.sorting.decision import Condition, Rule
from services.sorting.evaluation import Measured
from services.sorting.inspection.opening import OpenInspection
from services.sorting.inspection.repair_order import OrderRepair
from services.sorting.inspection.steps import StepReport
from services.sorting.repair import (
    PartReplaced,
    RestoreKeys,
    ReturnFromRepair,
    ReVerify,
    SendForRepair,
)
from services.sorting.scheme import PublishScheme
from services.sorting.table import PublishTable
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
    performed,
    words,
)
from tests.sorting.province import SECONDS_MAX, SUBJECT, Refused, province

STORE = "store-1"
NUMBERS = [compose(UNIT, "01", f"9999000077{serial:04d}") for serial in range(4)]
TEMPORARY = "T99101AB12"
WAITING = "meter.precondition_missing"
FLAT = performed(Measured(item="clock_battery", value=1_000))
WRONG = performed(Measured(item="error_ib_pf100", value=90_000))
BURNT = performed(Measured(item="case", choice="burnt", photos=("0" * 64,)))
UNTESTED = StepReport(ended="not_possible", why="burnt")
UNTRIED = Condition(column="repair", any_of=("untried",))
FAILED = Condition(column="repair", any_of=("failed",))


def table_that_minds_failures():
    """The table of the examples, by which what could not be made good is scrapped."""
    rules = []
    for rule in TABLE.rules:
        if rule.rule != "reuse.sound":
            rules.append(rule)
            continue
        rules.append(msgspec.structs.replace(rule, when=(*rule.when, UNTRIED)))
        rules.append(
            Rule(
                rule="scrap.failed",
                when=(*rule.when, FAILED),
                disposition="scrap",
                because=words("could not be made good"),
                not_reuse=words("its repair failed"),
                not_claim=words("no defect of manufacture"),
            )
        )
    return msgspec.structs.replace(TABLE, rules=tuple(rules))


def on(struct, /, **fields):
    return struct(**{"occurred_on": DAY} | fields)


@asynccontextmanager
async def hall(folder):
    """A province with its rules published and four meters at its centre."""
    async with province(folder) as everywhere:
        for site, kind in ((SITE, "centre"), (STORE, "unit_store")):
            await everywhere.do(on(OpenSite, site_id=site, kind=kind, name=site, unit=UNIT))
        first = {"version": 1, "why": "first"}
        await everywhere.do(on(PublishScheme, **first, group=SCHEME.group, scheme=SCHEME))
        await everywhere.do(on(PublishTable, **first, name="verdict", verdict=table_that_minds_failures()))
        await everywhere.do(on(PublishTable, **first, name="prices", prices=PRICES))
        made = Description(maker="M01", arrival_batch="A1", made_on=date(2020, 1, 5), installed_on=date(2020, 6, 1))
        for number in NUMBERS:
            said = {"asset_no": number, "unit": UNIT}
            await everywhere.do(on(Register, **said, device_class="01", description=made))
            await everywhere.do(on(Dismantle, **said, work_order="WO-1", site=STORE, reason="rotation_at_term"))
        await ship(everywhere, NUMBERS)
        yield everywhere


async def ship(everywhere, numbers):
    """From the unit's store to the centre."""
    about = {"shipment_id": "SH-1"}
    manifest = tuple(Line(asset_no=number, device_class="01") for number in numbers)
    await everywhere.do(on(PrepareShipment, **about, from_site=STORE, to_site=SITE, unit=UNIT, manifest=manifest))
    await everywhere.do(on(DispatchShipment, **about))
    found = tuple(FoundLine(asset_no=number) for number in numbers)
    await everywhere.do(on(ReceiveShipment, **about, found=found))
    for number in numbers:
        await everywhere.until("registry", f"/v1/meters/{number}/card", phase="at_site", site=SITE)


async def judged(everywhere, number, disposition, **found):
    """Inspected, and what came of it."""
    await everywhere.do(inspected(number, **found))
    await everywhere.until("sorting", f"/v1/inspections/{number}", disposition=disposition, phase="judged")


def release(number, purpose):
    return on(Release, asset_no=number, site=SITE, purpose=purpose, reference="R-1")


def order(number, **terms):
    return on(OrderRepair, asset_no=number, **{"route": "no_fault", "repairer": "CENTRE"} | terms)


def verify(repair, certificate, **found):
    measured = {"appearance": WHOLE, "function": POWERED, "accuracy": ACCURATE} | found
    return on(
        ReVerify,
        repair=repair,
        site=SITE,
        certificate=certificate,
        verifier=SUBJECT,
        valid_until=date(2034, 5, 5),
        seals=("S-1",),
        **measured,
    )


async def lacking(everywhere, number, purpose, grounds):
    """The release is refused for want of exactly these grounds, once those that there are have arrived."""
    async with asyncio.timeout(SECONDS_MAX):
        while True:
            with pytest.raises(Refused) as refused:
                await everywhere.do(release(number, purpose))
            assert refused.value.code == WAITING
            if f": {grounds} is missing" in refused.value.words:
                return
            await asyncio.sleep(0.05)


async def keyed(everywhere, number, **terms):
    """Ordered, and its keys restored."""
    await everywhere.do(order(number, **terms))
    repair = f"{number}-1"
    await everywhere.soon(on(RestoreKeys, repair=repair, reference="KEY-1"), "repair.unknown")
    return repair


CERTIFICATE_LACKS = "a re-verification certificate"


async def test_what_is_sound_is_reinstalled_with_a_certificate_and_not_without(tmp_path):
    number = NUMBERS[0]
    async with hall(tmp_path) as everywhere:
        await judged(everywhere, number, "reuse")
        await lacking(everywhere, number, "reinstall", CERTIFICATE_LACKS)
        repair = await keyed(everywhere, number)
        with pytest.raises(Refused, match="403"):
            await everywhere.do(verify(repair, "C-0001"), Role.INSPECTOR)
        with pytest.raises(Refused, match=r"repair\.verified_by_another"):
            await everywhere.do(msgspec.structs.replace(verify(repair, "C-0001"), verifier="u-9"))
        with pytest.raises(Refused, match=r"certificate\.form"):
            await everywhere.do(verify(repair, "C"))
        await everywhere.do(verify(repair, "C-0001"), Role.METROLOGIST)
        shown = await everywhere.until("sorting", f"/v1/repairs/{repair}", phase="verified")
        assert (shown["certificate"], shown["valid_until"]) == ("C-0001", "2034-05-05")
        assert (shown["verifier"], shown["seals"]) == (SUBJECT, "S-1")
        await everywhere.ask("sorting", f"/v1/inspections/{number}", Role.MANUFACTURER)
        for path in (f"/v1/repairs/{repair}", "/v1/repairs"):
            with pytest.raises(Refused):
                await everywhere.ask("sorting", path, Role.MANUFACTURER)
            await everywhere.ask("sorting", path, Role.OPERATOR)
        await everywhere.until("sorting", f"/v1/inspections/{number}", certificate="C-0001", repair=None)
        await everywhere.soon(release(number, "reinstall"), WAITING)
        await everywhere.do(on(Reinstall, asset_no=number, work_order="WO-2", unit=UNIT))
        await everywhere.until("registry", f"/v1/meters/{number}/card", phase="in_service", seals="S-1")
        await everywhere.until("sorting", f"/v1/inspections/{number}", phase="closed")


async def test_what_has_a_fault_goes_to_its_maker_and_comes_back_to_be_verified(tmp_path):
    number = NUMBERS[0]
    async with hall(tmp_path) as everywhere:
        await judged(everywhere, number, "reuse", function=FLAT)
        with pytest.raises(Refused, match=r"repair\.not_sound"):
            await everywhere.do(order(number))
        await lacking(everywhere, number, "repair", "a repair order")
        terms = {"route": "fault", "repaired_by": "maker", "repairer": "M01", "scope": "battery", "price_fen": 1_500}
        await everywhere.do(order(number, **terms))
        repair = f"{number}-1"
        await everywhere.soon(release(number, "repair"), WAITING)
        await everywhere.soon(on(SendForRepair, repair=repair, reference="DN-1"), "repair.unknown")
        battery = PartReplaced(part="battery", quantity=1)
        await everywhere.do(on(ReturnFromRepair, repair=repair, outcome="repaired", parts=(battery,)))
        await everywhere.do(on(RestoreKeys, repair=repair, reference="KEY-1"))
        with pytest.raises(Refused, match=r"repair\.not_here"):
            await everywhere.do(verify(repair, "C-0001"))
        await everywhere.do(on(ReceiveFromMaker, asset_no=number, site=SITE))
        await lacking(everywhere, number, "reinstall", CERTIFICATE_LACKS)
        await everywhere.do(verify(repair, "C-0001"))
        await everywhere.soon(release(number, "reinstall"), WAITING)
        await everywhere.do(on(Reinstall, asset_no=number, work_order="WO-2", unit=UNIT))


async def test_what_fails_its_re_verification_is_judged_again_and_goes_nowhere_as_before(tmp_path):
    number = NUMBERS[0]
    async with hall(tmp_path) as everywhere:
        await judged(everywhere, number, "reuse")
        repair = await keyed(everywhere, number)
        await everywhere.do(verify(repair, "C-0001", function=FLAT))
        await everywhere.until("sorting", f"/v1/inspections/{number}", disposition="scrap", repair=None)
        await lacking(everywhere, number, "materials", "a scrap approval")
        await lacking(everywhere, number, "reinstall", f"a verdict of reuse, {CERTIFICATE_LACKS}")


async def test_scrap_waits_for_its_approval_and_a_claim_for_its_agreement(tmp_path):
    scrap, claim, *_ = NUMBERS
    async with hall(tmp_path) as everywhere:
        await judged(everywhere, scrap, "scrap", appearance=BURNT, function=UNTESTED, accuracy=UNTESTED)
        await judged(everywhere, claim, "claim", accuracy=WRONG)
        for number, purpose, lacks, kind in (
            (scrap, "materials", "a scrap approval", "scrap_approval"),
            (claim, "maker", "a claim agreement", "claim_agreement"),
        ):
            await lacking(everywhere, number, purpose, lacks)
            await everywhere.do(on(RecordPrecondition, asset_no=number, kind=kind, reference="A-1"))
            await everywhere.do(release(number, purpose))
            await everywhere.until("registry", f"/v1/meters/{number}/card", phase="out", purpose=purpose)


async def test_of_two_who_give_one_certificate_number_at_once_one_is_refused(tmp_path):
    async with hall(tmp_path) as everywhere:
        repairs = []
        for number in NUMBERS[:3]:
            await judged(everywhere, number, "reuse")
            repairs.append(await keyed(everywhere, number))
        answers = await asyncio.gather(
            *(everywhere.do(verify(repair, "C-0001")) for repair in repairs), return_exceptions=True
        )
        refused = [answer for answer in answers if isinstance(answer, Refused)]
        assert [one.code for one in refused] == ["certificate.used"] * 2
        (certified,) = itertools.compress(repairs, [not isinstance(answer, Refused) for answer in answers])
        other = next(repair for repair in repairs if repair != certified)
        await everywhere.do(verify(other, "C-0002"))
        found = await everywhere.until("sorting", f"/v1/repairs/{other}", phase="verified")
        listed = await everywhere.ask("sorting", "/v1/repairs?certificate=C-0001")
        assert [one["repair"] for one in listed["items"]] == [certified]
        assert found["certificate"] == "C-0002"


async def test_what_leaves_its_bench_is_no_longer_inspected_and_nothing_is_sorted_in_a_store(tmp_path):
    number, elsewhere, *_ = NUMBERS
    opening = {"bench": BENCH, "accuracy_class": "1"}
    async with hall(tmp_path) as everywhere:
        await everywhere.do(on(OpenInspection, asset_no=number, site=SITE, **opening))
        about = {"shipment_id": "SH-2"}
        manifest = tuple(Line(asset_no=one, device_class="01") for one in (number, elsewhere))
        await everywhere.do(on(PrepareShipment, **about, from_site=SITE, to_site=STORE, unit=UNIT, manifest=manifest))
        await everywhere.do(on(DispatchShipment, **about))
        await everywhere.until("sorting", f"/v1/inspections/{number}", phase="abandoned")
        found = tuple(FoundLine(asset_no=line.asset_no) for line in manifest)
        await everywhere.do(on(ReceiveShipment, **about, found=found))
        await everywhere.until("registry", f"/v1/meters/{elsewhere}/card", phase="at_site", site=STORE)
        with pytest.raises(Refused, match=r"inspection\.no_centre"):
            await everywhere.do(on(OpenInspection, asset_no=elsewhere, site=STORE, **opening))


async def test_what_was_inspected_under_a_temporary_identity_is_inspected_anew_under_its_number(tmp_path):
    number = compose(UNIT, "01", "99990000778888")
    async with hall(tmp_path) as everywhere:
        temporary = {"asset_no": TEMPORARY, "device_class": "01", "unit": UNIT, "site": SITE}
        await everywhere.do(on(AssignTemporaryIdentity, **temporary))
        await judged(everywhere, TEMPORARY, "reuse", barcode=None, identity_why="no barcode")
        repair = await keyed(everywhere, TEMPORARY)
        await everywhere.do(on(BindIdentity, asset_no=TEMPORARY, bound_to=number, evidence="read after cleaning"))
        shown = await everywhere.until("sorting", f"/v1/inspections/{TEMPORARY}", phase="superseded", repair=None)
        assert shown["disposition"] == "reuse"
        await everywhere.until("sorting", f"/v1/repairs/{repair}", phase="cancelled")
        await everywhere.until("registry", f"/v1/meters/{number}/card", phase="at_site", site=SITE)
        await lacking(everywhere, number, "reinstall", f"a verdict of reuse, {CERTIFICATE_LACKS}")
        await judged(everywhere, number, "reuse")
        await lacking(everywhere, number, "reinstall", CERTIFICATE_LACKS)
