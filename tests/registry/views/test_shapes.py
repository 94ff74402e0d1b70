"""The registry's views keep what their names promise: see tests/shapes.py.

python -m tests.registry.views.test_shapes     adds what is new
"""

import sys
from pathlib import Path

import msgspec
import pytest

from kernel.codec import Reader
from services.registry.app import CODEC
from services.registry.foreign import READERS
from services.registry.views import VIEWS
from services.registry.views.hold import HOLDS, HoldRow
from tests.registry.views.every_event import everything
from tests.shapes import Shapes

SHAPES = Shapes(Path(__file__).parent, VIEWS, Reader(CODEC, READERS))


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.columns.name)
def test_a_view_of_another_shape_has_another_name(view):
    SHAPES.is_kept(view)


def test_other_rows_are_another_shape():
    promised = SHAPES.promised["hold_v1"]
    kept_all = msgspec.structs.replace(
        HOLDS, evolve=lambda _row, event, _recorded, key: HoldRow(*key, "court", "", event.day, None)
    )
    shape = SHAPES.shape(HOLDS, promised["events"])
    assert shape == promised != SHAPES.shape(kept_all, promised["events"])


def test_names_are_counted_up():
    SHAPES.names_are_counted_up()


if __name__ == "__main__":
    told = everything().events
    sys.exit(
        SHAPES.add_what_is_new(msgspec.structs.replace(recorded, data=CODEC.encode(event)) for event, recorded in told)
    )
