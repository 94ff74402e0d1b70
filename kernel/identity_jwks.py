"""An OIDC issuer's public keys, by JWKS."""

import asyncio
from typing import Any, Final

import httpx
import jwt
import msgspec
import structlog

from kernel.clock import Clock, system_clock_us
from kernel.identity import KEYS_UNAVAILABLE, UNKNOWN_KEY, Verifier
from kernel.identity_claims import Issuer, require_https

FRESH_S: Final = 600
"""How long keys are used before they are looked at again. A withdrawn key is noticed a minute later at most, when the
tokens it verified are no longer remembered.
"""

STALE_S_MAX: Final = 24 * 3_600
"""How long keys are still used when the issuer cannot be reached."""

ASKED_S_MIN: Final = 30
"""Least time between two fetches, so that tokens with invented key ids cannot make us ask without end."""

ANSWER_BYTES_MAX: Final = 256 * 1024
ANSWER_S_MAX: Final = 5.0
KEYS_MAX: Final = 100

DISCOVERY: Final = "/.well-known/openid-configuration"

_LOG: Final = structlog.get_logger("identity")


class Jwks:
    """The keys that an issuer publishes. Asked again when they are old, and when a token names one unknown."""

    def __init__(self, issuer: Issuer, *, clock: Clock = system_clock_us) -> None:
        self._issuer: Final = issuer
        self._clock: Final = clock
        self._asking: Final = asyncio.Lock()
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._fetched_us: int | None = None
        self._asked_us: int | None = None

    async def key(self, kid: str | None) -> jwt.PyJWK:
        """The key of this id; without one the only key there is."""
        if self._age_s(self._fetched_us) > FRESH_S or self._known(kid) is None:
            await self._refresh(kid)
        if self._age_s(self._fetched_us) > STALE_S_MAX:
            raise KEYS_UNAVAILABLE()
        if (key := self._known(kid)) is None:
            raise UNKNOWN_KEY()
        return key

    async def _refresh(self, kid: str | None) -> None:
        """Ask the issuer, one caller at a time and not too often. What is known stays known if that fails."""
        async with self._asking:
            fresh = self._age_s(self._fetched_us) <= FRESH_S
            if (fresh and self._known(kid) is not None) or self._age_s(self._asked_us) < ASKED_S_MIN:
                return
            self._asked_us = self._clock()
            try:
                self._keys = await self._fetch()
            except (httpx.HTTPError, ValueError, jwt.PyJWTError) as error:
                _LOG.warning("issuer's keys not fetched", issuer=self._issuer.issuer, error=str(error))
                return
            self._fetched_us = self._clock()

    async def _fetch(self) -> dict[str | None, jwt.PyJWK]:
        # Redirects are not followed: they could lead from https to anywhere.
        async with httpx.AsyncClient(timeout=ANSWER_S_MAX, follow_redirects=False) as client:
            uri = self._issuer.jwks_uri or await self._discover(client)
            published = await _json(client, uri)
        found = published.get("keys")
        if not isinstance(found, list) or len(found) > KEYS_MAX:
            raise ValueError("a JWKS has a list of keys")
        keys = [key for one in found if (key := self._usable(one)) is not None]
        by_id: dict[str | None, jwt.PyJWK] = {key.key_id: key for key in keys}
        if len(keys) == 1:
            by_id[None] = keys[0]
        return by_id

    async def _discover(self, client: httpx.AsyncClient) -> str:
        document = await _json(client, self._issuer.issuer.rstrip("/") + DISCOVERY)
        if document.get("issuer") != self._issuer.issuer:
            raise ValueError(f"discovery names another issuer: {document.get('issuer')}")
        uri = document.get("jwks_uri")
        if not isinstance(uri, str):
            raise TypeError("discovery names no jwks_uri")
        require_https(uri)
        return uri

    def _usable(self, published: Any) -> jwt.PyJWK | None:
        """A key for signatures in an algorithm that we accept; others are for others."""
        if not isinstance(published, dict) or published.get("use", "sig") != "sig":
            return None
        named = published.get("alg")
        algorithms = [named] if named else [one for one in self._issuer.algorithms if _fits(one, published)]
        if not algorithms or algorithms[0] not in self._issuer.algorithms:
            return None
        try:
            return jwt.PyJWK(published, algorithm=algorithms[0])
        except jwt.PyJWTError:
            return None

    def _known(self, kid: str | None) -> jwt.PyJWK | None:
        return self._keys.get(kid)

    def _age_s(self, moment_us: int | None) -> float:
        return float("inf") if moment_us is None else (self._clock() - moment_us) / 1e6


def oidc_verifier(issuer: Issuer, *, clock: Clock = system_clock_us) -> Verifier:
    """What a service checks this issuer's tokens with."""
    return Verifier(
        issuer=issuer.issuer,
        audience=issuer.audience,
        algorithms=issuer.algorithms,
        types=issuer.token_types,
        keys=Jwks(issuer, clock=clock),
        claims=issuer,
        clock=clock,
    )


def _fits(algorithm: str, published: dict[str, Any]) -> bool:
    kind = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}[algorithm[:2]]
    curve = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "EdDSA": "Ed25519"}.get(algorithm)
    return published.get("kty") == kind and (curve is None or published.get("crv") == curve)


async def _json(client: httpx.AsyncClient, url: str) -> dict[str, Any]:
    async with client.stream("GET", url, headers={"Accept": "application/json"}) as response:
        response.raise_for_status()
        if response.is_redirect:
            raise ValueError(f"{url} redirects elsewhere")
        body = b""
        async for part in response.aiter_bytes():
            body += part
            if len(body) > ANSWER_BYTES_MAX:
                raise ValueError(f"{url} answers more than {ANSWER_BYTES_MAX} bytes")
    return msgspec.json.decode(body, type=dict[str, Any])
