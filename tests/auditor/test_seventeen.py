"""The seventeen faults of the reference by their numbers, and which tests make them in a log: none is without one."""

import types

import pytest

from auditor.finding import NAMES, Fault
from tests.auditor import test_faults, test_live, test_mutations, test_parser_tricks
from tests.auditor.test_faults import MAKERS

SUITE = (test_faults, test_live, test_mutations, test_parser_tricks)

OTHERS: dict[Fault, tuple[str, ...]] = {
    Fault.MISSING: ("test_a_missing_file_is_named", "test_a_missing_day_is_named"),
    Fault.ROLLED_BACK: (
        "test_a_log_that_lost_its_end_is_rolled_back",
        "test_a_log_older_than_its_own_archive_is_rolled_back",
    ),
    Fault.SPLIT_VIEW: ("test_two_views_of_a_log_are_found_by_who_remembers_the_other",),
    Fault.STALE: ("test_a_log_that_stands_still_is_stale",),
    Fault.SHOWN_DIFFERS: ("test_views_that_were_changed_are_found",),
    Fault.MALFORMED: tuple(name for name in vars(test_parser_tricks) if name.startswith("test_")),
}
"""Tests that make a fault otherwise than by a change of one log's files."""

NUMBERED = (
    (1, Fault.REWRITTEN, 3),
    (2, Fault.DROPPED, 4),
    (3, Fault.REORDERED, 2),
    (4, Fault.INSERTED, 3),
    (5, Fault.FORGED_TILE, 3),
    (6, Fault.FORGED_WHOLE, 3),
    (7, Fault.CHECKPOINT_EDITED, 3),
    (8, Fault.WRONG_KEY, 3),
    (9, Fault.MISSING, 2),
    (10, Fault.ROLLED_BACK, 2),
    (11, Fault.SPLIT_VIEW, 2),
    (12, Fault.STALE, 1),
    (13, Fault.BACKDATED, 4),
    (14, Fault.STREAM_BROKEN, 4),
    (15, Fault.SHOWN_DIFFERS, 1),
    (16, Fault.RE_SIGNED, 3),
    (17, Fault.MALFORMED, 7),
)
"""The number in the reference, the name here, and at least how many ways in which it is made."""


def made_by(fault: Fault) -> list[str]:
    """What makes this fault. A maker says in its last line which one it made, and is held to it by its own test."""
    makers = [maker for maker in MAKERS if isinstance(maker, types.FunctionType)]
    return [*(maker.__name__ for maker in makers if fault.name in maker.__code__.co_names), *OTHERS.get(fault, ())]


@pytest.mark.parametrize(("number", "fault", "ways"), NUMBERED)
def test_each_fault_of_the_reference_is_made(number, fault, ways):
    made = made_by(fault)
    assert len(made) >= ways, (number, made)
    there = {name for module in SUITE for name in vars(module)}
    assert {*made} <= there


def test_there_are_seventeen_and_each_has_its_words():
    assert [number for number, _, _ in NUMBERED] == list(range(1, 18))
    assert [fault for _, fault, _ in NUMBERED] == list(Fault) == list(NAMES)


def test_every_maker_makes_one_of_them():
    assert sum(len(made_by(fault)) - len(OTHERS.get(fault, ())) for fault in Fault) == len(MAKERS) > 30


def test_at_least_five_hundred_changes_are_drawn():
    assert len(test_mutations.SEEDS) * test_mutations.MUTATIONS_A_SEED >= 500
