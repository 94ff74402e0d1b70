"""Who asks: bearer tokens become principals here, the same way at every door.

A token counts when its signature is by a key of the one issuer we trust, in an algorithm pinned beforehand (never a
symmetric one, so that a public key cannot be passed off as a secret), it is an access token (RFC 9068 says so in its
header; an ID token tells a client who signed in and opens no door), it is for our audience, and exp, iss, aud and sub
are there. Which claim carries roles, units and organisation is a matter of the issuer: kernel.identity_claims.
"""

import hashlib
import re
from base64 import urlsafe_b64decode
from collections import OrderedDict
from typing import Annotated, Any, Final, Protocol, TypeAlias

import jwt
import msgspec
from jwt.exceptions import InvalidSubjectError

from kernel.clock import Clock, system_clock_us
from kernel.door import CannotNow, Unidentified
from kernel.principal import Principal
from kernel.refusal import Reason, Refusal

TOKEN_CHARS_MAX: Final = 8_192
"""As long as the headers of a request may be at most servers."""

CACHED_TOKENS_MAX: Final = 10_000
"""Verified tokens kept. At some 300 bytes each a few megabytes, and one for everybody at work at once."""

REMEMBERED_US: Final = 60_000_000
"""How long a verified token is believed without another look at its key, which may have been withdrawn."""

CLOCK_LEEWAY_S: Final = 30
"""By how much an issuer's clock may differ from ours."""


AT_JWT: Final = "at+jwt"
"""The media type of access tokens, RFC 9068 section 2.1, as the header's `typ` has it."""

PLAIN_JWT: Final = "jwt"
"""What a token is whose header does not say more."""

CLAIMS_OF_ID_TOKENS: Final = frozenset({"at_hash", "c_hash"})
"""OpenID Connect Core section 3.3.2.11: they tie an ID token to what came with it. No access token has them."""

OTHER_TOKENS: Final = frozenset({"ID", "Refresh", "Offline", "Logout"})
"""The claim `typ` by which Keycloak tells its tokens apart."""


NumericDate: TypeAlias = Annotated[float, msgspec.Meta(ge=0, le=253_402_300_799)]
"""RFC 7519 section 2: seconds since 1970, here until the end of the year 9999."""


class Registered(msgspec.Struct, frozen=True):
    """The claims of RFC 7519 section 4.1 that say when a token counts. Their form is checked before anything is
    reckoned with them.
    """

    exp: NumericDate | None = None
    nbf: NumericDate | None = None
    iat: NumericDate | None = None


def _unidentified(code: str, zh: str, en: str) -> Reason:
    return Reason(Unidentified, code, zh, en)


MISSING_TOKEN = _unidentified("identity.missing_token", "请求未带访问令牌。", "the request carries no access token")
NOT_BEARER = _unidentified(
    "identity.not_bearer", "Authorization 须为 Bearer 令牌。", "the Authorization header must carry a Bearer token"
)
MALFORMED = _unidentified("identity.malformed", "令牌不是有效的 JWT。", "the token is not a well-formed JWT")
BAD_ALGORITHM = _unidentified(
    "identity.bad_algorithm", "令牌的签名算法不被接受。", "the token is signed with an algorithm that is not accepted"
)
BAD_SIGNATURE = _unidentified("identity.bad_signature", "令牌的签名不正确。", "the token's signature is wrong")
NOT_ACCESS_TOKEN = _unidentified(
    "identity.not_access_token",
    "这不是访问令牌。请使用访问令牌，而非身份令牌。",
    "this is no access token; send the access token, not the ID token",
)
UNKNOWN_KEY = _unidentified(
    "identity.unknown_key", "令牌的签名密钥未知。", "the token is signed with a key that the issuer does not name"
)
EXPIRED = _unidentified("identity.expired", "令牌已过期，请重新登录。", "the token has expired; sign in again")
NOT_YET = _unidentified("identity.not_yet_valid", "令牌尚未生效。", "the token is not valid yet")
WRONG_AUDIENCE = _unidentified(
    "identity.wrong_audience", "令牌不是发给本系统的。", "the token is meant for another audience"
)
WRONG_ISSUER = _unidentified(
    "identity.wrong_issuer", "令牌不是由受信任的机构签发。", "the token comes from another issuer"
)
MISSING_CLAIM = _unidentified("identity.missing_claim", "令牌缺少声明 {claim}。", "the token lacks the claim {claim}")
BAD_CLAIM = _unidentified("identity.bad_claim", "令牌的声明 {claim} 无效。", "the token's claim {claim} is not valid")
KEYS_UNAVAILABLE = Reason(
    CannotNow,
    "identity.keys_unavailable",
    "暂时无法取得身份机构的公钥，请稍后重试。",
    "the issuer's keys cannot be had now; try again shortly",
)


