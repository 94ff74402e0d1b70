"""Events put straight into a log, as another service would have recorded them."""

import msgspec

from kernel.codec import Codec
from ledger.port import ANY, Append, Draft, Ledger
from tests.given import fresh_id


async def written(ledger: Ledger, codec: Codec, stream: str, *events: msgspec.Struct) -> int:
    """Append these events; the position of the last."""
    drafts = [Draft(fresh_id().bytes, codec.type_of(one), codec.encode(one), b"") for one in events]
    receipt = await ledger.append([Append(stream, ANY, drafts)])
    return receipt.positions[-1]
