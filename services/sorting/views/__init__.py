"""What one may ask of sorting: rows kept up to date from its events, and from what it hears of the registry's.

device.py      who a device is and where, as the registry says
inspection.py  how a device's sorting stands
population.py  what was found of the same maker, batch and class
repair.py      how each repair stands
review.py      how a review stands, its population and its samples
sampled.py     what a review drew, and where it lies
scheme.py      which scheme covers which class
station.py     what benches did, inspection by inspection; yields.py what is counted of it, inspectors.py of two persons
waiting.py     what waits for its verdict, and since when
"""

from typing import Any, Final

from kernel.view import View
from services.sorting.views.device import DEVICES, SITES
from services.sorting.views.inspection import INSPECTIONS
from services.sorting.views.population import POPULATIONS
from services.sorting.views.repair import REPAIRS
from services.sorting.views.review import MEMBERS, REVIEWS, SAMPLES
from services.sorting.views.scheme import SCHEMES
from services.sorting.views.station import ROUNDS
from services.sorting.views.waiting import WAITING

VIEWS: Final[tuple[View[Any], ...]] = (
    DEVICES,
    SITES,
    INSPECTIONS,
    POPULATIONS,
    SCHEMES,
    REPAIRS,
    REVIEWS,
    SAMPLES,
    MEMBERS,
    ROUNDS,
    WAITING,
)
