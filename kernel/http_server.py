"""The REST door of a service: FastAPI apps that answer problems, read bodies strictly and take commands by table.

    door = HttpDoor(title="registry", version="1", verifier=verifier, cursors=Cursors(key))
    door.commands(Commands(...))         # POST /v1/meters/{asset_no}/record-final-reading, and bulk
    door.question(Question(...))         # GET /v1/meters/{asset_no}
    door.app.add_api_route(...)          # what is neither; the same problems for what goes wrong

A handler refuses by raising a Refusal, nothing else.
"""

from typing import Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException

from kernel.commands import Commands
from kernel.database import DatabaseUnavailable
from kernel.door import DATABASE_UNAVAILABLE, BadRequest, refusal_of
from kernel.http_commands import add_command_routes
from kernel.http_limits import HttpLimits, LimitsMiddleware
from kernel.http_openapi import Schemas
from kernel.http_operations import NO_TELEMETRY_OF_ITS_OWN, TelemetryMiddleware, add_operations
from kernel.http_page import Cursors
from kernel.http_parameters import parameter_errors
from kernel.http_problem import problem_response
from kernel.http_questions import add_question_route
from kernel.identity import Verifier
from kernel.intake import malformed
from kernel.questions import Question
from kernel.readiness import Readiness
from kernel.refusal import NotFound, Reason, Refusal
from kernel.telemetry import Telemetry
from ledger.port import LedgerError

NO_SUCH_PATH = Reason(NotFound, "http.no_such_path", "没有这个地址。", "there is nothing at this address")
METHOD_NOT_ALLOWED = Reason(
    BadRequest, "http.method_not_allowed", "该地址不支持此方法。", "this address does not take that method"
)
BAD_HTTP = Reason(BadRequest, "http.bad_request", "请求有误：{why}", "the request is not valid: {why}")


class HttpDoor:
    """A FastAPI app, and how routes are added to it. `app` is it."""

    def __init__(
        self,
        *,
        title: str,
        version: str,
        verifier: Verifier,
        cursors: Cursors,
        description: str = "",
        limits: HttpLimits | None = None,
    ) -> None:
        self.schemas: Final = Schemas()
        self.limits: Final = limits or HttpLimits()
        self.app: Final[FastAPI] = FastAPIOffline(
            title=title,
            version=version,
            description=description,
            redoc_url=None,
            telemetry=NO_TELEMETRY_OF_ITS_OWN,
        )
        self.app.state.verifier = verifier
        self.app.state.cursors = cursors
        self.app.openapi = lambda: self.schemas.document(self.app)  # type: ignore[method-assign]  # FastAPI's documented way
        self.app.router.redirect_slashes = False
        # The last one added is the outermost.
        self.app.add_middleware(LimitsMiddleware, limits=self.limits)
        self.app.add_middleware(TelemetryMiddleware)
        self.app.add_exception_handler(Refusal, _refused)
        self.app.add_exception_handler(LedgerError, _ledger_failed)
        self.app.add_exception_handler(DatabaseUnavailable, _database_failed)
        self.app.add_exception_handler(RequestValidationError, _bad_parameters)
        self.app.add_exception_handler(HTTPException, _http_failed)

    def commands(self, commands: Commands) -> None:
        """Take these commands: one POST each, and one for many of each."""
        add_command_routes(self.app, self.schemas, commands, self.limits)

    def question(self, question: Question) -> None:
        """Answer this question."""
        add_question_route(self.app, self.schemas, question)

    def operations(self, readiness: Readiness, telemetry: Telemetry | None) -> None:
        """Answer probes, and metrics where there is telemetry."""
        add_operations(self.app, readiness, telemetry)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return problem_response(request, error)


async def _ledger_failed(request: Request, error: Exception) -> Response:
    assert isinstance(error, LedgerError)
    return problem_response(request, refusal_of(error))


async def _database_failed(request: Request, error: Exception) -> Response:
    assert isinstance(error, DatabaseUnavailable)
    return problem_response(request, DATABASE_UNAVAILABLE())


async def _bad_parameters(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return problem_response(request, malformed(parameter_errors(error.errors())))


async def _http_failed(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    match error.status_code:
        case 404:
            return problem_response(request, NO_SUCH_PATH())
        case 405:
            return problem_response(request, METHOD_NOT_ALLOWED(allow=(error.headers or {}).get("Allow", "")))
        case _:
            return problem_response(request, BAD_HTTP(why=error.detail))
