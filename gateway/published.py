"""The proof log and what is disclosed of it, served as the files that they are: `/log` to all, `/supervisor` by role.

A table says what is served. What a caller writes is read into numbers and days and the file's name is made of those, so
that no other file can be reached, and each has one address. Whoever verifies may do so in a browser and from any page:
everything at an address of the log says so (CORS). What is disclosed to supervisors is neither for other pages nor for
caches that are shared.
"""

import asyncio
import errno
import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import msgspec
from fastapi import FastAPI, Request
from fastapi.responses import Response

from gateway.access import Access
from gateway.places import Places
from gateway.sent_files import OpenedFile, Tags, file_answer
from kernel.door import CannotNow
from kernel.http_openapi import header_parameter
from kernel.http_problem import PROBLEM_JSON, problem_response
from kernel.refusal import Reason, not_found
from ledger.proof.errors import Malformed
from ledger.proof.tiles import FULL_WIDTH, Tile
from ledger.transparency.disclosed import ENDING, RANGE_ENTRIES, Head, range_name
from ledger.transparency.layout import CHECKPOINTS, LOG

Kind: TypeAlias = Literal["moving", "day", "tile", "range"]

ACTION: Final = "ReadSupervisorSet"
TEXT: Final = "text/plain; charset=utf-8"
OCTETS: Final = "application/octet-stream"
ZSTD: Final = "application/zstd"

NO_FILE: Final = frozenset({errno.ENOTDIR, errno.ELOOP, errno.ENXIO})
"""What opening a name says that is a link or a socket, or below a file."""

IMMUTABLE: Final = "max-age=31536000, immutable"
FOR_SECONDS: Final = "max-age=2"
"""What grows, and what goes once something larger is there."""

TO_ANY_PAGE: Final = {"Access-Control-Allow-Origin": "*", "Access-Control-Expose-Headers": "Content-Range, ETag"}

NOT_PUBLISHED = not_found(
    "log.not_published",
    "存证日志没有这个文件，或尚未公布。",
    "the proof log has no such file, or it is not published yet",
)

TOO_MANY_FILES = Reason(
    CannotNow,
    "log.too_many_files",
    "存证日志的文件正被很多人下载，请稍后再试。",
    "as many files of the proof log are being sent as can be; try again shortly",
)

TOO_MANY_FILES_TO_ADDRESS = Reason(
    CannotNow,
    "log.too_many_files_to_an_address",
    "同一地址同时最多下载 {limit} 个文件，请等其中之一完成。",
    "at most {limit} files at a time are sent to one address; wait for one of them",
)

SENT_MAX: Final = 400
"""Files of the log that are being sent, fewer than the requests that are answered at once: the rest is for others."""

SENT_TO_ADDRESS_MAX: Final = 64
"""An audit fetches a few at a time."""

_PATTERNS: Final = {
    "level": r"[0-9]|[1-5][0-9]|6[0-3]",
    # To programs that read the document a parameter is one segment of the path: what is said of these must leave one.
    "tile": r"[0-9x/.p]{3,40}",
    "range": r"[0-9x/]{3,30}\.cbor\.zst",
    "day": r"[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])",
}
_SAID: Final = {
    "level": "0 to 63",
    "tile": "number of a tile as tlog-tiles writes it, its slashes as they are: `x001/x234/067`, or `067.p/12`",
    "range": "number of a file of 4,096 entries, written as a tile's, its slashes as they are: `x001/234.cbor.zst`",
    "day": "a day, UTC",
}


class Served(msgspec.Struct, frozen=True):
    """Files of one form: their address, which is also their place in the folder of the log."""

    path: str
    name: str
    media: str
    kind: Kind
    zh: str
    en: str

    @property
    def parameters(self) -> list[str]:
        return re.findall(r"{(\w+)}", self.path)

    @property
    def route(self) -> str:
        """The path, its last parameter with slashes."""
        return re.sub(r"{(tile|range)}", r"{\1:path}", self.path)

    @property
    def to_all(self) -> bool:
        return self.path.startswith("/log/")


SERVED: Final = (
    Served("/log/checkpoint", "GetCheckpoint", TEXT, "moving", "最新检查点", "The newest published checkpoint"),
    Served("/log/checkpoints/days", "GetCheckpointDays", TEXT, "moving", "有检查点的日期", "The days with checkpoints"),
    Served(
        "/log/checkpoints/{day}", "GetCheckpointsOfDay", TEXT, "day", "一日的检查点", "All checkpoints of a UTC day"
    ),
    Served("/log/keys", "GetLogKeys", TEXT, "moving", "日志公钥", "The log's keys, for convenience"),
    Served("/log/policy", "GetLogPolicy", TEXT, "moving", "建议的见证策略", "The policy that the operator recommends"),
    Served("/log/tile/entries/{tile}", "GetEntries", OCTETS, "tile", "条目", "256 entries of the log, or fewer"),
    Served("/log/tile/{level}/{tile}", "GetTile", OCTETS, "tile", "哈希块", "256 hashes of one level, or fewer"),
    Served("/log/disclosed/head", "GetPublicSetHead", TEXT, "moving", "公开集范围", "How far the public set goes"),
    Served("/log/disclosed/{range}", "GetPublicSet", ZSTD, "range", "公开集", "Public events of 4,096 entries"),
    Served(
        "/supervisor/disclosed/head",
        "GetSupervisorSetHead",
        TEXT,
        "moving",
        "监管集范围",
        "How far the supervisor set goes",
    ),
    Served(
        "/supervisor/disclosed/{range}",
        "GetSupervisorSet",
        ZSTD,
        "range",
        "监管集",
        "Events of 4,096 entries, as supervisors may read them",
    ),
    Served(
        "/supervisor/metadata/{range}",
        "GetSupervisorMetadata",
        ZSTD,
        "range",
        "监管集元数据",
        "Who recorded the events of 4,096 entries, and why",
    ),
)
"""Everything there is. More exact paths come first."""


