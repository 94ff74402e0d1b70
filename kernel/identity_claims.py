"""How an issuer's claims become a principal, as the operator writes it down in a settings file (YAML):

issuer: https://sso.example/realms/centre
audience: meterloop
algorithms: [RS256]
token_types: [at+jwt]            # the header `typ`; [at+jwt, JWT] for an issuer that does not mark access tokens
jwks_uri: https://sso.example/realms/centre/certs   # found by OpenID Connect Discovery where it is left out
claims:
roles: realm_access.roles      # a path of members, by dots
units: org_units
organisation: org_id
roles:                           # their names for ours; none is ours by its name alone, and others are passed over
mc-storekeeper: storekeeper
every_unit: ALL                  # what stands for all units among a token's units; nothing where it is left out
"""

import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from kernel.identity import BAD_CLAIM, MISSING_CLAIM
from kernel.principal import EVERY_UNIT, Principal, Role

ASYMMETRIC_ALGORITHMS: Final = frozenset(
    {"EdDSA", "ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
)
LOOPBACK_HOSTS: Final = frozenset({"127.0.0.1", "::1", "localhost"})

_SUBJECT: Final = re.compile(r"[!-~]{1,255}", re.ASCII)
_UNIT: Final = re.compile(r"[0-9]{1,5}", re.ASCII)
_ORGANISATION: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}", re.ASCII)


class ClaimNames(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where each thing stands in a token; members below members by dots."""

    roles: str = "roles"
    units: str = "units"
    organisation: str = "organisation"


class Issuer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An issuer we trust and how its claims read."""

    issuer: Annotated[str, Meta(min_length=1)]
    audience: Annotated[str, Meta(min_length=1)]
    algorithms: Annotated[tuple[str, ...], Meta(min_length=1)]
    token_types: Annotated[tuple[Literal["at+jwt", "JWT"], ...], Meta(min_length=1)] = ("at+jwt",)
    jwks_uri: str | None = None
    claims: ClaimNames = ClaimNames()
    roles: Annotated[dict[str, Role], Meta(min_length=1)]
    every_unit: Annotated[str, Meta(min_length=1)] | None = None

    def __post_init__(self) -> None:
        if strangers := set(self.algorithms) - ASYMMETRIC_ALGORITHMS:
            raise ValueError(f"not an algorithm with a public key: {', '.join(sorted(strangers))}")

    def principal(self, claims: dict[str, Any]) -> Principal:
        """The principal that verified claims name."""
        subject = claims.get("sub")
        if not isinstance(subject, str) or _SUBJECT.fullmatch(subject) is None:
            raise BAD_CLAIM(claim="sub")
        names = self.claims
        organisation = _texts(claims, names.organisation)
        if len(organisation) > 1:
            raise BAD_CLAIM(claim=names.organisation)
        roles = self._roles(_texts(claims, names.roles))
        if not roles:
            raise MISSING_CLAIM(claim=names.roles)
        return Principal(
            subject=subject,
            roles=roles,
            units=self._units(_texts(claims, names.units)),
            organisation=next(iter(_checked(organisation, _ORGANISATION, names.organisation)), None),
        )

    def _units(self, named: list[str]) -> frozenset[str]:
        one_by_one = [name for name in named if name != self.every_unit]
        every = {EVERY_UNIT} if len(one_by_one) < len(named) else set()
        return frozenset(_checked(one_by_one, _UNIT, self.claims.units)) | every

    def _roles(self, named: list[str]) -> frozenset[Role]:
        return frozenset(self.roles[name] for name in named if name in self.roles)


def read_issuer(path: Path) -> Issuer:
    """The issuer described in a settings file. Keys travel in the clear only over loopback."""
    issuer = msgspec.yaml.decode(path.read_bytes(), type=Issuer)
    for url in (issuer.issuer, issuer.jwks_uri):
        if url is not None:
            require_https(url)
    return issuer


def require_https(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS):
        raise ValueError(f"an issuer is reached by https, or by http over loopback: {url}")


def _texts(claims: dict[str, Any], path: str) -> list[str]:
    """One text or several at this path; none where it is not there."""
    value: Any = claims
    for member in path.split("."):
        value = value.get(member) if isinstance(value, dict) else None
    match value:
        case None:
            return []
        case str():
            return [value]
        case list() if all(isinstance(one, str) for one in value):
            return value
        case _:
            raise BAD_CLAIM(claim=path)


def _checked(texts: list[str], form: re.Pattern[str], claim: str) -> list[str]:
    if any(form.fullmatch(text) is None for text in texts):
        raise BAD_CLAIM(claim=claim)
    return texts
