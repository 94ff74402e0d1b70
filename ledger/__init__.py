"""The event log and its proofs. It knows no business noun.

port.py       what a ledger is: the contract, in docstrings
memory.py     the ledger in memory, held to the same suite as the others
sqlite.py     the embedded ledger: one file, many processes
open.py       URL -> Ledger
proof/        pure: tiles, notes, commitments (empty until the proof log is built)
"""
