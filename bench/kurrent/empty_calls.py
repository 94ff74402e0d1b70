"""`python -m bench.kurrent.empty_calls`: gRPC calls that do nothing, on grpc.aio as `ledger serve` is. Prints where.

The most that any server of this machine could do for a client of this machine.
"""

import sys
from collections.abc import AsyncIterator
from typing import Final

import grpc
import uvloop

SERVICE: Final = "bench.Empty"
UNARY: Final = f"/{SERVICE}/Unary"
STREAM: Final = f"/{SERVICE}/Stream"

NUMBER_BYTES: Final = 4


def asked(messages: int, message_bytes: int) -> bytes:
    """The request for so many messages of this size."""
    return messages.to_bytes(NUMBER_BYTES, "big") + message_bytes.to_bytes(NUMBER_BYTES, "big")


async def _unary(_request: bytes, _context: object) -> bytes:
    return b""


async def _stream(request: bytes, _context: object) -> AsyncIterator[bytes]:
    messages, message_bytes = (int.from_bytes(request[at : at + NUMBER_BYTES], "big") for at in (0, NUMBER_BYTES))
    message = b"\0" * message_bytes
    for _ in range(messages):
        yield message


async def serve() -> None:
    server = grpc.aio.server()
    handlers: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
        "Unary": grpc.unary_unary_rpc_method_handler(_unary),
        "Stream": grpc.unary_stream_rpc_method_handler(_stream),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    sys.stdout.write(f"127.0.0.1:{port}\n")
    sys.stdout.flush()
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(serve())
