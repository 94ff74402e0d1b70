"""How many files this process may have open: every connection is one."""

import resource
from typing import Final

KEPT: Final = 256
"""For the log, its readers, the file of users and the probes: where connections have taken the last one, nobody is
served any more, not even those that are there.
"""


def raise_open_files() -> int | None:
    """Raise the limit that this process begins with to the one that it may have, and say it; None: there is none."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        # Some systems say so and take no such number.
        return None if soft == resource.RLIM_INFINITY else soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def connections_within(open_files: int | None, connections_max: int) -> int:
    """How many connections so many open files leave room for, beside all else."""
    if open_files is None:
        return connections_max
    return max(1, min(connections_max, max(open_files - KEPT, open_files // 2)))
