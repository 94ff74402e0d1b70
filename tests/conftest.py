"""What every test finds there."""

import gc

import pytest
from hypothesis import HealthCheck, settings

import kernel  # noqa: F401  it says how gRPC is to behave, before any test uses gRPC

pytest_plugins = ["tests.postgres"]
pytest.register_assert_rewrite("tests.given", "tests.registry.views.agreement", "tests.registry.machine.checks")

# How long an example takes says how busy the machine is and nothing of what is tested. What fails can be run again.
settings.register_profile("house", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")

OBJECTS_BETWEEN = (10_000, 10, 10)
"""New objects before the youngest are looked at, and how often that is before older ones are. With Python's own 700,
and all that was collected looked at again and again, it took a quarter of the time of tests that start a platform.
"""
gc.set_threshold(*OBJECTS_BETWEEN)


def pytest_collection_finish() -> None:
    """What was collected and imported stays until the end: Python need not look whether anybody still needs it."""
    gc.collect()
    gc.freeze()
