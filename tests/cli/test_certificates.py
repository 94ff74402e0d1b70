"""The authority and the certificate of `meterloop ledger serve`, made, kept, renewed, and believed by a TLS client."""

import asyncio
import os
import ssl
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store

from cli.certificates import (
    AUTHORITY_FILE,
    AUTHORITY_LASTS,
    AUTHORITY_PRIVATE,
    SERVER_LASTS,
    SERVER_PRIVATE,
    server_tls,
)
from kernel.clock import system_clock_us
from kernel.quantity import instant_of_us

NOW_US = 1_780_000_000_000_000
DAY_US = 24 * 3_600 * 1_000_000


def verified(tls, name, at_us=NOW_US):
    """The chain as a client checks it who trusts the authority's file."""
    leaf, *between = x509.load_pem_x509_certificates(tls.chain)
    store = Store(x509.load_pem_x509_certificates(tls.authority.read_bytes()))
    subject = x509.DNSName(name) if any(letter.isalpha() for letter in name) else None
    if subject is None:
        import ipaddress  # noqa: PLC0415  for addresses alone

        subject = x509.IPAddress(ipaddress.ip_address(name))
    verifier = PolicyBuilder().store(store).time(instant_of_us(at_us)).build_server_verifier(subject)
    return verifier.verify(leaf, between)


def serial(tls):
    return x509.load_pem_x509_certificates(tls.chain)[0].serial_number


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "ledger.example", "192.0.2.7"])
def test_a_client_that_has_the_authority_believes_it(tmp_path, name):
    tls = server_tls(tmp_path / "keys", ["ledger.example", "192.0.2.7", "0.0.0.0"], NOW_US)
    assert verified(tls, name)
    with pytest.raises(x509.verification.VerificationError):
        verified(tls, "elsewhere.example")


def test_it_is_found_again_and_made_anew_for_another_host_and_before_it_runs_out(tmp_path):
    keys = tmp_path / "keys"
    first = server_tls(keys, ["127.0.0.1"], NOW_US)
    authority = first.authority.read_bytes()
    assert serial(server_tls(keys, ["::1", "localhost"], NOW_US + DAY_US)) == serial(first)
    other = server_tls(keys, ["ledger.example"], NOW_US)
    assert serial(other) != serial(first)
    # What it was made for before it still serves: nothing is made anew for fewer names.
    assert serial(server_tls(keys, ["127.0.0.1"], NOW_US)) == serial(other)
    late_us = NOW_US + int((SERVER_LASTS - timedelta(days=89)).total_seconds()) * 1_000_000
    renewed = server_tls(keys, ["ledger.example"], late_us)
    assert serial(renewed) != serial(other)
    assert verified(renewed, "ledger.example", late_us + 700 * DAY_US)
    assert renewed.authority.read_bytes() == authority


def test_an_authority_that_would_run_out_first_is_made_anew(tmp_path):
    first = server_tls(tmp_path, [], NOW_US)
    before = first.authority.read_bytes()
    late_us = NOW_US + int((AUTHORITY_LASTS - SERVER_LASTS).total_seconds() + 1) * 1_000_000
    after = server_tls(tmp_path, [], late_us)
    assert after.authority.read_bytes() != before
    assert verified(after, "localhost", late_us + 800 * DAY_US)


def test_keys_are_their_owners_and_not_taken_where_others_may_read_them(tmp_path):
    server_tls(tmp_path, [], NOW_US)
    modes = {name: (tmp_path / name).stat().st_mode & 0o777 for name in (AUTHORITY_PRIVATE, SERVER_PRIVATE)}
    assert set(modes.values()) == {0o600}
    assert (tmp_path / AUTHORITY_FILE).stat().st_mode & 0o777 == 0o644
    assert b"PRIVATE" not in (tmp_path / AUTHORITY_FILE).read_bytes()
    (tmp_path / SERVER_PRIVATE).chmod(0o644)
    with pytest.raises(PermissionError, match="chmod 600"):
        server_tls(tmp_path, [], NOW_US)


def test_a_file_for_clients_that_is_gone_or_old_is_written_again(tmp_path):
    tls = server_tls(tmp_path, [], NOW_US)
    kept = tls.authority.read_bytes()
    tls.authority.unlink()
    assert server_tls(tmp_path, [], NOW_US).authority.read_bytes() == kept
    tls.authority.write_bytes(b"another")
    assert server_tls(tmp_path, [], NOW_US).authority.read_bytes() == kept


def _made(folder):
    return server_tls(folder, [], NOW_US).chain


def test_many_that_begin_at_once_have_one_authority_and_one_certificate(tmp_path):
    with ProcessPoolExecutor(4) as processes:
        assert len(set(processes.map(_made, [tmp_path / "keys"] * 8))) == 1
    assert not [name for name in os.listdir(tmp_path / "keys") if name.startswith(".")]  # noqa: PTH208  names


async def test_a_tls_client_shakes_hands(tmp_path):
    tls = server_tls(tmp_path, [], system_clock_us())
    pem = tmp_path / "both.pem"
    pem.write_bytes(tls.key + tls.chain)
    ours = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ours.load_cert_chain(pem)

    async def answer(reader, writer):
        writer.write(await reader.readexactly(2))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=ours)
    port = server.sockets[0].getsockname()[1]
    theirs = ssl.create_default_context(cafile=str(tls.authority))
    async with server:
        for name in ("localhost", "127.0.0.1"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=theirs, server_hostname=name)
            writer.write(b"ok")
            assert await reader.readexactly(2) == b"ok"
            writer.close()
            await writer.wait_closed()
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.open_connection("127.0.0.1", port, ssl=theirs, server_hostname="other.example")
