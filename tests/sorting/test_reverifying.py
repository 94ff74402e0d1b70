"""What a re-verification needs from other streams, as the service finds it out."""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta

import msgspec
import pytest

from kernel.authority import DENIED
from kernel.handling import Ask, Context
from kernel.http_page import Cursors
from kernel.identity_issuer import built_in_verifier, write_keys
from kernel.refusal import Refusal
from ledger.memory import MemoryLedger
from services.registry.app import CODEC as REGISTRY
from services.registry.meter.custody import Received
from services.registry.meter.identity import Registered
from services.registry.site import SiteOpened
from services.registry.vocabulary import Movement
from services.sorting.app import CODEC
from services.sorting.furnishing import UNCONFIRMED
from services.sorting.inspection.steps import StepReport
from services.sorting.repair import (
    UNKNOWN,
    FailReVerification,
    KeysRestored,
    RepairBegun,
    RestoreKeys,
    ReVerified,
    ReVerify,
)
from services.sorting.reverifying import CERTIFICATE_FORM, NO_LABORATORY, NOT_HERE
from services.sorting.scheme import PublishScheme
from tests.given import fresh_id
from tests.sorting.behind import sorting_behind
from tests.sorting.examples import ACCURATE, DAY, POWERED, SCHEME, SITE, UNIT, WHOLE
from tests.sorting.stories import DEVICE, NUMBER, REF, REPAIR_ID, VALID_UNTIL, on
from tests.sorting.written import written

STORE = "store-1"
LABORATORY = "laboratory-1"
OTHER = f"{NUMBER}-2"


def verify(**changed):
    members = {"site": SITE, "certificate": "C-0001", "verifier": "u-1", "valid_until": VALID_UNTIL}
    found = {"appearance": WHOLE, "function": POWERED, "accuracy": ACCURATE}
    return on(ReVerify, **members | found | changed)


@asynccontextmanager
async def workshop(folder, *, production=False, scheme=SCHEME, at=SITE, keyed=True):
    """Sorting over a log in which two repairs of a device, which lies at a site, have come to its keys, or nearly."""
    write_keys(folder / "keys")
    ledger = MemoryLedger()
    for site, kind in ((SITE, "centre"), (STORE, "unit_store"), (LABORATORY, "laboratory")):
        await written(ledger, REGISTRY, f"site-{site}", on(SiteOpened, site_id=site, kind=kind, name=site, unit=UNIT))
    await written(
        ledger,
        REGISTRY,
        f"meter-{NUMBER}",
        on(Registered, device_class="01", unit=UNIT, owner="company", origin="in_service"),
        on(Received, shipment="SH-1", moved=Movement(device_class="01", to_site=at)),
    )
    for repair in (REPAIR_ID, OTHER):
        begun = on(
            RepairBegun,
            repair=repair,
            round=1,
            route="no_fault",
            repaired_by="centre",
            repairer="CENTRE",
            device=DEVICE,
            scheme=REF,
        )
        keys = [on(KeysRestored, repair=repair, reference="KEY-1")] if keyed else []
        await written(ledger, CODEC, f"repair-{repair}", begun, *keys)
    verifier = built_in_verifier(folder / "keys", ["127.0.0.1"])
    async with sorting_behind(folder, ledger, verifier, Cursors(b"c" * 32), production=production) as behind:
        await done(behind, on(PublishScheme, group=scheme.group, version=1, scheme=scheme, why="first"))
        yield behind
    await ledger.close()


async def answers(behind, *commands):
    return await behind.sorting.do_many(
        [Ask(command, Context(command_id=fresh_id(), actor="u-1")) for command in commands]
    )


async def done(behind, command):
    (answer,) = await answers(behind, command)
    if isinstance(answer, Refusal):
        raise answer
    return answer


async def test_it_takes_place_where_the_device_is_at_a_centre_or_a_laboratory(tmp_path):
    async with workshop(tmp_path, at=STORE) as behind:
        refused = await answers(behind, verify(), verify(site=STORE), verify(repair="never-1"))
        assert [one.code for one in refused] == [NOT_HERE.code, NO_LABORATORY.code, UNKNOWN.code]


async def test_a_laboratory_verifies_too(tmp_path):
    async with workshop(tmp_path, at=LABORATORY) as behind:
        outcome = await done(behind, verify(site=LABORATORY))
        assert isinstance(outcome.events[0], ReVerified)


async def test_a_number_has_the_form_that_the_house_gave_it(tmp_path):
    async with workshop(tmp_path) as behind:
        with pytest.raises(Refusal, match=CERTIFICATE_FORM.code):
            await done(behind, verify(certificate="C"))


