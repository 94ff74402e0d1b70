"""TLS of `meterloop ledger serve`: an authority of this data folder's own, made once, and the server's certificate.

Clients trust the authority's certificate, which they are given as a file; that it comes from the right hands is what
their trust rests on. The server's own is made anew where it runs out or is for other names; clients notice nothing.
A private file holds key and certificate together, so that no crash parts the two.
"""

import fcntl
import ipaddress
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kernel.keys import OWNER_ONLY, READABLE, read_private, write_file
from kernel.quantity import instant_of_us

AUTHORITY_PRIVATE: Final = "ledger-ca.key"
AUTHORITY_FILE: Final = "ledger-ca.pem"
"""What clients are given."""

SERVER_PRIVATE: Final = "ledger-server.key"
LOCK: Final = "ledger.lock"

AUTHORITY_LASTS: Final = timedelta(days=3_650)
SERVER_LASTS: Final = timedelta(days=825)
"""The longest that clients of the larger makers take from an authority that somebody added."""

RENEWED: Final = timedelta(days=90)
"""So long before its end a certificate is made anew: servers are started again more often than that."""

BACKDATED: Final = timedelta(hours=1)
"""For clients whose clock is behind."""

LOOPBACK_NAMES: Final = ("localhost", "127.0.0.1", "::1")
EVERYWHERE: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104  told apart, not bound to

_CURVE: Final = ec.SECP256R1()
"""Of what gRPC's TLS library takes in certificates the shortest; Ed25519 it does not."""

_HASH: Final = hashes.SHA256()


class ServerTls(msgspec.Struct, frozen=True):
    """What a server shows, in PEM; the file of the certificate that clients are to trust; until when it holds."""

    key: bytes
    chain: bytes
    authority: Path
    until: datetime

    def __repr__(self) -> str:
        """Without the key."""
        return f"ServerTls({self.authority}, until {self.until})"


class _Held(msgspec.Struct, frozen=True):
    """A key and its certificate."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def private(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    @property
    def public(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)


def server_tls(folder: Path, names: Collection[str], now_us: int) -> ServerTls:
    """The certificate for these names and for this machine's own, made where there is none that still serves. Safe to
    repeat, to kill at any moment, and to run twice at once. Raises OSError, ValueError.
    """
    now = instant_of_us(now_us)
    wanted = frozenset(LOOPBACK_NAMES) | {name for name in names if name not in EVERYWHERE}
    with locked(folder):
        authority = _authority(folder, now)
        held = _read(folder / SERVER_PRIVATE)
        if held is None or not _serves(held, authority, wanted, now):
            held = _signed(authority, wanted, now)
            write_file(folder / SERVER_PRIVATE, held.private + held.public, OWNER_ONLY)
    until = min(held.certificate.not_valid_after_utc, authority.certificate.not_valid_after_utc)
    return ServerTls(held.private, held.public + authority.public, folder / AUTHORITY_FILE, until)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One process at a time changes what is in the folder of keys."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _authority(folder: Path, now: datetime) -> _Held:
    """The authority, made where there is none. One that runs out is made anew, and clients need the new file then."""
    path, shown = folder / AUTHORITY_PRIVATE, folder / AUTHORITY_FILE
    held = _read(path)
    if held is None or held.certificate.not_valid_after_utc < now + SERVER_LASTS:
        held = _made_authority(now)
        write_file(path, held.private + held.public, OWNER_ONLY)
    # At this point the file for clients may be missing, or of an authority before this one.
    if not shown.exists() or shown.read_bytes() != held.public:
        write_file(shown, held.public, READABLE)
    return held


def _made_authority(now: datetime) -> _Held:
    key = ec.generate_private_key(_CURVE)
    number = x509.random_serial_number()
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Meterloop"),
            # Two authorities of one name would be taken for each other by clients that know both.
            x509.NameAttribute(NameOID.COMMON_NAME, f"Meterloop ledger {number:x}"[:64]),
        ]
    )
    usage = _usage(signs_certificates=True)
    certificate = (
        _builder(name, name, key, number, now, AUTHORITY_LASTS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, _HASH)
    )
    return _Held(key, certificate)


def _signed(authority: _Held, names: Collection[str], now: datetime) -> _Held:
    key = ec.generate_private_key(_CURVE)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Meterloop ledger")])
    issuer = authority.certificate.subject
    of = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    certificate = (
        _builder(subject, issuer, key, x509.random_serial_number(), now, SERVER_LASTS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(of), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in sorted(names)]), critical=False)
        .sign(authority.key, _HASH)
    )
    return _Held(key, certificate)


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    number: int,
    now: datetime,
    lasts: timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(number)
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + lasts)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _serves(held: _Held, authority: _Held, names: frozenset[str], now: datetime) -> bool:
    """Whether a certificate is this authority's, for these names, and goes on for a while."""
    certificate = held.certificate
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    issuer = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    of = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return (
        issuer.key_identifier == of.digest
        and set(found) >= {_general(name) for name in names}
        and certificate.not_valid_before_utc <= now
        and certificate.not_valid_after_utc > now + RENEWED
    )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        # What is not ASCII is written as DNS has it.
        return x509.DNSName(name.encode("idna").decode())


def _read(path: Path) -> _Held | None:
    """Key and certificate of a private file, None where there is none. ValueError where it holds something else."""
    try:
        pem = read_private(path)
    except FileNotFoundError:
        return None
    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{path} holds no key on a curve")
    return _Held(key, x509.load_pem_x509_certificate(pem[pem.index(b"-----BEGIN CERTIFICATE") :]))
