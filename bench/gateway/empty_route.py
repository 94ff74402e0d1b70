"""`python -m bench.gateway.empty_route`: a route that does nothing, on uvicorn as services run it. Prints where."""

import socket
import sys

import uvicorn
from fastapi import FastAPI
from fastapi.responses import Response

from kernel.http_protocol import BoundedHttp

app = FastAPI(openapi_url=None)


@app.get("/")
async def nothing() -> Response:
    return Response(b"{}", media_type="application/json")


def main() -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    sys.stdout.write(f"127.0.0.1:{listening.getsockname()[1]}\n")
    sys.stdout.flush()
    config = uvicorn.Config(app, http=BoundedHttp, ws="none", lifespan="off", log_config=None, access_log=False)
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
