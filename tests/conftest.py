"""What every test finds there."""

import pytest
from hypothesis import HealthCheck, settings

import kernel  # noqa: F401  it says how gRPC is to behave, before any test uses gRPC

pytest_plugins = ["tests.postgres"]
pytest.register_assert_rewrite("tests.given", "tests.registry.views.agreement", "tests.registry.machine.checks")

# How long an example takes says how busy the machine is and nothing of what is tested. What fails can be run again.
settings.register_profile("house", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")
