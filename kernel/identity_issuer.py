"""The built-in issuer: tokens for a machine on its own, over loopback, so that nothing else need be installed.

`init` writes an Ed25519 key that only its owner may read. `meterloop token` signs with it; services read the public
half and nothing else. It is not an identity provider: whoever can read the key file is whoever they like.
"""

import base64
import hashlib
import ipaddress
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from kernel.clock import Clock, system_clock_us
from kernel.identity import UNKNOWN_KEY, Verifier
from kernel.identity_claims import Issuer
from kernel.keys import OWNER_ONLY, READABLE, read_private, write_file
from kernel.principal import EVERY_UNIT, Principal, Role

PRIVATE_KEY_FILE: Final = "issuer.key"
PUBLIC_KEY_FILE: Final = "issuer.pub"
TOKEN_S: Final = 3_600

BUILT_IN: Final = Issuer(
    issuer="urn:meterloop:built-in",
    audience="meterloop",
    algorithms=("EdDSA",),
    roles={role.value: role for role in Role},
    every_unit=EVERY_UNIT,
)
"""Whoever has the key file is whoever they like, for every unit if they like."""


class NotLoopback(Exception):
    """The built-in issuer is for loopback alone."""


def require_loopback(hosts: Iterable[str]) -> None:
    """Refuse to let tokens of the built-in issuer open a door that strangers can reach."""
    for host in hosts:
        if not _is_loopback(host):
            raise NotLoopback(
                f"内置令牌签发仅限本机使用，而服务监听 {host}。请配置 METERLOOP_ISSUER_FILE。 / the built-in issuer "
                f"serves loopback only, and a door listens on {host}: name an OIDC issuer by METERLOOP_ISSUER_FILE"
            )


def write_keys(folder: Path) -> None:
    """Write the key and its public half, unless they are there. Safe to repeat, and to kill at any moment."""
    private, public = folder / PRIVATE_KEY_FILE, folder / PUBLIC_KEY_FILE
    if not private.exists():
        pem = Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        write_file(private, pem, OWNER_ONLY)
    key = _private_key(private)
    public_pem = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    if not public.exists() or public.read_bytes() != public_pem:
        write_file(public, public_pem, READABLE)


def issue(folder: Path, principal: Principal, *, clock: Clock = system_clock_us, seconds: int = TOKEN_S) -> str:
    """A token for this principal, signed with the key in the folder, good for an hour unless told otherwise."""
    key = _private_key(folder / PRIVATE_KEY_FILE)
    now_s = clock() // 1_000_000
    claims: dict[str, object] = {
        "iss": BUILT_IN.issuer,
        "aud": BUILT_IN.audience,
        "sub": principal.subject,
        "iat": now_s,
        "exp": now_s + seconds,
        "roles": sorted(principal.roles),
        "units": sorted(principal.units),
    }
    if principal.organisation is not None:
        claims["organisation"] = principal.organisation
    return jwt.encode(claims, key, algorithm="EdDSA", headers={"kid": _kid(key.public_key()), "typ": "at+jwt"})


class PublicKeyFile:
    """The one key of the built-in issuer."""

    def __init__(self, path: Path) -> None:
        try:
            key = serialization.load_pem_public_key(path.read_bytes())
        except (ValueError, UnsupportedAlgorithm) as error:
            raise ValueError(f"{path} holds no public key: {error}") from error
        if not isinstance(key, Ed25519PublicKey):
            raise TypeError(f"{path} holds no Ed25519 key")
        x = base64.urlsafe_b64encode(key.public_bytes_raw()).decode().rstrip("=")
        self._key: Final = jwt.PyJWK({"kty": "OKP", "crv": "Ed25519", "x": x, "kid": _kid(key)}, algorithm="EdDSA")

    async def key(self, kid: str | None) -> jwt.PyJWK:
        if kid != self._key.key_id:
            raise UNKNOWN_KEY()
        return self._key


def built_in_verifier(folder: Path, hosts: Iterable[str], *, clock: Clock = system_clock_us) -> Verifier:
    """What a service on loopback checks tokens with. Raises NotLoopback where any door listens beyond it."""
    require_loopback(hosts)
    return Verifier(
        issuer=BUILT_IN.issuer,
        audience=BUILT_IN.audience,
        algorithms=BUILT_IN.algorithms,
        types=BUILT_IN.token_types,
        keys=PublicKeyFile(folder / PUBLIC_KEY_FILE),
        claims=BUILT_IN,
        clock=clock,
    )


def _private_key(path: Path) -> Ed25519PrivateKey:
    key = serialization.load_pem_private_key(read_private(path), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError(f"{path} holds no Ed25519 key")
    return key


def _kid(key: Ed25519PublicKey) -> str:
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
