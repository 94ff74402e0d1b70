"""A device of any class, from its number to its end. One stream `meter-<asset_no>`, the phases of one life.

identity.py     who it is; temporary numbers; corrections
binding.py      a temporary number taken over by the real one
along.py        what the temporary number takes along
dismantling.py  out of service, final reading, dispute
custody.py      shipped, received, stored
packing.py      in a box, out of it
missing.py      missing, found, lost, written off
unexpected.py   here though nobody announced it, or though its life had ended
hold.py         留存, seals
release.py      out for a purpose, and back
end.py          cleared, defaced, sold, destroyed
"""

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

import msgspec

from kernel.decider import Decide, Decider, Evolve, Part
from services.registry.meter import (
    binding,
    custody,
    dismantling,
    end,
    hold,
    identity,
    missing,
    packing,
    release,
    unexpected,
)
from services.registry.meter.along import taken_along
from services.registry.meter.state import NOTHING, Meter
from services.registry.vocabulary import MOVED, counts_on


def _in_one_life(part: Part[Meter]) -> Part[Meter]:
    """The part as one of many: nothing is decided while a temporary identity is being bound; movements count in the
    order in which they are told, whatever their dates; and events are counted, for a correction names the version that
    it corrects.
    """

    def decide(command: Any, meter: Meter, own: Decide[Meter] = part.decide) -> Sequence[msgspec.Struct]:
        binding.unclaimed(command, meter)
        decided = own(command, meter)
        if meter.moved_on is None or command.day >= meter.moved_on:
            return decided
        return [_counting_on(meter.moved_on, event) for event in decided]

    def evolve(meter: Meter, event: Any, own: Evolve[Meter] = part.evolve) -> Meter:
        now = msgspec.structs.replace(own(meter, event), version=meter.version + 1)
        if event.asset_no.startswith("T"):
            now = msgspec.structs.replace(now, along=taken_along(meter, now, event))
        if now.site == meter.site and (now.site is None or now.device_class == meter.device_class):
            return now
        day = counts_on(event)
        moved_on = day if meter.moved_on is None else max(meter.moved_on, day)
        dismantlings = {
            version: msgspec.structs.replace(came, not_after=moved_on)
            for version, came in now.dismantlings.items()
            if came.not_after is None and version != now.version
        }
        return msgspec.structs.replace(now, moved_on=moved_on, dismantlings=now.dismantlings | dismantlings)

    return msgspec.structs.replace(part, decide=decide, evolve=evolve)


def _counting_on(day: date, event: msgspec.Struct) -> msgspec.Struct:
    movements = ((name, getattr(event, name, None)) for name in MOVED)
    later = {
        name: msgspec.structs.replace(moved, on=day) for name, moved in movements if moved is not None and moved.moves
    }
    if isinstance(event, unexpected.UnexpectedAccepted):
        return msgspec.structs.replace(event, counts_on=day)
    return msgspec.structs.replace(event, **later) if later else event


METER: Final = Decider(
    category="meter",
    initial=NOTHING,
    key="asset_no",
    begins=(identity.Register, identity.AssignTemporaryIdentity),
    parts=tuple(
        _in_one_life(module.PART)
        for module in (identity, binding, dismantling, custody, packing, missing, unexpected, hold, release, end)
    ),
)
