"""schemathesis against the registry's doors."""

import pytest
from schemathesis import GenerationMode

from kernel.principal import Role
from tests.doors.fuzzing import Fuzzed, every_operation_keeps_its_promises
from tests.registry.doors.season import BOUND
from tests.registry.doors.standing import standing
from tests.registry.stories import NUMBER, OTHER, UNIT

pytestmark = pytest.mark.timeout(600)
"""Hundreds of operations, one after the other, take their time where the machine is busy."""

FUZZED = Fuzzed(
    known={
        "asset_no": [NUMBER, OTHER, BOUND],
        "shipment_id": ["SH-1", "SH-2"],
        "container_id": ["BOX-1"],
        "site_id": ["store-1", "yard-9"],
        "plan_id": [f"{UNIT}-2026-03"],
    },
    slow=("/transfer-note", "/recovery/ledger", "/page"),
)
"""A paper takes half a second to make."""


@pytest.fixture(scope="module")
def platform(tmp_path_factory):
    with standing(tmp_path_factory.mktemp("standing")) as opened:
        opened.run(opened.entrances.platform.disclose())
        yield opened


@pytest.mark.parametrize("mode", list(GenerationMode), ids=str)
def test_every_operation_keeps_its_promises_at_both_doors_alike(platform, mode):
    token = platform.entrances.token(*Role, units=(UNIT, "99001"), organisation="MK-1")
    every_operation_keeps_its_promises(platform, FUZZED, mode, token)
