"""Any message to any method of sorting's gRPC door."""

import pytest

from kernel.principal import Role
from services.sorting.reporting import RunReport
from tests.doors.rpc_fuzzing import (
    Messages,
    bytes_that_are_no_message_are_refused_as_such,
    no_message_breaks_any_method,
)
from tests.sorting.doors.season import AT_ONCE, EVERY, KEYED, MAKERS, RUN, STEPPED
from tests.sorting.doors.standing import standing
from tests.sorting.examples import BENCH, SCHEME, SITE, UNIT, inspected

KNOWN = [STEPPED, AT_ONCE, MAKERS, KEYED, RUN, BENCH, SITE, UNIT, SCHEME.group, "verdict", "2026-05-06", "1", "[]"]
EXAMPLES = {type(command).__name__: command for command in EVERY}
EXAMPLES["ReportRun"] = RunReport(run_id=RUN, position=1, found=inspected(AT_ONCE))


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    with standing(tmp_path_factory.mktemp("standing")) as opened:
        yield opened


def test_no_message_breaks_any_method(platform):
    token = platform.entrances.token(*Role, units=(UNIT,), organisation="M01", subject="u-9")
    no_message_breaks_any_method(platform, Messages(KNOWN, EXAMPLES), token)


def test_bytes_that_are_no_message_are_refused_as_such(platform):
    bytes_that_are_no_message_are_refused_as_such(platform)
