"""The registry as a process: `python -m services.registry`."""

import sys

from kernel.process import run
from services.registry.assembly import RegistrySettings, assemble

if __name__ == "__main__":
    sys.exit(run("registry", RegistrySettings, assemble))
