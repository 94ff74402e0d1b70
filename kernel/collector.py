"""Python's garbage collector, told what a service is like: pages of thousands of values, next to none in a cycle."""

import gc
from typing import Final

THRESHOLDS: Final = (50_000, 20, 20)
"""Objects made before the youngest are looked at: more than a page leaves. Its own 700 look at a page six times over,
for nothing, and take a tenth of the time in which views follow the log.
"""


def calm() -> None:
    """Look more seldom, and never again at what is there now: modules and classes stay for as long as the process."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