async def test_limits_that_nobody_confirmed_certify_nothing_in_production(tmp_path):
    limit = msgspec.structs.replace(SCHEME.norm("accuracy").items[0].limits[0], confirmed=False)
    item = msgspec.structs.replace(SCHEME.norm("accuracy").items[0], limits=(limit,))
    norm = msgspec.structs.replace(SCHEME.norm("accuracy"), items=(item,))
    norms = tuple(norm if one.step == "accuracy" else one for one in SCHEME.norms)
    async with workshop(tmp_path, production=True, scheme=msgspec.structs.replace(SCHEME, norms=norms)) as behind:
        with pytest.raises(Refusal, match=UNCONFIRMED.code):
            await done(behind, verify())


async def test_a_number_is_given_once_in_one_call_and_a_refused_command_takes_none(tmp_path):
    async with workshop(tmp_path) as behind:
        late = verify(valid_until=DAY - timedelta(days=1))
        lacking = verify(function=StepReport())
        refused = await answers(behind, late, lacking)
        assert all(isinstance(one, Refusal) for one in refused)
        first, second = await answers(behind, verify(), verify(repair=OTHER))
        assert isinstance(first.events[0], ReVerified)
        assert second.code == "certificate.used"
        await done(behind, verify(repair=OTHER, certificate="C-0002"))


async def test_the_same_command_told_again_is_answered_as_before_wherever_the_device_is_by_now(tmp_path):
    async with workshop(tmp_path) as behind:
        ask = Ask(verify(), Context(command_id=fresh_id(), actor="u-1"))
        (first,) = await behind.sorting.do_many([ask])
        moved = Movement(device_class="01", from_site=SITE, to_site=STORE)
        gone = on(Received, shipment="SH-2", moved=moved)
        await written(behind.sorting._ledger, REGISTRY, f"meter-{NUMBER}", gone)
        (again,) = await behind.sorting.do_many([ask])
        assert again.repeated
        assert again.events == first.events


async def test_a_number_is_taken_with_the_certificate_or_not_at_all(tmp_path):
    async with workshop(tmp_path) as behind:

        async def left(nobody, *commands, **context):
            """What came of these, by the codes of the refusals; they recorded nothing."""
            head = await behind.sorting._ledger.head()
            asks = [Ask(one, Context(command_id=fresh_id(), actor="u-1", **context), nobody) for one in commands]
            answers = await behind.sorting.do_many(asks)
            assert await behind.sorting._ledger.head() == head
            return [answer.code for answer in answers]

        assert await left(None, verify(), expected_version=0) == ["command.stale_version"]
        assert await left(lambda *_: DENIED(action="ReVerify"), verify()) == ["access.denied"]
        await done(behind, on(FailReVerification, repair=REPAIR_ID, verifier="u-1", why="torn"))
        assert await left(None, verify()) == ["repair.not_now"]
        first, second = await answers(behind, verify(), verify(repair=OTHER))
        assert (first.code, type(second.events[0])) == ("repair.not_now", ReVerified)
        assert await numbers(behind) == {"C-0001": [(OTHER, second.position + 1)]}


async def test_keys_restored_in_the_same_call_do_not_go_round_the_number(tmp_path):
    async with workshop(tmp_path, keyed=False) as behind:
        keys = on(RestoreKeys, repair=REPAIR_ID, reference="KEY-1")
        _, verified = await answers(behind, keys, verify())
        assert isinstance(verified.events[0], ReVerified)
        assert await numbers(behind) == {"C-0001": [(REPAIR_ID, verified.position + 1)]}


async def test_of_two_at_the_same_moment_one_has_the_number(tmp_path):
    async with workshop(tmp_path) as behind:
        both = await asyncio.gather(answers(behind, verify()), answers(behind, verify(repair=OTHER)))
        codes = [getattr(answer, "code", None) for (answer,) in both]
        assert sorted(codes, key=str) == [None, "certificate.used"]
        certified = (REPAIR_ID, OTHER)[codes.index(None)]
        assert [repair for repair, _ in (await numbers(behind))["C-0001"]] == [certified]


async def numbers(behind):
    """Every number that was taken, by which repair and at which position."""
    found = {}
    for recorded in (await behind.sorting._ledger.read_all(types=["sorting.CertificateClaimed"])).events:
        claimed = CODEC.decode(recorded)
        found.setdefault(claimed.certificate, []).append((claimed.repair, recorded.position))
    return found


async def test_a_failure_takes_no_number(tmp_path):
    async with workshop(tmp_path) as behind:
        failed = verify(function=msgspec.structs.replace(POWERED, measured=(FLAT,)))
        outcome = await done(behind, failed)
        assert type(outcome.events[0]).__name__ == "ReVerificationFailed"
        await done(behind, verify(repair=OTHER))
        with pytest.raises(Refusal, match=r"repair\.not_now"):
            await done(behind, on(FailReVerification, verifier="u-1", why="torn"))


FLAT = msgspec.structs.replace(POWERED.measured[0], value=1_000)
