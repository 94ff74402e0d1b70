"""What the policies say of a caller who acts for every unit."""

import msgspec

from cli.reference import ROOT
from kernel.authority import Policies
from kernel.principal import EVERY_UNIT, Principal, Role
from services.registry.access import meter, owed_by
from services.registry.views.card import CARD


def test_every_unit_stands_for_each_in_decisions_and_in_lists():
    policies = Policies.load(ROOT / "services" / "registry")
    everyone = Principal(subject="u", roles=frozenset({Role.OPERATOR}), units=frozenset({EVERY_UNIT}))
    nobody = msgspec.structs.replace(everyone, units=frozenset())
    for action, resource in (("Dismantle", meter("99401")), ("ReadOwed", owed_by("99401"))):
        assert policies.decide(everyone, action, resource).allowed
        assert not policies.decide(nobody, action, resource).allowed
    columns = {name: CARD.columns.c[name] for name in ("unit", "owner", "maker")}
    assert str(policies.where(everyone, "ReadMeter", "Meter", columns)) == "true"
    assert str(policies.where(nobody, "ReadMeter", "Meter", columns)) != "true"
