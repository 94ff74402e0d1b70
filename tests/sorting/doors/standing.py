"""Sorting on a platform that stands, told its whole season or only that its devices have come."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.doors import standing as stand
from tests.gateway.behind import Behind
from tests.sorting.doors.entrances import Entrances
from tests.sorting.doors.season import NUMBERS, WAVES, arrived, tell


@contextmanager
def standing(folder: Path, *, told: bool = True) -> Iterator[stand.Standing]:
    """The platform, until the block ends; `told` the whole season."""

    async def opened(platform: Behind) -> Entrances:
        entrances = Entrances(platform)
        await arrived(platform.ledger, NUMBERS)
        if told:
            await tell(entrances.sorting, WAVES)
        return entrances

    with stand.standing(folder, opened) as stands:
        yield stands
