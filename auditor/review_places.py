"""Where the registry has each device, from its own disclosed events: whether the record bears out that one is gone."""

from sys import intern
from typing import Final, NamedTuple

import msgspec

METERS: Final = "meter-"
JUST_NOW_US: Final = 300 * 1_000_000
"""Who records something has looked at the record before; what moved meanwhile may not have been seen."""


class _Movement(msgspec.Struct, frozen=True, gc=False):
    from_site: str | None = None
    to_site: str | None = None


class _Said(msgspec.Struct, frozen=True, gc=False):
    moved: _Movement | None = None
    moved_in: _Movement | None = None
    moved_out: _Movement | None = None


class _Place(NamedTuple):
    """The site that has it, the one that had it before, and when that changed."""

    site: str | None
    before: str | None
    at_us: int


_read: Final = msgspec.json.Decoder(_Said).decode


class Places:
    """The site of each device, event by event."""

    def __init__(self) -> None:
        self._places: Final[dict[str, _Place]] = {}

    def take(self, asset_no: str, data: bytes, recorded_at_us: int) -> None:
        """The next event of a device. Raises msgspec.DecodeError."""
        if b'"moved' not in data:
            return
        said = _read(data)
        moved = said.moved_in or said.moved_out or said.moved
        if moved is None or not (moved.from_site or moved.to_site):
            return
        before = self._places.get(asset_no)
        site = intern(moved.to_site) if moved.to_site else None
        self._places[asset_no] = _Place(site, before.site if before else None, recorded_at_us)

    def at(self, asset_no: str, at_us: int) -> set[str | None]:
        """Where the record may have had it for somebody who looked just before then."""
        place = self._places.get(asset_no)
        if place is None:
            return {None}
        return {place.site, place.before} if at_us - place.at_us < JUST_NOW_US else {place.site}
