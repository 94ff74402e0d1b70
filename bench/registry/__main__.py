"""`python -m bench.registry [--json]`: the registry's projection against raw SQLite, its commands against the peer.

The garbage collector is told what a service tells it, for both sides.
"""

import argparse
from pathlib import Path

import uvloop

from bench.measure import Measure, report, scratch_folder
from bench.registry import growth, handling, projecting
from kernel.collector import calm


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    arguments = parser.parse_args()
    calm()
    with scratch_folder() as folder:
        report("registry", uvloop.run(_measure(folder)), as_json=arguments.json)


async def _measure(folder: Path) -> list[Measure]:
    measured = [part.measure(folder) for part in (projecting, handling, growth)]
    return [one for part in measured for one in await part]


if __name__ == "__main__":
    main()
