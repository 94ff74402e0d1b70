"""Which tokens count, which do not, and the code of each failure. The issuer is a real HTTP server on loopback."""

import base64
import hashlib
import hmac
import json
import threading
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from kernel.clock import system_clock_us
from kernel.door import CannotNow, Unidentified
from kernel.identity import CACHED_TOKENS_MAX, CLOCK_LEEWAY_S, REMEMBERED_US, Verifier
from kernel.identity_claims import ClaimNames, Issuer, read_issuer
from kernel.identity_issuer import (
    BUILT_IN,
    PRIVATE_KEY_FILE,
    NotLoopback,
    PublicKeyFile,
    built_in_verifier,
    issue,
    write_keys,
)
from kernel.identity_jwks import ASKED_S_MIN, FRESH_S, STALE_S_MAX, oidc_verifier
from kernel.identity_provider import open_verifier
from kernel.principal import EVERY_UNIT, Principal, Role
from kernel.settings import Settings

CLERK = Principal(
    subject="u-17", roles=frozenset({Role.OPERATOR, Role.AUDITOR}), units=frozenset({"31401"}), organisation="m1"
)


NOW_S = system_clock_us() // 1_000_000
"""When the tests were collected. They may run many minutes later."""


@cache
def rsa_key(name: str):
    assert name
    return rsa.generate_private_key(65537, 2048)


@cache
def ec_key():
    return ec.generate_private_key(ec.SECP256R1())


def jwk(key, kid, **more):
    algorithm = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
    return json.loads(algorithm.to_jwk(key.public_key())) | {"kid": kid, "use": "sig"} | more


class Clock:
    """Real time, and as much more as a test lets pass."""

    def __init__(self) -> None:
        self.passed_s = 0.0

    def __call__(self) -> int:
        return system_clock_us() + int(self.passed_s * 1e6)


