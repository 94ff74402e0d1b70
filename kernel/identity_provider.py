"""Which issuer a service trusts."""

from kernel.identity import Verifier
from kernel.identity_claims import read_issuer
from kernel.identity_issuer import built_in_verifier
from kernel.settings import Settings


def open_verifier(settings: Settings) -> Verifier:
    """What this service checks tokens with: the OIDC issuer that the settings name, else the built-in one, which
    refuses (NotLoopback) where any door listens beyond loopback.
    """
    if settings.issuer_file is None:
        return built_in_verifier(settings.keys_dir, settings.hosts)
    # Imported only here: it brings an HTTP client along, which no service needs that issues its own tokens.
    from kernel.identity_jwks import oidc_verifier  # noqa: PLC0415  as said

    return oidc_verifier(read_issuer(settings.issuer_file))
