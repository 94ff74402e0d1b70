"""The gateway's settings, and what it is made of as a process."""

from functools import partial
from typing import Annotated

from msgspec import Meta

from gateway.app import Gateway
from gateway.paths import SERVICES
from kernel.door import CannotNow
from kernel.grpc_client import Peer
from kernel.http_limits import HttpLimits
from kernel.http_operations import operations_app
from kernel.http_page import Cursors
from kernel.identity_provider import open_verifier
from kernel.keys import read_cursor_key
from kernel.process import Parts, Process
from kernel.readiness import Health
from kernel.settings import Settings

PEER_S_MAX = 1.0


class GatewaySettings(Settings, frozen=True, kw_only=True):
    """What the gateway has beside what every service has."""

    registry: Annotated[
        str, Meta(description="登记服务的 gRPC 地址 / gRPC address of the registry, host:port or unix:/path")
    ] = "127.0.0.1:8701"
    sorting: Annotated[
        str, Meta(description="分拣服务的 gRPC 地址 / gRPC address of sorting, host:port or unix:/path")
    ] = "127.0.0.1:8702"


async def assemble(process: Process) -> Parts:
    """Open everything the gateway needs. What is not there yet is waited for."""
    settings: GatewaySettings = process.settings
    peers = {service.name: Peer(getattr(settings, service.name)) for service in SERVICES}
    gateway = Gateway(
        peers=peers,
        proof=settings.proof,
        verifier=open_verifier(settings),
        cursors=Cursors(read_cursor_key(settings.keys_dir)),
        until_draining=process.readiness.until_draining,
        limits=HttpLimits(request_s_max=settings.request_s_max),
    )
    await process.wait_for("services", gateway.describe, CannotNow)
    for name, peer in peers.items():
        process.readiness.add(name, partial(_answers, peer))
    process.readiness.add("live", gateway.live.health)
    process.readiness.add("proof log", gateway.proof_log.health)
    return Parts(
        rest=gateway.app,
        operations=operations_app(process.readiness, process.telemetry) if process.telemetry else None,
        followers={"public events": gateway.live.run, "proof log": gateway.proof_log.run},
        closing=[peer.close for peer in peers.values()],
    )


async def _answers(peer: Peer) -> Health:
    return Health(ok=await peer.ready(PEER_S_MAX), detail=peer.target)
