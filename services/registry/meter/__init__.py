"""A device of any class, from its number to its end. One stream `meter-<asset_no>`, the phases of one life.

identity.py     who it is; temporary numbers; corrections
dismantling.py  out of service, final reading, dispute
custody.py      shipped, received, stored
missing.py      missing, found, lost, written off
unexpected.py   here though nobody announced it, or though its life had ended
hold.py         留存, seals
release.py      out for a purpose, and back
end.py          cleared, defaced, sold, destroyed
"""

from typing import Any, Final

import msgspec

from kernel.decider import Decider, Evolve, Part
from services.registry.meter import custody, dismantling, end, hold, identity, missing, release, unexpected
from services.registry.meter.state import NOTHING, Meter


def _counted(part: Part[Meter]) -> Part[Meter]:
    """The part, its evolve counting events: a correction names the version that it corrects."""

    def evolve(meter: Meter, event: Any, own: Evolve[Meter] = part.evolve) -> Meter:
        return msgspec.structs.replace(own(meter, event), version=meter.version + 1)

    return msgspec.structs.replace(part, evolve=evolve)


METER: Final = Decider(
    category="meter",
    initial=NOTHING,
    key="asset_no",
    begins=(identity.Register, identity.AssignTemporaryIdentity),
    parts=tuple(
        _counted(module.PART) for module in (identity, dismantling, custody, missing, unexpected, hold, release, end)
    ),
)
