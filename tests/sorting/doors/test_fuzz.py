"""schemathesis against sorting's doors."""

import pytest
from schemathesis import GenerationMode

from kernel.principal import Role
from tests.doors.fuzzing import BEYOND_SCHEMA, Fuzzed, every_operation_keeps_its_promises
from tests.sorting.doors.season import AT_ONCE, CERTIFICATE, KEYED, MAKERS, RUN, STEPPED
from tests.sorting.doors.standing import standing
from tests.sorting.examples import SCHEME, UNIT

pytestmark = pytest.mark.timeout(600)
"""A hundred operations, one after the other, take their time where the machine is busy."""

FUZZED = Fuzzed(
    known={
        "asset_no": [STEPPED, AT_ONCE],
        "repair": [MAKERS, KEYED],
        "certificate": [CERTIFICATE],
        "run_id": [RUN],
        "group": [SCHEME.group],
        "name": ["verdict", "prices"],
    },
    slow=("/certificates/{certificate}",),
    beyond_schema=BEYOND_SCHEMA | {"input.invalid"},
)
"""Members that must agree with one another, such as either a value or a choice, are beyond JSON Schema too."""


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    with standing(tmp_path_factory.mktemp("standing")) as opened:
        yield opened


@pytest.mark.parametrize("mode", list(GenerationMode), ids=str)
def test_every_operation_keeps_its_promises_at_both_doors_alike(platform, mode):
    token = platform.entrances.token(*Role, units=(UNIT,), organisation="M01")
    every_operation_keeps_its_promises(platform, FUZZED, mode, token)
