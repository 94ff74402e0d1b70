"""Who acts in the demonstration: nobody real."""

from kernel.identity_issuer import issue
from kernel.principal import Principal, Role
from kernel.settings import Settings


def token_of(settings: Settings, subject: str, *roles: Role) -> str:
    """A token of somebody who acts for every unit."""
    principal = Principal(subject=subject, roles=frozenset(roles), units=frozenset({"*"}))
    return issue(settings.keys_dir, principal)
