"""schemathesis against the sample door: nothing undocumented, and never a 5xx."""

import pytest
import schemathesis
from hypothesis import HealthCheck, assume, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks, not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    missing_required_header,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from kernel.identity_issuer import issue
from ledger.memory import MemoryLedger
from tests.kernel.parcel_door import CLERK, parcel_door

load_all_checks()
ALWAYS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    missing_required_header,
]


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory):
    keys = tmp_path_factory.mktemp("keys")
    door = parcel_door(MemoryLedger(), keys)
    return schemathesis.openapi.from_asgi("/openapi.json", door.app), issue(keys, CLERK)


BEYOND_SCHEMA = {"request.bad_cursor", "input.nul_character"}
"""What JSON Schema has no word for."""


def understood(_, response, case):
    """What the document allows is never called unreadable, whatever the rules say to it."""
    if response.status_code in {400, 415, 422}:
        told = response.json()
        # JSON Schema calls 5.0 an integer. The door does not: what it lets in must read the same in any language.
        faults = [one for one in told["errors"] or [told] if "it is a number" not in one["en"]]
        assert {one["code"] for one in faults} <= BEYOND_SCHEMA, f"{case.formatted_path}: {response.text}"


@pytest.mark.parametrize("mode", list(GenerationMode), ids=str)
def test_every_operation_keeps_its_promises(fuzzed, mode):
    schema, token = fuzzed
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) >= 10
    for operation in operations:
        # A bulk call answers line by line: what is wrong in one of them is no fault of the whole.
        refusing = [] if "bulk" in operation.path else [negative_data_rejection]
        checks = [*ALWAYS, understood] if mode is GenerationMode.POSITIVE else [*ALWAYS, *refusing]
        hold(operation, mode, token, checks)


def hold(operation, mode, token, checks):
    @settings(max_examples=15, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(generation_mode=mode))
    def holds(case):
        # That key is refused as any other wrong one is, by reaching another operation.
        assume("bulk" not in (case.path_parameters or {}).values())
        case.call_and_validate(headers={"Authorization": f"Bearer {token}"}, checks=checks)

    holds()
