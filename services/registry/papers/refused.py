"""What a refusal's code means, for papers. A shipment's exception keeps the code alone; which values its message named
then is not on record, so the message is said with those that the shipment itself tells.
"""

from typing import Final

from kernel import handling
from kernel.documents.data import Coded
from kernel.refusal import Reason, reasons_in
from services.registry.meter import custody, missing, state, unexpected

_REASONS: Final[dict[str, Reason]] = {
    reason.code: reason for module in (custody, missing, unexpected, state, handling) for reason in reasons_in(module)
}
"""Whatever can keep a device from following its shipment."""


def refused(code: str, **known: str) -> Coded:
    """The code with its words in both languages; alone where this version does not know it."""
    reason = _REASONS.get(code)
    if reason is None:
        return Coded(code=code)
    zh, en = reason.words(**known)
    return Coded(code=code, zh=zh, en=en)
