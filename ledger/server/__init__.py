"""`meterloop ledger serve`: an embedded ledger behind KurrentDB's gRPC protocol.

running.py      the server: its options, its services, start and stop
access.py       what a caller may do, and who says so
calling.py      from the bytes of a call to a method of this package and back, refusals on the way
streams.py      the service Streams, put together from reading and appending
writing.py      what every way of appending goes through
appending.py    Streams.Append: one append, its events one by one
batching.py     Streams.BatchAppend: many appends over one call
session.py      the newer service: appending to several streams at once
metadata.py     what may be written beside the log
refusing.py     what KurrentDB offers and this log does not
proposing.py    from what is proposed to the drafts of the port
errors.py       what a call is refused with
asking.py       what Streams.Read is asked for
reading.py      Streams.Read: events up to a number, or as long as there come more
subscribing.py  the latter: catching up, staying, checkpoints
tail.py         the newest events of the log, for all who subscribe
paging.py       how big a page is, and what of it one sees
filters.py      filters of $all, and expressions that do not end
messages.py     events as Streams.Read sends them
naming.py       names that strangers give, and what they look like
features.py     messages of ServerFeatures, for this server and for whoever asks one
cluster.py      Gossip and ServerFeatures: one leader, and what it can do
"""
