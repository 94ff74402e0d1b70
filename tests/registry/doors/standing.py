"""The registry on a platform that stands, told its whole season or nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kernel.documents.workshop import Workshop
from tests.doors import standing as stand
from tests.gateway.behind import Behind
from tests.gateway.season import tell
from tests.registry.doors.entrances import Entrances
from tests.registry.doors.season import EVERY


@contextmanager
def standing(folder: Path, workshop: Workshop | None = None, *, told: bool = True) -> Iterator[stand.Standing]:
    """The platform, until the block ends; `told` the whole season."""

    async def opened(platform: Behind) -> Entrances:
        if told:
            position = await tell(platform.registry, EVERY)
            await platform.registry.ask(lambda _connection: None, seen=position)
        return Entrances(platform)

    with stand.standing(folder, opened, workshop) as stands:
        yield stands
