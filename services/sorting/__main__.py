"""Sorting as a process: `python -m services.sorting`."""

import sys

from kernel.process import run
from services.sorting.assembly import SortingSettings, assemble

if __name__ == "__main__":
    sys.exit(run("sorting", SortingSettings, assemble))
