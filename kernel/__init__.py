"""How any service stands on the ledger. It knows no business noun.

The nouns reach only these three: decider (what a rule is), quantity (bounded values with units), refusal (no, and why).
"""

import os

# gRPC's own handlers of a fork would run in the child between fork and exec, where they crash it at times. Nothing here
# uses gRPC in a forked process. It looks at this before its first use, and all of ours that use it come by here.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
