"""Databases for stories, and for properties a fresh one for each example."""

from itertools import count

import pytest


@pytest.fixture
def sqlite_url(tmp_path):
    """A fresh database in a file, each time it is called."""
    numbers = count()
    return lambda: f"sqlite:///{tmp_path / f'{next(numbers)}.sqlite'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def fresh_url(request, sqlite_url):
    """The same, of each kind in turn."""
    return sqlite_url if request.param == "sqlite" else request.getfixturevalue("postgres").new_database


@pytest.fixture
def examples(request):
    """PostgreSQL takes longer to begin with; what differs between the two is in the first few."""
    return 20 if request.node.callspec.params["fresh_url"] == "sqlite" else 8
