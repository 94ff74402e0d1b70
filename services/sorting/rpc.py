"""Sorting over gRPC: the same commands and questions as over REST, and its own description for the gateway."""

from collections.abc import Sequence

from fastapi import FastAPI

from kernel.commands import Commands
from kernel.grpc_forwarding import described, many_at_once
from kernel.grpc_server import RpcDoor
from kernel.grpc_streaming import Reports
from kernel.http_limits import HttpLimits
from kernel.questions import Question
from kernel.wire.sorting.v1 import sorting_pb2


def open_rpc(
    door: RpcDoor, commands: Sequence[Commands], questions: Sequence[Question], reports: Reports, rest: FastAPI
) -> None:
    """Add sorting's methods to a door. `rest` is the app whose paths are described."""
    service = sorting_pb2.DESCRIPTOR.services_by_name["Sorting"]
    many = many_at_once(commands, HttpLimits())
    door.service(service, commands=commands, questions=[*questions, described(rest), many], reports=[reports])