class Provider:
    """An OIDC provider of two pages: discovery and keys."""

    def __init__(self) -> None:
        self.keys: object = []
        self.asked: list[str] = []
        self.broken = False
        self.discovery: dict = {}
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                provider.asked.append(self.path)
                pages = {"/.well-known/openid-configuration": provider.discovery, "/jwks": {"keys": provider.keys}}
                body = json.dumps(pages.get(self.path, {})).encode()
                self.send_response(500 if provider.broken else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.discovery = {"issuer": self.url, "jwks_uri": f"{self.url}/jwks"}
        # It looks that often whether it is to end, and each test has a provider of its own.
        self.thread = threading.Thread(target=self.server.serve_forever, args=[0.01])
        self.thread.start()

    @property
    def fetches(self):
        return self.asked.count("/jwks")

    def issuer(self, **more):
        ours = {"issuer": self.url, "audience": "meterloop", "algorithms": ("RS256", "ES256")}
        return Issuer(**ours | {"roles": {role.value: role for role in Role}} | more)

    def token(self, key=None, kid="k1", algorithm="RS256", kind="at+jwt", **claims):
        given = {
            "iss": self.url,
            "aud": "meterloop",
            "sub": "u-17",
            "exp": system_clock_us() // 1_000_000 + 600,
            "roles": ["operator"],
        } | claims
        given = {name: value for name, value in given.items() if value is not None}
        headers = {"typ": kind} | ({"kid": kid} if kid else {})
        return jwt.encode(given, key or rsa_key("a"), algorithm=algorithm, headers=headers)


@pytest.fixture
def provider():
    opened = Provider()
    opened.keys = [jwk(rsa_key("a"), "k1")]
    yield opened
    opened.server.shutdown()
    opened.thread.join()
    opened.server.server_close()


async def code_of(verifier, token, kind=Unidentified):
    with pytest.raises(kind) as refused:
        await verifier.of_token(token)
    return refused.value.code


async def test_a_token_becomes_a_principal(provider):
    claims = {"roles": ["operator", "stranger"], "units": ["31401", "31402"], "organisation": "m1"}
    principal = await oidc_verifier(provider.issuer()).of_header(f"Bearer {provider.token(**claims)}")
    assert principal == Principal(
        subject="u-17", roles=frozenset({Role.OPERATOR}), units=frozenset({"31401", "31402"}), organisation="m1"
    )


async def test_claims_are_read_where_the_settings_file_says(provider, tmp_path):
    path = tmp_path / "issuer.yaml"
    path.write_text(
        f"""
issuer: {provider.url}
audience: meterloop
algorithms: [RS256]
jwks_uri: {provider.url}/jwks
claims: {{roles: realm_access.roles, units: org.unit, organisation: org.id}}
roles: {{mc-clerk: operator, mc-store: storekeeper}}
""",
        "utf-8",
    )
    token = provider.token(
        roles=None, realm_access={"roles": ["mc-clerk", "operator"]}, org={"unit": "31401", "id": "m1"}
    )
    verifier = open_verifier(Settings(issuer_file=path))
    principal = await verifier.of_token(token)
    assert (principal.roles, principal.units, principal.organisation) == ({Role.OPERATOR}, {"31401"}, "m1")
    assert provider.asked == ["/jwks"]


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"exp": NOW_S - CLOCK_LEEWAY_S - 5}, "identity.expired"),
        ({"nbf": NOW_S + 86_400}, "identity.not_yet_valid"),
        ({"aud": "another"}, "identity.wrong_audience"),
        ({"aud": ["another", "third"]}, "identity.wrong_audience"),
        ({"iss": "https://sso.example"}, "identity.wrong_issuer"),
        ({"exp": None}, "identity.missing_claim"),
        ({"sub": None}, "identity.missing_claim"),
        ({"aud": None}, "identity.missing_claim"),
        ({"iss": None}, "identity.missing_claim"),
        ({"roles": []}, "identity.missing_claim"),
        ({"roles": ["emperor"]}, "identity.missing_claim"),
        ({"roles": {"operator": True}}, "identity.bad_claim"),
        ({"sub": "a b"}, "identity.bad_claim"),
        ({"sub": "x" * 256}, "identity.bad_claim"),
        ({"units": ["31401' OR 1=1"]}, "identity.bad_claim"),
        ({"organisation": ["m1", "m2"]}, "identity.bad_claim"),
        ({"exp": str(NOW_S + 60)}, "identity.bad_claim"),
        ({"exp": 10**30}, "identity.bad_claim"),
        ({"exp": float("inf")}, "identity.malformed"),
        ({"exp": True}, "identity.bad_claim"),
        ({"nbf": "x"}, "identity.bad_claim"),
        ({"iat": [1]}, "identity.bad_claim"),
    ],
)
async def test_claims_that_do_not_count(provider, claims, code):
    assert await code_of(oidc_verifier(provider.issuer()), provider.token(**claims)) == code


def segments(header, claims):
    return ".".join(base64.urlsafe_b64encode(json.dumps(one).encode()).decode().rstrip("=") for one in (header, claims))


@pytest.mark.parametrize(
    ("kind", "claims", "counts"),
    [
        ("at+jwt", {}, "both"),
        ("AT+JWT", {}, "both"),
        ("application/at+jwt", {}, "both"),
        ("JWT", {}, "where told"),
        (None, {}, "where told"),
        ("JWT", {"typ": "Bearer"}, "where told"),
        ("JWT", {"typ": "ID"}, "never"),
        ("JWT", {"typ": "Refresh"}, "never"),
        ("JWT", {"at_hash": "x"}, "never"),
        ("at+jwt", {"at_hash": "x"}, "never"),
        ("logout+jwt", {}, "never"),
        ("dpop+jwt", {}, "never"),
    ],
)
async def test_only_access_tokens_count(provider, kind, claims, counts):
    token = provider.token(kind=kind, **claims)
    strict = oidc_verifier(provider.issuer())
    told = oidc_verifier(provider.issuer(token_types=("at+jwt", "JWT")))
    for verifier, accepts in ((strict, counts == "both"), (told, counts != "never")):
        if accepts:
            assert (await verifier.of_token(token)).subject == "u-17"
        else:
            assert await code_of(verifier, token) == "identity.not_access_token"


