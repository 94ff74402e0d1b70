"""The proof that a report draws: reckoned from the log's files, and shown where it breaks."""

import msgspec
import pytest

from auditor.finding import Fault
from auditor.report_content import Made
from auditor.report_html import html_of
from auditor.report_proof import Wanted, read_proof
from auditor.source import Place, opened
from ledger.proof.merkle import EMPTY_ROOT
from tests.auditor.auditing import audited, named
from tests.auditor.logs import TrueLog, every_kind, log_of, packed, policy, put, range_of, read_range, season


@pytest.mark.parametrize("size", [1, 2, 3, 255, 256, 257, 600])
def test_the_path_of_an_entry_and_the_subtrees_lead_to_the_root(tmp_path, size):
    report = audited(log_of(season().events[:size]).write(tmp_path), with_proof=True)
    proof = report.proof
    assert (proof.size, proof.root) == (size, report.root)
    assert proof.reckoned == proof.path.reckoned_root == report.root
    assert len(proof.subtrees) == size.bit_count()
    assert [one.begin for one in proof.subtrees[1:]] == [one.end for one in proof.subtrees[:-1]]
    assert all(step.in_tiles == step.reckoned for step in proof.path.steps)
    assert not proof.path.of_fault
    assert proof.path.steps[0].begin == proof.path.index == int(report.root, 16) % size
    for step, above in zip(proof.path.steps, proof.path.steps[1:], strict=False):
        ends = {step.begin, step.end, step.sibling_begin, step.sibling_end}
        assert (min(ends), max(ends)) == (above.begin, above.end)


def test_an_empty_log_has_a_root_and_nothing_to_draw(tmp_path):
    report = audited(TrueLog((), ((0, 1_000), (0, 9_000))).write(tmp_path), with_proof=True)
    assert (report.proof.path, report.proof.subtrees) == (None, [])
    assert report.proof.reckoned == report.root == EMPTY_ROOT.hex()


def test_what_was_remembered_is_shown_to_be_the_beginning(tmp_path):
    whole = season()
    begun = log_of(whole.events[:300])
    audited(begun.write(tmp_path / "log"), state=tmp_path / "state")
    report = audited(whole.write(tmp_path / "log"), state=tmp_path / "state", with_proof=True)
    shown = report.proof.consistency
    assert report.remembered.size == shown.old_size == 300
    assert (shown.old_reckoned, shown.reckoned) == (report.remembered.root, report.root)
    assert (shown.holds, shown.broken) == (True, "")
    assert sum(one.end - one.begin for one in [*shown.old, *shown.new]) == len(whole.events)


def test_where_an_entry_was_rewritten_its_own_path_is_drawn_and_breaks(tmp_path):
    log = season()
    log.write(tmp_path)
    bundle = tmp_path / "log/tile/entries/001"
    data = bytearray(bundle.read_bytes())
    data[34 * 7 + 2] ^= 1
    bundle.write_bytes(data)
    report = audited(tmp_path, with_proof=True)
    (found,) = named(report, Fault.REWRITTEN)
    path = report.proof.path
    assert (path.of_fault, path.index) == (True, found.index) == (True, 256 + 7)
    assert not any(step.is_right for step in path.steps)
    assert path.reckoned_root != report.root == report.proof.reckoned


def test_what_was_disclosed_in_an_entry_s_place_is_shown_beside_it(tmp_path):
    every_kind().write(tmp_path)
    part = "supervisor/disclosed"
    data = bytearray(read_range(tmp_path, part))
    data[-1] ^= 1
    put(tmp_path, range_of(part), packed([bytes(data)]))
    path = audited(tmp_path, with_proof=True).proof.path
    assert path.of_fault
    assert path.disclosed_leaf not in {None, path.steps[0].reckoned}
    assert all(step.is_right for step in path.steps)


def test_a_missing_tile_breaks_the_path_and_not_the_report(tmp_path):
    season().write(tmp_path)
    (tmp_path / "log/tile/0/000").unlink()
    report = audited(tmp_path, with_proof=True)
    assert named(report, Fault.MISSING)
    assert "tile/0/000" in report.proof.path.broken
    assert report.proof.path.reckoned_root is None


def test_without_being_asked_nothing_is_read_for_it(tmp_path):
    assert audited(every_kind().write(tmp_path)).proof is None


def test_what_a_report_says_of_trust(tmp_path):
    every_kind().write(tmp_path / "log")
    given = audited(tmp_path / "log", state=tmp_path / "state")
    assert (given.believed.policy, given.believed.title) == ("given", "the tests' policy")
    assert set(given.believed.witnesses) == set(given.witnesses)
    assert given.remembered is None
    again = audited(tmp_path / "log", policy=None, state=tmp_path / "state")
    assert (again.believed.policy, again.remembered.size) == ("remembered", given.tree_size)
    assert audited(tmp_path / "log", policy=None).believed.policy == "log"
    assert audited(tmp_path / "log", policy=policy().encoded()).believed.title == "", (
        "it has no first line that says one"
    )


def test_an_audit_that_was_broken_off_says_why(tmp_path):
    report = audited(tmp_path / "nothing", policy=None)
    assert report.broken_off
    assert report.proof is None


def test_names_in_a_log_s_own_policy_need_not_be_text(tmp_path):
    every_kind().write(tmp_path)
    file = tmp_path / "log/policy"
    file.write_bytes(file.read_bytes().replace(b"w0", b"w\xff").replace(b"both", b"b\xfe"))
    report = audited(tmp_path, policy=None, with_proof=True)
    assert report.verdict.status == 3
    assert b"w\xef\xbf\xbd" in msgspec.json.encode(report)
    note = tmp_path / "log/checkpoint"
    note.write_bytes(b"\n".join(note.read_bytes().split(b"\n")[:-2]) + b"\n")
    report = audited(tmp_path, policy=None, with_proof=True)
    assert named(report, Fault.RE_SIGNED)
    assert msgspec.json.encode(report)


def test_what_cannot_be_had_is_not_said_to_be_wrong(tmp_path):
    whole = season()
    audited(log_of(whole.events[:300]).write(tmp_path / "log"), state=tmp_path / "state")
    report = audited(whole.write(tmp_path / "log"), state=tmp_path / "state", with_proof=True)
    wanted = Wanted(size=report.tree_size, root=bytes.fromhex(report.root), old_size=300, old_root=b"\x01" * 32)
    with opened(Place(str(tmp_path / "log"))) as source:
        assert read_proof(source, wanted).consistency.holds is False
    with opened(Place(str(tmp_path / "gone"))) as source:
        proof = read_proof(source, wanted)
    assert (proof.consistency.holds, proof.reckoned, proof.path.reckoned_root) == (None, None, None)
    page = html_of(msgspec.structs.replace(report, proof=proof), Made(at_us=0, version="0.1.0")).decode("utf-8")
    assert 'class="bad"' not in page
    assert "未能核对" in page
