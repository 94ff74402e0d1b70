"""A scheme group's versions."""

from datetime import date

from msgspec.structs import replace

from services.sorting.norms import digest
from services.sorting.scheme import (
    DISAGREES,
    NOT_THE_NEXT,
    SCHEME,
    WRONG_GROUP,
    PublishScheme,
    SchemePublished,
)
from tests.given import given
from tests.sorting import examples

ON = {"occurred_on": date(2026, 3, 2)}
FIRST = examples.SCHEME
SECOND = replace(FIRST, device_classes=("01", "02"))


def publish(scheme, version, group="single_phase"):
    return PublishScheme(**ON, group=group, version=version, scheme=scheme, why="合成 synthetic")


def published(scheme, version):
    return SchemePublished(
        **ON, group="single_phase", version=version, scheme=scheme, sha256=digest(scheme), why="合成 synthetic"
    )


def test_versions_follow_each_other():
    story = given(SCHEME).when(publish(FIRST, 1)).then([published(FIRST, 1)])
    story.when(publish(SECOND, 2)).then([published(SECOND, 2)])
    assert story.state.version == 2
    assert [story.state.of(ref) for ref in (story.state.ref, replace(story.state.ref, version=1))] == [SECOND, FIRST]


def test_what_says_the_same_is_no_version():
    given(SCHEME, [published(FIRST, 1)]).when(publish(FIRST, 2)).then([])


def test_a_version_that_skips_or_repeats_a_number_is_refused():
    given(SCHEME).when(publish(FIRST, 2)).refused(NOT_THE_NEXT, current=0, expected=1)
    given(SCHEME, [published(FIRST, 1)]).when(publish(SECOND, 1)).refused(NOT_THE_NEXT, current=1, expected=2)


def test_a_scheme_of_another_group_is_refused():
    given(SCHEME).when(publish(FIRST, 1, group="seal")).refused(WRONG_GROUP, named="single_phase", group="seal")


def test_a_scheme_that_disagrees_with_itself_is_refused():
    given(SCHEME).when(publish(replace(FIRST, faults=()), 1)).refused(DISAGREES, group="single_phase")
