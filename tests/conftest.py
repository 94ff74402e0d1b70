"""What every test finds there."""

import pytest

pytest_plugins = ["tests.postgres"]
pytest.register_assert_rewrite("tests.given")
