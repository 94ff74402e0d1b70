"""Where time and chance come from. Rules never look here: doors and policies do, and pass on what they got."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import TypeAlias

from kernel.quantity import instant_of_us

Clock: TypeAlias = Callable[[], int]
"""Microseconds since 1970-01-01 UTC."""


def system_clock_us() -> int:
    """The machine's wall clock, in microseconds since 1970-01-01 UTC."""
    return time.time_ns() // 1_000


def now(clock: Clock = system_clock_us) -> datetime:
    """The clock's reading as an instant."""
    return instant_of_us(clock())
