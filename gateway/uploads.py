"""Imports, passed on to the registry piece by piece."""

from typing import Any, Final

import msgspec

from gateway.access import Access
from kernel.grpc_client import Peer
from kernel.grpc_messages import plain_of_message
from kernel.http_uploads import Asker, Listed
from kernel.questions import PageParameters
from kernel.wire.registry.v1 import registry_pb2 as registry

IMPORT: Final = "Import"
"""The action that roles are asked about, whatever is done with an import."""

SERVICE: Final = "meterloop.registry.v1.Registry"
PIECE_S_MAX: Final = 30.0


class RemoteUploads:
    """The registry's imports. See kernel.http_uploads.Uploads."""

    def __init__(self, peer: Peer, access: Access) -> None:
        self._peer: Final = peer
        self._access: Final = access

    async def create(self, asker: Asker, plain: Any, key: str) -> Any:
        announced = msgspec.json.encode(plain).decode()
        return await self._stands("CreateImport", registry.CreateImport(key=key, announced=announced), asker)

    async def append(self, asker: Asker, upload_id: str, offset: int, content: bytes) -> Any:
        piece = registry.AppendImport(import_id=upload_id, offset=offset, content=content)
        return await self._stands("AppendImport", piece, asker)

    async def get(self, asker: Asker, upload_id: str) -> Any:
        return await self._stands("GetImport", registry.GetImport(import_id=upload_id), asker)

    async def list(self, asker: Asker, page: PageParameters) -> Listed:
        self._access.allow(asker.principal, IMPORT)
        ask = registry.ListImports(limit=page.limit, cursor=page.cursor)
        found = await self._peer.call(
            f"{SERVICE}/ListImports", ask, registry.ImportPage, authorization=asker.authorization
        )
        plain = plain_of_message(found, nulls=True)
        return Listed(plain["items"], plain["next"])

    async def cancel(self, asker: Asker, upload_id: str) -> Any:
        return await self._stands("CancelImport", registry.CancelImport(import_id=upload_id), asker)

    async def errors(self, asker: Asker, upload_id: str, offset: int) -> bytes:
        self._access.allow(asker.principal, IMPORT)
        ask = registry.GetImportErrors(import_id=upload_id, offset=offset)
        piece = await self._peer.call(
            f"{SERVICE}/GetImportErrors", ask, registry.ErrorsPiece, authorization=asker.authorization
        )
        return piece.content

    async def _stands(self, method: str, request: Any, asker: Asker) -> dict[str, Any]:
        self._access.allow(asker.principal, IMPORT)
        stands = await self._peer.call(
            f"{SERVICE}/{method}",
            request,
            registry.Import,
            authorization=asker.authorization,
            timeout_s=PIECE_S_MAX,
        )
        return plain_of_message(stands, nulls=True)
