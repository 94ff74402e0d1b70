"""Any message to any method of the registry's gRPC door."""

import pytest

from kernel.principal import Role
from tests.doors.rpc_fuzzing import (
    Messages,
    bytes_that_are_no_message_are_refused_as_such,
    no_message_breaks_any_method,
)
from tests.registry.doors.entrances import workshop
from tests.registry.doors.season import EVERY
from tests.registry.doors.standing import standing
from tests.registry.stories import NUMBER, OTHER, UNIT

KNOWN = [NUMBER, OTHER, "SH-1", "BOX-1", "store-1", f"{UNIT}-2026-03", UNIT, "2026-03", "2026-03-05", "01", "pdf", "[]"]
MESSAGES = Messages(KNOWN, {type(command).__name__: command for command in EVERY})


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    with standing(tmp_path_factory.mktemp("standing"), workshop()) as opened:
        yield opened


def test_no_message_breaks_any_method(platform):
    token = platform.entrances.token(*Role, units=(UNIT,), organisation="MK-1", subject="u-9")
    no_message_breaks_any_method(platform, MESSAGES, token)


def test_bytes_that_are_no_message_are_refused_as_such(platform):
    bytes_that_are_no_message_are_refused_as_such(platform)
