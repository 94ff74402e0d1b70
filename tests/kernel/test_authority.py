"""Policies decide, and lists show exactly the rows that they would allow one by one."""

from typing import Any

import cedarpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Boolean, Column, Integer, MetaData, String, Table, create_engine, select
from sqlalchemy.pool import StaticPool

from kernel.authority import DENIED, Policies, Resource
from kernel.principal import Principal, Role
from kernel.refusal import NotAllowed

SCHEMA = """
entity Parcel { unit: String, maker?: String, weight_g: Long, sealed: Bool, bidder?: String };
action ReadParcel, Send appliesTo { principal: Principal, resource: Parcel };
entity Depot { name: String };
action ReadDepot appliesTo { principal: Principal, resource: Depot };
"""

SAMPLE = """
@id("unit") permit(principal in Role::"operator", action, resource is Parcel)
when { principal.units.contains(resource.unit) };
@id("maker") permit(principal in Role::"manufacturer", action == Action::"ReadParcel", resource)
when { principal has organisation && resource has maker && resource.maker == principal.organisation };
@id("all") permit(principal in Role::"auditor", action == Action::"ReadParcel", resource);
@id("sealed") forbid(principal, action == Action::"ReadParcel", resource)
when { resource.sealed }
unless { principal has organisation && resource has bidder && resource.bidder == principal.organisation };
@id("depots") permit(principal, action == Action::"ReadDepot", resource) when { resource.name != "x" };
"""

CLERK = Principal(subject="u-1", roles=frozenset({Role.OPERATOR}), units=frozenset({"31401", "31402"}))
MAKER = Principal(subject="u-2", roles=frozenset({Role.MANUFACTURER}), organisation="m1")


def parcel(**attrs: Any) -> Resource:
    return Resource(type="Parcel", attrs={"unit": "31401", "weight_g": 1, "sealed": False} | attrs)


def test_nothing_is_allowed_that_no_policy_allows():
    policies = Policies(SAMPLE, SCHEMA)
    assert policies.decide(CLERK, "Send", parcel()).policies == ("unit",)
    with pytest.raises(NotAllowed) as refused:
        policies.authorize(CLERK, "Send", parcel(unit="99999"))
    assert refused.value.code == DENIED.code
    assert not Policies("", SCHEMA).decide(CLERK, "Send", parcel()).allowed
    assert not policies.decide(Principal(subject="u-3", roles=frozenset()), "Send", parcel()).allowed


def test_a_forbid_outweighs_every_permit():
    decision = Policies(SAMPLE, SCHEMA).decide(CLERK, "ReadParcel", parcel(sealed=True))
    assert (decision.allowed, decision.policies) == (False, ("sealed",))


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("Unheard", parcel()),
        ("ReadDepot", parcel()),
        ("ReadParcel", Resource(type="Parcel")),
        ("ReadParcel", parcel(weight_g="1")),
        ("ReadParcel", Resource(type="Moon")),
    ],
)
def test_what_the_schema_does_not_know_is_an_error_and_never_allowed(action, resource):
    with pytest.raises(ValueError, match=r".+"):
        Policies(SAMPLE, SCHEMA).decide(CLERK, action, resource)


@pytest.mark.parametrize(
    ("policies", "said"),
    [
        ('permit(principal in Role::"operater", action, resource);', "operater"),
        ('permit(principal, action == Action::"Sned", resource);', "Sned"),
        ('permit(principal, action == Action::"Send", resource) when { resource.colour == "red" };', "colour"),
        ("permit(principal, action", "unexpected"),
    ],
)
def test_policies_that_do_not_agree_with_their_schema_are_not_loaded(policies, said):
    with pytest.raises(ValueError, match=said):
        Policies(policies, SCHEMA)


def test_a_subject_is_data_and_never_policy_text():
    odd = Principal(subject='x"; permit(principal,action,resource);//\\', roles=CLERK.roles, units=CLERK.units)
    policies = Policies(SAMPLE, SCHEMA)
    assert policies.decide(odd, "Send", parcel()).allowed
    assert str(policies.where(odd, "Send", "Parcel", COLUMNS)) == str(policies.where(CLERK, "Send", "Parcel", COLUMNS))


TABLE = Table(
    "parcel",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("unit", String, nullable=False),
    Column("maker", String),
    Column("weight_g", Integer, nullable=False),
    Column("sealed", Boolean, nullable=False),
    Column("bidder", String),
)
COLUMNS = {column.name: column for column in TABLE.columns if column.name != "id"}

