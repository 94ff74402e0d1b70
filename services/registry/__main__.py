"""The registry as a process: `python -m services.registry`."""

import sys

from kernel.process import run
from kernel.settings import Settings
from services.registry.assembly import assemble

if __name__ == "__main__":
    sys.exit(run("registry", Settings, assemble))