async def test_signatures_that_do_not_count(provider):
    verifier = oidc_verifier(provider.issuer())
    good = provider.token()
    head, body, _ = good.split(".")
    claims = jwt.decode(good, options={"verify_signature": False})
    other = json.loads(json.dumps(claims | {"sub": "u-1"}))
    forged = segments({"alg": "RS256", "kid": "k1", "typ": "JWT"}, other).split(".")[1]
    unsigned = segments({"alg": "none", "kid": "k1"}, claims) + "."
    # The classic confusion: the public key, which everybody has, taken for a shared secret.
    public = (
        rsa_key("a")
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    signed = segments({"alg": "HS256", "kid": "k1"}, claims)
    mac = base64.urlsafe_b64encode(hmac.digest(public, signed.encode(), hashlib.sha256)).decode().rstrip("=")
    elliptic = provider.token(ec_key(), algorithm="ES256")
    cases = {
        provider.token(rsa_key("b")): "identity.bad_signature",
        f"{head}.{forged}.{good.split('.')[2]}": "identity.bad_signature",
        unsigned: "identity.bad_algorithm",
        unsigned.replace("none", "None"): "identity.bad_algorithm",
        f"{signed}.{mac}": "identity.bad_algorithm",
        provider.token(algorithm="RS384"): "identity.bad_algorithm",
        elliptic: "identity.bad_algorithm",
        provider.token(kid="k2"): "identity.unknown_key",
        "": "identity.malformed",
        "a.b.c": "identity.malformed",
        f"{head}.{body}": "identity.malformed",
        "é" * 10: "identity.malformed",
        "x" * 10_000: "identity.malformed",
    }
    for token, code in cases.items():
        assert await code_of(verifier, token) == code, token[:40]
    assert (await verifier.of_token(good)).subject == "u-17"


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "identity.missing_token"),
        ("", "identity.missing_token"),
        ("Basic dTpw", "identity.not_bearer"),
        ("Bearer", "identity.not_bearer"),
        ("Bearer ", "identity.not_bearer"),
    ],
)
async def test_headers_that_do_not_count(provider, header, code):
    with pytest.raises(Unidentified) as refused:
        await oidc_verifier(provider.issuer()).of_header(header)
    assert refused.value.code == code


async def test_keys_are_kept_and_a_new_one_is_noticed_by_its_id(provider):
    clock = Clock()
    verifier = oidc_verifier(provider.issuer(), clock=clock)
    for subject in "abc":
        await verifier.of_token(provider.token(sub=subject))
    assert provider.fetches == 1
    rotated = provider.token(rsa_key("b"), kid="k2")
    provider.keys = [jwk(rsa_key("a"), "k1"), jwk(rsa_key("b"), "k2")]
    assert await code_of(verifier, rotated) == "identity.unknown_key"
    clock.passed_s = ASKED_S_MIN + 1
    assert (await verifier.of_token(rotated)).subject == "u-17"
    assert provider.fetches == 2


async def test_invented_key_ids_do_not_make_us_ask_without_end(provider):
    verifier = oidc_verifier(provider.issuer())
    for number in range(50):
        assert await code_of(verifier, provider.token(kid=f"x{number}")) == "identity.unknown_key"
    assert provider.fetches == 1


async def test_a_withdrawn_key_stops_counting(provider):
    clock = Clock()
    verifier = oidc_verifier(provider.issuer(), clock=clock)
    await verifier.of_token(provider.token())
    provider.keys = [jwk(rsa_key("b"), "k2")]
    clock.passed_s = FRESH_S + 1
    assert await code_of(verifier, provider.token(sub="u-18")) == "identity.unknown_key"


async def test_a_withdrawn_key_stops_counting_for_tokens_that_are_remembered_too(provider):
    clock = Clock()
    verifier = oidc_verifier(provider.issuer(), clock=clock)
    token = provider.token(exp=NOW_S + 10 * 365 * 24 * 3_600)
    await verifier.of_token(token)
    clock.passed_s = FRESH_S - 1
    await verifier.of_token(token)
    provider.keys = [jwk(rsa_key("b"), "k2")]
    clock.passed_s = FRESH_S + REMEMBERED_US // 1_000_000
    assert await code_of(verifier, token) == "identity.unknown_key"


