"""How any service stands on the ledger. It knows no business noun.

The nouns reach only these three: decider (what a rule is), quantity (bounded values with units), refusal (no, and why).
"""

import gc
import os

# gRPC's own handlers of a fork would run in the child between fork and exec, where they crash it at times. Nothing here
# uses gRPC in a forked process. It looks at this before its first use, and all of ours that use it come by here.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

# Its newer engine hands each message from thread to thread, which takes a fifth more of the processor for a call as
# small as ours than the older one, where the thread that waits for a message also reads it.
os.environ.setdefault("GRPC_EXPERIMENTS", "-event_engine_client,-event_engine_listener")

# It writes lines of its own to standard error, for instance of each connection that the other end breaks off, where
# programs of ours write JSON. What came of a call is told by its status.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")

# What comes of importing stays for as long as the process. Where Python looks with every 700 objects whether anybody
# still needs them, a service takes a fifth longer to start. What is looked at later, kernel.collector says.
gc.set_threshold(50_000, 20, 20)
