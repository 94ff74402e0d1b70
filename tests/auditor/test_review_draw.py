"""By which checkpoint a sample is drawn and in which term, and by whom a draw fails, by the auditor's own rules."""

from datetime import timedelta
from hashlib import sha256
from typing import Any

import msgspec
import pytest

from services.sorting.review.drawing import OPERATOR, DrawFailed
from tests.auditor.review_story import ROOT, TERM, Story
from tests.sorting.reviewing import NONCE, OTHER_DAY, SUPERVISOR, number

HOUR = timedelta(hours=1)


def committed(*, published: bool = True) -> tuple[Story, int]:
    """A population of six, and the size of the first checkpoint that covers it."""
    story = Story()
    story.judge(range(6))
    story.propose()
    story.join(range(6))
    story.commit()
    size = len(story.told)
    if published:
        story.publish(size)
    return story, size


def differing(story: Story, size: int | None) -> list[str]:
    return [what for what, _ in story.differences(lambda _index: None if size is None else (size, ROOT))]


def fail(story: Story, cause: str, by: str, **other: Any) -> None:
    said: dict[str, Any] = {"occurred_at": story.at, "review": "R1", "attributed_to": by, "cause": cause}
    story.of_review(DrawFailed(**(said | other)))


def test_a_sample_is_drawn_by_the_checkpoint_on_record():
    story, size = committed()
    story.draw(size)
    assert differing(story, size) == []
    other, size = committed()
    other.draw(size + 1)
    assert differing(other, size) == ["checkpoint_not_the_first"] * 2
    unpublished, size = committed(published=False)
    unpublished.draw(size)
    assert differing(unpublished, size) == ["checkpoint_not_the_first"]


def test_a_checkpoint_that_was_not_there_yet_is_named():
    story, size = committed(published=False)
    story.publish(size + 1)
    assert differing(story, size + 1) == ["checkpoint_not_the_first"]


def test_a_nonce_is_revealed_within_the_term():
    for after, expected in ((TERM, []), (TERM + timedelta(minutes=6), ["nonce_late"])):
        story, size = committed()
        story.at += after
        story.draw(size)
        assert differing(story, size) == expected


def test_the_term_is_the_supervisor_s_and_runs_from_when_the_checkpoint_was_there():
    story, size = committed(published=False)
    story.publish(size, reveal_by=story.at + HOUR)
    assert differing(story, size) == ["term_differs"]
    for ago in (HOUR, -HOUR):
        story, size = committed(published=False)
        story.publish(size, occurred_at=story.at - ago, reveal_by=story.at - ago + TERM)
        assert differing(story, size) == ["nonce_late"]
    story = Story()
    story.judge(range(6))
    story.propose()
    _, entrusted = story.told.pop()
    data = entrusted.data[:-1] + b',"reveal_within_h":1}'
    story.told.append((len(story.told), msgspec.structs.replace(entrusted, data=data)))
    story.join(range(6))
    story.commit()
    assert differing(story, None) == ["term_differs"]


FAILURES = [
    # published, hours later, its cause, to whom it is attributed, and what is named
    (True, 25, "not_revealed", SUPERVISOR, []),
    (True, 23, "not_revealed", SUPERVISOR, ["nonce_late"]),
    (True, 25, "not_revealed", "u-9", ["attribution_differs"]),
    (False, 25, "not_revealed", SUPERVISOR, ["attribution_differs"]),
    (False, 25, "not_published", OPERATOR, []),
    (False, 23, "not_published", OPERATOR, ["nonce_late"]),
    (False, 25, "not_published", SUPERVISOR, ["attribution_differs"]),
    (True, 25, "not_published", OPERATOR, ["attribution_differs"]),
    (False, 1, "revealed_early", SUPERVISOR, []),
    (False, 1, "revealed_early", OPERATOR, ["attribution_differs"]),
    (True, 1, "revealed_early", SUPERVISOR, ["attribution_differs"]),
]


@pytest.mark.parametrize(("published", "hours", "cause", "by", "expected"), FAILURES)
def test_a_draw_that_failed_is_attributed_to_who_failed_it(published, hours, cause, by, expected):
    story, size = committed(published=published)
    story.at += hours * HOUR
    nonce = NONCE.hex() if cause == "revealed_early" else None
    fail(story, cause, by, nonce=nonce)
    # Where nothing was published before, the first checkpoint covers the failure, too.
    assert differing(story, size if published else len(story.told)) == expected


def test_a_nonce_came_early_only_where_it_is_the_one_and_no_checkpoint_was_there():
    story, _ = committed(published=False)
    fail(story, "revealed_early", SUPERVISOR, nonce="0" * 64)
    assert differing(story, len(story.told)) == ["nonce_differs"]
    story, size = committed(published=False)
    fail(story, "revealed_early", SUPERVISOR, nonce=NONCE.hex())
    assert differing(story, size) == ["attribution_differs"]


def test_a_nonce_that_was_entrusted_before_is_named():
    story = Story()
    story.judge(range(6))
    story.propose(review="R0")
    story.propose()
    story.join(range(6))
    story.commit()
    assert differing(story, None) == ["nonce_differs"]


def test_verdicts_of_the_reviewed_days_that_come_after_the_commitment_are_listed():
    story, _ = committed(published=False)
    story.judge([7], disposition="hold")
    story.judge([8], on=OTHER_DAY)
    story.judge([9, 10])
    found = story.replayed()
    assert (found.late_count, [one.asset_no for one in found.late]) == (2, [number(9), number(10)])
    assert found.differences == []


def test_what_the_supervisor_keeps_is_held_against_the_log():
    story, size = committed()
    story.draw(size)
    digest, other = sha256(NONCE).hexdigest(), sha256(ROOT).digest()

    def named(*held: Any) -> list[str]:
        return [one.what.value for one in story.replayed(lambda _index: (size, ROOT), *held).differences]

    assert named(digest, (size, ROOT)) == named(digest) == named(None, None) == []
    assert named("0" * 64) == ["nonce_differs"]
    # One that came later says nothing of the first, and one that does not cover the commitment nothing of the draw.
    assert named(None, (size + 1, other)) == named(None, (size - 2, other)) == []
    assert named(None, (size, other)) == ["checkpoint_not_the_first"]
    # Kept, and smaller than the one that counts: it was there before.
    unpublished, size = committed(published=False)
    unpublished.judge([8], on=OTHER_DAY)
    unpublished.publish(size + 2)
    kept = unpublished.replayed(lambda _index: (size + 2, ROOT), None, (size, ROOT)).differences
    assert [one.what.value for one in kept] == ["checkpoint_not_the_first"]