UNITS = ["31401", "31402", "3140", "99999", "a'b"]
NAMES = ["m1", "M1", "m2", ""]
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "unit": st.sampled_from(UNITS),
            "maker": st.none() | st.sampled_from(NAMES),
            "weight_g": st.integers(-3, 3),
            "sealed": st.booleans(),
            "bidder": st.none() | st.sampled_from(NAMES),
        }
    ),
    max_size=12,
)
PRINCIPALS = st.builds(
    Principal,
    subject=st.just("u"),
    roles=st.frozensets(st.sampled_from([Role.OPERATOR, Role.MANUFACTURER, Role.AUDITOR])),
    units=st.frozensets(st.sampled_from(UNITS)),
    organisation=st.none() | st.sampled_from(NAMES),
)

ATOMS = [
    "resource.sealed",
    "resource has maker",
    "principal has organisation",
    "resource is Parcel",
    'resource.unit == "31401"',
    'resource.unit like "3140*"',
    "resource.weight_g < 1",
    "2 <= resource.weight_g",
    "resource.weight_g != 0",
    "principal.units.contains(resource.unit)",
    '["m1", ""].contains(resource.maker)',
    'resource.maker == "m1"',
    "resource.maker != resource.bidder",
    "resource.maker == principal.organisation",
    "true",
    "false",
]


def conditions(atoms):
    return st.recursive(
        st.sampled_from(atoms),
        lambda inner: (
            st.builds("(!({}))".format, inner)
            | st.builds("({} && {})".format, inner, inner)
            | st.builds("({} || {})".format, inner, inner)
            | st.builds("(if {} then {} else {})".format, inner, inner, inner)
        ),
        max_leaves=6,
    )


RULES = st.builds(
    "{}(principal {}, action, resource) {} {{ {} }} {} {{ {} }};".format,
    st.sampled_from(["permit", "permit", "forbid"]),
    st.sampled_from(["", 'in Role::"operator"', 'in Role::"auditor"']),
    st.sampled_from(["when", "unless"]),
    conditions(ATOMS),
    st.sampled_from(["when", "unless"]),
    conditions(ATOMS),
)


class Unchecked(Policies):
    """Policies that a schema would not pass, since they may fail while they are evaluated: the harder case."""

    def __init__(self, policies: str) -> None:
        super().__init__("", SCHEMA)
        self._policies = cedarpy.PolicySet.from_str(policies)


def shown(policies, principal, rows):
    engine = create_engine("sqlite://", poolclass=StaticPool)
    try:
        with engine.begin() as connection:
            TABLE.metadata.create_all(connection)
            if rows:
                connection.execute(TABLE.insert(), [row | {"id": i} for i, row in enumerate(rows)])
            where = policies.where(principal, "ReadParcel", "Parcel", COLUMNS)
            return set(connection.scalars(select(TABLE.c.id).where(where)))
    finally:
        engine.dispose()


@settings(max_examples=150, deadline=None)
@given(rows=ROWS, principal=PRINCIPALS)
def test_the_sample_policies_show_the_rows_they_allow(rows, principal):
    policies = Policies(SAMPLE, SCHEMA)
    one_by_one = {i for i, row in enumerate(rows) if policies.decide(principal, "ReadParcel", parcel(**row)).allowed}
    assert shown(policies, principal, rows) == one_by_one


@settings(max_examples=400, deadline=None)
@given(rows=ROWS, principal=PRINCIPALS, rules=st.lists(RULES, min_size=1, max_size=3))
def test_any_policies_show_the_rows_they_allow(rows, principal, rules):
    policies = Unchecked("\n".join(rules))
    one_by_one = {i for i, row in enumerate(rows) if policies.decide(principal, "ReadParcel", parcel(**row)).allowed}
    assert shown(policies, principal, rows) == one_by_one


@pytest.mark.parametrize(
    "condition",
    [
        'resource == Parcel::"p"',
        'resource.unit like "*1"',
        'resource.unit like "3*1"',
        "resource.weight_g + 1 == 2",
        'resource in Depot::"d"',
        'resource.unit < "3"',
        'resource.colour == "red"',
    ],
)
def test_what_cannot_be_a_clause_is_an_error_and_shows_nothing(condition):
    policies = Unchecked(f"permit(principal, action, resource) when {{ {condition} }};")
    with pytest.raises(ValueError, match=r".+"):
        policies.where(CLERK, "ReadParcel", "Parcel", COLUMNS)
