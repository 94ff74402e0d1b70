import argparse
import uvloop
from bench.measure import report, scratch_folder
from bench.registry import projecting


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with scratch_folder() as folder:
        report("registry", uvloop.run(projecting.measure(folder)), as_json=arguments.json)


main()