class Place(msgspec.Struct, frozen=True):
    """A file below the log's folder. `whole`: it never changes; that of a range does not once the head of the set that
    it is `covered_by` has come to its `end`.
    """

    address: str
    whole: bool = False
    covered_by: str | None = None
    end: int = 0


class Published:
    """Serves what the sequencer and the discloser have put into the folder of the log."""

    def __init__(self, app: FastAPI, folder: Path, access: Access) -> None:
        self._folder: Final = folder
        self._access: Final = access
        self._tags: Final = Tags()
        self._places: Final = Places(
            SENT_MAX, SENT_TO_ADDRESS_MAX, full=TOO_MANY_FILES, full_of_address=TOO_MANY_FILES_TO_ADDRESS
        )
        for served in SERVED:
            app.add_api_route(
                served.route,
                self._endpoint(served),
                methods=["GET"],
                name=served.name,
                operation_id=served.name,
                response_class=Response,
                response_model=None,
                include_in_schema=False,
            )

    def _endpoint(self, served: Served) -> Callable[[Request], Awaitable[Response]]:
        more = TO_ANY_PAGE if served.to_all else {"Vary": "Authorization"}

        async def endpoint(request: Request) -> Response:
            if not served.to_all:
                await self._access.require(request, ACTION)
            try:
                place = place_of(served, request.path_params)
                if request.scope["path"] != f"/{place.address}":
                    raise FileNotFoundError(place.address)  # noqa: TRY301  as any other address that is none
                file, final = await asyncio.to_thread(self._opened, place)
            except FileNotFoundError:
                answer = problem_response(request, NOT_PUBLISHED())
            else:
                shared = "public" if served.to_all else "private"
                lasting = IMMUTABLE if final else FOR_SECONDS
                headers = {"Content-Type": served.media, "Cache-Control": f"{shared}, {lasting}"}
                answer = file_answer(request, file, headers, self._places)
            answer.headers.update(more)
            return answer

        return endpoint

    def _opened(self, place: Place) -> tuple[OpenedFile, bool]:
        """The file, and whether it will never be another. Raises FileNotFoundError."""
        final = place.whole
        if place.covered_by is not None:
            # The head is written after the files that it covers: read first, it promises no more than they hold.
            final = _entries_covered(self._folder, place.covered_by) >= place.end
        try:
            return OpenedFile(self._folder / place.address, self._tags), final
        except OSError as error:
            if error.errno in NO_FILE:
                raise FileNotFoundError(place.address) from error
            raise


def place_of(served: Served, parameters: Mapping[str, str]) -> Place:
    """What a caller wrote, read and written anew. Raises FileNotFoundError where no file can be meant."""
    try:
        match served.kind:
            case "moving":
                return Place(served.path[1:])
            case "day":
                return Place(f"{CHECKPOINTS}/{date.fromisoformat(parameters['day']).isoformat()}")
            case "tile":
                tile = Tile.parse(f"tile/{parameters.get('level', 'entries')}/{parameters['tile']}")
                return Place(LOG + tile.path, whole=tile.width == FULL_WIDTH)
            case "range":
                number = Tile.parse(f"tile/entries/{parameters['range'].removesuffix(ENDING)}").index
                of = served.path[1:].rpartition("/")[0]
                return Place(range_name(of, number), covered_by=of, end=(number + 1) * RANGE_ENTRIES)
    except (Malformed, ValueError) as error:
        raise FileNotFoundError(served.path) from error


def _entries_covered(folder: Path, of: str) -> int:
    """How many entries the files of a set cover; 0 where its head cannot be read."""
    try:
        head = Head.read(folder, of)
    except (OSError, Malformed):
        return 0
    return head.covered if head else 0


def with_published(document: dict[str, Any]) -> dict[str, Any]:
    """The document with these paths."""
    paths = {served.path: {"get": _operation(served)} for served in SERVED}
    return {**document, "paths": {**document["paths"], **paths}}


def _operation(served: Served) -> dict[str, Any]:
    content = {served.media.partition(";")[0]: {"schema": _schema(served)}}
    ok = {
        "200": {"description": "文件 / the file", "content": content},
        "206": {"description": "所要的部分 / the range asked for", "content": content},
        "304": {"description": "未改变 / as it was"},
    }
    statuses = (*(() if served.to_all else (401, 403)), 404, 405, 413, 500, 503, 504)
    refused: dict[str, Any] = {str(status): {"$ref": f"#/components/responses/Problem{status}"} for status in statuses}
    refused["416"] = {
        "description": "范围无效 / no such range",
        "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    parameters = [_parameter(name) for name in served.parameters]
    said = "One range of bytes, as `bytes=0-1023`."
    asked = header_parameter("Range", required=False, description=said, schema={"type": "string"})
    return {
        "operationId": served.name,
        "summary": f"{served.zh} {served.en}",
        "description": f"{served.zh} {served.en}.",
        "tags": [served.path.split("/")[1]],
        "parameters": [*parameters, asked],
        "responses": ok | refused,
        "security": [] if served.to_all else [{"bearer": []}],
    }


def _schema(served: Served) -> dict[str, str]:
    return {"type": "string"} if served.media == TEXT else {"type": "string", "format": "binary"}


def _parameter(name: str) -> dict[str, Any]:
    schema = {"type": "string", "pattern": f"^(?:{_PATTERNS[name]})$"}
    return {"name": name, "in": "path", "required": True, "description": _SAID[name], "schema": schema}
