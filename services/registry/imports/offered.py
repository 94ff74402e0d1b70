"""Imports at both doors: as uploads over REST, and as methods over gRPC for the gateway before it."""

from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec

from kernel.http_page import BAD_CURSOR, Cursors, idempotency_key
from kernel.http_uploads import Asker, Listed
from kernel.intake import plain_of_json, struct_of
from kernel.principal import Principal
from kernel.questions import CursorValue, PageAsked, PageParameters, Question, Rows, Shown
from services.registry.access import Access
from services.registry.imports.asked import NewImport
from services.registry.imports.jobs import Import, ImportId, Jobs, Place

LISTED: Final = "ListImports"
"""What a cursor of the list belongs to."""


class _Ask(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something asked about an import."""


class CreateImport(_Ask, frozen=True, kw_only=True):
    """Announce an import; `announced` is the JSON of NewImport."""

    key: str
    announced: str


class AppendImport(_Ask, frozen=True, kw_only=True):
    """A piece of the file."""

    import_id: ImportId
    offset: Annotated[int, msgspec.Meta(ge=0)]
    content: bytes


class GetImport(_Ask, frozen=True, kw_only=True):
    """How an import stands."""

    import_id: ImportId


class ListImports(_Ask, frozen=True, kw_only=True):
    """The caller's imports, the newest first."""


class CancelImport(_Ask, frozen=True, kw_only=True):
    """End an import."""

    import_id: ImportId


class GetImportErrors(_Ask, frozen=True, kw_only=True):
    """What was refused, from this byte of the error file on."""

    import_id: ImportId
    offset: Annotated[int, msgspec.Meta(ge=0)]


class ErrorsPiece(msgspec.Struct, frozen=True):
    """Some of the error file; empty at its end."""

    content: bytes


class LocalUploads:
    """The registry's own imports, for whoever may import. See kernel.http_uploads.Uploads."""

    def __init__(self, jobs: Jobs, access: Access, cursors: Cursors) -> None:
        self._jobs: Final = jobs
        self._access: Final = access
        self._cursors: Final = cursors

    async def create(self, asker: Asker, plain: Any, key: str) -> Import:
        self._access.may(asker.principal, "Import")
        ask = struct_of(NewImport, plain)
        # Said once, and not of every row.
        await self._access.require_open(ask.site, ask.to_site)
        return await self._jobs.create(asker.principal, ask, key)

    async def append(self, asker: Asker, upload_id: str, offset: int, content: bytes) -> Import:
        return await self._jobs.append(asker.principal, upload_id, offset, content)

    async def get(self, asker: Asker, upload_id: str) -> Import:
        return await self._jobs.get(asker.principal, upload_id)

    async def list(self, asker: Asker, page: PageParameters) -> Listed:
        after = None if page.cursor is None else self._cursors.open(LISTED, page.cursor)
        rows = await self.rows(asker.principal, PageAsked(after=after, limit=page.limit))
        return Listed(rows.items, None if rows.after is None else self._cursors.seal(LISTED, rows.after))

    async def rows(self, caller: Principal, page: PageAsked) -> Rows:
        """The same, for a door that opens and seals cursors itself."""
        items, after = await self._jobs.page(caller, _place(page.after), page.limit)
        return Rows(items=items, after=after)

    async def cancel(self, asker: Asker, upload_id: str) -> Import:
        return await self._jobs.cancel(asker.principal, upload_id)

    async def errors(self, asker: Asker, upload_id: str, offset: int) -> bytes:
        return await self._jobs.errors(asker.principal, upload_id, offset)


def _place(after: Sequence[CursorValue] | None) -> Place | None:
    """Where a page ended. Raises BAD_CURSOR."""
    match after:
        case None:
            return None
        case int(at_us), str(import_id):
            return at_us, import_id
        case _:
            raise BAD_CURSOR()


def import_methods(uploads: LocalUploads) -> Sequence[Question]:
    """The same over gRPC. Their paths are those of the REST door."""

    async def create(caller: Principal, ask: CreateImport, _page: PageAsked) -> Shown:
        key = idempotency_key(ask.key)
        return Shown(value=await uploads.create(Asker(caller, ""), plain_of_json(ask.announced.encode()), key))

    async def append(caller: Principal, ask: AppendImport, _page: PageAsked) -> Shown:
        return Shown(value=await uploads.append(Asker(caller, ""), ask.import_id, ask.offset, ask.content))

    async def get(caller: Principal, ask: GetImport, _page: PageAsked) -> Shown:
        return Shown(value=await uploads.get(Asker(caller, ""), ask.import_id))

    async def every(caller: Principal, _ask: ListImports, page: PageAsked) -> Rows:
        return await uploads.rows(caller, page)

    async def cancel(caller: Principal, ask: CancelImport, _page: PageAsked) -> Shown:
        return Shown(value=await uploads.cancel(Asker(caller, ""), ask.import_id))

    async def errors(caller: Principal, ask: GetImportErrors, _page: PageAsked) -> Shown:
        piece = await uploads.errors(Asker(caller, ""), ask.import_id, ask.offset)
        return Shown(value=ErrorsPiece(piece))

    one = "/v1/imports/{import_id}"
    return (
        Question(CreateImport, "/v1/imports", Import, create),
        Question(AppendImport, one, Import, append),
        Question(GetImport, one, Import, get),
        Question(ListImports, "/v1/imports", Import, every, rows=True, paged=True),
        Question(CancelImport, f"{one}/cancel", Import, cancel),
        Question(GetImportErrors, f"{one}/errors", ErrorsPiece, errors),
    )