class Keys(Protocol):
    """Where the issuer's public keys come from."""

    async def key(self, kid: str | None) -> jwt.PyJWK:
        """The key of this id, or a refusal (UNKNOWN_KEY, KEYS_UNAVAILABLE)."""
        ...


class Claims(Protocol):
    """How one issuer's claims read."""

    def principal(self, claims: dict[str, Any]) -> Principal:
        """The principal that these verified claims name, or a refusal (MISSING_CLAIM, BAD_CLAIM)."""
        ...


class Verifier:
    """Turns bearer tokens into principals. Verified tokens are remembered by their hash for a minute."""

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        algorithms: tuple[str, ...],
        keys: Keys,
        claims: Claims,
        types: tuple[str, ...] = (AT_JWT,),
        clock: Clock = system_clock_us,
    ) -> None:
        if not algorithms or any(name.startswith("HS") or name.lower() == "none" for name in algorithms):
            raise ValueError("algorithms are named one by one, and none of them is symmetric or absent")
        self._issuer: Final = issuer
        self._audience: Final = audience
        self._algorithms: Final = algorithms
        self._types: Final = frozenset(name.lower() for name in types)
        self._keys: Final = keys
        self._claims: Final = claims
        self._clock: Final = clock
        self._verified: Final[OrderedDict[bytes, tuple[int, Principal]]] = OrderedDict()

    async def of_header(self, authorization: str | None) -> Principal:
        """The principal of an Authorization header, or a refusal."""
        if not authorization:
            raise MISSING_TOKEN()
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise NOT_BEARER()
        return await self.of_token(token.strip())

    async def of_token(self, token: str) -> Principal:
        """The principal that a token names, or a refusal."""
        if len(token) > TOKEN_CHARS_MAX:
            raise MALFORMED()
        digest = hashlib.sha256(token.encode("utf-8", "replace")).digest()
        if (known := self._verified.get(digest)) is not None:
            until_us, principal = known
            if self._clock() < until_us:
                return principal
            del self._verified[digest]
        claims = await self._verify(token)
        principal = self._claims.principal(claims)
        expires_us = int(claims["exp"] + CLOCK_LEEWAY_S) * 1_000_000
        now_us = self._clock()
        if now_us >= expires_us:
            raise EXPIRED()
        self._verified[digest] = (min(expires_us, now_us + REMEMBERED_US), principal)
        if len(self._verified) > CACHED_TOKENS_MAX:
            self._verified.popitem(last=False)
        return principal

    async def _verify(self, token: str) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            raise MALFORMED() from None
        if header.get("alg") not in self._algorithms:
            raise BAD_ALGORITHM()
        if _type_of(header) not in self._types:
            raise NOT_ACCESS_TOKEN()
        _require_dates(token)
        kid = header.get("kid")
        key = await self._keys.key(kid if isinstance(kid, str) else None)
        if key.algorithm_name not in self._algorithms:
            raise BAD_ALGORITHM()
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                audience=self._audience,
                issuer=self._issuer,
                leeway=CLOCK_LEEWAY_S,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.PyJWTError as error:
            raise _refusal_of(error) from None
        if CLAIMS_OF_ID_TOKENS & claims.keys() or str(claims.get("typ")) in OTHER_TOKENS:
            raise NOT_ACCESS_TOKEN()
        return claims


def _require_dates(token: str) -> None:
    """Refuse a token whose dates are none, before its signature is looked at: nothing is done with them here."""
    payload = token.split(".")[1]
    try:
        msgspec.json.decode(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)), type=Registered)
    except msgspec.ValidationError as error:
        named = _AT_CLAIM.search(str(error))
        raise (BAD_CLAIM(claim=named[1]) if named else MALFORMED()) from None
    except ValueError:
        raise MALFORMED() from None


_AT_CLAIM: Final = re.compile(r"`\$\.(\w+)`")


def _type_of(header: dict[str, Any]) -> str:
    """What a token says it is. RFC 7515 section 4.1.9: letter case says nothing, and `application/` may be left out."""
    named = header.get("typ") or PLAIN_JWT
    return named.lower().removeprefix("application/") if isinstance(named, str) else ""


def _refusal_of(error: jwt.PyJWTError) -> Refusal:
    match error:
        case jwt.ExpiredSignatureError():
            return EXPIRED()
        case jwt.ImmatureSignatureError():
            return NOT_YET()
        case jwt.InvalidAudienceError():
            return WRONG_AUDIENCE()
        case jwt.InvalidIssuerError():
            return WRONG_ISSUER()
        case jwt.MissingRequiredClaimError():
            return MISSING_CLAIM(claim=error.claim)
        case jwt.InvalidAlgorithmError():
            return BAD_ALGORITHM()
        case jwt.InvalidSignatureError():
            return BAD_SIGNATURE()
        case InvalidSubjectError():
            return BAD_CLAIM(claim="sub")
        case jwt.InvalidIssuedAtError():
            return BAD_CLAIM(claim="iat")
        case _:
            return MALFORMED()