async def test_a_key_of_an_algorithm_that_is_not_accepted_verifies_nothing(provider):
    """Whoever keeps the keys may hand out such a one all the same."""

    class Careless:
        async def key(self, _kid):
            return jwt.PyJWK(jwk(rsa_key("a"), "k1"), algorithm="RS512")

    verifier = Verifier(
        issuer=provider.url, audience="meterloop", algorithms=("RS256",), keys=Careless(), claims=provider.issuer()
    )
    assert await code_of(verifier, provider.token()) == "identity.bad_algorithm"


async def test_an_issuer_that_is_away_is_our_trouble_and_not_the_caller_s(provider):
    clock = Clock()
    verifier = oidc_verifier(provider.issuer(), clock=clock)
    provider.broken = True
    assert await code_of(verifier, provider.token(), CannotNow) == "identity.keys_unavailable"
    provider.broken = False
    clock.passed_s = ASKED_S_MIN + 1
    await verifier.of_token(provider.token())
    provider.broken = True
    clock.passed_s += FRESH_S + 1
    later = NOW_S + 2 * STALE_S_MAX
    assert (await verifier.of_token(provider.token(sub="u-19", exp=later))).subject == "u-19"
    clock.passed_s += STALE_S_MAX
    assert await code_of(verifier, provider.token(sub="u-20", exp=later), CannotNow) == "identity.keys_unavailable"


@pytest.mark.parametrize(
    "keys",
    [
        "none",
        [{"kty": "oct", "k": "c2VjcmV0", "kid": "k1"}],
        [{"kid": "k1"}],
        [jwk(rsa_key("a"), "k1", use="enc")],
        [jwk(rsa_key("a"), "k1", alg="HS256")],
        [jwk(rsa_key("a"), "k1", alg="RS512")],
        [{}] * 1_000,
    ],
    ids=["no list", "symmetric", "torn", "for encryption", "called symmetric", "not accepted", "too many"],
)
async def test_keys_that_are_not_for_us(provider, keys):
    provider.keys = keys
    with pytest.raises((Unidentified, CannotNow)) as refused:
        await oidc_verifier(provider.issuer()).of_token(provider.token())
    assert refused.value.code in {"identity.unknown_key", "identity.keys_unavailable"}


async def test_discovery_of_another_issuer_is_not_followed(provider):
    provider.discovery["issuer"] = "https://sso.example"
    assert await code_of(oidc_verifier(provider.issuer()), provider.token(), CannotNow) == "identity.keys_unavailable"


async def test_a_verified_token_is_remembered_until_it_expires_and_no_longer(provider):
    clock = Clock()
    verifier = oidc_verifier(provider.issuer(jwks_uri=f"{provider.url}/jwks"), clock=clock)
    token = provider.token()
    await verifier.of_token(token)
    provider.broken = True
    clock.passed_s = 599
    assert (await verifier.of_token(token)).subject == "u-17"
    clock.passed_s = 600 + CLOCK_LEEWAY_S + 1
    assert await code_of(verifier, token) == "identity.expired"


async def test_remembered_tokens_are_bounded(tmp_path):
    write_keys(tmp_path)
    verifier = built_in_verifier(tmp_path, [])
    for number in range(50):
        await verifier.of_token(issue(tmp_path, Principal(subject=f"u-{number}", roles=CLERK.roles)))
    assert len(verifier._verified) == 50 <= CACHED_TOKENS_MAX


def test_symmetric_algorithms_cannot_be_configured(provider):
    with pytest.raises(ValueError, match="HS256"):
        provider.issuer(algorithms=("RS256", "HS256"))
    with pytest.raises(ValueError, match="symmetric"):
        Verifier(
            issuer="i", audience="a", algorithms=("none",), keys=PublicKeyFile, claims=BUILT_IN
        )  # refused before it looks at the keys


async def test_dates_may_have_fractions(provider):
    assert (await oidc_verifier(provider.issuer()).of_token(provider.token(exp=NOW_S + 86_400.5))).subject == "u-17"


