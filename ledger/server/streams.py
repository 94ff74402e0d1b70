"""The services of streams, put together from those who read and those who append."""

from kurrentdbclient.protos.v1 import streams_pb2
from kurrentdbclient.protos.v2.streams import streams_pb2 as v2_streams_pb2

from ledger.server.appending import Appending
from ledger.server.asking import ASKED_BYTES_MAX
from ledger.server.batching import Batching
from ledger.server.calling import Service, answered_by_stream, asked_by_stream, conversing, unary
from ledger.server.reading import Reading
from ledger.server.refusing import delete, tombstone
from ledger.server.session import Sessions
from ledger.server.writing import Writing


def streams(reading: Reading, writing: Writing) -> Service:
    methods = {
        "Read": answered_by_stream(streams_pb2.ReadReq, reading.read, bytes_max=ASKED_BYTES_MAX),
        "Append": asked_by_stream(streams_pb2.AppendReq, Appending(writing).append),
        "BatchAppend": conversing(streams_pb2.BatchAppendReq, Batching(writing).batch_append),
        "Delete": unary(streams_pb2.DeleteReq, delete),
        "Tombstone": unary(streams_pb2.TombstoneReq, tombstone),
    }
    return Service("event_store.client.streams.Streams", methods)


def sessions(writing: Writing) -> Service:
    """The newer service, which appends to several streams at once."""
    to_many = Sessions(writing)
    methods = {
        "AppendSession": asked_by_stream(v2_streams_pb2.AppendRequest, to_many.append_session),
        "AppendRecords": unary(v2_streams_pb2.AppendRecordsRequest, to_many.append_records),
    }
    return Service("kurrentdb.protocol.v2.streams.StreamsService", methods)
