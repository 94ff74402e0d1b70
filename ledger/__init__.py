"""The event log and its proofs. It knows no business noun.

port.py       what a ledger is: the contract, in docstrings
beside.py     what a log says of itself: its name, and that it has ended
embedded.py   what a ledger can do beyond the port that keeps its events itself
memory.py     the ledger in memory, held to the same suite as the others
sqlite.py     the embedded ledger: one file, many processes. Its parts:
              sqlite_schema  what is in the file, and in one of the version before
              sqlite_file    how it is opened, copied, examined
              sqlite_lock    whose turn it is to write, among processes
              sqlite_writer  the writing thread, group commit
              sqlite_append  what a group of appends does to the file
              sqlite_read    the queries
              sqlite_watch   noticing that others have committed
kurrent.py    the log in a KurrentDB; its parts are named there
recording.py  limits, places in a stream, time and salt, as every ledger here applies them
carrying.py   how an event of ours travels through KurrentDB's protocol
following.py  waiting at the head of a log
open.py       URL -> Ledger
comparing.py  two logs side by side
copying.py    moves a log from one ledger to another
mapping.py    from positions in a log to those in its copy
server/       the embedded ledger behind the gRPC protocol of KurrentDB
transparency/ the proof log on disk, and who writes it
proof/        pure, and on its own: what an outsider checks the log with. Its parts:
              errors         what can be wrong with a proof
              merkle         the tree: ranges, inclusion, consistency
              tiles, reading    the static files of a log, and reading them without believing them
              strict         numbers, base64 and text in their only form
              keys, note     who signs, and signed notes
              commitment     what stands in the log for an event
              disclosure     the files in which events are shown
              cbor           as much of it as those two need
              checkpoint, cosignature    what a log says of itself, and its witnesses of it
              policy         whom to trust, and how many of them
              proof_file     the proof of one entry, in a file
              witness_request    what a log sends a witness, and what it gets back
"""
