"""A certificate as it is asked for: from a repair's events and the scheme that they name to what is printed."""

import io

import msgspec
import pypdf
import pytest

from kernel.authority import Policies
from kernel.principal import Principal, Role
from kernel.questions import PageAsked
from kernel.refusal import Refusal
from ledger.port import Recorded
from services.sorting.access import Access
from services.sorting.evaluation import Measured
from services.sorting.papers.certified import ON_RECORD, Issued, certificate_of
from services.sorting.papers.offered import GetCertificate, Papers
from services.sorting.repair import ReVerificationFailed, ReVerified
from services.sorting.scheme import PublishScheme
from tests.sorting.behind import ROOT
from tests.sorting.examples import ACCURACY, ACCURATE, FUNCTION, POWERED, SCHEME, SITE, WHOLE, words
from tests.sorting.stories import DEVICE, NUMBER, REF, VALID_UNTIL, on
from tests.sorting.test_reverifying import OTHER, done, verify, workshop

PAGE = PageAsked(after=None, limit=1)
RENAMED = msgspec.structs.replace(SCHEME, name=words("another name"))


def asked_by(behind, *roles, **who):
    access = Access(Policies.load(ROOT / "services" / "sorting"), behind.sorting)
    (answer,) = (one.answer for one in Papers(behind.sorting, access).table() if one.ask is GetCertificate)
    caller = Principal(subject="u-9", roles=frozenset(roles), units=frozenset(), **who)
    return lambda number: answer(caller, GetCertificate(certificate=number), PAGE)


async def refused(asked, number="C-0001"):
    with pytest.raises(Refusal) as refusal:
        await asked(number)
    return refusal.value.code


async def test_a_certificate_is_the_same_whenever_it_is_asked_for(tmp_path):
    async with workshop(tmp_path) as behind:
        asked = asked_by(behind, Role.STOREKEEPER)
        assert await refused(asked) == "certificate.unknown"
        await done(behind, verify(seals=("S-1", "S-2")))
        first = await asked("C-0001")
        assert (first.name, first.media_type) == ("重新检定证书 C-0001.pdf", "application/pdf")
        text = "".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(first.content)).pages)
        source = ACCURACY.items[0].limits[0].source
        for said in ("C-0001", NUMBER, "2031-05-05", "u-1", "S-1", SCHEME.name.zh, "± 1.0000 %", source, "M01"):
            assert said in text
        # Whatever is published later.
        await done(behind, on(PublishScheme, group=SCHEME.group, version=2, scheme=RENAMED, why="合成"))
        assert (await asked("C-0001")).content == first.content


def test_what_counts_at_sorting_alone_is_on_record_without_a_limit():
    item = msgspec.structs.replace(FUNCTION.items[0], at=("sorting",))
    norm = msgspec.structs.replace(FUNCTION, items=(item,))
    scheme = msgspec.structs.replace(SCHEME, norms=(SCHEME.norms[0], norm, *SCHEME.norms[2:]))
    found = {"appearance": WHOLE, "function": POWERED, "accuracy": ACCURATE}
    event = on(
        ReVerified, site=SITE, certificate="C-1", verifier="u-1", valid_until=VALID_UNTIL, scheme=REF, **found
    )  # fmt: skip
    recorded = Recorded(bytes(16), "s", 0, 7, "t", "j", b"", b"", 1, b"")
    shown = certificate_of(Issued(DEVICE, event, recorded), scheme, ledger_id="l")
    limits = [line.allowed for step in shown.steps for line in step.results]
    assert limits == ["", ON_RECORD, "± 1.0000 %"]


async def test_what_failed_has_no_certificate_and_what_one_may_not_see_is_not_there(tmp_path):
    async with workshop(tmp_path) as behind:
        dead = msgspec.structs.replace(POWERED, measured=(Measured(item="clock_battery", value=1_000),))
        outcome = await done(behind, verify(function=dead))
        assert isinstance(outcome.events[0], ReVerificationFailed)
        assert await refused(asked_by(behind, Role.METROLOGIST)) == "certificate.unknown"
        await done(behind, verify(repair=OTHER, certificate="C-0002"))
        for who in (Role.INSTITUTE, Role.RECYCLER, Role.OPERATOR):
            assert await refused(asked_by(behind, who), "C-0002") == "certificate.unknown"
