"""A device of any class, from its number to its end. One stream `meter-<asset_no>`, the phases of one life.

identity.py     who it is; temporary numbers; corrections
binding.py      a temporary number taken over by the real one
dismantling.py  out of service, final reading, dispute
custody.py      shipped, received, stored
missing.py      missing, found, lost, written off
unexpected.py   here though nobody announced it, or though its life had ended
hold.py         留存, seals
release.py      out for a purpose, and back
end.py          cleared, defaced, sold, destroyed
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from kernel.decider import Decide, Decider, Evolve, Part
from services.registry.meter import binding, custody, dismantling, end, hold, identity, missing, release, unexpected
from services.registry.meter.state import NOTHING, Meter


def _in_one_life(part: Part[Meter]) -> Part[Meter]:
    """The part as one of many: nothing is decided while a temporary identity is being bound, and events are counted,
    for a correction names the version that it corrects.
    """

    def decide(command: Any, meter: Meter, own: Decide[Meter] = part.decide) -> Sequence[msgspec.Struct]:
        binding.unclaimed(command, meter)
        return own(command, meter)

    def evolve(meter: Meter, event: Any, own: Evolve[Meter] = part.evolve) -> Meter:
        return msgspec.structs.replace(own(meter, event), version=meter.version + 1)

    return msgspec.structs.replace(part, decide=decide, evolve=evolve)


METER: Final = Decider(
    category="meter",
    initial=NOTHING,
    key="asset_no",
    begins=(identity.Register, identity.AssignTemporaryIdentity),
    parts=tuple(
        _in_one_life(module.PART)
        for module in (identity, binding, dismantling, custody, missing, unexpected, hold, release, end)
    ),
)
