"""The server: an embedded ledger at an address, until it is stopped.

served = await serve(ledger, "127.0.0.1:2113", admit=admit_everybody)
...
await served.stop(grace_s=5)
"""

import socket
from typing import Final

import grpc
import msgspec

from ledger.embedded import EmbeddedLedger
from ledger.port import APPEND_BYTES_MAX
from ledger.server.access import Admission
from ledger.server.admitting import Places
from ledger.server.cluster import gossip, server_features
from ledger.server.health import Health
from ledger.server.reading import Reading
from ledger.server.refusing import Lacking
from ledger.server.streams import sessions, streams
from ledger.server.writing import Writing

FRAMING_BYTES: Final = 4 << 20
"""What stands around the data and metadata of the largest append: ids, types and lengths of its events."""

EVERY_ADDRESS: Final = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - named to be told apart


class Tls(msgspec.Struct, frozen=True):
    """The server's key and its certificate with those between it and the CA, both PEM."""

    private_key: bytes
    certificate_chain: bytes


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What callers may cost: the bytes of one request, and calls under way at the same time, subscriptions among them.
    Services have `calls_max` to themselves; all others share as many, of which one credential gets `calls_each_max`.
    Appends hold `held_bytes_max` before they are recorded, those of services and those of all others so much each. What
    is beyond ends as RESOURCE_EXHAUSTED, and an unfinished append of which nothing more comes for `silent_s_max` as
    DEADLINE_EXCEEDED.

    Of connections nobody knows whose they are. There are `connections_max`, and whoever connects beyond that is hung up
    on. One connection has `connection_calls_max` calls open, and more wait at the other end. One is closed that has not
    begun to speak the protocol within `handshake_s_max`, that has had no call for `idle_s_max`, or whose other end does
    not answer a ping within `ping_s` of it, which is sent as often.
    """

    request_bytes_max: int = APPEND_BYTES_MAX + FRAMING_BYTES
    calls_max: int = 4_000
    calls_each_max: int = 1_000
    held_bytes_max: int = 4 * APPEND_BYTES_MAX
    silent_s_max: float = 30.0
    connections_max: int = 4_000
    connection_calls_max: int = 4_000
    handshake_s_max: float = 20.0
    # What is on its way when the connection is closed, Node's client takes for a failure: nobody calls every 7 minutes.
    idle_s_max: float = 420.0
    ping_s: float = 30.0


class Served:
    """A server that runs, at `port` of the host it listens to."""

    def __init__(self, server: grpc.aio.Server, health: Health, reading: Reading, port: int) -> None:
        self._server, self._health, self._reading = server, health, reading
        self.port: Final = port

    async def stop(self, grace_s: float = 5.0) -> None:
        """Take no new calls, end subscriptions, give other calls under way `grace_s`, then end those too. The ledger
        stays open.
        """
        self._health.stop()
        self._reading.end_subscriptions()
        await self._server.stop(grace_s)
        self._reading.close()


async def serve(
    ledger: EmbeddedLedger,
    listen: str,
    *,
    admit: Admission,
    tls: Tls | None = None,
    limits: Limits | None = None,
    found_at: str | None = None,
) -> Served:
    """Listen to `host:port`, port 0 for any that is free. `found_at`: the host that clients are told who discover where
    the server is, None: the one it listens to. OSError where nobody can listen there.
    """
    limits = limits or Limits()
    admit = Places(admit, limits.calls_max, limits.calls_each_max)
    server = grpc.aio.server(options=_options(limits))
    try:
        port = _bind(server, listen, tls)
    except RuntimeError as error:
        raise OSError(f"cannot listen to {listen}: {error}") from error
    host = found_at or _told(listen.rpartition(":")[0].strip("[]"))
    reading = Reading(ledger)
    writing = Writing(ledger, held_bytes_max=limits.held_bytes_max, silent_s_max=limits.silent_s_max)
    services = [streams(reading, writing), sessions(writing), gossip(ledger.ledger_id, host, port), server_features()]
    health = Health(service.name for service in services)
    handlers = [service.handler(admit) for service in (*services, health.service())]
    server.add_generic_rpc_handlers([*handlers, Lacking(admit)])
    await server.start()
    return Served(server, health, reading, port)


def _bind(server: grpc.aio.Server, listen: str, tls: Tls | None) -> int:
    if tls is None:
        return server.add_insecure_port(listen)
    credentials = grpc.ssl_server_credentials([(tls.private_key, tls.certificate_chain)])
    return server.add_secure_port(listen, credentials)


def _told(host: str) -> str:
    """Where clients are told to find a server that listens to `host`: nobody can connect to "every address"."""
    return socket.gethostname() if host in EVERY_ADDRESS else host


def _options(limits: Limits) -> list[tuple[str, int]]:
    return [
        ("grpc.max_receive_message_length", limits.request_bytes_max),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_allowed_incoming_connections", limits.connections_max),
        ("grpc.max_concurrent_streams", limits.connection_calls_max),
        ("grpc.server_handshake_timeout_ms", _ms(limits.handshake_s_max)),
        # By their age they would be closed more gently, and Node's client would lose its subscriptions by that.
        ("grpc.max_connection_idle_ms", _ms(limits.idle_s_max)),
        # Two processes on one port would share its calls between them, silently.
        ("grpc.so_reuseport", 0),
        # Official clients ping every ten seconds, also while nothing else is said; by default that would end them.
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
        ("grpc.http2.max_ping_strikes", 0),
        ("grpc.keepalive_permit_without_calls", 1),
        # A subscriber whose machine is gone would otherwise be served until something is recorded.
        ("grpc.keepalive_time_ms", _ms(limits.ping_s)),
        # A keepalive's own timeout is not kept here: 60 seconds pass, whatever it says.
        ("grpc.http2.ping_timeout_ms", _ms(limits.ping_s)),
        ("grpc.http2.max_pings_without_data", 0),
    ]


def _ms(seconds: float) -> int:
    return int(seconds * 1_000)
