"""What each role may do at `meterloop ledger serve`, by the labels, the deciders and the gateway."""

import re

import pytest

from cli.disclosing import DISCLOSURE
from cli.grants import EVERY_SERVICE, OUTSIDE, SERVICES, SUPERVISORS, grant_of
from cli.inventory import deciders
from cli.reference import ROOT
from kernel.disclosure import load
from kernel.principal import Role

LABELS = load(DISCLOSURE)
LOOK_ALIKE = (
    "Registry.Registered",
    "REGISTRY.Registered",
    "\uff52egistry.Registered",
    "registry\uff0eRegistered",
    "registry\u2024Registered",
    "regi\u0455try.Registered",
    "regi\u017ftry.Registered",
    "re\u0261\u0131stry.Registered",
    "regis\u0323try.Registered",
    "\u0421LAIMS.Made",
    "s\u03bfrting.Sorted",
)
UNSEEN = (
    "ext-\x1b[2J", "ext-a\nb", "ext-\u202egnp.exe", "ext-\u2028", "registry\u200b.Registered", "regi\ufe0fstry.x",
    "ext-\xa0", "ext-\U000e0101", "ext-\x7f", "ext-\u3164",
)  # fmt: skip
OUTSIDERS = sorted(set(Role) - {Role.SERVICE})


def grant(role, service=None):
    return grant_of(role, service, LABELS)


def test_a_service_reads_everything_and_writes_the_streams_of_its_own_deciders():
    for service, nouns in deciders().items():
        found = grant(Role.SERVICE, service)
        assert found.sees("anything")
        assert (found.metadata, found.all_streams, found.carries) == (True, True, True)
        for noun in nouns:
            assert found.may_append_to(f"{noun.category}-1")
        assert all(found.may_append(f"{service}.{event.__name__}") for noun in nouns for event in noun.events)
        assert all(found.may_name(name) for name in UNSEEN)
        assert not found.may_append_to("ext-1")
        assert not found.may_append_to("$$meter-1")
        assert (found.reads_beside, found.administers) == (True, False)
        assert not found.may_append_to("elsewhere")
        assert not found.may_append_to(nouns[0].category)


@pytest.mark.parametrize("service", ["sequencer", "discloser", "nobody", None])
def test_a_service_without_deciders_writes_nothing(service):
    found = grant(Role.SERVICE, service)
    assert found.sees("anything")
    assert not any(found.may_append_to(stream) for stream in ("meter-1", "ext-1", "x"))


def test_whoever_is_every_service_writes_what_all_of_them_write_and_no_more():
    found = grant(Role.SERVICE, EVERY_SERVICE)
    assert all(found.may_append_to(f"{prefix}1") for streams in SERVICES.values() for prefix in streams)
    assert not found.may_append_to("elsewhere-1")


@pytest.mark.parametrize("role", OUTSIDERS)
def test_whoever_is_no_service_writes_beside_the_house_alone(role):
    found = grant(role)
    assert found.may_append_to("ext-1")
    assert not any(found.may_append_to(stream) for stream in ("meter-1", "extra-1", "ext", "$$ext-1", ""))
    assert (found.carries, found.administers) == (False, role is Role.ADMIN)
    assert not [name for name in LABELS.events if found.may_append(name)]
    assert all(found.may_append(name) for name in ("acme.Seen", "registryx.Odd", "Registered", "厂商.已到货"))
    assert not [name for name in LOOK_ALIKE if found.may_append(name)]
    assert not [name for name in UNSEEN if found.may_name(name)]
    assert all(found.may_name(name) for name in ("ext-1", "ext-厂商 7/β", "acme.Geprüft"))
    assert OUTSIDE == ("ext-",)


@pytest.mark.parametrize("role", OUTSIDERS)
def test_supervisors_read_everything_and_others_what_is_public(role):
    found = grant(role)
    for name, label in LABELS.events.items():
        assert found.sees(name) is (role in SUPERVISORS or label.audience == "public")
    assert found.sees("ext.Unlabelled") is (role in SUPERVISORS)
    assert found.metadata is (role in SUPERVISORS)


@pytest.mark.parametrize("name", ["VerdictReached", "VerdictOverridden", "PopulationJoined", "SampleDrawn"])
def test_over_the_protocol_the_institute_reads_no_verdict(name):
    assert grant(Role.AUDITOR).sees(f"sorting.{name}")
    assert not grant(Role.INSTITUTE).sees(f"sorting.{name}")


def test_supervisors_are_those_of_the_gateway():
    rules = (ROOT / "gateway" / "policies.cedar").read_text("utf-8")
    _, _, rule = rules.partition('@id("disclosures.supervisors")')
    assert {Role(name) for name in re.findall(r'Role::"(\w+)"', rule)} == SUPERVISORS
