"""What a report says was checked, and what came of it."""

import msgspec
import pytest

from auditor.finding import Fault, Finding
from auditor.report_checks import Outcome, check_of, checks_of, files_of
from ledger.proof.tiles import bundles_of, tiles_of
from tests.auditor.reports import faulty, million, self_consistent, unreadable, verified


def outcomes(report):
    return {one.code: one.outcome for one in checks_of(report)}


def test_an_audit_without_fault_holds_in_all_that_it_did():
    assert set(outcomes(verified()).values()) == {Outcome.PASSED, Outcome.NOT_DONE}
    not_done = {code for code, outcome in outcomes(verified()).items() if outcome is Outcome.NOT_DONE}
    assert not_done == {"age", "balances", "cards", "holds"}, "of a copy"
    assert outcomes(self_consistent())["saved"] is Outcome.NOT_DONE


def test_a_check_that_found_something_says_how_much():
    checks = {one.code: one for one in checks_of(faulty())}
    assert checks["tiles"].outcome is Outcome.FAULT
    assert checks["signatures"].outcome is Outcome.PASSED
    assert sum(one.findings for one in checks.values()) == faulty().findings_count


def test_what_was_broken_off_has_passed_nothing():
    assert set(outcomes(unreadable()).values()) == {Outcome.NOT_DONE}
    broken = msgspec.structs.replace(verified(), broken_off="log/tile/0/000: HTTP 503")
    assert set(outcomes(broken).values()) == {Outcome.UNFINISHED, Outcome.NOT_DONE}


def test_where_findings_are_only_counted_no_check_has_passed():
    told = set(outcomes(million()).values())
    assert Outcome.PASSED not in told
    assert {Outcome.FAULT, Outcome.UNKNOWN} <= told


@pytest.mark.parametrize("fault", Fault)
def test_every_fault_is_of_a_check(fault):
    known = {one.code for one in checks_of(verified())}
    for what in (
        "log/checkpoint",
        "tile/0/000",
        "supervisor/metadata/000.cbor.zst",
        "registry.Received",
        "v1/meters/9",
    ):
        assert check_of(Finding(fault=fault, what=what)) in known


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 65_535, 65_536, 65_537, 200_000])
def test_files_are_counted_as_the_tree_has_them(size):
    assert files_of(size) == (len(list(tiles_of(size))), len(list(bundles_of(size))))
