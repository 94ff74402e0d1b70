"""What a temporary identity takes along to its number: remembered as it happens, for the number's record knows nothing
of it. Only temporary identities remember it.
"""

from typing import Any

import msgspec

from services.registry.meter.dismantling import Dismantled, FinalReadingRecorded, FinalReadingResolved
from services.registry.meter.identity import RecordCorrected
from services.registry.meter.state import Along, AtSite, InService, Meter
from services.registry.vocabulary import Arrival, StandingDismantling, counts_on


def taken_along(before: Meter, now: Meter, event: Any) -> Along:
    """What there is to take along after this event, which made `now` of `before`."""
    if isinstance(now.place, InService):
        return Along()
    along = _papers(before, event)
    here = now.place
    if not isinstance(here, AtSite) or here.unexpected or here == before.place:
        return along
    arrivals = {one.site: one for one in along.arrivals}
    day = counts_on(event)
    if here.site not in arrivals or day < arrivals[here.site].on:
        arrivals[here.site] = Arrival(site=here.site, on=day)
    return msgspec.structs.replace(along, arrivals=tuple(arrivals.values()))


def _papers(before: Meter, event: Any) -> Along:
    along = before.along
    match event:
        case Dismantled():
            said = {name: getattr(event, name) for name in ("work_order", "unit", "reason", "county")}
            stands = StandingDismantling(dismantled_on=event.day, **said)
            return msgspec.structs.replace(along, dismantled=stands)
        case FinalReadingRecorded(reading=reading):
            return msgspec.structs.replace(along, reading=reading)
        case FinalReadingResolved(reading=reading) if reading is not None:
            return msgspec.structs.replace(along, reading=reading)
        case RecordCorrected(corrects_version=corrected):
            if event.reading is not None:
                along = msgspec.structs.replace(along, reading=event.reading)
            if along.dismantled is None or corrected != before.dismantled_version:
                return along
            names = ("dismantled_on", "work_order", "unit", "reason", "county")
            changes = {name: value for name in names if (value := getattr(event, name)) is not None}
            return msgspec.structs.replace(along, dismantled=msgspec.structs.replace(along.dismantled, **changes))
        case _:
            return along
