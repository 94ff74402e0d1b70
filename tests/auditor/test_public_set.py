"""The public set beside the supervisors': nothing that anyone may read is kept from it."""

import shutil

import pytest

from auditor.finding import Fault
from auditor.report_checks import Outcome, checks_of
from auditor.report_words import PUBLIC_ALONE, meaning_of
from auditor.span import PUBLIC_TYPES
from auditor.verdict import FAULT, VERIFIED
from ledger.proof.disclosure import decode_events, encode_event
from tests.auditor import logs
from tests.auditor.auditing import audited
from tests.auditor.logs import every_kind, packed, put, range_of, read_range

PUBLIC = "log/disclosed"


def test_the_auditor_knows_what_the_labels_make_public():
    assert PUBLIC_TYPES == logs.PUBLIC_TYPES


def test_a_public_set_that_was_emptied_is_found_by_who_may_read_both(tmp_path):
    every_kind().write(tmp_path)
    put(tmp_path, range_of(PUBLIC), packed([]))
    report = audited(tmp_path)
    public = [index for index, event in enumerate(every_kind().events) if event.type in PUBLIC_TYPES]
    assert report.verdict.status == FAULT
    assert [(one.fault, one.what, one.index) for one in report.findings] == [
        (Fault.DROPPED, range_of(PUBLIC), index) for index in public
    ]


def test_every_event_that_is_kept_from_the_public_is_found(tmp_path):
    records = list(decode_events(read_range(every_kind().write(tmp_path), PUBLIC), 0, 4_096))
    for index, _ in records[:: max(1, len(records) // 4)]:
        put(tmp_path, range_of(PUBLIC), packed(encode_event(*one) for one in records if one[0] != index))
        assert [(one.fault, one.index) for one in audited(tmp_path).findings] == [(Fault.DROPPED, index)]


def test_labels_of_another_programme_are_taken_at_their_word(tmp_path):
    every_kind().write(tmp_path)
    put(tmp_path, range_of(PUBLIC), packed([]))
    assert audited(tmp_path, public_types=frozenset()).verdict.status == VERIFIED


@pytest.mark.parametrize("whole", [True, False])
def test_nothing_left_out_is_said_only_where_that_can_be_told(tmp_path, whole):
    every_kind().write(tmp_path)
    if not whole:
        shutil.rmtree(tmp_path / "supervisor")
    report = audited(tmp_path)
    said = {one.code: one for one in checks_of(report)}
    assert {said["dense"].outcome, said["versions"].outcome} == {Outcome.PASSED if whole else Outcome.NOT_DONE}
    shown = f"shows {report.events} of {report.tree_size}:"
    assert [shown in said[code].extent[1] for code in ("dense", "versions")] == [not whole] * 2
    assert [alone in meant for alone, meant in zip(PUBLIC_ALONE, meaning_of(report), strict=True)] == [not whole] * 2
