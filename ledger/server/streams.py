"""The service Streams, put together from those who read and those who append."""

from kurrentdbclient.protos.v1 import streams_pb2

from ledger.embedded import EmbeddedLedger
from ledger.server.appending import Appending
from ledger.server.batching import Batching
from ledger.server.calling import Service, answered_by_stream, asked_by_stream, conversing
from ledger.server.reading import Reading


def streams(ledger: EmbeddedLedger, reading: Reading) -> Service:
    methods = {
        "Read": answered_by_stream(streams_pb2.ReadReq, reading.read),
        "Append": asked_by_stream(streams_pb2.AppendReq, Appending(ledger).append),
        "BatchAppend": conversing(streams_pb2.BatchAppendReq, Batching(ledger).batch_append),
    }
    return Service("event_store.client.streams.Streams", methods)
