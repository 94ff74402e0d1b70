"""A passage answers at its own path and method, and says which route it is."""

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import Response

from gateway.passage import Passage


async def said(request: Request) -> Response:
    """Which route answered, and what its path names."""
    named = " ".join(request.path_params.values())
    return Response(f"{request.scope['route'].path} {named}".rstrip())


@pytest.fixture
async def door():
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    for path, verb in (
        ("/v1/meters/bulk/register", "POST"),
        ("/v1/meters/{asset_no}/register", "POST"),
        ("/v1/meters/{asset_no}", "GET"),
        ("/v1/meters", "GET"),
    ):
        app.router.routes.append(Passage(path, verb, path, said))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://door") as client:
        yield client


@pytest.mark.parametrize(
    ("verb", "path", "answer"),
    [
        ("POST", "/v1/meters/bulk/register", "/v1/meters/bulk/register"),
        ("POST", "/v1/meters/m1/register", "/v1/meters/{asset_no}/register m1"),
        ("GET", "/v1/meters/m1", "/v1/meters/{asset_no} m1"),
        ("GET", "/v1/meters/register", "/v1/meters/{asset_no} register"),
        ("GET", "/v1/meters", "/v1/meters"),
    ],
)
async def test_the_route_that_fits_answers(door: httpx.AsyncClient, verb: str, path: str, answer: str) -> None:
    assert (await door.request(verb, path)).text == answer


@pytest.mark.parametrize("path", ["/v1/meters/m1/m2/register", "/v1/meters/m1/registered", "/v2/meters", "/v1/meters/"])
async def test_another_path_is_not_there(door: httpx.AsyncClient, path: str) -> None:
    assert (await door.post(path)).status_code == 404


@pytest.mark.parametrize(("verb", "allowed"), [("HEAD", "GET"), ("PUT", "GET"), ("POST", "GET")])
async def test_another_method_is_told_which_one_there_is(door: httpx.AsyncClient, verb: str, allowed: str) -> None:
    answer = await door.request(verb, "/v1/meters/m1")
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
