"""How views stand against the log, for those who wait for them, watch them or run them."""

import msgspec


class ViewProgress(msgspec.Struct, frozen=True):
    """How one view stands. `stopped_why` says what it could not take at the event after `position`."""

    name: str
    ready: bool
    position: int
    stopped_why: str | None


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How the views stand against the log. `lag_us` is the age of the oldest event that is not in all of them;
    `trouble` is the last error of a store, until it works again.
    """

    head: int
    position: int
    lag_positions: int
    lag_us: int
    trouble: str | None
    views: tuple[ViewProgress, ...]

    @property
    def ready(self) -> bool:
        """Every view can be asked, and goes on."""
        return self.trouble is None and all(view.ready and view.stopped_why is None for view in self.views)
