"""What every test finds there."""

import pytest

pytest.register_assert_rewrite("tests.given")
