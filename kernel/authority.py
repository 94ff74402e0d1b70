"""Who may do what: Cedar policies, deny by default. The kernel holds the mechanism, each service its own policies.

A service keeps `policies.cedar` and `schema.cedarschema` beside its code. The schema declares the service's resources
and actions; `Role` and `Principal` are declared here. An action is a command's name, or a name for what is read. Files
that do not agree with their schema, or name a role that there is not, stop the service before it opens a door.

    policies = Policies.load(Path(__file__).parent)
    policies.authorize(principal, "RecordFinalReading", Resource(type="Meter", attrs={"unit": unit}))
    select(Card).where(policies.where(principal, "ReadMeter", "Meter", {"unit": Card.unit, "maker": Card.maker}))
"""

import json
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, Final, Self, TypeAlias

import cedarpy
import msgspec
import structlog
from sqlalchemy import ColumnElement

from kernel.authority_where import Residual, where_clause
from kernel.principal import Principal, Role
from kernel.refusal import Refusal, not_allowed

POLICIES_FILE: Final = "policies.cedar"
SCHEMA_FILE: Final = "schema.cedarschema"

PRINCIPAL_SCHEMA: Final = (
    f"entity Role enum [{', '.join(json.dumps(role.value) for role in Role)}];\n"
    "entity Principal in [Role] { units: Set<String>, organisation?: String };\n"
)
"""What every service's schema may take for granted."""

PRINCIPALS_KEPT: Final = 1_024
"""Principals whose entities stay parsed, a few kilobytes each."""

DECISIONS_KEPT: Final = 16_384
"""What was decided stays decided: policies are read once, and a principal is all that its token says."""

ANY: Final = "any"
"""Every resource's id to the policies, which judge by attributes alone, as a WHERE clause has to as well."""

DENIED = not_allowed(
    "access.denied",
    "您无权执行 {action}。如需权限，请联系管理员。",
    "you may not do {action}; ask an administrator if you need to",
)

Attribute: TypeAlias = str | int | bool | None

_LOG: Final = structlog.get_logger("authority")


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """What is acted on, as policies see it: its attributes and never its id. One that is None is not there."""

    type: str
    attrs: Mapping[str, Attribute] = {}


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """Whether it is allowed, and by which policies (their @id, else Cedar's own numbering)."""

    allowed: bool
    policies: tuple[str, ...]


@cache
def _parsed(policies: str, schema: str) -> tuple[cedarpy.Schema, cedarpy.PolicySet]:
    """Raises ValueError where the policies do not keep to the schema. That takes longer than all else in opening a
    service, and of the same texts comes the same.
    """
    checked = cedarpy.validate_policies(policies, schema)
    if not checked.validation_passed:
        raise ValueError("; ".join(str(error) for error in checked.errors))
    return cedarpy.Schema.from_str(schema), cedarpy.PolicySet.from_str(policies)


class Policies:
    """A set of policies, parsed once."""

    def __init__(self, policies: str, schema: str) -> None:
        self._schema, self._policies = _parsed(policies, PRINCIPAL_SCHEMA + schema)
        self._principal: Final = lru_cache(PRINCIPALS_KEPT)(self._parse_principal)
        self._decisions: Final = lru_cache(DECISIONS_KEPT)(self._evaluate)
        self._residuals: Final = lru_cache(PRINCIPALS_KEPT)(self._evaluate_partially)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The policies that a service keeps in this folder."""
        return cls((folder / POLICIES_FILE).read_text("utf-8"), (folder / SCHEMA_FILE).read_text("utf-8"))

    def authorize(self, principal: Principal, action: str, resource: Resource) -> None:
        """Nothing where it is allowed, else DENIED raised. ValueError where the schema knows no such resource."""
        refusal = self.refusal(principal, action, resource)
        if refusal is not None:
            raise refusal

    def refusal(self, principal: Principal, action: str, resource: Resource) -> Refusal | None:
        """The same, told rather than raised."""
        decision = self.decide(principal, action, resource)
        if decision.allowed:
            return None
        _LOG.info("denied", subject=principal.subject, action=action, resource=resource.type, by=decision.policies)
        return DENIED(action=action)

    def decide(self, principal: Principal, action: str, resource: Resource) -> Decision:
        """Whether it is allowed, and why."""
        return self._decisions(principal, action, resource.type, tuple(resource.attrs.items()))

    def _evaluate(
        self, principal: Principal, action: str, resource_type: str, attrs: tuple[tuple[str, Attribute], ...]
    ) -> Decision:
        row = {
            "uid": {"type": resource_type, "id": ANY},
            "attrs": {name: value for name, value in attrs if value is not None},
            "parents": [],
        }
        result = cedarpy.is_authorized(
            {
                "principal": {"type": "Principal", "id": principal.subject},
                "action": {"type": "Action", "id": action},
                "resource": row["uid"],
                "context": {},
            },
            self._policies,
            self._principal(principal).with_added_json_str(json.dumps([row]), self._schema),
            self._schema,
        )
        if result.decision is cedarpy.Decision.NoDecision:
            raise ValueError("; ".join(result.diagnostics.errors))
        names = result.diagnostics.id_annotations_by_reason
        return Decision(
            allowed=result.allowed, policies=tuple(names.get(one) or one for one in result.diagnostics.reasons)
        )

    def where(
        self, principal: Principal, action: str, resource_type: str, columns: Mapping[str, ColumnElement[Any]]
    ) -> ColumnElement[bool]:
        """The rows that `decide` would allow, as a WHERE clause over these columns, one for each attribute.

        Raises ValueError for a policy that it cannot express: better no list than too long a one.
        """
        attributes: dict[str, object] = {"units": set(principal.units)}
        if principal.organisation is not None:
            attributes["organisation"] = principal.organisation
        return where_clause(self._residuals(principal, action), resource_type, columns, attributes)

    def _evaluate_partially(self, principal: Principal, action: str) -> Sequence[Residual]:
        result = cedarpy.is_authorized_partial(
            {
                "principal": f"Principal::{json.dumps(principal.subject)}",
                "action": f"Action::{json.dumps(action)}",
                "context": {},
            },
            self._policies,
            self._principal(principal),
            self._schema,
        )
        if result.decision is cedarpy.Decision.NoDecision and not result.residuals:
            raise ValueError(f"{action} cannot be evaluated: {'; '.join(result.diagnostics.errors)}")
        return tuple(msgspec.convert(residual, Residual) for residual in result.residuals.values())

    def _parse_principal(self, principal: Principal) -> cedarpy.Entities:
        attributes: dict[str, object] = {"units": sorted(principal.units)}
        if principal.organisation is not None:
            attributes["organisation"] = principal.organisation
        entity = {
            "uid": {"type": "Principal", "id": principal.subject},
            "attrs": attributes,
            "parents": [{"type": "Role", "id": role.value} for role in sorted(principal.roles)],
        }
        return cedarpy.Entities.from_json_str(json.dumps([entity]), self._schema)