async def test_no_name_of_the_issuers_is_a_role_of_ours_by_itself(provider):
    mapped = oidc_verifier(provider.issuer(roles={"mc-store": Role.STOREKEEPER}))
    assert await code_of(mapped, provider.token(roles=["admin", "service"])) == "identity.missing_claim"


@pytest.mark.parametrize(
    "text",
    [
        "issuer: https://sso.example\naudience: a\nalgorithms: [RS256]",
        "issuer: https://sso.example\naudience: a\nalgorithms: [RS256]\nroles: {}",
        "issuer: http://sso.example\naudience: a\nalgorithms: [RS256]\nroles: {x: operator}",
        "issuer: https://sso.example\naudience: a\nalgorithms: [RS256]\nroles: {x: operator}\njwks_uri: http://sso.example/keys",
        "issuer: https://sso.example\naudience: a\nalgorithms: []\nroles: {x: operator}",
        "issuer: https://sso.example\naudience: a\nalgorithms: [none]\nroles: {x: operator}",
        "issuer: https://sso.example\naudience: a\nalgorithms: [RS256]\nroles: {x: operator}\nrolls: {}",
        "issuer: https://sso.example\naudience: a\nalgorithms: [RS256]\nroles: {x: emperor}",
    ],
)
def test_issuer_files_that_are_wrong(tmp_path, text):
    (tmp_path / "issuer.yaml").write_text(text, "utf-8")
    with pytest.raises(ValueError, match=r".+"):
        read_issuer(tmp_path / "issuer.yaml")


def test_claim_names_have_defaults():
    assert ClaimNames() == ClaimNames(roles="roles", units="units", organisation="organisation")


async def test_the_built_in_issuer_serves_a_machine_on_its_own(tmp_path):
    write_keys(tmp_path)
    key = tmp_path / PRIVATE_KEY_FILE
    before = key.read_bytes()
    write_keys(tmp_path)
    assert key.read_bytes() == before
    assert key.stat().st_mode & 0o777 == 0o600
    token = issue(tmp_path, CLERK)
    claims = jwt.decode(token, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 3_600
    key.unlink()
    assert await built_in_verifier(tmp_path, ["127.0.0.1", "::1", "localhost"]).of_token(token) == CLERK


async def test_the_built_in_issuer_of_another_machine_does_not_count(tmp_path):
    write_keys(tmp_path / "here")
    write_keys(tmp_path / "there")
    verifier = built_in_verifier(tmp_path / "here", [])
    assert await code_of(verifier, issue(tmp_path / "there", CLERK)) == "identity.unknown_key"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.5", "registry", "127.0.0.1.example"])
def test_the_built_in_issuer_refuses_doors_that_strangers_reach(tmp_path, host):
    write_keys(tmp_path / "keys")
    with pytest.raises(NotLoopback, match=host):
        open_verifier(Settings(data_dir=tmp_path, rest_host=host))


def test_a_private_key_that_others_may_read_is_not_used(tmp_path: Path):
    write_keys(tmp_path)
    (tmp_path / PRIVATE_KEY_FILE).chmod(0o644)
    with pytest.raises(PermissionError, match="chmod 600"):
        issue(tmp_path, CLERK)


async def test_for_every_unit_is_said_by_a_word_of_the_issuer_and_by_nobody_else(tmp_path):
    write_keys(tmp_path)
    asked = Principal(subject="u", roles=frozenset({Role.OPERATOR}), units=frozenset({EVERY_UNIT}))
    verifier = built_in_verifier(tmp_path, ["127.0.0.1"])
    assert await verifier.of_token(issue(tmp_path, asked)) == asked
    claims = {"sub": "u", "roles": ["operator"], "units": ["31401", "ALL"]}
    named = Issuer(
        issuer="https://one",
        audience="meterloop",
        algorithms=("RS256",),
        roles={"operator": Role.OPERATOR},
        every_unit="ALL",
    )
    assert named.principal(claims).units == {"31401", EVERY_UNIT}
    unnamed = msgspec.structs.replace(named, every_unit=None)
    for units in (["ALL"], [EVERY_UNIT]):
        with pytest.raises(Unidentified):
            unnamed.principal(claims | {"units": units})
