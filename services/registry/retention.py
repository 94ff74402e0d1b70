"""留存期: what is dismantled is kept as it is for some days, where somebody has said for how long, and then let go.

How long, for which reasons and units, and on whose word is not known in general (待确认 / to be confirmed), so it is
data: a file of rules named by METERLOOP_REGISTRY__RETENTION, and nothing without it.

    rules:
      - {in_force: 2026-01-01, days: 180, reasons: [theft_evidence], rests_on: "待确认 to be confirmed"}
      - {in_force: 2026-01-01, days: 30, units: ["99401"], rests_on: "待确认 to be confirmed"}

The first rule that fits decides, and fits what is dismantled from its `in_force` on: rules are added before others, and
not rewritten, for what was asked once is not asked again. A hold of retention keeps nothing from travelling. It is
lifted by itself on the day after its last; one that a person placed under another name is that person's to lift.
"""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta
from sqlalchemy import Connection, select

from kernel.device import UnitCode
from kernel.policy import ClockPolicy, Policy
from kernel.quantity import DAY_MAX, CivilDate, Name, business_day_of_us, refuse_far_days
from kernel.yaml_file import read_yaml
from ledger.port import Recorded
from services.registry.meter.dismantling import Dismantled
from services.registry.meter.hold import LiftHold, PlaceHold
from services.registry.views.hold import HOLDS
from services.registry.vocabulary import DismantleReason

HOLD: Final = "retention-"
"""Before the version of the dismantling: names the holds that are placed, and lifted, by themselves."""

LIFTED_EVERY_S: Final = 3_600.0


class RetentionRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`days` kept, 0 for none. Without `reasons` it is about any, without `units` about all. `rests_on` says why."""

    in_force: CivilDate
    days: Annotated[int, Meta(ge=0, le=3_650)]
    rests_on: Name
    reasons: tuple[DismantleReason, ...] = ()
    units: tuple[UnitCode, ...] = ()

    def __post_init__(self) -> None:
        refuse_far_days(in_force=self.in_force)

    def fits(self, event: Dismantled) -> bool:
        return (
            event.day >= self.in_force
            and event.reason in (self.reasons or (event.reason,))
            and event.unit in (self.units or (event.unit,))
        )


class Retention(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rules, the first that fits before the others."""

    rules: tuple[RetentionRule, ...] = ()

    def policies(self) -> tuple[Policy, ...]:
        """What follows from a dismantling; nothing where there are no rules."""
        if not self.rules:
            return ()
        return (Policy(name="dismantled_is_retained", when={Dismantled: self.when_dismantled_place_hold}),)

    def when_dismantled_place_hold(self, event: Dismantled, recorded: Recorded) -> Iterator[PlaceHold]:
        rule = next((rule for rule in self.rules if rule.fits(event)), None)
        if rule is not None and rule.days:
            yield PlaceHold(
                **event.moment,
                asset_no=event.asset_no,
                hold=f"{HOLD}{recorded.version}",
                kind="retention",
                reference=event.work_order,
                until=min(event.day + timedelta(days=rule.days), DAY_MAX),
            )


def load(path: Path | None) -> Retention:
    """The rules of the file, none without one. Raises ValueError."""
    return Retention() if path is None else read_yaml(path, Retention)


def retention_over(connection: Connection, now_us: int) -> Iterable[tuple[str, LiftHold]]:
    """What was retained until a day that is over."""
    holds = HOLDS.columns.c
    query = (
        select(holds.asset_no, holds.hold, holds.reference, holds.until)
        .where(
            holds.kind == "retention",
            holds.hold.startswith(HOLD),
            holds.until < business_day_of_us(now_us),
        )
        .order_by(holds.until, holds.asset_no, holds.hold)
    )
    for asset_no, name, reference, until in connection.execute(query):
        lift = LiftHold(
            occurred_on=min(until + timedelta(days=1), DAY_MAX), asset_no=asset_no, hold=name, reference=reference
        )
        yield f"{asset_no}/{name}", lift


RETENTION_ENDS: Final = ClockPolicy(name="retention_is_lifted_when_over", every_s=LIFTED_EVERY_S, due=retention_over)
"""Asked even without rules: what was retained under those of last year ends as well."""
