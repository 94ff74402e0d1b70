"""Demonstrations do not pile up, and none goes that a platform uses."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from cli.demo.folders import EARLIER_KEPT, fresh, say_how_long
from cli.platform import NotReady, alone


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "demo"


def ran(path):
    """What a platform leaves in its data folder."""
    (path / "run").mkdir()
    with alone(path):
        (path / "ledger.sqlite").write_bytes(b"events")
    return path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_last_few_are_kept_and_it_is_said_which_went(folder, capsys):
    for number in range(1, EARLIER_KEPT + 2):
        assert ran(fresh(folder)).name == str(number)
    assert capsys.readouterr().err == ""
    for _ in range(8):
        ran(fresh(folder))
    assert names(folder) == sorted(str(number) for number in range(9, 13))
    told = capsys.readouterr().err
    assert "已删除较早的演示 8：" in told
    assert "removed the older demonstrations 8:" in told


def test_one_on_which_a_platform_runs_stays_until_it_has_ended(folder, capsys):
    first = ran(fresh(folder))
    with alone(first):
        for _ in range(EARLIER_KEPT + 2):
            ran(fresh(folder))
        assert (first / "ledger.sqlite").read_bytes() == b"events"
        assert "2" not in names(folder), "the one after it goes all the same"
        with pytest.raises(NotReady), alone(first):
            pass
    capsys.readouterr()
    fresh(folder)
    assert not first.exists()
    assert "演示 1, " in capsys.readouterr().err


def test_what_is_not_a_demonstration_is_left_alone(folder, tmp_path):
    elsewhere = tmp_path / "mine"
    elsewhere.mkdir()
    ran(elsewhere)
    folder.mkdir()
    (folder / "1").symlink_to(elsewhere)
    (folder / "2").mkdir()
    (folder / "notes").mkdir()
    (folder / "007").mkdir()
    (folder / "99").write_text("a file")
    for _ in range(EARLIER_KEPT + 3):
        ran(fresh(folder))
    assert (elsewhere / "ledger.sqlite").exists()
    assert {"1", "2", "notes", "007", "99"} <= set(names(folder)), "no platform ran in any of these"


def test_two_at_one_moment_have_each_their_own(folder):
    with ThreadPoolExecutor(8) as at_once:
        taken = list(at_once.map(lambda _: fresh(folder), range(16)))
    assert sorted(int(path.name) for path in taken) == list(range(1, 17))


def test_it_is_said_that_one_goes_with_later_ones(folder, capsys):
    mine = ran(fresh(folder))
    say_how_long(mine)
    said = "".join(capsys.readouterr().err.split())
    assert said.count(str(mine)) == 2
    assert f"此后再演示满{EARLIER_KEPT + 1}次时随旧演示删除" in said
    assert f"goeswiththedemonstrationthatis{EARLIER_KEPT + 1}later" in said
    for _ in range(EARLIER_KEPT):
        ran(fresh(folder))
    assert mine.exists()
    ran(fresh(folder))
    assert not mine.exists()
