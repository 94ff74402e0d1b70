"""`python -m bench.registry [--json]`: the registry's projection against raw SQLite.

The garbage collector is told what a service tells it, for both sides.
"""

import argparse

import uvloop

from bench.measure import report, scratch_folder
from bench.registry import projecting
from kernel.collector import calm


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    arguments = parser.parse_args()
    calm()
    with scratch_folder() as folder:
        report("registry", uvloop.run(projecting.measure(folder)), as_json=arguments.json)


if __name__ == "__main__":
    main()
