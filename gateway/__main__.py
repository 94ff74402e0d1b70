"""The gateway as a process: `python -m gateway`."""

import sys

from gateway.assembly import GatewaySettings, assemble
from kernel.process import run

if __name__ == "__main__":
    sys.exit(run("gateway", GatewaySettings, assemble))
