"""Two views of parcels: where each one is, and how many are at each place on each day."""

from datetime import date

import msgspec
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from kernel.codec import Reader
from kernel.quantity import business_day_of_us
from kernel.view import View
from tests.kernel.parcel import CODEC, Delivered, HandedOn, Sent


class Tables(SQLModel, registry=registry()):
    """The tables of the sample."""


class Card(msgspec.Struct, frozen=True):
    parcel: str
    place: str | None
    weight_g: int
    moves: int
    recorded_at_us: int


class CardTable(Tables, table=True):
    __tablename__ = "card_v1"
    parcel: str = Field(primary_key=True)
    place: str | None = Field(index=True)
    weight_g: int
    moves: int
    recorded_at_us: int


def evolve_card(row, event, recorded, _key):
    match event:
        case Sent():
            return Card(event.parcel, event.place, event.weight_g, 0, recorded.recorded_at_us)
        case HandedOn():
            return Card(row.parcel, event.place, row.weight_g, row.moves + 1, recorded.recorded_at_us)
        case Delivered():
            return None


CARD = View(
    name="card",
    row=Card,
    table=CardTable,
    events=(Sent, HandedOn, Delivered),
    keys=lambda event, _recorded: [(event.parcel,)],
    evolve=evolve_card,
)


class Balance(msgspec.Struct, frozen=True):
    place: str
    day: date
    inflow: int
    outflow: int


class BalanceTable(Tables, table=True):
    __tablename__ = "balance_v1"
    place: str = Field(primary_key=True)
    day: date = Field(primary_key=True)
    inflow: int
    outflow: int


def balance_keys(event, recorded):
    day = business_day_of_us(recorded.recorded_at_us)
    match event:
        case Sent():
            return [(event.place, day)]
        case HandedOn():
            return [(event.place_before, day), (event.place, day)]
        case Delivered():
            return [(event.place_before, day)]


def evolve_balance(row, event, _recorded, key):
    row = row or Balance(*key, 0, 0)
    if key[0] == getattr(event, "place_before", None):
        return Balance(row.place, row.day, row.inflow, row.outflow + 1)
    return Balance(row.place, row.day, row.inflow + 1, row.outflow)


BALANCE = View(name="balance", row=Balance, table=BalanceTable, keys=balance_keys, evolve=evolve_balance)

VIEWS = (CARD, BALANCE)
READER = Reader(CODEC)
