"""The service Streams, put together from those who read and those who append."""

from kurrentdbclient.protos.v1 import streams_pb2

from ledger.port import Ledger
from ledger.server.calling import Service, answered_by_stream
from ledger.server.reading import Reading


def streams(ledger: Ledger) -> Service:
    methods = {"Read": answered_by_stream(streams_pb2.ReadReq, Reading(ledger).read)}
    return Service("event_store.client.streams.Streams", methods)
