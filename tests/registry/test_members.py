"""What the members of the registry's commands and events may hold, whichever they are: bounds that no type can say."""

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any, get_args, get_type_hints

import msgspec
import pytest
from hypothesis import Phase, find, settings

from kernel.quantity import DAY_MAX, DAY_MIN, CivilDate, Happened, Name, PublicRemark, Remark
from services.registry.app import DECIDERS
from tests.strategies import messages

MESSAGES = [message for decider in DECIDERS for message in (*decider.commands, *decider.events)]


def shapes(struct: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    """The struct and those within its members."""
    yield struct
    for hint in get_type_hints(struct, include_extras=True).values():
        for part in parts(hint):
            if isinstance(part, type) and issubclass(part, msgspec.Struct):
                yield from shapes(part)


def parts(hint: Any) -> Iterator[Any]:
    yield hint
    for part in get_args(hint):
        yield from parts(part)


SHAPES = sorted({shape for message in MESSAGES for shape in shapes(message)}, key=lambda one: one.__name__)
ANY = settings(max_examples=1, phases=[Phase.generate], deadline=None, database=None)
DAYS = [
    pytest.param(shape, name, id=f"{shape.__name__}.{name}")
    for shape in SHAPES
    for name, hint in get_type_hints(shape, include_extras=True).items()
    if CivilDate in [*parts(hint)] and not (issubclass(shape, Happened) and name == "occurred_on")
]


@pytest.mark.parametrize(("shape", "name"), DAYS)
def test_no_day_is_beyond_all_reason(shape, name):
    example = msgspec.to_builtins(find(messages(shape), lambda _: True, settings=ANY))
    for day in (date.min, DAY_MIN - timedelta(days=1), DAY_MAX + timedelta(days=1), date.max):
        with pytest.raises(msgspec.ValidationError, match=f"{name} {day}"):
            msgspec.convert({**example, name: day.isoformat()}, shape)
    for day in (DAY_MIN, DAY_MAX):
        assert getattr(msgspec.convert({**example, name: day.isoformat()}, shape), name) == day


def test_there_are_days_to_look_at():
    assert len(DAYS) >= 11


FREE = (Name, Remark, PublicRemark)
FREE_TEXT = {
    "Description.model": "what its plate says",
    "Description.remark": "about the device",
    "CorrectRecord.why": "what was wrong with the record",
    "RecordCorrected.why": "the same",
    "BindIdentity.evidence": "how the number was read",
    "IdentityBound.evidence": "the same",
    "IdentityAdopted.recorded_as": "words of this service",
    "AdoptionRefused.recorded_as": "words of this service",
    "IdentityClaimed.evidence": "how the number was read",
    "Unexpected.recorded_as": "words of this service",
    "Reappeared.ended_as": "words of this service",
    "Reappeared.last_holder": "a site, a recycler, a maker, a laboratory, by code",
    "DisputeFinalReading.ground": "what is disputed of the reading",
    "FinalReadingDisputed.ground": "the same",
    "ConfirmLoss.finding": "how it was lost; who answers is a unit",
    "LossConfirmed.finding": "the same",
    "Store.location": "a place in a store",
    "Stored.location": "the same",
    "RemoveSeal.condition": "how the seal looked",
    "SealRemoved.condition": "the same",
    "PrepareShipment.carrier": "a firm or a waybill",
    "ShipmentPrepared.carrier": "the same",
    "CancelShipment.why": "why nothing goes",
    "ShipmentCancelled.why": "the same",
    "OpenSite.name": "a place",
    "SiteOpened.name": "the same",
    "CloseSite.why": "why the place is given up",
    "SiteClosed.why": "the same",
    "RevisePlan.why": "why the figures change",
    "PlanRevised.why": "the same",
}
"""Every place for free text in what the log will hold, and what belongs there: nothing about a person. Whoever adds one
says it here; who acted or signed is a subject id, and has a name in people alone.
"""


def test_free_text_is_where_it_is_known_to_be_and_bounded():
    found = set()
    for shape in SHAPES:
        for name, hint in get_type_hints(shape, include_extras=True).items():
            given = [*parts(hint)]
            if any(free in given for free in FREE):
                found.add(f"{shape.__name__}.{name}")
            elif str in given:
                bounds = [meta for part in given for meta in getattr(part, "__metadata__", ())]
                closed = any(meta.pattern or (meta.max_length or 1_000) <= 100 for meta in bounds)
                assert closed, f"{shape.__name__}.{name} takes any text"
    assert found == set(FREE_TEXT)
    assert all(meta.max_length <= 2_000 for free in FREE for meta in free.__metadata__)
